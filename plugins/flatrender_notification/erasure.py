"""What is here of a person: everything that was told to them. It goes with the account, and into a
copy of their data."""

from flatrender.privacy import forgets, gives_copy

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

SUBSCRIPTIONS = (forgets(*_ERASE), gives_copy(_SECTIONS))
