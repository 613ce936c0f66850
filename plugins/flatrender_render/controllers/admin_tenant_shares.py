"""Tenants' shares of the farm for who runs it: /v1/admin/tenant-shares."""

from uuid import UUID

from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_step_up, runs_the_deployment
from flatrender.security.principal import Principal
from flatrender_render.services.tenant_shares import (
    TenantShareBody,
    TenantShareDetail,
    TenantShareService,
    TenantShareView,
)


class AdminTenantShareController(Controller):
    """Weights and caps by which tenants share the farm."""

    path = "/v1/admin/tenant-shares"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @get(
        "/",
        operation_id="list_tenant_shares",
        summary="List tenants' shares of the farm",
        responses=problem_responses(),
    )
    async def shares(
        self,
        page_params: NamedDependency[PageParams],
        tenant_shares: NamedDependency[TenantShareService],
    ) -> Page[TenantShareView]:
        """Return tenants that have a share, by weight, then those that rendered without one."""
        return await tenant_shares.shares(page_params)

    @get(
        "/{tenant_id:uuid}",
        operation_id="get_tenant_share",
        summary="Get a tenant's share of the farm",
        responses=problem_responses(NotFound),
    )
    async def share(
        self,
        tenant_id: FromPath[UUID],
        tenant_shares: NamedDependency[TenantShareService],
    ) -> TenantShareDetail:
        """Return the share, the default where nobody gave one, and its last changes."""
        return await tenant_shares.share(tenant_id)

    @put(
        "/{tenant_id:uuid}",
        operation_id="put_tenant_share",
        summary="Give a tenant its share of the farm",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def put(
        self,
        tenant_id: FromPath[UUID],
        data: JSONBody[TenantShareBody],
        principal: NamedDependency[Principal],
        tenant_shares: NamedDependency[TenantShareService],
    ) -> TenantShareDetail:
        """Set weight and caps together; the next claim goes by them, what runs goes on."""
        return await tenant_shares.put(tenant_id, data, by=principal.user_id)
