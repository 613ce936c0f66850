"""Building blocks for mapped tables: the type map, and the plumbing tables every context has.

A context's declarative base is a class of its own (its own registry and schema), so that two
contexts can map tables of the same name::

    class Base(DeclarativeBase):
        metadata = MetaData(schema="studio")
        type_annotation_map = TYPE_MAP

Relationships are ``lazy="raise"`` by house rule: a query that was not asked for is an error.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, FetchedValue, Identity, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7

TYPE_MAP: Final[dict[Any, Any]] = {
    datetime: DateTime(timezone=True),
    UUID: PG_UUID(as_uuid=True),
    str: Text(),
}


class OutboxColumns:
    """Events and tasks written with the change they tell of; the relay hands them on."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    event_id: Mapped[UUID]
    kind: Mapped[str]
    name: Mapped[str]
    tenant_id: Mapped[UUID | None]
    payload: Mapped[Any] = mapped_column(JSONB, nullable=False)
    queue: Mapped[str | None]
    headers: Mapped[Any] = mapped_column(JSONB, nullable=False, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    available_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())
    published_at: Mapped[datetime | None]
    last_error: Mapped[str | None]


class InboxColumns:
    """Events already handled, by handler: an event delivered twice is handled once."""

    __tablename__ = "inbox"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    handler: Mapped[str] = mapped_column(primary_key=True)
    handled_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class IdempotencyKeyColumns:
    """Acts asked for under an Idempotency-Key, and their answers for 24 hours."""

    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    request_hash: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[Any] = mapped_column(JSONB, nullable=True)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    locked_until: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    expires_at: Mapped[datetime]


class DeadLetterColumns:
    """Tasks and events that failed too often; listed and replayed by an operator."""

    __tablename__ = "dead_letters"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[str]
    name: Mapped[str]
    queue: Mapped[str | None]
    tenant_id: Mapped[UUID | None]
    payload: Mapped[Any] = mapped_column(JSONB, nullable=False)
    error: Mapped[str]
    attempts: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    replayed_at: Mapped[datetime | None]
