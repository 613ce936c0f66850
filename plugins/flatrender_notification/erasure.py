"""What is here of a person: everything that was told to them. It goes with the account, and into a
copy of their data."""

from flatrender.contracts.identity import DataExportRequested, UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered
from flatrender.plugin import PluginContext
from flatrender.privacy import give_part

_ERASE = (
    "DELETE FROM notification.deliveries WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM notification.notifications WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM notification.notification_preferences "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM notification.user_settings WHERE tenant_id = :tenant AND user_id = :user",
)

_SECTIONS = {
    "notifications": "SELECT type, title_fa, title_en, body_fa, body_en, created_at "
    "FROM notification.notifications WHERE tenant_id = :tenant AND user_id = :user "
    "ORDER BY created_at",
    "preferences": "SELECT type, channel, enabled FROM notification.notification_preferences "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "messages": "SELECT channel, recipient, template, state, created_at, sent_at "
    "FROM notification.deliveries WHERE tenant_id = :tenant AND user_id = :user "
    "ORDER BY created_at",
}


async def give_copy(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A person asked for a copy of their data: give what they were told."""
    event: DataExportRequested = told.event
    await give_part(context, work, event, _SECTIONS)


async def erase(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: its inbox, preferences and messages go."""
    event: UserDeleted = told.event
    for statement in _ERASE:
        await work.execute(statement, tenant=work.tenant, user=event.user_id)
