"""What an idempotency store is: records of acts, claimed by one request at a time."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from msgspec import Struct


class Entry(Struct, frozen=True, kw_only=True):
    """One act: who asks (``tenant_id``, ``subject``), under which key, for what.

    ``request_hash`` is a keyed hash of method, path, query and body.
    """

    tenant_id: UUID
    subject: str
    key: str
    route: str
    request_hash: bytes


class Answer(Struct, frozen=True, kw_only=True):
    """An answer to give again. ``body`` is sealed by the middleware before it is stored."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Claimed(Struct, frozen=True):
    """The key is ours until ``fence``; later writes must name the same fence."""

    fence: datetime


class Running(Struct, frozen=True):
    """Another request owns the key until ``locked_until``."""

    locked_until: datetime


class Done(Struct, frozen=True):
    """The act was done; ``answer`` is None when it was lost."""

    answer: Answer | None


class Reused(Struct, frozen=True):
    """The key belongs to a request with another hash."""


Outcome = Claimed | Running | Done | Reused


class IdempotencyStore(Protocol):
    """Keeps the records of one context. Every method is one transaction of its own."""

    async def begin(
        self, entry: Entry, *, now: datetime, locked_until: datetime, expires_at: datetime
    ) -> Outcome:
        """Claim the key, or say who has it. Atomic: of any number at once one gets Claimed."""
        ...

    async def finish(
        self, entry: Entry, fence: datetime, answer: Answer | None, *, expires_at: datetime
    ) -> bool:
        """Keep the answer (None: too large to keep); False when the claim was lost."""
        ...

    async def release(self, entry: Entry, fence: datetime) -> bool:
        """Forget a claim under which nothing was changed; False when there is none to forget."""
        ...
