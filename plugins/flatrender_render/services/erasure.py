"""What is erased here with a person's account: their videos, and the names of what they made.

Jobs stay as the farm's history, without a name; the sweep of ended exports takes the objects.
"""

from flatrender.contracts.identity import UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext

_ERASE = (
    "UPDATE render.exports SET expires_at = now(), name = '' "
    "WHERE tenant_id = :tenant AND user_id = :user AND deleted_at IS NULL",
    # What a video was made of is the person's words and pictures.
    "UPDATE render.render_jobs SET project_name = '', "
    "composition = CASE WHEN finished_at IS NULL THEN composition ELSE '{}' END "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "UPDATE render.batches SET name = '', source_object_key = NULL "
    "WHERE tenant_id = :tenant AND user_id = :user",
)


async def erase_videos(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: its videos end now."""
    event: UserDeleted = told.event
    for statement in _ERASE:
        await work.execute(statement, tenant=work.tenant, user=event.user_id)


SUBSCRIPTIONS = (Subscription(event=UserDeleted, handler=erase_videos),)
