"""Support in a customer's account: /v1/users/{id}/impersonation."""

from uuid import UUID

from litestar import Controller, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import PermissionRequired, StepUpRequired
from flatrender.security.guards import requires_permission, requires_step_up
from flatrender.security.principal import Principal
from flatrender_identity.errors import NotOneself
from flatrender_identity.errors_support import AccountNotActive, NotACustomer
from flatrender_identity.permissions import SUPPORT_ACT
from flatrender_identity.schemas_access import EndedAnswer
from flatrender_identity.schemas_support import ImpersonateBody, SupportTokens
from flatrender_identity.services.impersonation import ImpersonationService


class UserSupportController(Controller):
    """Acting in a customer's account of the caller's tenant."""

    path = "/v1/users/{user_id:uuid}/impersonation"
    tags = ("identity",)
    guards = (requires_permission(SUPPORT_ACT),)

    @post(
        "/",
        operation_id="impersonate_user",
        summary="Act in a customer's account",
        guards=[requires_step_up()],
        responses=problem_responses(
            NotFound, NotOneself, NotACustomer, AccountNotActive, PermissionRequired, StepUpRequired
        ),
    )
    async def begin(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[ImpersonateBody],
        principal: NamedDependency[Principal],
        impersonation: NamedDependency[ImpersonationService],
    ) -> SupportTokens:
        """Open a session in the account: 15 minutes, renewed for an hour at most. The owner is
        mailed, with the reason, and may end it. What belongs to the account itself is refused in
        it (403 `owner_required`). Wants a second factor of the last 15 minutes and a reason."""
        tokens = await impersonation.begin(principal, user_id, reason=data.reason)
        return SupportTokens(
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in,
            refresh_expires_in=tokens.refresh_expires_in,
            session_id=tokens.session_id,
            user_id=tokens.user_id,
        )

    @delete(
        "/",
        status_code=200,
        operation_id="end_impersonation",
        summary="End support in an account",
        responses=problem_responses(NotFound, PermissionRequired),
    )
    async def end(
        self,
        user_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        impersonation: NamedDependency[ImpersonationService],
    ) -> EndedAnswer:
        """End every session of support in the account, whoever's; their tokens are refused from
        the next call on."""
        return EndedAnswer(ended=await impersonation.end(principal, user_id))
