"""What a worker reports: a proven piece, a failure, the finished export. Fenced, one transaction.

The result of an attempt becomes the result of its frame job only by the compare-and-set on the
epoch here. When the last piece of a job is in, its assembly is queued in the same transaction;
when the assembly is in, the job is done and the world is told.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from flatrender.clock import uuid7
from flatrender.contracts.render import JobCompleted, JobFailed
from flatrender.db import SystemTransaction
from flatrender_render.domain import BLAMED, MAX_BLAMED_ATTEMPTS, ErrorClass, Step, sources_of
from flatrender_render.farm import report_sql as sql
from flatrender_render.farm.claims import STALE, Claim, StaleEpoch, begin
from flatrender_render.farm.failures import ELSEWHERE, FAILURES, Verdict

#: Steps of a job of which no piece is known to have been begun.
_NOT_BEGUN = frozenset({Step.QUEUED, Step.PREPARING})

#: Failures of these say something of the node they happened on. A bad template never does.
_NODES_OWN = frozenset({ErrorClass.NODE, ErrorClass.RESOURCE, ErrorClass.LICENCE})
#: A node that failed a job gets nothing of it for so many seconds.
BLOCK_SECONDS = 60.0

#: Waits between attempts double up to this.
MAX_BACK_OFF = timedelta(minutes=2)


# What nodes outside tell is held to these; the columns and sums behind them are no wider.
Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Size = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=1e7)]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Key = Annotated[str, Meta(min_length=1, max_length=500)]


class Piece(Struct, frozen=True, kw_only=True):
    """One proven result: where it lies and what it weighs. Times in seconds.

    ``first_frame`` is what passed from the claim until the first frame was drawn and encoded: what
    was fetched and opened for it included.
    """

    object_key: Key
    sha256: Digest
    frames: Count
    packets: Count
    bytes: Size
    render: Seconds = 0.0
    convert: Seconds = 0.0
    encode: Seconds = 0.0
    upload: Seconds = 0.0
    first_frame: Seconds = 0.0
    proof: dict[str, object] = {}

    @property
    def timings(self) -> dict[str, float]:
        """The time shares as stored."""
        return {
            "render": self.render,
            "convert": self.convert,
            "encode": self.encode,
            "upload": self.upload,
            "first_frame": self.first_frame,
        }


class FinishedExport(Struct, frozen=True, kw_only=True):
    """The proven video and its pictures."""

    piece: Piece
    duration: Seconds
    audio_codec: Annotated[str, Meta(max_length=60)] | None
    poster_key: Key
    thumbnail_key: Key
    sheet_key: Key


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
        sql.COUNT,
        claim.job.id,
        piece.render + piece.convert + piece.encode,
        piece.render,
        piece.convert,
        piece.encode,
        piece.upload,
    )
    if counted["open"]:
        return False
    await work.execute(sql.QUEUE_ASSEMBLY, claim.job.id, uuid7(), now)
    await enter(work, claim.job.id, Step.ENCODING)
    return True


async def finish(
    work: SystemTransaction, claim: Claim, export: FinishedExport, *, now: datetime | None = None
) -> UUID:
    """Record the finished video: export row, job done, event. Raises ``StaleEpoch``."""
    piece = export.piece
    await _record(work, claim, piece, now)
    await work.fetchrow(sql.COUNT, claim.job.id, piece.encode, 0.0, 0.0, piece.encode, piece.upload)
    export_id = uuid7()
    await work.execute(
        sql.EXPORT,
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
    job = await work.fetchrow(sql.FINISH, claim.job.id, export_id, sources_of(Step.DONE), now)
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
            by_support=job["support_id"] is not None,
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
    await work.fetchrow(sql.LOCK_JOB, claim.job.id)
    blamed = ErrorClass(verdict.error_class) in BLAMED
    row = await work.fetchrow(
        sql.RETRY,
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
        sql.ATTEMPT_FAILED,
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
        await send_elsewhere(work, claim, node_id, verdict, BLOCK_SECONDS * scale, now)
    if not blamed:
        return False  # another try follows, until the job is too old
    if not verdict.fail_now and row["blamed_attempts"] < MAX_BLAMED_ATTEMPTS:
        return False
    return await fail_job(work, claim.job.id, verdict, now=now)


async def send_elsewhere(  # noqa: PLR0917 - the facts of one failure
    work: SystemTransaction,
    claim: Claim,
    node_id: UUID,
    verdict: Verdict,
    seconds: float,
    now: datetime | None,
) -> bool:
    """Keep a job from a node that failed it, where another one could take it; False otherwise."""
    if verdict.action not in ELSEWHERE:
        return False
    blocked: bool | None = await work.fetchval(
        sql.BLOCK,
        claim.job.id,
        claim.job.tenant_id,
        node_id,
        verdict.code,
        seconds,
        now,
        claim.job.engine,
        verdict.action == "blocklist",
    )
    return bool(blocked)


async def fail_job(
    work: SystemTransaction, job_id: UUID, verdict: Verdict, *, now: datetime | None = None
) -> bool:
    """End a job as failed, with words its owner understands, and give back what it took."""
    job = await work.fetchrow(
        sql.FAIL_JOB,
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
    await work.execute(sql.DROP_FRAMES, job_id, "Failed", now)
    await work.execute(sql.END_REPAIRS, job_id, "Failed", now)
    # Other nodes may be at work on its other pieces.
    await work.execute(sql.END_ATTEMPTS, job_id, now, job["tenant_id"])
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
            by_support=job["support_id"] is not None,
        ),
        tenant_id=job["tenant_id"],
    )
    return True


async def enter(work: SystemTransaction, job_id: UUID, step: Step) -> bool:
    """Move a job to ``step`` if the table allows it from where it is."""
    moved: Any = await work.fetchrow(sql.STEP, job_id, str(step), sources_of(step))
    return moved is not None


async def advance(work: SystemTransaction, claim: Claim, step: Step) -> bool:
    """As :func:`enter`, for whoever holds the claim. Raises ``StaleEpoch``."""
    await lock_own(work, claim)
    return await enter(work, claim.job.id, step)


async def lock_own(work: SystemTransaction, claim: Claim) -> None:
    """Lock the job of a claim and check the fence. Raises ``StaleEpoch``."""
    await work.fetchrow(sql.LOCK_JOB, claim.job.id)
    if await work.fetchrow(sql.OWN, claim.id, claim.epoch) is None:
        STALE.labels("step").inc()
        raise StaleEpoch


async def _record(
    work: SystemTransaction, claim: Claim, piece: Piece, now: datetime | None
) -> Step:
    """Make an attempt's piece the frame job's result; returns the step the job is in."""
    # The job first, then its frame: every transaction locks in this order.
    job = await work.fetchrow(sql.LOCK_JOB, claim.job.id)
    row = await work.fetchrow(
        sql.DONE,
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
