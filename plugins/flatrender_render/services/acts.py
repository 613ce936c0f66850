"""What people do to a render that runs: stop, pause, resume, retry, change its priority.

Every act locks the job, asks the table of legal steps, and does the same thing twice without
harm. A customer reaches the own jobs, an administrator the tenant's, an operator of the farm
everybody's; the ``Reach`` says which.
"""

import contextlib
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.identity import RenderEntitlements, RenderReservation
from flatrender.contracts.render import JobCancelled
from flatrender.db import SystemTransaction
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal
from flatrender.security.support import impersonator
from flatrender_render.act_errors import (
    NotFailed,
    NotPausable,
    NotPaused,
    NotRetryable,
    PriorityTooHigh,
)
from flatrender_render.domain import (
    MAX_PRIORITY,
    STEP_MOVES,
    TERMINAL,
    Step,
    cancel_refund,
    sources_of,
)
from flatrender_render.errors import JobFinished, TooManyActiveJobs
from flatrender_render.farm.wake import WORK, Wake
from flatrender_render.live import announce

_FIND = """
SELECT id, tenant_id, user_id, step, step_before_pause, engine, total_frames, fps, resolution,
       priority, coalesce((needs->>'plan_priority')::int, priority) AS plan_priority, retryable,
       reservation_id
FROM render.render_jobs
WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND ($3::uuid IS NULL OR user_id = $3)
"""
_LOCK = _FIND + "FOR UPDATE"
_STOP = """
UPDATE render.render_jobs
SET step = 'Cancelled', cancel_requested_at = now(), finished_at = now(), cancelled_by = $2,
    refund_fraction = $3, epoch = epoch + 1,
    reservation_state = CASE WHEN reservation_state = 'Reserved' THEN 'Releasing'
                             ELSE reservation_state END
WHERE id = $1 AND step = ANY($4)
"""
_STOP_FRAMES = """
UPDATE render.frame_jobs SET state = 'Cancelled', lease_until = NULL, finished_at = now()
WHERE job_id = $1 AND state IN ('Waiting', 'Claimed')
"""
_STOP_ATTEMPTS = """
UPDATE render.frame_attempts SET outcome = 'Cancelled', finished_at = now()
WHERE job_id = $1 AND outcome = 'Running'
"""
_STOP_REPAIRS = """
UPDATE render.frame_repair_jobs SET state = 'Cancelled', finished_at = now()
WHERE job_id = $1 AND state IN ('Waiting', 'Running')
"""
_DRAWN = """
SELECT coalesce(sum(done_frames), 0)::int FROM render.frame_jobs
WHERE job_id = $1 AND kind = 'video'
"""
_PAUSE = """
UPDATE render.render_jobs SET step = 'Paused', step_before_pause = step,
       pause_requested_at = now(), paused_at = now()
WHERE id = $1 AND step = ANY($2)
"""
#: What is claimed goes on to its end, but comes back to nobody else: that is how a pause drains.
_HOLD = """
UPDATE render.frame_jobs SET held = true WHERE job_id = $1 AND state IN ('Waiting', 'Claimed')
"""
_RESUME = """
UPDATE render.render_jobs SET step = 'Queued', step_before_pause = NULL, pause_requested_at = NULL,
       paused_at = NULL
WHERE id = $1 AND step = ANY($2)
"""
#: The assembly waits for open pieces, whoever resumes.
_LET_GO = """
WITH open AS (
    SELECT count(*) AS pieces FROM render.frame_jobs
    WHERE job_id = $1 AND kind IN ('video', 'audio') AND state NOT IN ('Done', 'Cancelled')),
freed AS (
    UPDATE render.frame_jobs f SET held = false FROM open
    WHERE f.job_id = $1 AND f.state IN ('Waiting', 'Claimed')
      AND (f.kind IN ('video', 'audio') OR open.pieces = 0))
SELECT pieces FROM open
"""
_MOVE = "UPDATE render.render_jobs SET step = $2 WHERE id = $1 AND step = ANY($3)"
_RETRY = """
UPDATE render.render_jobs
SET step = 'Queued', finished_at = NULL, error_class = NULL, error_code = NULL,
    error_message = NULL, error_fa = NULL, error_en = NULL, retryable = NULL,
    refund_fraction = NULL, epoch = epoch + 1, reservation_id = $2, reservation_state = 'Reserved',
    charge_minor = $3, plan_code = $4,
    -- Whose job it is does not change when the farm's staff let it go again.
    support_id = CASE WHEN $7 THEN support_id ELSE $6 END,
    deadline_at = now() + interval '24 hours'
WHERE id = $1 AND step = ANY($5)
"""
_RETRY_FRAMES = """
UPDATE render.frame_jobs
SET state = 'Waiting', finished_at = NULL, held = kind NOT IN ('video', 'audio'),
    not_before = now(), blamed_attempts = 0, done_frames = 0, error_class = NULL, error_code = NULL,
    error_message = NULL
WHERE job_id = $1 AND state = 'Failed'
"""
#: Proven pieces whose objects were given up meanwhile (``farm.leftovers``) are made again.
_FORGET_REMOVED = """
UPDATE render.frame_jobs f
SET state = 'Waiting', held = false, done_frames = 0, finished_at = NULL, node_id = NULL,
    object_key = NULL, sha256 = NULL, packets = NULL, bytes = NULL, proof = NULL, not_before = now()
FROM render.render_jobs j
WHERE j.id = $1 AND f.tenant_id = j.tenant_id AND f.job_id = j.id
  AND f.kind IN ('video', 'audio') AND f.state = 'Done' AND f.finished_at < j.pieces_removed_at
"""
#: A new life has its own three repairs; the timeline keeps what was.
_FORGET_REPAIRS = "DELETE FROM render.frame_repair_jobs WHERE job_id = $1"
_UNBLOCK = "DELETE FROM render.job_node_blocks WHERE job_id = $1"
_ACTIVE = """
SELECT count(*) FROM render.render_jobs
WHERE tenant_id = $1 AND user_id = $2 AND step NOT IN ('Done', 'Failed', 'Cancelled')
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('submit:' || $1, 0))"
_PRIORITY = """
UPDATE render.render_jobs SET priority = $2,
       needs = needs || jsonb_build_object('plan_priority', $3::int)
WHERE id = $1
"""
_PRIORITY_FRAMES = """
UPDATE render.frame_jobs SET priority = $2 WHERE job_id = $1 AND state IN ('Waiting', 'Claimed')
"""
_HEAD_START = """
UPDATE render.queue_lanes SET head_start = $4
WHERE engine = $1 AND tenant_id = $2 AND user_id = $3
"""
_NOTE = """
INSERT INTO render.job_events (tenant_id, job_id, kind, step, data) VALUES ($1, $2, $3, $4, $5)
"""


class Reach(Struct, frozen=True, kw_only=True):
    """Whose jobs an act may touch; None means everybody's. ``by`` goes into the timeline."""

    tenant_id: UUID | None
    user_id: UUID | None
    by: str
    actor: UUID | None

    @property
    def staff(self) -> bool:
        """True when the act is not the owner's."""
        return self.user_id is None


def own(principal: Principal) -> Reach:
    """Return the reach of a customer. Raises ``NotFound`` for who is nobody's customer."""
    if principal.user_id is None:
        raise NotFound()
    return Reach(
        tenant_id=principal.tenant_id,
        user_id=principal.user_id,
        by="user",
        actor=principal.user_id,
    )


def staff(principal: Principal) -> Reach:
    """Return the reach of an administrator: the tenant, or all when of the default tenant."""
    everybody = principal.tenant_id == DEFAULT_TENANT_ID
    return Reach(
        tenant_id=None if everybody else principal.tenant_id,
        user_id=None,
        by="admin",
        actor=principal.user_id,
    )


class ActService:
    """Acts on render jobs. Each raises ``NotFound`` for a job that is out of reach."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def stop(self, reach: Reach, job_id: UUID, *, reason: str = "") -> None:
        """End a job. A customer gets back what was not rendered; whom an administrator stops,
        everything, the day's count too. Raises :class:`JobFinished`."""
        async with self._db.system("stop a job") as work:
            job = await self._lock(work, reach, job_id)
            if Step(job["step"]) in TERMINAL:
                raise JobFinished(step=job["step"])
            drawn = await work.fetchval(_DRAWN, job_id)
            fraction = 1.0 if reach.staff else cancel_refund(drawn, job["total_frames"])
            await work.execute(_STOP, job_id, reach.by, fraction, sources_of(Step.CANCELLED))
            for statement in (_STOP_FRAMES, _STOP_ATTEMPTS, _STOP_REPAIRS):
                await work.execute(statement, job_id)
            await self._note(work, reach, job, "stopped", Step.CANCELLED, reason=reason)
            work.emit(
                JobCancelled(
                    job_id=job_id,
                    user_id=job["user_id"],
                    by=reach.by,
                    refund_fraction=fraction,
                    give_back_count=reach.staff,
                    reservation_id=job["reservation_id"],
                ),
                tenant_id=job["tenant_id"],
            )
        await announce(self._context, job_id, {"type": "cancelled", "step": "Cancelled"})

    async def pause(self, reach: Reach, job_id: UUID) -> None:
        """Claim nothing more of a job; what runs is finished. Raises :class:`JobFinished` and
        :class:`NotPausable` (it is being put together already)."""
        async with self._db.system("pause a job") as work:
            job = await self._lock(work, reach, job_id)
            step = Step(job["step"])
            if step is Step.PAUSED:
                return
            if step in TERMINAL:
                raise JobFinished(step=step)
            if Step.PAUSED not in STEP_MOVES[step]:
                raise NotPausable(step=step)
            await work.execute(_PAUSE, job_id, sources_of(Step.PAUSED))
            await work.execute(_HOLD, job_id)
            await self._note(work, reach, job, "paused", Step.PAUSED)
        await announce(self._context, job_id, {"type": "step_change", "step": "Paused"})

    async def resume(self, reach: Reach, job_id: UUID) -> None:
        """Go on with a paused job. Raises :class:`NotPaused`."""
        async with self._db.system("resume a job") as work:
            job = await self._lock(work, reach, job_id)
            if Step(job["step"]) is not Step.PAUSED:
                raise NotPaused(step=job["step"])
            await work.execute(_RESUME, job_id, sources_of(Step.QUEUED))
            step = await self._go_on(work, job)
            await self._note(work, reach, job, "resumed", step)
        await announce(self._context, job_id, {"type": "step_change", "step": str(step)})

    async def retry(self, reach: Reach, job_id: UUID) -> None:
        """Try a failed job again, with the ranges that are proven; it is counted and charged
        anew, for its failure gave everything back.

        Raises :class:`NotFailed`, :class:`NotRetryable` and identity's refusals.
        """
        async with self._db.system("look at a job") as work:
            job = await work.fetchrow(_FIND, job_id, reach.tenant_id, reach.user_id)
        self._check_failed(job)
        reservation_id = uuid7()
        entitlements = self._context.port(RenderEntitlements)
        reservation = await entitlements.reserve(
            tenant_id=job["tenant_id"],
            user_id=job["user_id"],
            job_id=reservation_id,
            resolution=job["resolution"],
            seconds=job["total_frames"] / job["fps"],
        )
        try:
            async with self._db.system("retry a job") as work:
                step = await self._again(work, reach, job_id, reservation_id, reservation)
        except BaseException:
            with contextlib.suppress(Exception):  # the sweep does it when this cannot
                await entitlements.release(tenant_id=job["tenant_id"], job_id=reservation_id)
            raise
        await announce(self._context, job_id, {"type": "step_change", "step": str(step)})

    async def prioritise(self, reach: Reach, job_id: UUID, priority: int) -> None:
        """Change a job's priority. A customer may go up to what the plan gave.

        Raises :class:`JobFinished` and :class:`PriorityTooHigh`.
        """
        async with self._db.system("priority of a job") as work:
            job = await self._lock(work, reach, job_id)
            if Step(job["step"]) in TERMINAL:
                raise JobFinished(step=job["step"])
            limit = MAX_PRIORITY if reach.staff else job["plan_priority"]
            if priority > limit:
                raise PriorityTooHigh(limit=limit)
            await work.execute(_PRIORITY, job_id, priority, job["plan_priority"])
            await work.execute(_PRIORITY_FRAMES, job_id, priority)
            await self._note(
                work, reach, job, "priority", Step(job["step"]), before=job["priority"],
                after=priority,
            )  # fmt: skip
            # Last: claims want this row.
            if reach.staff:
                place = (job["engine"], job["tenant_id"], job["user_id"])
                await work.execute(_HEAD_START, *place, float(priority))

    async def _again(
        self,
        work: SystemTransaction,
        reach: Reach,
        job_id: UUID,
        reservation_id: UUID,
        reservation: RenderReservation,
    ) -> Step:
        job = await self._lock(work, reach, job_id)
        self._check_failed(job)
        if reservation.max_active_jobs is not None:
            await work.execute(_ONE_AT_A_TIME, str(job["user_id"]))
            active = await work.fetchval(_ACTIVE, job["tenant_id"], job["user_id"])
            if active >= reservation.max_active_jobs:
                raise TooManyActiveJobs(limit=reservation.max_active_jobs)
        await work.execute(
            _RETRY,
            job_id,
            reservation_id,
            reservation.charge_minor,
            reservation.plan_code,
            sources_of(Step.QUEUED),
            impersonator(),
            reach.staff,
        )
        for statement in (_RETRY_FRAMES, _FORGET_REMOVED, _FORGET_REPAIRS, _UNBLOCK):
            await work.execute(statement, job_id)
        step = await self._go_on(work, job)
        await self._note(work, reach, job, "retried", step)
        return step

    async def _go_on(self, work: SystemTransaction, job: Any) -> Step:
        """Let the pieces of a queued job go; straight to its assembly when no other is open."""
        step = Step.QUEUED
        if await work.fetchval(_LET_GO, job["id"]) == 0:
            for after in (Step.RENDERING, Step.ENCODING):
                await work.execute(_MOVE, job["id"], str(after), [str(step)])
                step = after
        work.enqueue(WORK, Wake(engine=job["engine"]))
        return step

    async def _lock(self, work: SystemTransaction, reach: Reach, job_id: UUID) -> Any:
        job = await work.fetchrow(_LOCK, job_id, reach.tenant_id, reach.user_id)
        if job is None:
            raise NotFound()
        return job

    def _check_failed(self, job: Any) -> None:
        if job is None:
            raise NotFound()
        if Step(job["step"]) is not Step.FAILED:
            raise NotFailed(step=job["step"])
        if job["retryable"] is False:
            raise NotRetryable()

    async def _note(
        self,
        work: SystemTransaction,
        reach: Reach,
        job: Any,
        kind: str,
        step: Step,
        **data: object,
    ) -> None:
        facts = {"by": reach.by, "actor": str(reach.actor) if reach.actor else None, **data}
        await work.execute(_NOTE, job["tenant_id"], job["id"], kind, str(step), facts)
