"""Which queues have something due: one question to Valkey for all queues of a process.

arq asks for each queue by itself, many times a second. A worker of this platform has more than a
dozen of them, and asking whether they are still empty was most of what it did.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from arq.worker import Worker

#: An answer serves every queue that asks within this time, less than the shortest poll.
_FRESH_SECONDS = 0.015

#: The numbers (from 1) of the sorted sets whose lowest score is at most ARGV[1].
_DUE = """
local due = {}
for number, queue in ipairs(KEYS) do
    if #redis.call('ZRANGEBYSCORE', queue, '-inf', ARGV[1], 'LIMIT', 0, 1) > 0 then
        due[#due + 1] = number
    end
end
return due
"""


class DueQueues:
    """Knows which of ``queues`` hold a job that is due, running ones included."""

    def __init__(self, redis: Any, queues: Sequence[str]) -> None:
        self._queues = list(queues)
        self._script = redis.register_script(_DUE)
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._due: set[str] = set()

    async def holds(self, queue: str) -> bool:
        """Tell whether something of ``queue`` is due."""
        async with self._asking:
            if time.monotonic() - self._asked >= _FRESH_SECONDS:
                numbers = await self._script(keys=self._queues, args=[time.time_ns() // 1_000_000])
                self._due = {self._queues[number - 1] for number in numbers}
                self._asked = time.monotonic()
        return queue in self._due


class DueWorker(Worker):
    """An arq worker that polls its queue only where something is due or runs."""

    #: Set by whoever makes the workers of a process, for all of them together.
    due: DueQueues | None = None

    async def _poll_iteration(self) -> None:
        if self.tasks or self.due is None or await self.due.holds(self.queue_name):
            await super()._poll_iteration()
