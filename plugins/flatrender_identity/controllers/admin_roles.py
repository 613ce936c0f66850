"""What roles may do: /v1/admin/roles."""

from typing import Annotated

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from flatrender.errors import Invalid, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_role, requires_step_up
from flatrender.security.principal import Principal
from flatrender_identity.errors import RoleFixed
from flatrender_identity.schemas_people import RolePermissionsBody
from flatrender_identity.services.roles import RoleService, RoleView

RoleName = Annotated[
    str, PathParameter(description="`user`, `moderator` or `admin`.", max_length=20)
]


class RoleController(Controller):
    """Roles of the caller's tenant."""

    path = "/v1/admin/roles"
    tags = ("identity",)
    guards = (requires_role("admin"),)

    @get("/", operation_id="list_roles", summary="Roles and what they may do")
    async def roles(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        roles: NamedDependency[RoleService],
    ) -> Page[RoleView]:
        """Return every role with every permission there is."""
        return await roles.page(principal.tenant_id, page_params)

    @get(
        "/{role:str}",
        operation_id="get_role",
        summary="What a role may do",
        responses=problem_responses(NotFound),
    )
    async def role(
        self,
        role: RoleName,
        principal: NamedDependency[Principal],
        roles: NamedDependency[RoleService],
    ) -> RoleView:
        """Return one role with every permission there is."""
        return await roles.of(principal.tenant_id, role)

    @put(
        "/{role:str}",
        operation_id="change_role_permissions",
        summary="Change what a role may do",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, RoleFixed, Invalid, StepUpRequired),
    )
    async def change(
        self,
        role: RoleName,
        data: JSONBody[RolePermissionsBody],
        principal: NamedDependency[Principal],
        roles: NamedDependency[RoleService],
    ) -> RoleView:
        """Give moderators exactly these permissions, from everybody's next call on. Administrators
        hold all and customers none. Wants a second factor of the last 15 minutes and a reason,
        which the audit log keeps."""
        return await roles.change(principal, role, data.permissions, reason=data.reason)
