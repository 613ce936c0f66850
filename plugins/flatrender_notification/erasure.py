"""What is erased here with a person's account: everything that was told to them."""

from flatrender.contracts.identity import UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered
from flatrender.plugin import PluginContext

_ERASE = (
    "DELETE FROM notification.deliveries WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM notification.notifications WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM notification.notification_preferences "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM notification.user_settings WHERE tenant_id = :tenant AND user_id = :user",
)


async def erase(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: its inbox, preferences and messages go."""
    event: UserDeleted = told.event
    for statement in _ERASE:
        await work.execute(statement, tenant=work.tenant, user=event.user_id)
