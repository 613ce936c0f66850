"""Further formats of finished videos, on a node of either kind: claimed, made, proven, reported.

A rendition is made from the proven MP4. The seam (:class:`RenditionLink`) is to renditions what
``link.FarmLink`` is to frame jobs: a worker of the pool answers it by SQL, a machine outside over
HTTP. Wake-ups of workers only save time: the sweep finds what waits.
"""

import asyncio
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.contracts.render import JobCompleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectMissing
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender_render.engines.work import Progress
from flatrender_render.farm.cache import file_digest
from flatrender_render.farm.link import Files, Reporting
from flatrender_render.farm.performer import Performer
from flatrender_render.media.errors import MediaError, MediaUnreadable, Stopped
from flatrender_render.media.transcode import Format, Transcoded

BEAT_SECONDS = 3.0
CODECS: dict[str, str] = {"webm": "vp9", "gif": "gif"}
CONTENT_TYPES: dict[str, str] = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif"}

#: Ask for a format: once for each export, and again for one that failed.
WANT = """
INSERT INTO render.renditions (id, tenant_id, user_id, job_id, source_export_id, format)
SELECT gen_random_uuid(), e.tenant_id, e.user_id, e.job_id, e.id, f
FROM render.exports e CROSS JOIN unnest(CAST(:formats AS text[])) f
WHERE e.tenant_id = :tenant AND e.id = :export AND e.format = 'mp4' AND e.deleted_at IS NULL
ON CONFLICT (source_export_id, format) DO UPDATE
SET state = 'Waiting', attempts = 0, not_before = now(), progress = 0, error_code = NULL,
    error_message = NULL, finished_at = NULL, export_id = NULL, avoid_nodes = '{}'
WHERE render.renditions.state = 'Failed' OR (render.renditions.state = 'Done' AND EXISTS (
    SELECT FROM render.exports o WHERE o.id = render.renditions.export_id
    AND o.deleted_at IS NOT NULL))
RETURNING id
"""
_FORMATS_OF_JOB = """
SELECT array_remove(formats, 'mp4') FROM render.render_jobs
WHERE tenant_id = :tenant AND id = :job
"""
_WAITING = """
SELECT id, epoch FROM render.renditions
WHERE (state = 'Waiting' AND not_before <= now())
   OR (state = 'Claimed' AND lease_until < now())
ORDER BY not_before LIMIT 32
"""


class RenditionWake(Struct, frozen=True):
    """A rendition may wait."""

    rendition_id: UUID


class RenditionClaim(Struct, frozen=True, kw_only=True):
    """A rendition that a node makes: from which video, and into which format."""

    id: UUID
    tenant_id: UUID
    job_id: UUID
    format: Format
    epoch: int
    source_object_key: str
    source_sha256: str

    @property
    def result_key(self) -> str:
        """Where this attempt's result lies."""
        return f"exports/{self.tenant_id}/{self.job_id}/{self.id}.{self.epoch}/video.{self.format}"


class VideoGone(MediaError):
    """The video is not in the store any more."""

    code = "export_gone"


class RenditionLink(Reporting[RenditionClaim], Protocol):
    """What a node says of renditions. Every report is fenced: ``StaleEpoch`` means stop."""

    def files(self, claim: RenditionClaim) -> Files:
        """Return the way to the video and to the result."""
        ...

    async def beat(self, claim: RenditionClaim, fraction: float) -> None:
        """Prolong the lease and say how far the work is, 0 to 1. Raises ``StaleEpoch``."""
        ...

    async def finish(self, claim: RenditionClaim, made: Transcoded, seconds: float) -> None:
        """Report the proven result, made in so many seconds. Raises ``StaleEpoch``."""
        ...


async def do_rendition(
    performer: Performer,
    link: RenditionLink,
    claim: RenditionClaim,
    *,
    every: float = BEAT_SECONDS,
) -> None:
    """Make one claimed rendition to its end, whatever that is, beside the performer's frames."""
    told = _Told()

    async def work(stop: asyncio.Event) -> None:
        begun = asyncio.get_running_loop().time()
        files = link.files(claim)
        async with performer.folder() as folder:
            source, output = folder / "video.mp4", folder / f"video.{claim.format}"
            try:
                await files.download(claim.source_object_key, source)
            except ObjectMissing as error:
                raise VideoGone(str(error)) from error
            if await asyncio.to_thread(file_digest, source) != claim.source_sha256:
                raise MediaUnreadable("the video in the store is not the one that was proven")
            made = await performer.extras.transcode(source, output, claim.format, told.note, stop)
            if stop.is_set():
                raise Stopped
            kind = CONTENT_TYPES[claim.format]
            await files.put(claim.result_key, output, content_type=kind)
        await link.finish(claim, made, asyncio.get_running_loop().time() - begun)

    await performer.attempt(
        link,
        claim,
        work,
        beat=lambda: link.beat(claim, told.fraction),
        every=every,
        rendition_id=str(claim.id),
        epoch=claim.epoch,
    )


class _Told:
    """How far the render process says it is; the last step is only ours to take."""

    def __init__(self) -> None:
        self.fraction = 0.0

    def note(self, progress: Progress) -> None:
        """Take a message of the render process."""
        self.fraction = min(0.99, max(self.fraction, progress.done / max(1, progress.total)))


async def want(work: UnitOfWork, export_id: UUID, formats: list[str]) -> int:
    """Ask for formats of an export inside a transaction; returns how many are made anew."""
    if not formats:
        return 0
    found = await work.execute(WANT, formats=formats, tenant=work.tenant, export=export_id)
    ids = [row[0] for row in found]
    for made in ids:
        work.enqueue(RENDITION, RenditionWake(rendition_id=made))
    return len(ids)


async def start_renditions(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A finished render is followed by the formats that were asked for with it."""
    del context
    event: JobCompleted = told.event
    found = await work.execute(_FORMATS_OF_JOB, tenant=work.tenant, job=event.job_id)
    row = found.first()
    await want(work, event.export_id, list(row[0]) if row else [])


async def make(context: PluginContext, wake: RenditionWake) -> None:
    """Make a rendition that waits."""
    from flatrender_render.farm.runner import Runner

    await context.get(Runner).make(wake.rendition_id)


async def sweep(context: PluginContext, _payload: Nothing) -> None:
    """Wake workers for what waits: nothing depends on a wake-up having arrived."""
    for row in await context.db.system_fetch("renditions that wait", _WAITING):
        await context.infra.queue.enqueue_task(
            "render",
            RENDITION.queue,
            RENDITION.name,
            RenditionWake(rendition_id=row["id"]),
            job_id=f"{RENDITION.name}:{row['id']}:{row['epoch']}",
        )


RENDITION = Task(
    name="render.rendition",
    queue="extras",  # frames of somebody else must not wait for a slot that transcodes
    handler=make,
    payload=RenditionWake,
    timeout=6 * 3600.0,
    max_attempts=3,
    backoff=1.0,
)
RENDITION_SWEEP = Task(
    name="render.rendition_sweep",
    queue="cleanup",
    handler=sweep,
    timeout=60.0,
    max_attempts=1,
    alone=True,
)
TASKS = (RENDITION, RENDITION_SWEEP)
SCHEDULES = (Schedule(task=RENDITION_SWEEP, every=10.0),)
SUBSCRIPTIONS = (Subscription(event=JobCompleted, handler=start_renditions),)
