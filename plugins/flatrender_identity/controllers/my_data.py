"""The caller's own data: the end of the account."""

from litestar import Controller, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.me import own_id
from flatrender_identity.errors import LastAdmin, ProofRequired
from flatrender_identity.queries import Me
from flatrender_identity.schemas_access import ProvenBody
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.deletion import DeletionService


class MyDataController(Controller):
    """What becomes of the caller's data."""

    path = "/v1/me"
    tags = ("identity",)
    guards = (requires_user,)

    @post(
        "/deletion",
        status_code=202,
        operation_id="ask_my_deletion",
        summary="Delete my account",
        opt={"critical": True},
        responses=problem_responses(ProofRequired, StepUpRequired, LastAdmin, RateLimited),
    )
    async def ask_deletion(
        self,
        data: JSONBody[ProvenBody],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        deletion: NamedDependency[DeletionService],
    ) -> Me:
        """Have the account erased after the grace (`deletion_due_at`); until then it works, and
        the request can be taken back. Wants the present password, or a fresh second factor where
        one is set up."""
        await deletion.ask(principal, password=data.current_password)
        return await accounts.me(principal.tenant_id, own_id(principal))

    @delete(
        "/deletion",
        operation_id="cancel_my_deletion",
        summary="Keep my account",
        responses=problem_responses(NotFound),
    )
    async def cancel_deletion(
        self, principal: NamedDependency[Principal], deletion: NamedDependency[DeletionService]
    ) -> None:
        """Take the request to delete the account back."""
        await deletion.cancel(principal)
