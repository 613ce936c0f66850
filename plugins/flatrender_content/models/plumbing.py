"""Tables that belong to no tenant: the plumbing from the kernel's columns, and what is unused."""

from datetime import datetime

from sqlalchemy import FetchedValue
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.db.models import (
    DeadLetterColumns,
    IdempotencyKeyColumns,
    InboxColumns,
    OutboxColumns,
)
from flatrender_content.models.base import Base


class Outbox(OutboxColumns, Base):
    """This context's outbox."""


class Inbox(InboxColumns, Base):
    """This context's inbox."""


class IdempotencyKey(IdempotencyKeyColumns, Base):
    """This context's idempotency keys."""


class DeadLetter(DeadLetterColumns, Base):
    """This context's dead letters."""


class UnusedObject(Base):
    """An object of the store that nothing refers to, since when."""

    __tablename__ = "unused_objects"

    object_key: Mapped[str] = mapped_column(primary_key=True)
    unused_since: Mapped[datetime] = mapped_column(server_default=FetchedValue())
