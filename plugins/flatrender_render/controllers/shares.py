"""Share links: their owner's side under /v1/exports, the public one under /s."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_render.errors import ShareOver, ShareRefused, TooManyShares
from flatrender_render.output_schemas import (
    CreatedShare,
    ShareBody,
    SharedVideo,
    ShareList,
    UnlockBody,
    UnlockedShare,
)
from flatrender_render.services.shares import VISITS, Part, ShareService

_PRIVATE = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",  # the address is the key
    "x-robots-tag": "noindex, nofollow",
}
Grant = Annotated[
    str | None,
    QueryParameter(name="grant", max_length=120, description="From `unlock_share`."),
]


class ShareController(Controller):
    """Make, list and revoke links to an export."""

    path = "/v1/exports/{export_id:uuid}/shares"
    tags = ("render",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=201,
        operation_id="create_share",
        summary="Make a link for people without an account",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, TooManyShares),
    )
    async def create(
        self,
        export_id: FromPath[UUID],
        data: JSONBody[ShareBody],
        principal: NamedDependency[Principal],
        shares: NamedDependency[ShareService],
    ) -> CreatedShare:
        """Return the new link with its address, which is not shown again."""
        return await shares.create(principal, export_id, data)

    @get(
        "/",
        operation_id="list_shares",
        summary="Links to an export",
        responses=problem_responses(NotFound),
    )
    async def list_(
        self,
        export_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        shares: NamedDependency[ShareService],
    ) -> ShareList:
        """Return the links, newest first, with how often they were used."""
        return ShareList(data=await shares.shares(principal, export_id))

    @delete(
        "/{share_id:uuid}",
        operation_id="revoke_share",
        summary="End a link",
        responses=problem_responses(NotFound),
    )
    async def revoke(
        self,
        export_id: FromPath[UUID],
        share_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        shares: NamedDependency[ShareService],
    ) -> None:
        """Revoke a link at once."""
        await shares.revoke(principal, export_id, share_id)


class PublicShareController(Controller):
    """Follow a link: no account, no page, fresh presigned links."""

    path = "/s/{token:str}"
    tags = ("render",)
    opt = {"auth": "public", "limit": VISITS.name}  # noqa: RUF012 - the framework's declaration

    @get(
        "/",
        operation_id="look_at_share",
        summary="What a link shows",
        response_headers=None,
        responses=problem_responses(NotFound, ShareOver),
    )
    async def look(
        self,
        token: FromPath[str],
        shares: NamedDependency[ShareService],
        grant: Grant = None,
    ) -> SharedVideo:
        """Return the video's name, figures and links; behind a password, that it has one."""
        return await shares.look(token, grant)

    @post(
        "/unlock",
        status_code=200,
        operation_id="unlock_share",
        summary="Give a link's password",
        responses=problem_responses(NotFound, ShareRefused, ShareOver),
    )
    async def unlock(
        self,
        token: FromPath[str],
        data: JSONBody[UnlockBody],
        shares: NamedDependency[ShareService],
    ) -> UnlockedShare:
        """Return a grant of ten minutes for the link's other routes."""
        return await shares.unlock(token, data.password)

    @get(
        "/{part:str}",
        operation_id="follow_share",
        summary="The video or a picture of it",
        status_code=302,
        responses=problem_responses(NotFound, ShareRefused, ShareOver),
    )
    async def follow(
        self,
        token: FromPath[str],
        part: FromPath[Part],
        shares: NamedDependency[ShareService],
        grant: Grant = None,
    ) -> Redirect:
        """Redirect to a presigned link of ten minutes; the video counts as a download."""
        return Redirect(await shares.link(token, part, grant), status_code=302, headers=_PRIVATE)
