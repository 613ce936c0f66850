"""Notification's published language: messages to people."""

from typing import ClassVar
from uuid import UUID

from flatrender.events.envelope import Event
from flatrender.security.secrets import Place


class NotificationEvent(Event, frozen=True, kw_only=True):
    """Base of notification's events."""

    producer: ClassVar[str] = "notification"


class NotificationCreated(NotificationEvent, frozen=True, kw_only=True):
    """A notification lies in somebody's inbox."""

    event_type: ClassVar[str] = "notification.created.v1"
    notification_id: UUID
    user_id: UUID
    type: str


class NotificationDelivered(NotificationEvent, frozen=True, kw_only=True):
    """A channel took the message."""

    event_type: ClassVar[str] = "notification.delivered.v1"
    notification_id: UUID
    channel: str


class NotificationFailed(NotificationEvent, frozen=True, kw_only=True):
    """A channel gave up on the message."""

    event_type: ClassVar[str] = "notification.failed.v1"
    notification_id: UUID
    channel: str
    code: str


class MessageRequested(Event, frozen=True, kw_only=True):
    """Any context asks for a transactional message (a verification mail, a security notice).

    ``template`` names a message template of notification; ``params`` fill it. What must not be
    readable at rest (codes, links that carry a token) goes into ``sealed_params``: a JSON object
    sealed by the kernel's encryptor for :func:`message_place`.
    """

    event_type: ClassVar[str] = "notification.message.requested.v1"
    producer: ClassVar[str] = "any"
    channel: str
    user_id: UUID | None
    recipient: str
    template: str
    locale: str
    params: dict[str, str]
    sealed_params: str = ""


def message_place(recipient: str) -> Place:
    """Return where a message's sealed parameters live: they open for this recipient only."""
    return Place("notification", "deliveries", "sealed_params", recipient)
