"""Waiting for work on behalf of a node outside: as long as it asked, not longer than it listens."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from flatrender.plugin import PluginContext
from flatrender_render.farm.wake import WORK_CHANNEL
from flatrender_render.farm.wire import MAX_WAIT

T = TypeVar("T")

_LOOK_SECONDS = 2.0


async def long_poll(
    context: PluginContext,
    take: Callable[[], Awaitable[T | None]],
    *,
    wait: float,
    gone: asyncio.Event,
) -> T | None:
    """Return what ``take`` gives, asking again on every wake-up for up to ``wait`` seconds.

    ``gone`` is set when the caller has hung up: nobody would do what is claimed for it.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(wait, MAX_WAIT)
    async with context.infra.hub.listen(WORK_CHANNEL) as woken:
        while not gone.is_set():
            found = await take()
            if found is not None:
                return found
            left = deadline - loop.time()
            if left <= 0 or context.infra.drain.begun:
                return None
            await woken.next_message(min(left, _LOOK_SECONDS))
    return None
