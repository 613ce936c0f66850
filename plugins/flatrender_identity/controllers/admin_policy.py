"""A tenant's rules of signing in: /v1/admin/policy."""

import msgspec
from litestar import Controller, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.errors import Forbidden
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_role, requires_step_up
from flatrender.security.principal import Principal
from flatrender_identity.policy import TenantPolicy
from flatrender_identity.schemas_access import PolicyBody
from flatrender_identity.services.policies import PolicyService


class PolicyController(Controller):
    """The rules of the caller's tenant."""

    path = "/v1/admin/policy"
    tags = ("identity",)
    guards = (requires_role("admin"),)

    @get("/", operation_id="get_policy", summary="Rules of signing in")
    async def read(
        self, principal: NamedDependency[Principal], policies: NamedDependency[PolicyService]
    ) -> TenantPolicy:
        """Return the tenant's rules; what is absent is as the deployment says."""
        return await policies.of(principal.tenant_id)

    @put(
        "/",
        operation_id="change_policy",
        summary="Change the rules of signing in",
        guards=[requires_step_up()],
        responses=problem_responses(Forbidden, StepUpRequired),
    )
    async def change(
        self,
        data: JSONBody[PolicyBody],
        principal: NamedDependency[Principal],
        policies: NamedDependency[PolicyService],
    ) -> TenantPolicy:
        """Replace the rules. Sessions follow when their tokens are next renewed. Wants a second
        factor of the last 15 minutes and a reason, which the audit log keeps."""
        rules = {name: getattr(data, name) for name in TenantPolicy.__struct_fields__}
        return await policies.change(
            principal, msgspec.convert(rules, TenantPolicy), reason=data.reason
        )
