"""Others' second factors, for staff: /v1/users/{id}/mfa."""

from uuid import UUID

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import PermissionRequired, StepUpRequired
from flatrender.security.guards import requires_permission, requires_step_up
from flatrender.security.principal import Principal
from flatrender_identity.errors import NotOneself, OutOfReach
from flatrender_identity.errors_mfa import NoSecondFactor
from flatrender_identity.permissions import PEOPLE_MFA
from flatrender_identity.schemas_mfa import ResetFactorsBody
from flatrender_identity.services.factor_resets import FactorResetService


class UserMfaController(Controller):
    """Second factors of somebody of the caller's tenant."""

    path = "/v1/users/{user_id:uuid}/mfa"
    tags = ("identity",)

    @post(
        "/reset",
        status_code=204,
        operation_id="reset_user_factors",
        summary="Reset somebody's second factors",
        guards=[requires_permission(PEOPLE_MFA), requires_step_up()],
        opt={"critical": True},
        responses=problem_responses(
            NotFound, NotOneself, OutOfReach, NoSecondFactor, StepUpRequired, PermissionRequired
        ),
    )
    async def reset(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[ResetFactorsBody],
        principal: NamedDependency[Principal],
        factor_resets: NamedDependency[FactorResetService],
    ) -> None:
        """Remove all second factors and recovery codes of somebody who has lost them; their
        sessions end, no device of theirs is trusted any longer, and they are told. Not one's own.
        Wants a second factor of the last 15 minutes and a reason, which the audit log keeps."""
        await factor_resets.reset(principal, user_id, reason=data.reason)
