"""The work of one node: claim a frame job, do it in a render process, prove it, report it.

The event loop only coordinates. While a frame job runs, a heartbeat prolongs its lease and
carries its progress; when the fence is gone (cancelled, reaped), the work stops at once and what
it made is thrown away.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import structlog
from msgspec.structs import replace

from flatrender.clock import random_token
from flatrender.plugin import PluginContext
from flatrender.storage import StoreError
from flatrender_render.domain import Step
from flatrender_render.engines.pool import OnProgress, PoolError, PoolLimits, RenderPool
from flatrender_render.engines.work import Progress
from flatrender_render.farm import claims, pieces, repairs, reports
from flatrender_render.farm.cache import ContentCache, ContentLost
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.failures import Verdict, classify
from flatrender_render.farm.node import Node
from flatrender_render.farm.repairs import Damaged, RepairNote
from flatrender_render.farm.watch import ProgressTeller
from flatrender_render.media.errors import MediaError, ProofFailed, Stopped

log = structlog.get_logger(__name__)

BEAT_SECONDS = 0.5


class Runner:
    """Does frame jobs in this process's render pool."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._node = context.get(Node)
        folder = Path(context.infra.settings.core.data_dir).resolve() / "node"
        self.cache = ContentCache(folder / "cache", context.infra.storage)
        self._scratch = folder / "scratch"
        self.pool = RenderPool(self._node.slots)
        # Snapshots are waited for: they do not stand in line behind videos.
        self.stills = RenderPool(1, PoolLimits(nice=0))
        self.leaving = False

    async def work(self, engine: str) -> None:
        """Claim and do frame jobs of ``engine`` until none is left for this node."""
        node_id = await self._node.identity()
        while not self.leaving:
            async with self._context.db.system("farm claim") as work:
                claim = await claims.claim(work, engine=engine, node_id=node_id)
            if claim is None:
                return
            self._node.busy += 1
            try:
                await self._do(claim)
            finally:
                self._node.busy -= 1

    def wind_down(self) -> None:
        """Finish what runs and claim nothing more."""
        self.leaving = True

    async def close(self) -> None:
        """End the render processes."""
        await asyncio.gather(self.pool.close(), self.stills.close())

    async def _do(self, claim: Claim) -> None:
        bound = structlog.contextvars.bound_contextvars(
            job_id=str(claim.job.id), piece=f"{claim.kind}-{claim.index}", epoch=claim.epoch
        )
        with bound:
            teller = ProgressTeller(self._context, claim)
            stop = asyncio.Event()
            beat = asyncio.create_task(self._beat(claim, teller, stop))
            try:
                async with self._context.db.system("farm begin") as work:
                    begun = await claims.begin(work, claim.job.id)
                if begun:
                    await teller.step(Step.RENDERING)
                async with self._folder() as folder:
                    await self._perform(claim, folder, teller, stop)
            except (StaleEpoch, Stopped):
                log.info("attempt_fenced_off")
                await self._note_stale(claim.id, claim.epoch)
            except asyncio.CancelledError:
                await asyncio.shield(self._give_back(claim))
                raise
            except Damaged as error:
                await self._repair(claim, error, teller)
            except Exception as error:  # noqa: BLE001 - every failure is classified and reported
                await self._report_failure(claim, error, teller)
            finally:
                beat.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await beat

    async def _perform(
        self, claim: Claim, folder: Path, teller: ProgressTeller, stop: asyncio.Event
    ) -> None:
        desk = pieces.Desk(
            context=self._context, pool=self.pool, cache=self.cache, folder=folder, stop=stop
        )
        if claim.kind == "assemble":
            async with self._context.db.system("segments of a job") as work:
                parts = await pieces.parts_of(work, claim.job.id)
            export = await pieces.assemble(
                desk, claim, parts, entering=self._entering(claim, teller)
            )
            async with self._context.db.system("farm finish") as work:
                await reports.finish(work, claim, export)
            await teller.done()
            return
        if claim.kind == "video":
            piece = await pieces.video(desk, claim, self._listen(teller))
        elif claim.kind == "audio":
            piece = await pieces.audio(desk, claim)
        else:
            raise LookupError(f"no worker does frame jobs of kind {claim.kind}")
        async with self._context.db.system("farm complete") as work:
            last = await reports.complete(work, claim, piece)
        await teller.piece_done()
        if last:
            await teller.step(Step.ENCODING)

    def _listen(self, teller: ProgressTeller) -> OnProgress:
        def heard(progress: Progress) -> None:
            teller.note(progress.done, progress.preview)

        return heard

    def _entering(self, claim: Claim, teller: ProgressTeller) -> "pieces.Entering":
        async def enter(step: Step) -> None:
            async with self._context.db.system("farm step") as work:
                moved = await reports.advance(work, claim, step)
            if moved:
                await teller.step(step)

        return enter

    async def _beat(self, claim: Claim, teller: ProgressTeller, stop: asyncio.Event) -> None:
        """Prolong the lease and tell progress; set ``stop`` when the fence is gone."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                async with self._context.db.system("farm heartbeat") as work:
                    await claims.heartbeat(
                        work,
                        frame_job_id=claim.id,
                        epoch=claim.epoch,
                        done_frames=teller.frames,
                    )
                    facts = await claims.progress_of(work, claim.job.id)
            except StaleEpoch:
                stop.set()
                return
            except Exception as error:  # noqa: BLE001 - the database may be away; the lease decides
                log.warning("heartbeat_failed", error=repr(error))
                continue
            await teller.tell(facts)

    async def _report_failure(self, claim: Claim, error: Exception, teller: ProgressTeller) -> None:
        verdict = self._verdict(code_of(error, claim.job.package_sha256), str(error) or repr(error))
        log.warning("attempt_failed", code=verdict.code, error=repr(error))
        note: RepairNote | None = None
        try:
            async with self._context.db.system("farm failure") as work:
                failed = await reports.fail(work, claim, verdict)
                if isinstance(error, ProofFailed) and not failed:
                    note = await repairs.note_failed_proof(
                        work, claim, error.kind, error.frames, str(error)
                    )
        except StaleEpoch:
            await self._note_stale(claim.id, claim.epoch)
            return
        if failed:
            await teller.failed(verdict)
        elif note is not None:
            await teller.repair(note)
        elif verdict.error_class == "node":
            await teller.node_event(verdict.code)

    async def _repair(self, claim: Claim, error: Damaged, teller: ProgressTeller) -> None:
        log.warning("pieces_damaged", error=str(error))
        try:
            async with self._context.db.system("farm repair") as work:
                note = await repairs.repair(work, claim, error)
        except StaleEpoch:
            await self._note_stale(claim.id, claim.epoch)
            return
        if note is None:
            await teller.failed(self._verdict("segment_mismatch", str(error)))
        else:
            await teller.repair(note)
            await teller.step(Step.REPAIRING)

    def _verdict(self, code: str, message: str) -> Verdict:
        found = classify(code, message)
        return replace(
            found, back_off=found.back_off * self._context.infra.settings.core.time_scale
        )

    async def _note_stale(self, frame_job_id: UUID, epoch: int) -> None:
        async with self._context.db.system("farm stale report") as work:
            await claims.count_stale(work, frame_job_id, epoch)

    async def _give_back(self, claim: Claim) -> None:
        with contextlib.suppress(Exception):  # when this fails, the lease runs out
            async with self._context.db.system("farm release") as work:
                await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)

    @contextlib.asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        self._scratch.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{random_token(4)}-", dir=self._scratch))
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)


def code_of(error: Exception, package_sha256: str) -> str:
    """Return the stable code of a failure, for the rules."""
    if isinstance(error, (PoolError, MediaError)):
        return str(error.code)
    if isinstance(error, ContentLost):
        return "package_lost" if error.digest == package_sha256 else "asset_lost"
    if isinstance(error, StoreError):
        return "store_unavailable"
    if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
        return "disk_full"
    if isinstance(error, MemoryError):
        return "out_of_memory"
    return "internal"
