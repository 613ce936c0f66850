"""The farm's own look at what a machine outside says it has proven, before it counts.

What is looked at are copies out of the machine's reach (``sealing``): fetched, decoded whole in a
render process of this server, and held against the film they are of. A look may take as long as a
film does, so a report that comes again while one is under way waits for the same one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog

from flatrender.plugin import PluginContext
from flatrender.storage import ObjectMissing, ObjectTooLong
from flatrender_render.engines.pool import (
    PoolLimits,
    RenderPool,
    WorkerCrashed,
    WorkerHung,
    WorkFailed,
)
from flatrender_render.engines.work import LookAtFilm, LookAtRendition
from flatrender_render.farm.cache import file_digest
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.link import Failure, Part
from flatrender_render.farm.pieces import POSTER_WIDTH, THUMBNAIL_WIDTH, expected_of, still_frame
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.farm.repairs import NEVER_GOOD, Damage, defect_of
from flatrender_render.farm.reports import FinishedExport
from flatrender_render.media.errors import MediaUnreadable, ProofFailed
from flatrender_render.media.transcode import Transcoded

log = structlog.get_logger(__name__)

_NICE = 10  # requests are answered first


def failure_of(error: ProofFailed) -> Failure:
    """Return what the farm writes down of a result that did not pass."""
    return Failure(code=NEVER_GOOD, message=str(error)[:4000])


class SecondLook:
    """Looks at films and renditions of machines outside, one at a time in this process."""

    def __init__(self, context: PluginContext) -> None:
        self._storage = context.infra.storage
        self._pool = RenderPool(1, PoolLimits(nice=_NICE))
        self._under_way: dict[object, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """End the render process."""
        await self._pool.close()

    async def once(self, name: object, take: Callable[[], Awaitable[None]]) -> None:
        """Take a report; who brings the same one meanwhile waits for its end.

        It goes on when its bringer hangs up: the next one is told how it ended.
        """
        running = self._under_way.get(name)
        if running is None:

            async def taking() -> None:
                await take()

            running = asyncio.create_task(taking(), name="second-look")
            self._under_way[name] = running
            running.add_done_callback(lambda _: self._under_way.pop(name, None))
        await asyncio.shield(running)

    async def film(self, claim: Claim, export: FinishedExport) -> None:
        """Look at a finished film and its pictures. Raises ``ProofFailed`` and ``StoreError``."""
        keys = {"video": export.piece.object_key, "poster": export.poster_key,
                "small": export.thumbnail_key, "sheet": export.sheet_key}  # fmt: skip
        job = claim.job
        with TemporaryDirectory(prefix="flatrender-look-") as folder:
            paths = {name: Path(folder, name) for name in keys}
            for name, key in keys.items():
                await self._storage.download(key, paths[name])
            expected = expected_of(
                claim,
                job.total_frames,
                sha256=export.piece.sha256,
                size=export.piece.bytes,
                audio=bool(job.composition.audio),
            )
            await self._look(
                LookAtFilm(
                    path=str(paths["video"]),
                    expected=expected,
                    frame=still_frame(job.total_frames),
                    stills={
                        str(paths["poster"]): min(POSTER_WIDTH, job.width),
                        str(paths["small"]): min(THUMBNAIL_WIDTH, job.width),
                    },
                    sheet=str(paths["sheet"]),
                )
            )

    async def rendition(self, claim: RenditionClaim, key: str, made: Transcoded) -> None:
        """Look at a rendition at ``key``. Raises ``ProofFailed`` and ``StoreError``."""
        with TemporaryDirectory(prefix="flatrender-look-") as folder:
            film, path = Path(folder, "film"), Path(folder, "made")
            await self._storage.download(claim.source_object_key, film)
            await self._storage.download(key, path)
            await self._look(
                LookAtRendition(film=str(film), path=str(path), format=claim.format, made=made)
            )

    async def damages(self, claim: Claim, parts: Sequence[Part]) -> list[Damage]:
        """Return which pieces of a film that did not pass do not pass either."""
        found = []
        for part in parts:
            if part.kind != "video":
                continue
            with TemporaryDirectory(prefix="flatrender-look-") as folder:
                path = Path(folder, "part")
                try:
                    await self._storage.download(part.object_key, path, most=part.bytes or None)
                except (ObjectMissing, ObjectTooLong):
                    continue  # as below
                if await asyncio.to_thread(file_digest, path) != part.sha256:
                    continue  # written over since: an assembly notices that by itself
                try:
                    await self._look(
                        LookAtFilm(path=str(path), expected=expected_of(claim, part.frames))
                    )
                except ProofFailed as error:
                    defect = defect_of(error.kind)
                    found.append(Damage(kind=part.kind, index=part.index, defect=defect))
        return found

    async def _look(self, work: LookAtFilm | LookAtRendition) -> None:
        try:
            await self._pool.look(work)
        except WorkFailed as error:
            if error.code != MediaUnreadable.code:
                raise
            raise ProofFailed("undecodable", str(error)) from error
        except (WorkerCrashed, WorkerHung) as error:
            log.warning("look_ended_by_its_file", error=str(error))
            raise ProofFailed("undecodable", f"it ends who decodes it: {error}") from error
