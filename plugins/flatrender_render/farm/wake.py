"""Waking workers: the arq tasks of the render queue. PostgreSQL decides what there is to do."""

from uuid import UUID

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.security.support import for_anybody
from flatrender.tasks.task import Nothing, Schedule, Task

SWEEP_SECONDS = 5.0
WORK_CHANNEL = "farm:work"
WAKES_PER_SWEEP = 64

#: For each engine by itself: many rows of one must not hide those of another.
_WAITING = """
SELECT q.engine, least(64, sum(w.rows))::int AS waiting
FROM render.queue_tenants q CROSS JOIN LATERAL (
    SELECT count(*) AS rows FROM (
        SELECT FROM render.frame_jobs f
        WHERE f.tenant_id = q.tenant_id AND f.engine = q.engine AND f.state = 'Waiting'
          AND NOT f.held AND f.not_before <= now() LIMIT 64) few) w
WHERE q.active GROUP BY q.engine HAVING sum(w.rows) > 0
"""
_STARVED_SNAPSHOTS = """
SELECT id, epoch FROM render.snapshots
WHERE (state = 'Waiting' AND created_at < now() - interval '2 seconds')
   OR (state = 'Claimed' AND lease_until < now())
LIMIT 16
"""
_TOO_OLD = """
SELECT id FROM render.render_jobs
WHERE step NOT IN ('Done', 'Failed', 'Cancelled', 'Paused') AND deadline_at < now() LIMIT 50
"""


class Wake(Struct, frozen=True):
    """There may be frame jobs of this engine."""

    engine: str = "lottie"


class SnapshotWake(Struct, frozen=True):
    """A snapshot waits."""

    snapshot_id: UUID


async def work(context: PluginContext, wake: Wake) -> None:
    """Claim and do frame jobs until there are none for this worker."""
    from flatrender_render.farm.runner import Runner

    await context.infra.hub.publish(WORK_CHANNEL, {"engine": wake.engine})  # nodes outside wait
    with for_anybody():
        await context.get(Runner).work(wake.engine)


async def draw_snapshot(context: PluginContext, wake: SnapshotWake) -> None:
    """Draw a waiting snapshot."""
    from flatrender_render.services.snapshots import SnapshotService

    await context.get(SnapshotService).draw(wake.snapshot_id)


async def sweep(context: PluginContext, _payload: Nothing) -> None:
    """Reap leases that ran out, fail jobs past their age, and wake workers for what waits:
    nothing depends on a wake-up having arrived."""
    from flatrender_render.farm import claims, conduct, reports
    from flatrender_render.farm.failures import classify
    from flatrender_render.farm.node import mark_silent
    from flatrender_render.live import announce

    await mark_silent(context)
    async with context.db.system("farm reaper") as work_:
        await conduct.note_lost(work_, await claims.reap(work_))
    await conduct.ask_for_tests(context.db, scale=context.infra.settings.core.time_scale)
    async with context.db.system("farm queue") as work_:
        await claims.tidy(work_)
    for row in await context.db.system_fetch("jobs past their age", _TOO_OLD):
        async with context.db.system("farm age limit") as work_:
            verdict = classify("job_too_old", "not finished within its age limit")
            failed = await reports.fail_job(work_, row["id"], verdict)
        if failed:
            await announce(context, row["id"], {"type": "failed", "step": "Failed"})
    queue = context.infra.queue
    # Ids of arq's are not a queue's own: what shares a Valkey with us must not share our names.
    name = queue.queue_name(WORK.queue, "render")
    for row in await context.db.system_fetch("frame jobs that wait", _WAITING):
        await queue.keep_waiting(
            "render",
            WORK.queue,
            WORK.name,
            Wake(engine=row["engine"]),
            prefix=f"{name}:{row['engine']}",
            count=min(row["waiting"], WAKES_PER_SWEEP),
        )
    for row in await context.db.system_fetch("snapshots that wait", _STARVED_SNAPSHOTS):
        await queue.enqueue_task(
            "render",
            SNAPSHOT.queue,
            SNAPSHOT.name,
            SnapshotWake(snapshot_id=row["id"]),
            # By epoch: the name of an attempt that died stays taken for a while.
            job_id=f"{SNAPSHOT.name}:{row['id']}:{row['epoch']}",
        )


async def settle_overdue(context: PluginContext, _payload: Nothing) -> None:
    """Close reservations that the events of their jobs missed."""
    from flatrender_render.farm import accounts

    await accounts.settle_overdue(context)


WORK = Task(
    name="render.work",
    queue="render",
    handler=work,
    payload=Wake,
    timeout=6 * 3600.0,  # the loop ends by itself; single frame jobs have watchdogs of their own
    max_attempts=3,
    backoff=1.0,
)
SNAPSHOT = Task(
    name="render.snapshot",
    queue="quick",
    handler=draw_snapshot,
    payload=SnapshotWake,
    timeout=60.0,
    max_attempts=3,
    backoff=0.5,
)
SWEEP = Task(
    name="render.sweep",
    queue="cleanup",
    handler=sweep,
    timeout=60.0,
    max_attempts=1,
    alone=True,
)
SETTLE = Task(name="render.settle_overdue", queue="cleanup", handler=settle_overdue, timeout=300.0)

TASKS = (WORK, SNAPSHOT, SWEEP, SETTLE)
SCHEDULES = (
    Schedule(task=SWEEP, every=SWEEP_SECONDS),
    Schedule(task=SETTLE, every=600.0),
)
