"""Scans as a worker of the pool meets them, and the server for nodes outside: SQL in this process.

What a report changes is written here once, for both kinds of node.
"""

from collections.abc import Sequence
from uuid import UUID

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError
from flatrender.plugin import PluginContext
from flatrender.template.project_scan import ProjectScan
from flatrender_render.farm import conduct, failures
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.failures import Verdict
from flatrender_render.farm.link import Failure, Files
from flatrender_render.farm.scans import LEASE_SECONDS
from flatrender_render.services.scans import FULL_ENGINE, ScanService


class LocalScanLink:
    """A ``ScanLink`` for the node ``node_id`` beside the database's clients."""

    def __init__(self, context: PluginContext, node_id: UUID) -> None:
        self._context = context
        self._node_id = node_id
        self._scans = context.get(ScanService)

    async def claim(self, engine: str) -> ScanClaim | None:
        """See ``ScanLink``."""
        return await self._scans.claim_next(engine, self._node_id, lease=LEASE_SECONDS)

    def files(self, claim: ScanClaim) -> Files:
        """See ``ScanLink``: the store itself."""
        del claim
        return self._context.infra.storage

    async def beat(self, claim: ScanClaim) -> None:
        """See ``ScanLink``."""
        if not await self._scans.heartbeat(claim, lease=LEASE_SECONDS):
            raise StaleEpoch

    async def finish(self, claim: ScanClaim, result: ProjectScan) -> None:
        """See ``ScanLink``."""
        if not await self._scans.finish(claim, result):
            raise StaleEpoch
        async with self._context.db.system("scan proven") as work:
            await conduct.note_proven(work, self._node_id, 0)

    async def refuse(self, claim: ScanClaim, errors: Sequence[FieldError]) -> None:
        """See ``ScanLink``."""
        if not await self._scans.fail(claim, errors):
            raise StaleEpoch

    async def fail(self, claim: ScanClaim, failure: Failure) -> None:
        """See ``ScanLink``: the rules of frame jobs decide here as well."""
        await failures.refresh(self._context.db)
        verdict = failures.classify(
            failure.code, failure.message, engine=FULL_ENGINE, exit_code=failure.exit_code
        )
        scale = self._context.infra.settings.core.time_scale
        reasons = [_reason(verdict)]
        if verdict.fail_now:
            ended = await self._scans.fail(claim, reasons)
        else:
            ended = await self._scans.try_again(
                claim,
                reasons,
                wait=verdict.back_off * scale,
                elsewhere=verdict.action in failures.ELSEWHERE,
            )
        if not ended:
            raise StaleEpoch
        async with self._context.db.system("scan failure") as work:
            await conduct.note_other_failure(
                work, self._node_id, verdict, epoch=claim.epoch, engine=FULL_ENGINE, scale=scale
            )

    async def late(self, claim: ScanClaim) -> None:
        """See ``ScanLink``."""
        await self._scans.count_late(claim)

    async def give_back(self, claim: ScanClaim) -> None:
        """See ``ScanLink``."""
        await self._scans.give_back(claim)


def _reason(verdict: Verdict) -> FieldError:
    """Return what an administrator reads of a failed attempt."""
    said = verdict.message[:1000]
    return FieldError(
        pointer="/",
        code=verdict.code,
        message_fa=f"افترافکت پروژه را نخواند ({verdict.code}): {said}",
        message_en=f"After Effects did not read the project ({verdict.code}): {said}",
    )
