"""Waiting for what can only be seen by asking."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flatrender.db import SystemTransaction

T = TypeVar("T")


async def until(
    probe: Callable[[], Awaitable[T | None]],
    *,
    within: float = 120.0,
    standing: Callable[[], Awaitable[str]] | None = None,
) -> T:
    """Return the first truthy answer of ``probe``. Fails after ``within`` seconds, with what
    ``standing`` says of who waits for what.

    It polls and ends at once when the answer is there.
    """
    deadline = time.monotonic() + within
    while True:
        found = await probe()
        if found:
            return found
        if time.monotonic() > deadline:
            said = f"; {await standing()}" if standing else ""
            raise AssertionError(f"nothing happened within {within} s{said}")
        await asyncio.sleep(0.02)


async def waited_for(work: SystemTransaction, *, within: float = 60.0) -> None:
    """Return once somebody waits for a lock of this transaction."""
    # Not pg_stat_activity: within a transaction that stays as it was first looked at.
    asked = (
        "SELECT 1 FROM pg_locks WHERE NOT granted "
        "AND pg_backend_pid() = ANY (pg_blocking_pids(pid)) LIMIT 1"
    )
    await until(lambda: work.fetchval(asked), within=within)
