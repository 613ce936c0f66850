"""The work of a node, of either kind: do a frame job in a render process, prove it, report it.

The event loop only coordinates. While a frame job runs, a heartbeat prolongs its lease and
carries its progress; when the fence is gone (cancelled, reaped), the work stops at once and what
it made is thrown away.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import structlog
from msgspec.structs import replace

from flatrender.storage import StoreError
from flatrender.template.problems import PackageRefused
from flatrender_render.domain import Step
from flatrender_render.engines.pool import (
    SPENT,
    Interrupted,
    PoolError,
    PoolLimits,
    RenderPool,
    WorkFailed,
)
from flatrender_render.engines.work import Progress
from flatrender_render.farm import pieces
from flatrender_render.farm.cache import DEFAULT_BUDGET, ContentCache, ContentLost
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.fence import fenced, give_back, lease_kept
from flatrender_render.farm.link import Failure, FarmLink, Reporting
from flatrender_render.farm.repairs import Damaged
from flatrender_render.farm.scratch import Scratch
from flatrender_render.media.errors import MediaError, ProofFailed, Stopped

log = structlog.get_logger(__name__)

BEAT_SECONDS = 0.5
EXTRAS_NICE = 10

C = TypeVar("C")


class Performer:
    """Does frame jobs in this process's render pool. ``folder`` holds its cache and scratch.

    ``budget`` bounds the cache, in bytes.
    """

    def __init__(self, folder: Path, slots: int, *, budget: int = DEFAULT_BUDGET) -> None:
        self.cache = ContentCache(folder / "cache", budget=budget)
        self._scratch = Scratch(folder / "scratch")
        self.pool = RenderPool(slots)
        # Snapshots are waited for: they do not stand in line behind videos.
        self.stills = RenderPool(1, PoolLimits(nice=0))
        # Nor do frames behind further formats, which take what frames leave of the processors.
        self.extras = RenderPool(slots, PoolLimits(nice=EXTRAS_NICE))
        self.leaving = False
        self.busy = 0

    def wind_down(self) -> None:
        """Finish what runs; whoever claims for this node asks ``leaving`` first."""
        self.leaving = True

    async def close(self) -> None:
        """End the render processes."""
        await asyncio.gather(self.pool.close(), self.stills.close(), self.extras.close())

    async def close_after_effects(self) -> dict[str, int]:
        """End every After Effects that this node started, with all its processes.

        Pieces that were being drawn go back to the farm unharmed; returns how many ended.
        """
        pools = (self.pool, self.stills)
        return {"ended": sum(await asyncio.gather(*(p.interrupt("aerender") for p in pools)))}

    async def do(self, link: FarmLink, claim: Claim) -> None:
        """Do one claimed frame job to its end, whatever that is."""
        heard = _Heard()

        async def work(stop: asyncio.Event) -> None:
            await link.begin(claim)
            async with self.folder() as folder:
                try:
                    await self._perform(link, claim, folder, heard, stop)
                except Damaged as error:
                    log.warning("pieces_damaged", error=str(error))
                    await link.damaged(claim, error.damages, str(error))

        await self.attempt(
            link,
            claim,
            work,
            beat=lambda: link.beat(claim, heard.frames, heard.preview()),
            every=BEAT_SECONDS,
            package_sha256=claim.job.package_sha256,
            job_id=str(claim.job.id),
            piece=f"{claim.kind}-{claim.index}",
            epoch=claim.epoch,
        )

    async def attempt(
        self,
        link: Reporting[C],
        claim: C,
        work: Callable[[asyncio.Event], Awaitable[None]],
        *,
        beat: Callable[[], Awaitable[None]],
        every: float,
        package_sha256: str = "",
        **names: object,
    ) -> None:
        """Do claimed work of any kind to its end, and report what went wrong with it.

        ``work`` reports its own success; the event that it gets is set when the fence is gone.
        ``beat`` prolongs the lease ``every`` so many seconds meanwhile; ``names`` go to the log.
        """
        self.busy += 1
        try:
            with structlog.contextvars.bound_contextvars(**names):
                async with lease_kept(beat, every=every) as stop:
                    await self._guarded(link, claim, work(stop), package_sha256)
        finally:
            self.busy -= 1

    async def _guarded(
        self, link: Reporting[C], claim: C, work: Awaitable[None], package_sha256: str
    ) -> None:
        spent: dict[str, float] = {}
        counting = SPENT.set(spent)
        try:
            await work
            log.info("attempt_done", processor_seconds=spent)  # where a video's time went
        except (StaleEpoch, Stopped):
            log.info("attempt_fenced_off")
            await link.late(claim)
        except Interrupted:
            log.info("attempt_interrupted")
            await give_back(link, claim)
        except asyncio.CancelledError:
            await asyncio.shield(give_back(link, claim))
            raise
        except Exception as error:  # noqa: BLE001 - all failures are reported; the farm classifies
            failure = failure_of(error, package_sha256)
            log.warning("attempt_failed", code=failure.code, error=repr(error))
            await fenced(link, claim, link.fail(claim, failure))
        finally:
            SPENT.reset(counting)

    async def _perform(
        self, link: FarmLink, claim: Claim, folder: Path, heard: "_Heard", stop: asyncio.Event
    ) -> None:
        desk = pieces.Desk(
            pool=self.pool, cache=self.cache, files=link.files(claim), folder=folder, stop=stop
        )
        if claim.kind == "assemble":

            async def entering(step: Step) -> None:
                await link.enter(claim, step)

            parts = await link.parts(claim)
            await link.finish(claim, await pieces.assemble(desk, claim, parts, entering=entering))
        elif claim.kind == "video":
            piece = await pieces.video(desk, claim, heard.note)
            piece = replace(piece, first_frame=heard.first_frame)
            await link.complete(claim, piece, heard.preview())
        elif claim.kind == "audio":
            await link.complete(claim, await pieces.audio(desk, claim), None)
        else:
            raise LookupError(f"no worker does frame jobs of kind {claim.kind}")

    @contextlib.asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A folder for one attempt, gone with it."""
        await asyncio.to_thread(self._scratch.sweep)
        folder = self._scratch.take()
        try:
            yield folder
        finally:
            await asyncio.to_thread(self._scratch.give_up, folder)


class _Heard:
    """What the render process said last; sent with the next heartbeat."""

    def __init__(self) -> None:
        self.frames = 0
        self.first_frame = 0.0  # seconds from here until it was there
        self._begun = time.monotonic()
        self._preview: str | None = None

    def note(self, progress: Progress) -> None:
        """Take a message of the render process."""
        if not self.frames and progress.done:
            self.first_frame = time.monotonic() - self._begun
        self.frames = max(self.frames, progress.done)
        self._preview = progress.preview or self._preview

    def preview(self) -> str | None:
        """Return the latest picture, once."""
        preview, self._preview = self._preview, None
        return preview


def failure_of(error: Exception, package_sha256: str) -> Failure:
    """Return what a node reports of an error."""
    failed = error if isinstance(error, ProofFailed) else None
    return Failure(
        code=code_of(error, package_sha256),
        message=(_said(error) or repr(error))[:4000],
        defect=failed.kind if failed else "",
        frames=list(failed.frames) if failed else [],
        exit_code=error.exit_code if isinstance(error, WorkFailed) else None,
    )


def _said(error: Exception) -> str:
    if isinstance(error, PackageRefused):
        return "; ".join(f"{one.pointer}: {one.message_en}" for one in error.errors)
    return str(error)


def code_of(error: Exception, package_sha256: str) -> str:
    """Return the stable code of a failure, for the rules."""
    if isinstance(error, (PoolError, MediaError)):
        return str(error.code)
    if isinstance(error, PackageRefused):
        return "package_broken"
    if isinstance(error, ContentLost):
        return "package_lost" if error.digest == package_sha256 else "asset_lost"
    if isinstance(error, StoreError):
        return "store_unavailable"
    if isinstance(error, OSError) and error.errno == 28:  # ENOSPC
        return "disk_full"
    if isinstance(error, MemoryError):
        return "out_of_memory"
    return "internal"
