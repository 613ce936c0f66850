"""Slots of one machine ask the farm together: who asks while a call is under way joins the next.

Nobody waits for company: a slot that is alone asks at once. What the farm gives to a slot that has
stopped meanwhile goes to another one that waits, or back to the farm. Knows nothing of engines.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from flatrender_render.farm.claims import Claim

#: As many as one call may ask for.
MOST = 64

Take = Callable[[int], Awaitable[list[Claim]]]
GiveBack = Callable[[Claim], Awaitable[None]]


class Together:
    """Bundles the asks of slots. ``take`` claims up to so many; ``give_back`` returns a claim."""

    def __init__(self, take: Take, give_back: GiveBack) -> None:
        self._take = take
        self._give_back = give_back
        self._waiting: deque[asyncio.Future[Claim | None]] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def ask(self) -> Claim | None:
        """Return a claim, or None when there was none for this slot. Raises what ``take`` does."""
        mine: asyncio.Future[Claim | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="claims")
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                await self._return(mine.result())  # it came just as we were told to stop
            raise

    async def close(self) -> None:
        """Give up a call that is under way; whoever waits for it gets nothing."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        asked: list[asyncio.Future[Claim | None]] = []
        try:
            while self._waiting:
                asked = []
                while self._waiting and len(asked) < MOST:
                    slot = self._waiting.popleft()
                    if not slot.done():
                        asked.append(slot)
                if not asked:
                    continue
                try:
                    found = await self._take(len(asked))
                except Exception as error:  # noqa: BLE001 - each slot raises it where it asked
                    for slot in asked:
                        if not slot.done():
                            slot.set_exception(error)
                    continue
                await self._hand_out(found, asked)
        finally:
            self._asking = None
            for slot in (*asked, *self._waiting):
                if not slot.done():
                    slot.set_result(None)
            self._waiting.clear()

    async def _hand_out(
        self, found: list[Claim], asked: list[asyncio.Future[Claim | None]]
    ) -> None:
        for slot in (*asked, *self._waiting):
            if not slot.done() and found:
                slot.set_result(found.pop())
        for slot in asked:
            if not slot.done():
                slot.set_result(None)
        for claim in found:  # their slots have stopped
            await self._return(claim)

    async def _return(self, claim: Claim | None) -> None:
        if claim is not None:
            await asyncio.shield(self._give_back(claim))
