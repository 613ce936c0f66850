"""When a queue has something to do: workers are called, they do not ask.

arq asks for each queue by itself, many times a second. A worker of this platform has more than a
dozen of them, and asking whether they are still empty was most of what it did. Here whoever
enqueues says so on a channel, one listener of each process looks at all its queues at once, and
only the arq worker of a queue that holds something free is let look. Calls may be lost (Valkey's
publish/subscribe promises nothing): a look at least every second finds what they told of.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

import structlog
from arq.constants import in_progress_key_prefix
from arq.worker import Worker

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0  # what nobody called for (a killed worker's job, a lost call) is found by then
_AGAIN_SECONDS = 0.02  # while something free lies there that a worker is about to take
_FRONT = 50  # entries from the front of a queue; more that run at once are taken for free ones

#: For each queue in KEYS: milliseconds until it holds a job that is due and that nobody runs, by
#: the clock in ARGV[1]; 0: now, -1: it is empty. ARGV[2] begins the mark of a running job.
_LOOK = """
local found = {}
local now, front = tonumber(ARGV[1]), tonumber(ARGV[3])
for number, queue in ipairs(KEYS) do
    local due = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, front)
    local wait = #due == front and 0 or -1
    for _, job in ipairs(due) do
        if redis.call('EXISTS', ARGV[2] .. job) == 0 then
            wait = 0
            break
        end
    end
    if wait < 0 then
        local next = redis.call(
            'ZRANGEBYSCORE', queue, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        if #next > 0 then wait = math.ceil(tonumber(next[2]) - now) end
    end
    found[number] = wait
end
return found
"""


class DueQueues:
    """Calls the workers of ``queues`` when there is something for them.

    :meth:`run` does it, for as long as the process works. On the channel ``calls`` whoever
    enqueues names the queue.
    """

    def __init__(self, redis: Any, queues: Sequence[str], calls: str) -> None:
        self._redis = redis
        self._queues = list(queues)
        self._calls = calls
        self._script = redis.register_script(_LOOK)
        self._bells = {queue: asyncio.Event() for queue in self._queues}
        self._full: set[str] = set()
        self._again = asyncio.Event()

    async def run(self) -> None:
        """Look and call until cancelled; an outage of Valkey is waited for."""
        listening = asyncio.create_task(self._listen(), name="due-calls")
        try:
            while True:
                try:
                    wait = await self._look()
                except Exception as error:  # noqa: BLE001 - the look outlives every outage
                    log.warning("queues_not_looked_at", error=repr(error))
                    wait = LOOK_SECONDS
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._again.wait()
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def wait(self, queue: str, *, full: bool) -> None:
        """Return when ``queue`` may hold something, or one of its worker's jobs has ended.

        A worker that is ``full`` is called for an end only.
        """
        bell = self._bells[queue]
        if full:
            self._full.add(queue)
        try:
            await bell.wait()
        finally:
            self._full.discard(queue)
            bell.clear()

    def ended(self, queue: str) -> None:
        """Take note that a job of ``queue`` ended here: there is room, and it may come again."""
        self._bells[queue].set()
        self._again.set()

    async def _look(self) -> float:
        """Call for what is due; return the seconds until the next look."""
        self._again.clear()
        now = time.time_ns() // 1_000_000  # as arq judges what is due
        waits = await self._script(keys=self._queues, args=[now, in_progress_key_prefix, _FRONT])
        soonest = LOOK_SECONDS
        for queue, wait in zip(self._queues, waits, strict=True):
            if wait < 0 or queue in self._full:
                continue
            if wait == 0:
                self._bells[queue].set()
            soonest = min(soonest, max(_AGAIN_SECONDS, wait / 1000))
        return soonest

    async def _listen(self) -> None:
        """Have every call followed by a look."""
        mine = {queue.encode() for queue in self._queues}
        while True:
            try:
                async with self._redis.pubsub() as calls:
                    await calls.subscribe(self._calls)
                    self._again.set()  # what was told before is seen now
                    async for message in calls.listen():
                        if message["data"] in mine:
                            self._again.set()
            except Exception as error:  # noqa: BLE001 - until Valkey is there again
                log.warning("calls_not_heard", error=repr(error))
            await asyncio.sleep(LOOK_SECONDS)


class DueWorker(Worker):
    """An arq worker that looks at its queue when it is called."""

    #: Set by whoever makes the workers of a process, for all of them together.
    due: DueQueues | None = None

    async def _poll_iteration(self) -> None:
        if self.due is not None:
            await self.due.wait(self.queue_name, full=self.job_counter >= self.max_jobs)
        await super()._poll_iteration()

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """See arq; the end of each job that is started is a call."""
        before = set(self.tasks)
        try:
            await super().start_jobs(job_ids)
        finally:
            for job_id in self.tasks.keys() - before:
                self.tasks[job_id].add_done_callback(self._ended)

    def _ended(self, _task: asyncio.Task[Any]) -> None:
        if self.due is not None:
            self.due.ended(self.queue_name)
