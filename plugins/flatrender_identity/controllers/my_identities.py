"""The caller's accounts elsewhere: /v1/me/identities."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import owner_changes, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.me import own_id
from flatrender_identity.errors import (
    IdentityTaken,
    InvalidCode,
    LastWayIn,
    ProofRequired,
    ReturnNotAllowed,
)
from flatrender_identity.schemas_access import ProvenBody
from flatrender_identity.schemas_oauth import BeginLinkBody, BegunLink, LinkCodeBody
from flatrender_identity.services.oauth_accounts import IdentityLine, OauthAccountService
from flatrender_identity.services.oauth_flow import OauthFlowService


class MyIdentityController(Controller):
    """Accounts elsewhere that sign in to the caller's account."""

    path = "/v1/me/identities"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

    @get("/", operation_id="list_my_identities", summary="My accounts elsewhere")
    async def read(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        oauth_accounts: NamedDependency[OauthAccountService],
    ) -> Page[IdentityLine]:
        """Return what is linked, the oldest first."""
        return await oauth_accounts.page(principal.tenant_id, own_id(principal), page_params)

    @post(
        "/",
        status_code=202,
        operation_id="begin_my_link",
        summary="Begin to link an account elsewhere",
        opt={"critical": True},
        responses=problem_responses(
            ProofRequired, StepUpRequired, NotFound, ReturnNotAllowed, RateLimited
        ),
    )
    async def begin(
        self,
        data: JSONBody[BeginLinkBody],
        principal: NamedDependency[Principal],
        oauth: NamedDependency[OauthFlowService],
    ) -> BegunLink:
        """Return where to send the browser. It comes back with ``link_code`` in the fragment.
        Wants the present password, or a fresh second factor where one is set up."""
        url = await oauth.begin_link(
            principal, data.provider, return_to=data.return_to, password=data.current_password
        )
        return BegunLink(url)

    @post(
        "/complete",
        status_code=204,
        operation_id="complete_my_link",
        summary="Link the account elsewhere",
        opt={"critical": True},
        responses=problem_responses(InvalidCode, IdentityTaken),
    )
    async def complete(
        self,
        data: JSONBody[LinkCodeBody],
        principal: NamedDependency[Principal],
        oauth: NamedDependency[OauthFlowService],
    ) -> None:
        """Link by the ``link_code``, good once, for a minute, for the caller who began."""
        await oauth.finish_link(principal, data.code)

    @post(
        "/{identity_id:uuid}/unlink",
        status_code=204,
        operation_id="unlink_my_identity",
        summary="Unlink an account elsewhere",
        opt={"critical": True},
        responses=problem_responses(
            NotFound, LastWayIn, ProofRequired, StepUpRequired, RateLimited
        ),
    )
    async def unlink(
        self,
        identity_id: FromPath[UUID],
        data: JSONBody[ProvenBody],
        principal: NamedDependency[Principal],
        oauth_accounts: NamedDependency[OauthAccountService],
    ) -> None:
        """Unlink one; a password or another linked account must remain. Wants the present
        password, or a fresh second factor where one is set up."""
        await oauth_accounts.unlink(principal, identity_id, data.current_password)
