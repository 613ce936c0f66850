"""What a worker reports: a proven piece, a failure, the finished export. Fenced, one transaction.

The result of an attempt becomes the result of its frame job only by the compare-and-set on the
epoch here. When the last piece of a job is in, its assembly is queued in the same transaction;
when the assembly is in, the job is done and the world is told.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.render import JobCompleted, JobFailed
from flatrender.db import SystemTransaction
from flatrender_render.domain import BLAMED, MAX_BLAMED_ATTEMPTS, ErrorClass, Step, sources_of
from flatrender_render.farm.claims import STALE, Claim, StaleEpoch, begin
from flatrender_render.farm.failures import FAILURES, Verdict

_DONE = """
WITH done AS (
    UPDATE render.frame_jobs
    SET state = 'Done', lease_until = NULL, finished_at = coalesce($10::timestamptz, now()),
        done_frames = $3, object_key = $4, sha256 = $5, packets = $6, bytes = $7, timings = $8,
        proof = $9
    WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
    RETURNING id, finished_at),
tried AS (
    UPDATE render.frame_attempts a SET outcome = 'Done', finished_at = done.finished_at,
           frames = $3, object_key = $4, timings = $8
    FROM done WHERE a.frame_job_id = done.id AND a.epoch = $2),
repaired AS (
    UPDATE render.frame_repair_jobs r SET state = 'Done', finished_at = done.finished_at
    FROM done WHERE r.frame_job_id = done.id AND r.state IN ('Waiting', 'Running'))
SELECT id FROM done
"""
_LOCK_JOB = "SELECT id, step FROM render.render_jobs WHERE id = $1 FOR UPDATE"
_COUNT = """
UPDATE render.render_jobs j
SET done_frames = s.frames, frame_jobs_done = s.done, compute_seconds = j.compute_seconds + $2,
    timings = jsonb_build_object(
        'render', coalesce((j.timings->>'render')::float8, 0) + $3::float8,
        'convert', coalesce((j.timings->>'convert')::float8, 0) + $4::float8,
        'encode', coalesce((j.timings->>'encode')::float8, 0) + $5::float8,
        'upload', coalesce((j.timings->>'upload')::float8, 0) + $6::float8)
FROM (SELECT coalesce(sum(last_frame - first_frame + 1)
                      FILTER (WHERE kind = 'video' AND state = 'Done'), 0)::int AS frames,
             count(*) FILTER (WHERE state = 'Done')::int AS done,
             count(*) FILTER (WHERE state <> 'Done' AND kind IN ('video', 'audio'))::int AS open
      FROM render.frame_jobs WHERE job_id = $1) s
WHERE j.id = $1
RETURNING s.open, j.engine, j.tenant_id, j.priority
"""
_QUEUE_ASSEMBLY = """
INSERT INTO render.frame_jobs (id, tenant_id, job_id, kind, index, last_frame, engine, priority,
                               package_sha256, not_before, held)
SELECT $2, tenant_id, id, 'assemble', 0, total_frames - 1, engine, priority, package_sha256,
       coalesce($3::timestamptz, now()), step = 'Paused'
FROM render.render_jobs WHERE id = $1
ON CONFLICT (job_id, kind, index)
DO UPDATE SET held = excluded.held, not_before = excluded.not_before
"""
_OWN = """
SELECT true FROM render.frame_jobs WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
"""
_STEP = """
UPDATE render.render_jobs SET step = $2 WHERE id = $1 AND step = ANY($3) RETURNING id
"""
_FINISH = """
UPDATE render.render_jobs
SET step = 'Done', finished_at = coalesce($4::timestamptz, now()), export_id = $2,
    done_frames = total_frames,
    reservation_state = CASE WHEN reservation_state = 'Reserved' THEN 'Settling'
                             ELSE reservation_state END
WHERE id = $1 AND step = ANY($3)
RETURNING tenant_id, user_id, saved_project_id, project_name, resolution, compute_seconds,
          container_id, reservation_id
"""
_EXPORT = """
INSERT INTO render.exports (id, tenant_id, user_id, job_id, saved_project_id, name, resolution,
    aspect, width, height, fps, frames, duration, watermark, audio_codec, object_key, sha256,
    size_bytes, poster_object_key, thumbnail_object_key, contact_sheet_object_key, expires_at)
SELECT $2, j.tenant_id, j.user_id, j.id, j.saved_project_id, j.project_name, j.resolution, j.aspect,
    j.width, j.height, j.fps, j.total_frames, j.total_frames::float8 / j.fps, j.watermark, $3, $4,
    $5, $6, $7, $8, $9,
    CASE WHEN (j.needs->>'export_days') IS NULL THEN NULL
         ELSE coalesce($10::timestamptz, now())
              + make_interval(days => (j.needs->>'export_days')::int) END
FROM render.render_jobs j WHERE j.id = $1
"""
_RETRY = """
UPDATE render.frame_jobs
SET state = 'Waiting', lease_until = NULL, node_id = NULL, done_frames = 0,
    blamed_attempts = blamed_attempts + $3,
    not_before = coalesce($9::timestamptz, now())
                 + least($4::interval * power(2, least(attempts, 8) - 1), $8::interval),
    error_class = $5, error_code = $6, error_message = $7
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
RETURNING blamed_attempts, attempts
"""
_ATTEMPT_FAILED = """
UPDATE render.frame_attempts SET outcome = 'Failed',
       finished_at = coalesce($7::timestamptz, now()), blamed = $3, error_class = $4,
       error_code = $5, error_message = $6, rule_code = $8
WHERE frame_job_id = $1 AND epoch = $2
RETURNING node_id
"""
#: The job goes elsewhere, if there is an elsewhere: for a while, for longer after the third time.
_BLOCK = """
INSERT INTO render.job_node_blocks AS b (tenant_id, job_id, node_id, reason, until)
SELECT $2, $1, $3, $4, m.t + make_interval(secs => $5)
FROM (SELECT coalesce($6::timestamptz, now()) AS t) m
WHERE EXISTS (SELECT FROM render.nodes WHERE id = $3) AND EXISTS (
    SELECT FROM render.nodes n
    WHERE n.id <> $3 AND n.deleted_at IS NULL AND n.status IN ('Idle', 'Busy')
      AND (n.last_heartbeat_at IS NULL OR n.last_heartbeat_at > m.t - interval '30 seconds')
      AND $7 = ANY (n.engines) AND (n.only_tenant_id IS NULL OR n.only_tenant_id = $2)
      AND NOT EXISTS (SELECT FROM render.job_node_blocks o
                      WHERE o.job_id = $1 AND o.node_id = n.id
                        AND (o.until IS NULL OR o.until > m.t)))
ON CONFLICT (job_id, node_id) DO UPDATE
SET failures = b.failures + 1, reason = excluded.reason,
    until = CASE WHEN $8 OR b.failures + 1 >= 3 THEN excluded.until + interval '1 hour'
                 ELSE excluded.until END
"""
_FAIL_JOB = """
UPDATE render.render_jobs
SET step = 'Failed', finished_at = coalesce($9::timestamptz, now()), error_class = $2,
    error_code = $3, error_message = $4, error_fa = $5, error_en = $6, retryable = $7,
    refund_fraction = 1,
    reservation_state = CASE WHEN reservation_state = 'Reserved' THEN 'Releasing'
                             ELSE reservation_state END
WHERE id = $1 AND step = ANY($8)
RETURNING tenant_id, user_id, saved_project_id, project_name, reservation_id
"""
_DROP_FRAMES = """
UPDATE render.frame_jobs SET state = $2, lease_until = NULL,
       finished_at = coalesce($3::timestamptz, now())
WHERE job_id = $1 AND state IN ('Waiting', 'Claimed')
"""
_END_REPAIRS = """
UPDATE render.frame_repair_jobs SET state = $2, finished_at = coalesce($3::timestamptz, now())
WHERE job_id = $1 AND state IN ('Waiting', 'Running')
"""
_END_ATTEMPTS = """
UPDATE render.frame_attempts SET outcome = 'Cancelled',
       finished_at = coalesce($2::timestamptz, now())
WHERE tenant_id = $3 AND job_id = $1 AND outcome = 'Running'
"""

#: Steps of a job of which no piece is known to have been begun.
_NOT_BEGUN = frozenset({Step.QUEUED, Step.PREPARING})

#: Failures of these say something of the node they happened on. A bad template never does.
_NODES_OWN = frozenset({ErrorClass.NODE, ErrorClass.RESOURCE, ErrorClass.LICENCE})
#: A node that failed a job gets nothing of it for so many seconds.
BLOCK_SECONDS = 60.0

#: Waits between attempts double up to this.
MAX_BACK_OFF = timedelta(minutes=2)


class Piece(Struct, frozen=True, kw_only=True):
    """One proven result: where it lies and what it weighs. Times in seconds."""

    object_key: str
    sha256: str
    frames: int
    packets: int
    bytes: int
    render: float = 0.0
    convert: float = 0.0
    encode: float = 0.0
    upload: float = 0.0
    proof: dict[str, object] = {}

    @property
    def timings(self) -> dict[str, float]:
        """The time shares as stored."""
        return {
            "render": self.render,
            "convert": self.convert,
            "encode": self.encode,
            "upload": self.upload,
        }


class FinishedExport(Struct, frozen=True, kw_only=True):
    """The proven video and its pictures."""

    piece: Piece
    duration: float
    audio_codec: str | None
    poster_key: str
    thumbnail_key: str
    sheet_key: str


async def complete(
    work: SystemTransaction, claim: Claim, piece: Piece, *, now: datetime | None = None
) -> bool:
    """Record a proven piece. True when it was the last one and the assembly was queued.

    Raises ``StaleEpoch``.
    """
    step = await _record(work, claim, piece, now)
    if step in _NOT_BEGUN:
        await begin(work, claim.job.id)
    counted = await work.fetchrow(
        _COUNT,
        claim.job.id,
        piece.render + piece.convert + piece.encode,
        piece.render,
        piece.convert,
        piece.encode,
        piece.upload,
    )
    if counted["open"]:
        return False
    await work.execute(_QUEUE_ASSEMBLY, claim.job.id, uuid7(), now)
    await enter(work, claim.job.id, Step.ENCODING)
    return True


async def finish(
    work: SystemTransaction, claim: Claim, export: FinishedExport, *, now: datetime | None = None
) -> UUID:
    """Record the finished video: export row, job done, event. Raises ``StaleEpoch``."""
    piece = export.piece
    await _record(work, claim, piece, now)
    await work.fetchrow(_COUNT, claim.job.id, piece.encode, 0.0, 0.0, piece.encode, piece.upload)
    export_id = uuid7()
    await work.execute(
        _EXPORT,
        claim.job.id,
        export_id,
        export.audio_codec,
        piece.object_key,
        piece.sha256,
        piece.bytes,
        export.poster_key,
        export.thumbnail_key,
        export.sheet_key,
        now,
    )
    job = await work.fetchrow(_FINISH, claim.job.id, export_id, sources_of(Step.DONE), now)
    if job is None:  # cancelled between the lock and here cannot be: the job row is locked
        raise RuntimeError(f"job {claim.job.id} left Validating while it was finished")
    work.emit(
        JobCompleted(
            job_id=claim.job.id,
            user_id=job["user_id"],
            saved_project_id=job["saved_project_id"],
            project_name=job["project_name"],
            export_id=export_id,
            resolution=job["resolution"],
            duration_sec=export.duration,
            size_bytes=piece.bytes,
            compute_seconds=job["compute_seconds"],
            container_id=job["container_id"],
            reservation_id=job["reservation_id"],
        ),
        tenant_id=job["tenant_id"],
    )
    return export_id


async def fail(
    work: SystemTransaction,
    claim: Claim,
    verdict: Verdict,
    *,
    scale: float = 1.0,
    now: datetime | None = None,
) -> bool:
    """Record a failed attempt; True when the job failed with it. Raises ``StaleEpoch``.

    ``scale`` shortens how long the job keeps away from the node (deployments with fast timers).
    """
    await work.fetchrow(_LOCK_JOB, claim.job.id)
    blamed = ErrorClass(verdict.error_class) in BLAMED
    row = await work.fetchrow(
        _RETRY,
        claim.id,
        claim.epoch,
        int(blamed),
        timedelta(seconds=verdict.back_off),
        verdict.error_class,
        verdict.code,
        verdict.message,
        MAX_BACK_OFF,
        now,
    )
    if row is None:
        STALE.labels("fail").inc()
        raise StaleEpoch
    FAILURES.labels(verdict.error_class).inc()
    node_id = await work.fetchval(
        _ATTEMPT_FAILED,
        claim.id,
        claim.epoch,
        blamed,
        verdict.error_class,
        verdict.code,
        verdict.message,
        now,
        verdict.rule,
    )
    if node_id is not None and ErrorClass(verdict.error_class) in _NODES_OWN:
        await _send_elsewhere(work, claim, node_id, verdict, BLOCK_SECONDS * scale, now)
    if not blamed:
        return False  # another try follows, until the job is too old
    if not verdict.fail_now and row["blamed_attempts"] < MAX_BLAMED_ATTEMPTS:
        return False
    return await fail_job(work, claim.job.id, verdict, now=now)


async def _send_elsewhere(  # noqa: PLR0917 - private, one caller
    work: SystemTransaction,
    claim: Claim,
    node_id: UUID,
    verdict: Verdict,
    seconds: float,
    now: datetime | None,
) -> None:
    """Keep a job from a node that failed it, as long as another one could take it."""
    if verdict.action in ("elsewhere", "blocklist", "quarantine"):
        await work.execute(
            _BLOCK,
            claim.job.id,
            claim.job.tenant_id,
            node_id,
            verdict.code,
            seconds,
            now,
            claim.job.engine,
            verdict.action == "blocklist",
        )


async def fail_job(
    work: SystemTransaction, job_id: UUID, verdict: Verdict, *, now: datetime | None = None
) -> bool:
    """End a job as failed, with words its owner understands, and give back what it took."""
    job = await work.fetchrow(
        _FAIL_JOB,
        job_id,
        verdict.error_class,
        verdict.code,
        verdict.message,
        verdict.explanation_fa,
        verdict.explanation_en,
        verdict.retryable,
        sources_of(Step.FAILED),
        now,
    )
    if job is None:
        return False
    await work.execute(_DROP_FRAMES, job_id, "Failed", now)
    await work.execute(_END_REPAIRS, job_id, "Failed", now)
    # Other nodes may be at work on its other pieces.
    await work.execute(_END_ATTEMPTS, job_id, now, job["tenant_id"])
    work.emit(
        JobFailed(
            job_id=job_id,
            user_id=job["user_id"],
            saved_project_id=job["saved_project_id"],
            project_name=job["project_name"],
            code=verdict.code,
            message_fa=verdict.explanation_fa,
            message_en=verdict.explanation_en,
            retryable=verdict.retryable,
            reservation_id=job["reservation_id"],
        ),
        tenant_id=job["tenant_id"],
    )
    return True


async def enter(work: SystemTransaction, job_id: UUID, step: Step) -> bool:
    """Move a job to ``step`` if the table allows it from where it is."""
    moved: Any = await work.fetchrow(_STEP, job_id, str(step), sources_of(step))
    return moved is not None


async def advance(work: SystemTransaction, claim: Claim, step: Step) -> bool:
    """As :func:`enter`, for whoever holds the claim. Raises ``StaleEpoch``."""
    await lock_own(work, claim)
    return await enter(work, claim.job.id, step)


async def lock_own(work: SystemTransaction, claim: Claim) -> None:
    """Lock the job of a claim and check the fence. Raises ``StaleEpoch``."""
    await work.fetchrow(_LOCK_JOB, claim.job.id)
    if await work.fetchrow(_OWN, claim.id, claim.epoch) is None:
        STALE.labels("step").inc()
        raise StaleEpoch


async def _record(
    work: SystemTransaction, claim: Claim, piece: Piece, now: datetime | None
) -> Step:
    """Make an attempt's piece the frame job's result; returns the step the job is in."""
    # The job first, then its frame: every transaction locks in this order.
    job = await work.fetchrow(_LOCK_JOB, claim.job.id)
    row = await work.fetchrow(
        _DONE,
        claim.id,
        claim.epoch,
        piece.frames,
        piece.object_key,
        piece.sha256,
        piece.packets,
        piece.bytes,
        piece.timings,
        piece.proof,
        now,
    )
    if row is None:
        STALE.labels("result").inc()
        raise StaleEpoch
    return Step(job["step"])
