"""What staff note about customers: /v1/users/{id}/crm, /v1/users/crm-tags."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from flatrender.errors import Invalid, NotFound, PreconditionFailed
from flatrender.http.errors import PreconditionRequired
from flatrender.http.etag import etag, tagged
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import PermissionRequired
from flatrender.security.guards import requires_permission
from flatrender.security.principal import Principal
from flatrender_identity.errors import OutOfReach
from flatrender_identity.permissions import PEOPLE_CRM
from flatrender_identity.schemas_people import CrmBody
from flatrender_identity.services.crm import CrmEntry, CrmService, TagCount


class UserCrmController(Controller):
    """Entries of customers."""

    path = "/v1/users"
    tags = ("identity",)
    guards = (requires_permission(PEOPLE_CRM),)

    @get(
        "/crm-tags",
        operation_id="list_crm_tags",
        summary="Tags in use",
        responses=problem_responses(PermissionRequired),
    )
    async def tags_in_use(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        crm: NamedDependency[CrmService],
        q: Annotated[
            str, QueryParameter(max_length=60, description="How the tag begins, folded.")
        ] = "",
    ) -> Page[TagCount]:
        """Return the tenant's tags, the most used first, for choosing while typing."""
        return await crm.tags(principal.tenant_id, q, page_params)

    @get(
        "/{user_id:uuid}/crm",
        operation_id="get_user_crm",
        summary="What staff noted about somebody",
        responses=problem_responses(NotFound, OutOfReach, PermissionRequired),
    )
    async def read(
        self,
        user_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        crm: NamedDependency[CrmService],
        if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
    ) -> Response[CrmEntry]:
        """Return tags, note and pipeline status, with an ETag; version 0 before anybody wrote.
        Moderators reach customers."""
        entry = await crm.read(principal, user_id)
        answer: Response[Any] = tagged(entry, entry.version, if_none_match=if_none_match)
        return answer

    @put(
        "/{user_id:uuid}/crm",
        operation_id="write_user_crm",
        summary="Note something about somebody",
        responses=problem_responses(
            NotFound,
            OutOfReach,
            Invalid,
            PreconditionFailed,
            PreconditionRequired,
            PermissionRequired,
        ),
    )
    async def write(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[CrmBody],
        principal: NamedDependency[Principal],
        crm: NamedDependency[CrmService],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
    ) -> Response[CrmEntry]:
        """Replace the entry of the version that If-Match names. The note is HTML and sanitised;
        tags that differ in spelling only are one."""
        entry = await crm.write(
            principal,
            user_id,
            if_match,
            tags=data.tags,
            note=data.note,
            status=data.pipeline_status,
        )
        return Response(entry, headers={"ETag": etag(entry.version)})
