"""The one clock and the one source of randomness and identifiers, so that tests can hold them.

Nothing else in the project calls ``datetime.now``, ``time.time``, ``random`` or ``uuid4``.
"""

import os
import secrets
import time
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """Tells wall time (UTC) and monotonic seconds."""

    def now(self) -> datetime:
        """Return the current instant, timezone-aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the current instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return ``time.monotonic()``."""
        return time.monotonic()


def uuid7(now: datetime | None = None) -> UUID:
    """Make a UUID version 7 (RFC 9562 section 5.7): time-ordered, 74 random bits."""
    millis = int((now.timestamp() if now else time.time()) * 1000) & ((1 << 48) - 1)
    rand = int.from_bytes(os.urandom(10), "big")
    value = (millis << 80) | (7 << 76) | ((rand >> 68) << 64) | (2 << 62) | (rand & ((1 << 62) - 1))
    return UUID(int=value)


def random_bytes(count: int) -> bytes:
    """Return ``count`` unguessable bytes."""
    return os.urandom(count)


def random_token(num_bytes: int = 32) -> str:
    """Return an unguessable URL-safe token of ``num_bytes`` random bytes."""
    return secrets.token_urlsafe(num_bytes)
