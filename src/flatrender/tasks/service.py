"""The worker process: arq workers, the relay, the scheduler and maintenance, until told to stop.

On SIGTERM it takes no new task, lets running ones finish within the grace time, then cancels
them; a cancelled task goes back to its queue.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from datetime import timedelta

import msgspec
import structlog

from flatrender.db.maintenance import maintain, turn_partitions
from flatrender.events.relay import Relay
from flatrender.runtime import Runtime
from flatrender.tasks.queue import Job
from flatrender.tasks.task import Schedule
from flatrender.tasks.worker import build_workers

log = structlog.get_logger(__name__)

MAINTENANCE_SECONDS = 3600.0
_SETTLE_SECONDS = 0.1  # longer than a poll of a queue takes
#: Slots of schedules that are known to be taken are asked for again after so long only.
_ASK_AGAIN_SECONDS = 1.0


class WorkerService:
    """Runs the background side of a :class:`Runtime` that is already started."""

    def __init__(self, runtime: Runtime, *, queues: Sequence[str] = ()) -> None:
        self._runtime = runtime
        self._queues = list(queues)
        self._stopping = asyncio.Event()
        #: Set once tasks are taken and the contexts know of it.
        self.ready = asyncio.Event()
        self._taken: dict[str, int] = {}  # task -> its slot that somebody has taken
        self._asked = float("-inf")  # when Valkey was asked whether it still knows them
        #: Seconds that running tasks get to finish after :meth:`stop`.
        self.grace = runtime.settings.worker.shutdown_grace

    def stop(self) -> None:
        """Ask the service to end gracefully."""
        self._stopping.set()

    async def run(self, *, handle_signals: bool = True) -> None:
        """Work until :meth:`stop` or a signal."""
        if handle_signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                with contextlib.suppress(NotImplementedError):
                    loop.add_signal_handler(number, self.stop)
        runtime, settings = self._runtime, self._runtime.settings
        queue = runtime.infra.queue
        workers, due = build_workers(
            runtime.contexts,
            {n: (p.manifest.tasks, p.manifest.subscriptions) for n, p in runtime.active.items()},
            queue,
            queues=self._queues,
            redis=await queue.redis(),
            concurrency=settings.worker.concurrency,
            render_slots=settings.worker.render_slots or os.cpu_count() or 1,
        )
        relay = Relay(
            runtime.contexts,
            runtime.subscribers(),
            queue,
            settings.valkey.prefix,
            time_scale=settings.core.time_scale,
        )
        background = [
            asyncio.create_task(due.run(), name="due"),
            asyncio.create_task(relay.run(), name="relay"),
            asyncio.create_task(self._schedule(), name="scheduler"),
            asyncio.create_task(self._maintain(), name="maintenance"),
        ]
        running = [asyncio.create_task(w.async_run(), name=w.queue_name) for w in workers]
        log.info("worker_started", queues=[w.queue_name for w in workers])
        # Beside the rest: whoever does not answer there must not keep this process from stopping.
        background.append(asyncio.create_task(self._take_up(), name="take-up"))
        stop = asyncio.create_task(self._stopping.wait())
        done, _ = await asyncio.wait([stop, *running], return_when=asyncio.FIRST_COMPLETED)
        for ended in done - {stop}:
            if error := ended.exception():
                log.error("worker_loop_ended", queue=ended.get_name(), error=repr(error))
        await self._wind_down(workers, running, background)
        stop.cancel()

    async def _take_up(self) -> None:
        """Tell the contexts which of their queues this process serves."""
        for name, plugin in self._runtime.active.items():
            queues = {task.queue for task in plugin.manifest.tasks}
            served = queues.intersection(self._queues) if self._queues else queues
            try:
                await plugin.take_up(served)
            except Exception as error:  # noqa: BLE001 - tasks are taken all the same
                log.warning("context_not_taken_up", context=name, error=repr(error))
        self.ready.set()

    async def _wind_down(
        self,
        workers: Sequence[object],
        running: Sequence[asyncio.Task[None]],
        background: Sequence[asyncio.Task[None]],
    ) -> None:
        log.info("worker_stopping")
        for plugin in self._runtime.active.values():
            plugin.wind_down()
        for task in background:
            task.cancel()
        for worker in workers:
            worker.allow_pick_jobs = False  # type: ignore[attr-defined]  # arq's own switch
        active: list[asyncio.Task[object]] = []
        ends = asyncio.get_running_loop().time() + self.grace
        while True:
            # A poll that is under way still starts what it has seen: cancelled in the middle of
            # that, a job leaves its connection behind. So it ends first, and its jobs are awaited.
            await asyncio.sleep(_SETTLE_SECONDS)
            active = [
                task
                for worker in workers
                for task in worker.tasks.values()  # type: ignore[attr-defined]  # arq's running jobs
                if not task.done()
            ]
            left = ends - asyncio.get_running_loop().time()
            if not active or left <= 0:
                break
            await asyncio.wait(active, timeout=left)
        for ending in (*active, *running):
            ending.cancel()
        await asyncio.gather(*active, *running, *background, return_exceptions=True)

    async def _schedule(self) -> None:
        """Enqueue each schedule once per period for all workers together (SET NX on the slot)."""
        scale = self._runtime.settings.core.time_scale
        entries = [
            (name, schedule)
            for name, plugin in self._runtime.active.items()
            for schedule in plugin.manifest.schedules
        ]
        if not entries:
            return
        tick = max(0.02, min(s.every for _, s in entries) * scale / 2)
        while True:
            try:
                open_ones = await self._open_slots(entries, scale)
            except Exception as error:  # noqa: BLE001 - Valkey may be away for a while
                log.warning("schedules_not_looked_at", error=repr(error))
                open_ones = []
            for name, schedule, slot in open_ones:
                try:
                    await self._enqueue_due(name, schedule, slot, schedule.every * scale)
                except Exception as error:  # noqa: BLE001 - Valkey may be away for a while
                    log.warning("schedule_failed", task=schedule.task.name, error=repr(error))
            await asyncio.sleep(min(tick, 1.0))

    async def _open_slots(
        self, entries: Sequence[tuple[str, Schedule]], scale: float
    ) -> list[tuple[str, Schedule, int]]:
        """Return the schedules whose slot of this moment may be free, with its number.

        Slots that are known to be taken are asked for together, and only now and then: Valkey
        may have been emptied since.
        """
        now, moment = self._runtime.infra.clock.now().timestamp(), asyncio.get_running_loop().time()
        slots = [(name, each, int(now / (each.every * scale))) for name, each in entries]
        known = [one for one in slots if self._taken.get(one[1].task.name) == one[2]]
        if known and moment - self._asked >= _ASK_AGAIN_SECONDS:
            self._asked = moment
            redis = await self._runtime.infra.queue.redis()
            there = await redis.exists(*(self._slot_key(each, slot) for _, each, slot in known))
            if there < len(known):
                self._taken.clear()
        return [one for one in slots if self._taken.get(one[1].task.name) != one[2]]

    async def _enqueue_due(
        self, context: str, schedule: Schedule, slot: int, period: float
    ) -> None:
        queue = self._runtime.infra.queue
        redis = await queue.redis()
        key = self._slot_key(schedule, slot)
        if await redis.set(key, 1, nx=True, px=int(period * 2000) + 1000):
            await queue.enqueue(
                Job(
                    context=context,
                    queue=schedule.task.queue,
                    name=schedule.task.name,
                    payload=msgspec.json.encode(schedule.payload),
                )
            )
        self._taken[schedule.task.name] = slot

    def _slot_key(self, schedule: Schedule, slot: int) -> str:
        return f"{self._runtime.settings.valkey.prefix}:slot:{schedule.task.name}:{slot}"

    async def _maintain(self) -> None:
        while True:
            for name, context in self._runtime.contexts.items():
                try:
                    await maintain(context.db, keep=timedelta(days=7))
                except Exception as error:  # noqa: BLE001 - tried again in an hour
                    log.warning("maintenance_failed", context=name, error=repr(error))
            for name, context in list(self._runtime.contexts.items())[:1]:  # any one does for all
                try:
                    await turn_partitions(context.db)
                except Exception as error:  # noqa: BLE001 - tried again in an hour
                    log.warning("partitions_failed", context=name, error=repr(error))
            await asyncio.sleep(MAINTENANCE_SECONDS * self._runtime.settings.core.time_scale)
