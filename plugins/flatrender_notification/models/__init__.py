"""Mapped tables of the notification schema. The database is the truth; a contract test compares."""

from flatrender_notification.models.base import Base
from flatrender_notification.models.messages import (
    Campaign,
    ChannelSettings,
    Delivery,
    Notification,
    NotificationPreference,
    Suppression,
    Template,
    UserSettings,
)
from flatrender_notification.models.plumbing import DeadLetter, IdempotencyKey, Inbox, Outbox

__all__ = [
    "Base",
    "Campaign",
    "ChannelSettings",
    "DeadLetter",
    "Delivery",
    "IdempotencyKey",
    "Inbox",
    "Notification",
    "NotificationPreference",
    "Outbox",
    "Suppression",
    "Template",
    "UserSettings",
]
