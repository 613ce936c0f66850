"""Identity's tasks: plans that run out, messages that were asked for, accounts
whose day has come, signing keys that grow old."""

from flatrender.plugin import PluginContext
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender_identity.services.bans import LIFT_BANS
from flatrender_identity.services.data_exports import BUILD, EXPIRE_EXPORTS, REMOVE
from flatrender_identity.services.deletion import ERASE_ACCOUNTS
from flatrender_identity.services.key_rotation import KEEP_KEYS
from flatrender_identity.services.links import SEND_LINK
from flatrender_identity.services.plans import PlanService
from flatrender_identity.services.tidy import TIDY


async def expire_plans(context: PluginContext, _payload: Nothing) -> None:
    """End plans whose time is over."""
    await context.get(PlanService).expire_due()


EXPIRE_PLANS = Task(name="identity.expire_plans", queue="cleanup", handler=expire_plans)

TASKS = (
    EXPIRE_PLANS,
    SEND_LINK,
    LIFT_BANS,
    ERASE_ACCOUNTS,
    BUILD,
    REMOVE,
    EXPIRE_EXPORTS,
    TIDY,
    KEEP_KEYS,
)
SCHEDULES = (
    Schedule(task=EXPIRE_PLANS, every=60.0),
    Schedule(task=LIFT_BANS, every=30.0),
    Schedule(task=ERASE_ACCOUNTS, every=300.0),
    Schedule(task=EXPIRE_EXPORTS, every=3600.0),
    Schedule(task=TIDY, every=600.0),
    Schedule(task=KEEP_KEYS, every=300.0),
)
