"""The event base class and the envelope around it.

An event type is named ``{domain}.{entity}.{verb}.v{n}`` with the verb in the past tense. The
Struct that subclasses :class:`Event` is the schema of ``data``; the same Structs make the
published JSON Schema, so what is documented is what is sent.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct


class Event(Struct, frozen=True, kw_only=True):
    """Base of every event. Subclasses set ``event_type`` and ``producer``."""

    event_type: ClassVar[str] = ""
    producer: ClassVar[str] = ""


class Envelope(Struct, frozen=True, kw_only=True):
    """What travels: the event with when, whose and in which trace it happened.

    ``data`` is the event Struct as plain JSON values; :func:`decode` turns it back.
    """

    event_id: UUID
    event_type: str
    event_time: datetime
    tenant_id: UUID | None
    user_id: UUID | None
    trace_id: str
    correlation_id: str
    producer: str
    data: dict[str, object]
