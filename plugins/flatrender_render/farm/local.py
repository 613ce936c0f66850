"""The farm as a worker of the pool meets it: SQL in this process, and the store itself.

The server side of remote nodes uses it as well (``services/nodes``): what a report changes, and
what watchers are told, is written here once.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from msgspec.structs import replace

from flatrender.db import SystemTransaction
from flatrender.plugin import PluginContext
from flatrender_render.domain import Step
from flatrender_render.farm import claims, conduct, failures, repairs, reports, suspicion
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.failures import Verdict, classify
from flatrender_render.farm.link import Failure, Files, Part
from flatrender_render.farm.repairs import Damage, Damaged, RepairNote
from flatrender_render.farm.reports import FinishedExport, Piece
from flatrender_render.farm.tempo import Tempo
from flatrender_render.farm.watch import ProgressTeller

log = structlog.get_logger(__name__)

_PARTS = """
SELECT f.kind, f.index, f.object_key, f.sha256, f.packets, f.bytes,
       f.last_frame - f.first_frame + 1 AS frames,
       coalesce((SELECT n.kind <> 'Worker' FROM render.nodes n WHERE n.id = f.node_id), true)
           AS outside
FROM render.frame_jobs f
WHERE f.job_id = $1 AND f.kind IN ('video', 'audio') AND f.state = 'Done'
ORDER BY f.kind, f.index
"""


class LocalLink:
    """A ``FarmLink`` for the node ``node_id`` in the same process as the database's clients."""

    def __init__(self, context: PluginContext, node_id: UUID) -> None:
        self._context = context
        self._node_id = node_id

    async def claim(self, engine: str) -> Claim | None:
        """See ``FarmLink``."""
        found = await self.claim_many(engine, 1)
        return found[0] if found else None

    async def claim_many(self, engine: str, most: int) -> list[Claim]:
        """As ``claim``, for several free slots at once."""
        return await claims.take_many(
            self._context.db, engine=engine, node_id=self._node_id, most=most
        )

    def files(self, claim: Claim) -> Files:
        """See ``FarmLink``: the store itself."""
        del claim
        return self._context.infra.storage

    async def begin(self, claim: Claim) -> None:
        """See ``FarmLink``."""
        async with self._context.db.system("farm begin") as work:
            begun = await claims.begin(work, claim.job.id)
        if begun:
            await self._tell(claim).step(Step.RENDERING)

    async def beat(self, claim: Claim, frames: int, preview: str | None) -> None:
        """See ``FarmLink``."""
        facts = await claims.beat(self._context.db, claim.id, claim.epoch, frames)
        await self._tell(claim).progress(facts, preview, typical=await self._typical(claim))

    async def enter(self, claim: Claim, step: Step) -> None:
        """See ``FarmLink``."""
        async with self._context.db.system("farm step") as work:
            moved = await reports.advance(work, claim, step)
        if moved:
            await self._tell(claim).step(step)

    async def parts(self, claim: Claim) -> list[Part]:
        """See ``FarmLink``."""
        async with self._context.db.system("segments of a job") as work:
            await reports.lock_own(work, claim)
            return await parts_of(work, claim.job.id)

    async def complete(self, claim: Claim, piece: Piece, preview: str | None) -> None:
        """See ``FarmLink``."""
        async with self._context.db.system("farm complete") as work:
            last = await reports.complete(work, claim, piece)
            facts = await claims.progress_of(work, claim.job.id)
            frames = piece.frames if claim.kind == "video" else 0
            await conduct.note_proven(work, self._node_id, frames)
        tell = self._tell(claim)
        await tell.progress(facts, preview, typical=await self._typical(claim))
        if last:
            await tell.step(Step.ENCODING)

    async def finish(self, claim: Claim, export: FinishedExport) -> None:
        """See ``FarmLink``."""
        async with self._context.db.system("farm finish") as work:
            await reports.finish(work, claim, export)
            await conduct.note_proven(work, self._node_id, 0)
        await self._tell(claim).done()

    async def fail(self, claim: Claim, failure: Failure) -> None:
        """See ``FarmLink``."""
        await failures.refresh(self._context.db)
        verdict = self._verdict(failure.code, failure.message, claim.job.engine, failure.exit_code)
        note: RepairNote | None = None
        async with self._context.db.system("farm failure") as work:
            judged = await suspicion.judge(work, claim, verdict)
            guilty, verdict = judged is not verdict, judged
            if not guilty:
                seconds = reports.BLOCK_SECONDS * self._scale
                verdict = await suspicion.second_opinion(
                    work, claim, verdict, self._node_id, seconds=seconds
                )
            failed = await reports.fail(
                work, claim, verdict, scale=self._context.infra.settings.core.time_scale
            )
            if guilty:
                await suspicion.absolve(work, claim)
            await conduct.note_failure(work, self._node_id, claim, verdict, scale=self._scale)
            if failure.defect and not failed:
                note = await repairs.note_failed_proof(
                    work, claim, failure.defect, failure.frames, failure.message
                )
        tell = self._tell(claim)
        if failed:
            await tell.failed(verdict)
        elif note is not None:
            await tell.repair(note)
        elif verdict.error_class == "node":
            await tell.node_event(verdict.code)

    async def damaged(
        self, claim: Claim, damages: Sequence[Damage], reason: str, *, seen: bool = True
    ) -> None:
        """See ``FarmLink``. ``seen``: by the farm itself, so that it speaks against the makers."""
        async with self._context.db.system("farm repair") as work:
            await reports.lock_own(work, claim)
            makers = await repairs.makers(work, claim, damages) if seen else []
            note = await repairs.repair(work, claim, Damaged(damages))
            for node_id, epoch in makers:
                await self._blame(work, claim, node_id, epoch, reason)
        tell = self._tell(claim)
        if note is None:
            await tell.failed(self._verdict("segment_mismatch", reason, claim.job.engine))
        else:
            await tell.repair(note)
            await tell.step(Step.REPAIRING)

    async def _blame(
        self, work: SystemTransaction, claim: Claim, node_id: UUID, epoch: int, reason: str
    ) -> None:
        """A node said it had proven a piece that was never good: somebody else makes it anew."""
        job = claim.job
        verdict = self._verdict(repairs.NEVER_GOOD, reason, job.engine)
        seconds = reports.BLOCK_SECONDS * self._scale
        await reports.send_elsewhere(work, claim, node_id, verdict, seconds, None)
        await conduct.note_other_failure(
            work, node_id, verdict, epoch=epoch, engine=job.engine, job_id=job.id,
            scale=self._scale,
        )  # fmt: skip

    async def late(self, claim: Claim) -> None:
        """See ``FarmLink``."""
        async with self._context.db.system("farm stale report") as work:
            await claims.count_stale(work, claim.id, claim.epoch)

    async def give_back(self, claim: Claim) -> None:
        """See ``FarmLink``."""
        async with self._context.db.system("farm release") as work:
            await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)

    async def _typical(self, claim: Claim) -> float | None:
        job = claim.job
        tempo = self._context.get(Tempo)
        return await tempo.typical(job.tenant_id, job.package_sha256, job.resolution)

    def _tell(self, claim: Claim) -> ProgressTeller:
        return ProgressTeller(self._context, claim.job.id, claim.job.total_frames)

    def _verdict(
        self, code: str, message: str, engine: str, exit_code: int | None = None
    ) -> Verdict:
        found = classify(code, message, engine=engine, exit_code=exit_code)
        return replace(found, back_off=found.back_off * self._scale)

    @property
    def _scale(self) -> float:
        return self._context.infra.settings.core.time_scale


async def parts_of(work: SystemTransaction, job_id: UUID) -> list[Part]:
    """Return the proven pieces of a job in order."""
    rows: list[Any] = await work.fetch(_PARTS, job_id)
    return [
        Part(
            kind=row["kind"],
            index=row["index"],
            object_key=row["object_key"],
            sha256=row["sha256"],
            packets=row["packets"] or 0,
            bytes=row["bytes"] or 0,
            frames=row["frames"],
            outside=row["outside"],
        )
        for row in rows
    ]
