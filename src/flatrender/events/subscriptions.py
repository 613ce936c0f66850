"""Subscriptions: what a context does when something happened elsewhere, once per event."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from flatrender.events.envelope import Envelope, Event
from flatrender.tasks.task import QueueName

if TYPE_CHECKING:
    from flatrender.db.unit_of_work import UnitOfWork
    from flatrender.plugin import PluginContext


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What a handler receives: the envelope, and ``event`` decoded to its Struct."""

    envelope: Envelope
    event: Any


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Run ``handler`` for every ``event``.

    The handler gets an open unit of work of its own context in the event's tenant, in which the
    inbox row is already written: what it does commits with the proof that it was done, so an
    event delivered twice is handled once. ``strict`` False allows an event that no installed
    context emits.
    """

    event: type[Event]
    handler: Callable[["PluginContext", "UnitOfWork", Delivered], Awaitable[None]]
    queue: QueueName = "events"
    max_attempts: int = 12
    strict: bool = True

    @property
    def name(self) -> str:
        """The handler's stable name, part of the inbox key."""
        return f"{self.event.event_type}:{self.handler.__name__}"


def decode(subscription: Subscription, envelope: Envelope) -> Delivered:
    """Turn ``envelope.data`` into the event Struct. Raises ``msgspec.ValidationError``."""
    event = msgspec.convert(envelope.data, subscription.event, strict=False)
    return Delivered(envelope=envelope, event=event)


async def handle(context: "PluginContext", subscription: Subscription, envelope: Envelope) -> bool:
    """Run one handler once. Returns False when the event was handled before."""
    if envelope.tenant_id is None:
        raise ValueError(f"{envelope.event_type}: an event without a tenant has no subscribers")
    delivered = decode(subscription, envelope)
    async with context.db.unit_of_work(envelope.tenant_id) as work:
        inserted = await work.execute(
            f"INSERT INTO {context.db.schema}.inbox (event_id, handler) "  # noqa: S608 - own schema name
            "VALUES (:event_id, :handler) ON CONFLICT DO NOTHING RETURNING event_id",
            event_id=envelope.event_id,
            handler=subscription.name,
        )
        if inserted.first() is None:
            return False
        await subscription.handler(context, work, delivered)
        return True
