"""The render context's hot reads: SQL to Struct, one query each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.db import ReadPool
from flatrender.http.sorting import KeysetQuery, SortColumn, SortMenu


class JobView(Struct, frozen=True, kw_only=True):
    """A render job as its owner sees it. ``progress`` is 0..1; times of ``timings`` in seconds."""

    id: UUID
    saved_project_id: UUID
    project_name: str
    step: str
    drawn_frames: int
    total_frames: int
    resolution: str
    aspect: str
    width: int
    height: int
    fps: int
    duration: float
    watermark: bool
    priority: int
    charge_minor: int
    currency: str
    export_id: UUID | None
    error_code: str | None
    error_fa: str | None
    error_en: str | None
    retryable: bool | None
    timings: dict[str, float]
    compute_seconds: float
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_by: str | None


class JobFilter(Struct, frozen=True, kw_only=True):
    """Which jobs a list shows; times are of the submit, ``before`` is exclusive."""

    step: str | None = None
    saved_project_id: UUID | None = None
    batch_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None


class ChunkView(Struct, frozen=True, kw_only=True):
    """One frame job in a job's timeline."""

    id: UUID
    kind: str
    index: int
    first_frame: int
    last_frame: int
    state: str
    done_frames: int
    attempts: int
    node: str | None
    claimed_at: datetime | None
    finished_at: datetime | None
    error_code: str | None


_JOB = """
SELECT j.id, j.saved_project_id, j.project_name, j.step,
       CASE WHEN j.step = 'Done' THEN j.total_frames ELSE least(j.total_frames,
           coalesce((SELECT sum(f.done_frames) FROM render.frame_jobs f
                     WHERE f.tenant_id = j.tenant_id AND f.job_id = j.id AND f.kind = 'video'),
                    0))::int END,
       j.total_frames, j.resolution, j.aspect, j.width, j.height, j.fps, j.duration, j.watermark,
       j.priority, j.charge_minor, j.currency, j.export_id, j.error_code, j.error_fa, j.error_en,
       j.retryable, j.timings, j.compute_seconds, j.submitted_at, j.started_at, j.finished_at,
       j.cancelled_by
FROM render.render_jobs j
"""
_ONE_JOB = _JOB + "WHERE j.tenant_id = $1 AND j.user_id = $2 AND j.id = $3"
_JOBS = (
    _JOB
    + """
WHERE j.tenant_id = $1 AND j.user_id = $2 AND ($3::text IS NULL OR j.step = $3)
  AND ($5::uuid IS NULL OR j.saved_project_id = $5) AND ($6::uuid IS NULL OR j.batch_id = $6)
  AND ($7::timestamptz IS NULL OR j.submitted_at >= $7)
  AND ($8::timestamptz IS NULL OR j.submitted_at < $8) AND {after}
ORDER BY {order} LIMIT $4
"""
)
JOB_ORDER = SortMenu(
    {"submitted_at": SortColumn("j.submitted_at", datetime, "timestamptz")},
    default="-submitted_at",
    tie=SortColumn("j.id", UUID, "uuid"),
)
_CHUNKS = """
SELECT f.id, f.kind, f.index, f.first_frame, f.last_frame, f.state, f.done_frames, f.attempts,
       f.node_id::text, f.claimed_at, f.finished_at, f.error_code
FROM render.frame_jobs f
WHERE f.tenant_id = $1 AND f.job_id = $2 ORDER BY f.kind DESC, f.index LIMIT 2000
"""


async def job_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, job_id: UUID
) -> JobView | None:
    """Return one job of a user, or None."""
    return await reads.one(JobView, tenant_id, _ONE_JOB, tenant_id, user_id, job_id)


async def jobs_of(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID | None,
    *,
    shown: JobFilter,
    keys: KeysetQuery[Any],
) -> list[JobView]:
    """Return a user's jobs behind a keyset position (parameters from ``$9`` on)."""
    sql = _JOBS.format(after=keys.condition, order=keys.order.order_by())
    wanted = (shown.step, keys.limit, shown.saved_project_id, shown.batch_id, shown.since)
    return await reads.all(
        JobView, tenant_id, sql, tenant_id, user_id, *wanted, shown.before, *keys.values
    )


async def chunks_of(reads: ReadPool, tenant_id: UUID, job_id: UUID) -> list[ChunkView]:
    """Return the frame jobs of a job."""
    return await reads.all(ChunkView, tenant_id, _CHUNKS, tenant_id, job_id)


class ExportView(Struct, frozen=True, kw_only=True):
    """A finished video. ``expires_at`` null keeps it for good."""

    id: UUID
    job_id: UUID
    saved_project_id: UUID
    name: str
    format: str
    resolution: str
    aspect: str
    width: int
    height: int
    fps: int
    frames: int
    duration_sec: float
    watermark: bool
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime | None


class ExportObjects(Struct, frozen=True, kw_only=True):
    """Where an export's bytes lie."""

    name: str
    format: str
    object_key: str
    poster_object_key: str | None
    thumbnail_object_key: str | None
    contact_sheet_object_key: str | None
    expired: bool


_EXPORT = """
SELECT id, job_id, saved_project_id, name, format, resolution, aspect, width, height, fps, frames,
       duration, watermark, size_bytes, sha256, created_at, expires_at
FROM render.exports
"""
_ONE_EXPORT = _EXPORT + "WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND deleted_at IS NULL"
_EXPORTS = (
    _EXPORT
    + """
WHERE tenant_id = $1 AND user_id = $2 AND deleted_at IS NULL AND {after}
ORDER BY {order} LIMIT $3
"""
)
EXPORT_ORDER = SortMenu(
    {"created_at": SortColumn("created_at", datetime, "timestamptz")},
    default="-created_at",
    tie=SortColumn("id", UUID, "uuid"),
)
_OBJECTS = """
SELECT name, format, object_key, poster_object_key, thumbnail_object_key, contact_sheet_object_key,
       coalesce(expires_at <= now(), false)
FROM render.exports WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND deleted_at IS NULL
"""


async def export_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, export_id: UUID
) -> ExportView | None:
    """Return one export of a user, or None."""
    return await reads.one(ExportView, tenant_id, _ONE_EXPORT, tenant_id, user_id, export_id)


async def exports_of(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID | None,
    *,
    keys: KeysetQuery[Any],
) -> list[ExportView]:
    """Return a user's exports behind a keyset position (parameters from ``$4`` on)."""
    sql = _EXPORTS.format(after=keys.condition, order=keys.order.order_by())
    return await reads.all(ExportView, tenant_id, sql, tenant_id, user_id, keys.limit, *keys.values)


async def objects_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, export_id: UUID
) -> ExportObjects | None:
    """Return where an export lies, or None."""
    return await reads.one(ExportObjects, tenant_id, _OBJECTS, tenant_id, user_id, export_id)


class SnapshotView(Struct, frozen=True, kw_only=True):
    """A drawn frame of a scene."""

    id: UUID
    state: str
    width: int
    height: int
    frame: int
    fps: int
    object_key: str | None
    format: str
    error_code: str | None


_SNAPSHOT = """
SELECT id, state, width, height, frame, (composition->>'fps')::int, object_key, format, error_code
FROM render.snapshots
"""
_SNAPSHOT_BY_KEY = _SNAPSHOT + "WHERE tenant_id = $1 AND cache_key = $2"
_SNAPSHOT_BY_ID = _SNAPSHOT + "WHERE tenant_id = $1 AND id = $2 AND user_id = $3"


async def snapshot_by_key(reads: ReadPool, tenant_id: UUID, cache_key: str) -> SnapshotView | None:
    """Return the snapshot with this content address, or None."""
    return await reads.one(SnapshotView, tenant_id, _SNAPSHOT_BY_KEY, tenant_id, cache_key)


async def snapshot_by_id(
    reads: ReadPool, tenant_id: UUID, snapshot_id: UUID, user_id: UUID | None
) -> SnapshotView | None:
    """Return one snapshot of a user, or None."""
    return await reads.one(
        SnapshotView, tenant_id, _SNAPSHOT_BY_ID, tenant_id, snapshot_id, user_id
    )
