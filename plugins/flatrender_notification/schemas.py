"""Requests and answers of notification's HTTP API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from flatrender.http.negotiate import Language
from flatrender_notification.queries import NotificationRow, Preference
from flatrender_notification.services.inbox import PreferenceChoice


class Notification(Struct, frozen=True, kw_only=True):
    """A notification in the caller's language. ``action_url`` is a route of ours."""

    id: UUID
    type: str
    priority: str
    title: str
    body: str
    data: dict[str, Any]
    action_url: str | None
    read_at: datetime | None
    created_at: datetime


class UnreadCount(Struct, frozen=True):
    """How many notifications are unread."""

    unread: int


class StreamTicket(Struct, frozen=True, kw_only=True):
    """A short token for the live inbox."""

    token: str
    expires_in: int
    sse_url: str


class PreferencesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Choices to keep; what is not named stays."""

    preferences: Annotated[list[PreferenceChoice], Meta(max_length=200)]


class Preferences(Struct, frozen=True):
    """What the caller has chosen; everything else follows the defaults."""

    preferences: list[Preference]


def view(row: NotificationRow, language: Language) -> Notification:
    """Return the public shape in one language."""
    persian = language == "fa"
    return Notification(
        id=row.id,
        type=row.type,
        priority=row.priority,
        title=row.title_fa if persian else row.title_en,
        body=row.body_fa if persian else row.body_en,
        data=row.data,
        action_url=row.action_url,
        read_at=row.read_at,
        created_at=row.created_at,
    )
