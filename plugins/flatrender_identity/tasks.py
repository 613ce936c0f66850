"""Identity's tasks: plans that run out, reservations whose render never began."""

from flatrender.plugin import PluginContext
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender_identity.services.entitlements import EntitlementService
from flatrender_identity.services.plans import PlanService


async def expire_plans(context: PluginContext, _payload: Nothing) -> None:
    """End plans whose time is over."""
    await context.get(PlanService).expire_due()


async def release_orphans(context: PluginContext, _payload: Nothing) -> None:
    """Give back reservations that nobody settled in time."""
    await context.get(EntitlementService).release_orphans()


EXPIRE_PLANS = Task(name="identity.expire_plans", queue="cleanup", handler=expire_plans)
RELEASE_ORPHANS = Task(name="identity.release_orphans", queue="cleanup", handler=release_orphans)

TASKS = (EXPIRE_PLANS, RELEASE_ORPHANS)
SCHEDULES = (
    Schedule(task=EXPIRE_PLANS, every=60.0),
    Schedule(task=RELEASE_ORPHANS, every=600.0),
)
