"""Notification's hot reads: SQL to Struct."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.db import ReadPool
from flatrender.http.sorting import KeysetQuery, SortColumn, SortMenu


class NotificationRow(Struct, frozen=True, kw_only=True):
    """A notification in both languages."""

    id: UUID
    type: str
    priority: str
    title_fa: str
    title_en: str
    body_fa: str
    body_en: str
    data: dict[str, Any]
    action_url: str | None
    read_at: datetime | None
    created_at: datetime


class Preference(Struct, frozen=True, kw_only=True):
    """Whether a kind of message may use a channel."""

    type: str
    channel: str
    enabled: bool


_ROW = """
SELECT id, type, priority, title_fa, title_en, body_fa, body_en, data, action_url, read_at,
       created_at
FROM notification.notifications
"""
_ONE = _ROW + "WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND in_app"
_INBOX = (
    _ROW
    + """
WHERE tenant_id = $1 AND user_id = $2 AND in_app AND archived_at IS NULL
  AND (NOT $3 OR read_at IS NULL) AND {after}
ORDER BY {order} LIMIT $4
"""
)
ORDER = SortMenu(
    {"created_at": SortColumn("created_at", datetime, "timestamptz")},
    default="-created_at",
    tie=SortColumn("id", UUID, "uuid"),
)
_UNREAD = """
SELECT count(*) FROM notification.notifications
WHERE tenant_id = $1 AND user_id = $2 AND in_app AND read_at IS NULL AND archived_at IS NULL
"""
_PREFERENCES = """
SELECT type, channel, enabled FROM notification.notification_preferences
WHERE tenant_id = $1 AND user_id = $2 ORDER BY type, channel
"""


async def one(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, notification_id: UUID
) -> NotificationRow | None:
    """Return one notification of a user, or None."""
    return await reads.one(NotificationRow, tenant_id, _ONE, tenant_id, user_id, notification_id)


async def inbox(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID | None,
    *,
    unread: bool,
    keys: KeysetQuery[Any],
) -> list[NotificationRow]:
    """Return a user's inbox behind a keyset position (parameters from ``$5`` on)."""
    sql = _INBOX.format(after=keys.condition, order=keys.order.order_by())
    return await reads.all(
        NotificationRow, tenant_id, sql, tenant_id, user_id, unread, keys.limit, *keys.values
    )


async def unread_count(reads: ReadPool, tenant_id: UUID, user_id: UUID | None) -> int:
    """Return how many notifications a user has not read."""
    return int(await reads.value(tenant_id, _UNREAD, tenant_id, user_id))


async def preferences(reads: ReadPool, tenant_id: UUID, user_id: UUID | None) -> list[Preference]:
    """Return what a user has chosen; what is not named follows the defaults."""
    return await reads.all(Preference, tenant_id, _PREFERENCES, tenant_id, user_id)
