"""Waking readers of full scans: workers that drive an engine, and nodes outside that wait.

PostgreSQL decides what there is to read; nothing depends on a wake-up having arrived.
"""

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.security.support import for_anybody
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender_render.farm.wake import SWEEP_SECONDS, WORK_CHANNEL

_AT_ONCE = 8

_WAITING = """
SELECT engine, least($1, count(*))::int AS waiting FROM render.scan_jobs
WHERE kind = 'Full' AND ((state = 'Queued' AND (not_before IS NULL OR not_before <= now()))
                         OR (state = 'Running' AND lease_until < now()))
GROUP BY engine
"""


class ScanWake(Struct, frozen=True):
    """There may be projects to read for this engine."""

    engine: str


async def scan(context: PluginContext, wake: ScanWake) -> None:
    """Claim and read projects until there are none for this worker."""
    from flatrender_render.farm.runner import Runner

    await context.infra.hub.publish(WORK_CHANNEL, {"engine": wake.engine})
    with for_anybody():
        await context.get(Runner).scan(wake.engine)


async def sweep(context: PluginContext, _payload: Nothing) -> None:
    """Wake readers for what waits."""
    queue = context.infra.queue
    name = queue.queue_name(SCAN.queue, "render")
    for row in await context.db.system_fetch("scans that wait", _WAITING, _AT_ONCE):
        await queue.keep_waiting(
            "render",
            SCAN.queue,
            SCAN.name,
            ScanWake(engine=row["engine"]),
            prefix=f"{name}:scan:{row['engine']}",
            count=row["waiting"],
        )


SCAN = Task(
    name="render.scan",
    queue="render",
    handler=scan,
    payload=ScanWake,
    timeout=6 * 3600.0,  # the loop ends by itself; a single scan has watchdogs of its own
    max_attempts=3,
    backoff=1.0,
)
SWEEP = Task(
    name="render.sweep_scans",
    queue="cleanup",
    handler=sweep,
    timeout=60.0,
    max_attempts=1,
    alone=True,
)

TASKS = (SCAN, SWEEP)
SCHEDULES = (Schedule(task=SWEEP, every=SWEEP_SECONDS),)
