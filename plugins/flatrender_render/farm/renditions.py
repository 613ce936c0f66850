"""Further formats of finished videos: claimed, made and reported by workers of the pool.

A rendition is made from the proven MP4. A claim raises the epoch and starts a lease; every report
carries the epoch, and one that is not the row's own changes nothing. Objects lie under keys with
the epoch, so attempts never overwrite each other. Wake-ups only save time: the sweep finds what
waits.
"""

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.render import JobCompleted, RenditionCompleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectMissing
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender_render.domain import BLAMED, ErrorClass
from flatrender_render.engines.work import Progress
from flatrender_render.farm.cache import file_digest
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.failures import classify
from flatrender_render.farm.fence import lease_kept
from flatrender_render.farm.node import Node
from flatrender_render.farm.performer import code_of
from flatrender_render.farm.runner import Runner
from flatrender_render.media.errors import MediaUnreadable, Stopped
from flatrender_render.media.transcode import Format, Transcoded

log = structlog.get_logger(__name__)

LEASE_SECONDS = 30.0
BEAT_SECONDS = 3.0
MAX_BLAMED = 3
MAX_ATTEMPTS = 20  # with the longest waits between them: about a day
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
    error_message = NULL, finished_at = NULL, export_id = NULL
WHERE render.renditions.state = 'Failed' OR (render.renditions.state = 'Done' AND EXISTS (
    SELECT FROM render.exports o WHERE o.id = render.renditions.export_id
    AND o.deleted_at IS NOT NULL))
RETURNING id
"""
_FORMATS_OF_JOB = """
SELECT array_remove(formats, 'mp4') FROM render.render_jobs
WHERE tenant_id = :tenant AND id = :job
"""
_CLAIM = """
UPDATE render.renditions r SET state = 'Claimed', epoch = epoch + 1, attempts = attempts + 1,
    node_id = $2, lease_until = now() + make_interval(secs => $3), progress = 0
FROM (SELECT w.id FROM render.renditions w
      WHERE ($1::uuid IS NULL OR w.id = $1)
        AND ((w.state = 'Waiting' AND w.not_before <= now())
             OR (w.state = 'Claimed' AND w.lease_until < now()))
      ORDER BY w.not_before, w.id LIMIT 1 FOR UPDATE SKIP LOCKED) picked, render.exports e
WHERE r.id = picked.id AND e.id = r.source_export_id
RETURNING r.id, r.tenant_id, r.job_id, r.format, r.epoch, r.attempts, e.object_key, e.sha256,
          e.deleted_at IS NULL AS alive
"""
_BEAT = """
UPDATE render.renditions SET lease_until = now() + make_interval(secs => $3),
    progress = greatest(progress, $4)
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING id
"""
_AGAIN = """
UPDATE render.renditions SET state = 'Waiting', lease_until = NULL, node_id = NULL,
    not_before = now() + make_interval(secs => $3), error_code = $4, error_message = $5
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING id
"""
_FAIL = """
UPDATE render.renditions SET state = 'Failed', lease_until = NULL, finished_at = now(),
    error_code = $3, error_message = $4
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING id
"""
#: The export first: a source that was deleted meanwhile has no further formats.
_LOCK_SOURCE = """
SELECT e.id FROM render.exports e JOIN render.renditions r ON r.source_export_id = e.id
WHERE r.id = $1 AND e.deleted_at IS NULL FOR UPDATE OF e
"""
_OWN = "SELECT id FROM render.renditions WHERE id = $1 AND epoch = $2 AND state = 'Claimed'"
_EXPORT = """
INSERT INTO render.exports (id, tenant_id, user_id, job_id, saved_project_id, name, format,
    resolution, aspect, width, height, fps, frames, duration, watermark, video_codec, audio_codec,
    object_key, sha256, size_bytes, poster_object_key, thumbnail_object_key,
    contact_sheet_object_key, compute_seconds, expires_at)
SELECT $2, e.tenant_id, e.user_id, e.job_id, e.saved_project_id, e.name, r.format, e.resolution,
    e.aspect, $3, $4, greatest(1, round($5::float8)::int), $6, $7, e.watermark, $8,
    nullif($9::text, ''), $10, $11, $12, e.poster_object_key, e.thumbnail_object_key,
    e.contact_sheet_object_key, $13, e.expires_at
FROM render.renditions r JOIN render.exports e ON e.id = r.source_export_id
WHERE r.id = $1
ON CONFLICT (job_id, format) DO UPDATE SET object_key = excluded.object_key,
    sha256 = excluded.sha256, size_bytes = excluded.size_bytes, width = excluded.width,
    height = excluded.height, fps = excluded.fps, frames = excluded.frames,
    duration = excluded.duration, deleted_at = NULL, expires_at = excluded.expires_at,
    expiry_reminded_at = NULL, created_at = now()
RETURNING id
"""
_DONE = """
UPDATE render.renditions SET state = 'Done', lease_until = NULL, export_id = $3, progress = 1,
    finished_at = now(), error_code = NULL, error_message = NULL
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
RETURNING tenant_id, user_id, job_id, source_export_id, format
"""
_DROP = """
INSERT INTO render.object_removals (tenant_id, object_key) VALUES ($1, $2)
ON CONFLICT (object_key) DO NOTHING
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


class _Claimed(Struct, frozen=True, kw_only=True):
    id: UUID
    tenant_id: UUID
    job_id: UUID
    format: Format
    epoch: int
    attempts: int
    object_key: str
    sha256: str
    alive: bool

    @property
    def result_key(self) -> str:
        return f"exports/{self.tenant_id}/{self.job_id}/{self.id}.{self.epoch}/video.{self.format}"


class Renditions:
    """Makes further formats in this worker."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._root = Path(context.infra.settings.core.data_dir).resolve() / "node" / "scratch"

    async def make(self, rendition_id: UUID | None) -> bool:
        """Claim and make one; False when there was none to claim."""
        node = await self._context.get(Node).identity()
        rows = await self._db.system_fetch(
            "rendition claim", _CLAIM, rendition_id, node, LEASE_SECONDS
        )
        if not rows:
            return False
        claimed = msgspec.convert(dict(rows[0]), _Claimed, strict=False)
        if not claimed.alive:
            await self._fail(claimed, "export_gone", "the video was deleted")
            return True
        told = _Told()
        every = BEAT_SECONDS * self._context.infra.settings.core.time_scale
        async with lease_kept(lambda: self._beat(claimed, told), every=every) as stop:
            with structlog.contextvars.bound_contextvars(rendition_id=str(claimed.id)):
                await self._attempt(claimed, told, stop)
        return True

    async def _attempt(self, claimed: _Claimed, told: "_Told", stop: asyncio.Event) -> None:
        try:
            made, seconds = await self._make(claimed, told, stop)
        except asyncio.CancelledError:
            await asyncio.shield(self._again(claimed, 0.0, None, "the worker stopped"))
            raise
        except Stopped:
            log.info("rendition_fenced_off")
        except Exception as error:  # noqa: BLE001 - every failure is reported
            await self._failed(claimed, error)
        else:
            if not await self.finish(claimed.id, claimed.epoch, made, claimed.result_key, seconds):
                log.info("rendition_late")
                async with self._db.system("late rendition") as work:
                    await work.execute(_DROP, claimed.tenant_id, claimed.result_key)

    async def _make(
        self, claimed: _Claimed, told: "_Told", stop: asyncio.Event
    ) -> tuple[Transcoded, float]:
        runner = self._context.get(Runner)
        storage = self._context.infra.storage
        begun = asyncio.get_running_loop().time()
        folder = await asyncio.to_thread(self._folder)
        try:
            source, output = folder / "video.mp4", folder / f"video.{claimed.format}"
            await storage.download(claimed.object_key, source)
            if await asyncio.to_thread(file_digest, source) != claimed.sha256:
                raise MediaUnreadable("the video in the store is not the one that was proven")
            made = await runner.pool.transcode(source, output, claimed.format, told.note, stop)
            if stop.is_set():
                raise Stopped
            await storage.put(
                claimed.result_key, output, content_type=CONTENT_TYPES[claimed.format]
            )
            return made, asyncio.get_running_loop().time() - begun
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, True)

    def _folder(self) -> Path:
        self._root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="rendition-", dir=self._root))

    async def finish(
        self, rendition_id: UUID, epoch: int, made: Transcoded, key: str, seconds: float
    ) -> bool:
        """Record a proven result as an export; False when the fence or the source is gone."""
        async with self._db.system("rendition done") as work:
            if await work.fetchrow(_LOCK_SOURCE, rendition_id) is None:
                return False
            if await work.fetchrow(_OWN, rendition_id, epoch) is None:
                return False
            form = Path(key).suffix[1:]
            export_id = await work.fetchval(
                _EXPORT,
                rendition_id,
                uuid7(),
                made.width,
                made.height,
                made.fps,
                made.frames,
                made.duration,
                CODECS[form],
                made.audio_codec,
                key,
                made.sha256,
                made.size,
                seconds,
            )
            done = await work.fetchrow(_DONE, rendition_id, epoch, export_id)
            if done is None:  # between the look and here: the transaction must leave nothing
                raise Stopped
            work.emit(
                RenditionCompleted(
                    rendition_id=rendition_id,
                    job_id=done["job_id"],
                    user_id=done["user_id"],
                    source_export_id=done["source_export_id"],
                    export_id=export_id,
                    format=done["format"],
                    size_bytes=made.size,
                ),
                tenant_id=done["tenant_id"],
                user_id=done["user_id"],
            )
            return True

    async def _failed(self, claimed: _Claimed, error: Exception) -> None:
        missing = isinstance(error, ObjectMissing)
        code = "export_gone" if missing else code_of(error, "")
        verdict = classify(code, str(error))
        log.warning("rendition_failed", code=code, error=repr(error))
        blamed = ErrorClass(verdict.error_class) in BLAMED
        over = missing or verdict.fail_now or claimed.attempts >= MAX_ATTEMPTS
        if over or (blamed and claimed.attempts >= MAX_BLAMED):
            await self._fail(claimed, code, str(error))
            return
        scale = self._context.infra.settings.core.time_scale
        wait = max(0.2, verdict.back_off) * 2 ** min(8, claimed.attempts - 1) * scale
        await self._again(claimed, wait, code, str(error))

    async def _fail(self, claimed: _Claimed, code: str, message: str) -> None:
        await self._db.system_fetch(
            "rendition failed", _FAIL, claimed.id, claimed.epoch, code, message[:2000]
        )

    async def _again(self, claimed: _Claimed, wait: float, code: str | None, message: str) -> None:
        with contextlib.suppress(Exception):  # when this fails, the lease runs out
            await self._db.system_fetch(
                "rendition again", _AGAIN, claimed.id, claimed.epoch, wait, code, message[:2000]
            )

    async def _beat(self, claimed: _Claimed, told: "_Told") -> None:
        """Prolong the lease. Raises ``StaleEpoch``."""
        alive = await self._db.system_fetch(
            "rendition heartbeat", _BEAT, claimed.id, claimed.epoch, LEASE_SECONDS, told.fraction
        )
        if not alive:
            raise StaleEpoch


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
    await context.get(Renditions).make(wake.rendition_id)


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
    queue="render",
    handler=make,
    payload=RenditionWake,
    timeout=6 * 3600.0,
    max_attempts=3,
    backoff=1.0,
)
RENDITION_SWEEP = Task(
    name="render.rendition_sweep", queue="cleanup", handler=sweep, timeout=60.0, max_attempts=1
)
TASKS = (RENDITION, RENDITION_SWEEP)
SCHEDULES = (Schedule(task=RENDITION_SWEEP, every=10.0),)
SUBSCRIPTIONS = (Subscription(event=JobCompleted, handler=start_renditions),)
