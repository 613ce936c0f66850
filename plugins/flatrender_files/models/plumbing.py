"""The plumbing tables of the files context, mapped from the kernel's columns."""

from flatrender.db.models import (
    DeadLetterColumns,
    IdempotencyKeyColumns,
    InboxColumns,
    OutboxColumns,
)
from flatrender_files.models.base import Base


class Outbox(OutboxColumns, Base):
    """This context's outbox."""


class Inbox(InboxColumns, Base):
    """This context's inbox."""


class IdempotencyKey(IdempotencyKeyColumns, Base):
    """This context's idempotency keys."""


class DeadLetter(DeadLetterColumns, Base):
    """This context's dead letters."""
