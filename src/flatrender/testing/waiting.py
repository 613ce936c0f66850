"""Waiting for what can only be seen by asking."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def until(probe: Callable[[], Awaitable[T | None]], *, within: float = 30.0) -> T:
    """Return the first truthy answer of ``probe``. Fails after ``within`` seconds.

    It polls and ends at once when the answer is there.
    """
    deadline = time.monotonic() + within
    while True:
        found = await probe()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing happened within {within} s")
        await asyncio.sleep(0.02)
