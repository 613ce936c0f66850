"""The caller's own data: a copy of it, and the end of the account."""

from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import owner_changes, requires_owner, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.me import own_id
from flatrender_identity.errors import LastAdmin, ProofRequired
from flatrender_identity.queries import Me
from flatrender_identity.schemas_access import ProvenBody
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.data_exports import DataExportLine, DataExportService
from flatrender_identity.services.deletion import DeletionService


class MyDataController(Controller):
    """What becomes of the caller's data."""

    path = "/v1/me"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

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

    @post(
        "/data-exports",
        status_code=202,
        operation_id="ask_my_data",
        summary="Ask for a copy of my data",
        opt={"critical": True},
        responses=problem_responses(ProofRequired, StepUpRequired, RateLimited),
    )
    async def ask_copy(
        self,
        data: JSONBody[ProvenBody],
        principal: NamedDependency[Principal],
        data_exports: NamedDependency[DataExportService],
    ) -> DataExportLine:
        """Have a zip made of what every context holds about the caller; a mail tells when it is
        ready. At most three a day. Wants the present password, or a fresh second factor where one
        is set up."""
        return await data_exports.ask(principal, password=data.current_password)

    @get("/data-exports", operation_id="list_my_data", summary="Copies of my data")
    async def copies(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        data_exports: NamedDependency[DataExportService],
    ) -> Page[DataExportLine]:
        """Return the copies that were asked for, the newest first."""
        return await data_exports.page(principal.tenant_id, own_id(principal), page_params)

    @get(
        "/data-exports/{export_id:uuid}/download",
        status_code=302,
        operation_id="download_my_data",
        guards=[requires_owner],
        summary="Download a copy of my data",
        responses=problem_responses(NotFound),
    )
    async def download_copy(
        self,
        export_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        data_exports: NamedDependency[DataExportService],
    ) -> Redirect:
        """Redirect to a presigned link of fifteen minutes; a copy is kept for seven days."""
        link = await data_exports.link(principal.tenant_id, own_id(principal), export_id)
        return Redirect(link, status_code=302, headers={"cache-control": "no-store"})
