"""The worker: runs the tasks of chosen queues with retries, back-off and dead letters.

One arq worker per queue class and context, all in one event loop. The outcome of a task is
decided here and nowhere else: done, try again later, or into the context's dead letters.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import msgspec
import structlog
from arq.worker import Retry, func

from flatrender.clock import uuid7
from flatrender.events.envelope import Envelope
from flatrender.events.subscriptions import Subscription, handle
from flatrender.observability.metrics import TASK_RUNS, TASK_SECONDS
from flatrender.observability.tracing import task_span
from flatrender.plugin import PluginContext
from flatrender.tasks.due import DueQueues, DueWorker
from flatrender.tasks.queue import Job, QueueClient, deserialize, serialize
from flatrender.tasks.task import QueueName, RetryLater, Task

log = structlog.get_logger(__name__)
# arq writes the arguments of every job into its info lines: payloads do not belong into logs.
logging.getLogger("arq.worker").setLevel(logging.WARNING)

_POLL_SECONDS = 0.02  # between two looks at a queue that holds something

#: Work that occupies a processor: so many at once as there are slots.
_OF_SLOTS: frozenset[QueueName] = frozenset({"render", "extras"})

#: More than the render slots of all workers of a farm together.
_READ_LIMIT = 5_000

#: Until the next try to write down a dead letter.
_BURIAL_SECONDS = 30.0

_DEAD_LETTER = """
INSERT INTO {schema}.dead_letters (id, kind, name, queue, tenant_id, payload, error, attempts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""


class Runner:
    """Makes arq functions of one context's tasks and subscriptions."""

    def __init__(self, context: PluginContext, queue_client: QueueClient) -> None:
        self._context = context
        self._queue_client = queue_client
        self._scale = context.infra.settings.core.time_scale
        self._alone: set[str] = set()

    def task_function(self, task: Task) -> Any:
        """Return the arq function that runs ``task``."""

        async def run(arq: dict[Any, Any], payload: bytes, headers: dict[str, str]) -> None:
            async def work() -> None:
                given = msgspec.json.decode(payload, type=task.payload)
                if not task.alone:
                    await task.handler(self._context, given)
                elif task.name not in self._alone:
                    self._alone.add(task.name)
                    try:
                        await task.handler(self._context, given)
                    finally:
                        self._alone.discard(task.name)

            await self._attempt(
                arq,
                kind="task",
                name=task.name,
                queue=task.queue,
                payload=payload,
                headers=headers,
                timeout=task.timeout,
                max_attempts=task.max_attempts,
                delay=lambda n: min(task.backoff_max, task.backoff * 2 ** (n - 1)),
                work=work,
            )

        return func(
            cast("Any", run), name=task.name, timeout=task.timeout + 30, max_tries=1_000_000
        )

    def event_function(self, subscription: Subscription) -> Any:
        """Return the arq function that delivers events to ``subscription``."""

        async def run(arq: dict[str, Any], payload: bytes, headers: dict[str, str]) -> None:
            async def work() -> None:
                envelope = msgspec.json.decode(payload, type=Envelope)
                await handle(self._context, subscription, envelope)

            await self._attempt(
                arq,
                kind="event",
                name=subscription.name,
                queue=subscription.queue,
                payload=payload,
                headers=headers,
                timeout=60.0,
                max_attempts=subscription.max_attempts,
                delay=lambda n: min(600.0, 1.0 * 2 ** (n - 1)),
                work=work,
            )

        return func(cast("Any", run), name=subscription.name, timeout=90, max_tries=1_000_000)

    async def _attempt(
        self,
        arq: dict[str, Any],
        *,
        kind: str,
        name: str,
        queue: QueueName,
        payload: bytes,
        headers: dict[str, str],
        timeout: float,  # noqa: ASYNC109 - it is the task's declared budget, applied below
        max_attempts: int,
        delay: Callable[[int], float],
        work: Callable[[], Awaitable[None]],
    ) -> None:
        attempt = int(arq.get("job_try") or 1)
        clock = self._context.clock
        begun = clock.monotonic()
        outcome = "done"
        with (
            task_span(name, headers),
            structlog.contextvars.bound_contextvars(task=name, attempt=attempt),
        ):
            try:
                async with asyncio.timeout(timeout):
                    await work()
            except asyncio.CancelledError:
                outcome = "cancelled"
                raise  # arq puts a job of a stopping worker back on its queue
            except RetryLater as request:
                outcome = "again"
                if not request.counts:
                    await self._put_back(queue, name, payload, headers, request.delay)
                    return
                if attempt >= max_attempts:
                    outcome = "dead"
                    await self._bury(kind, name, queue, payload, request, attempt)
                    return
                raise Retry(defer=request.delay * self._scale) from request
            except Exception as error:
                if attempt >= max_attempts:
                    outcome = "dead"
                    await self._bury(kind, name, queue, payload, error, attempt)
                    return
                outcome = "retried"
                wait = delay(attempt) * random.uniform(0.8, 1.2) * self._scale  # noqa: S311 - jitter
                log.warning("task_failed", error=repr(error), retry_in=round(wait, 3))
                raise Retry(defer=wait) from error
            finally:
                TASK_RUNS.labels(name, outcome).inc()
                TASK_SECONDS.labels(name).observe(clock.monotonic() - begun)

    async def _put_back(
        self, queue: QueueName, name: str, payload: bytes, headers: dict[str, str], delay: float
    ) -> None:
        await self._queue_client.enqueue(
            Job(
                context=self._context.name,
                queue=queue,
                name=name,
                payload=payload,
                headers=headers,
                run_at=self._context.clock.now() + timedelta(seconds=delay * self._scale),
            )
        )

    async def _bury(  # noqa: PLR0917 - private, called from one place
        self, kind: str, name: str, queue: str, payload: bytes, error: Exception, attempts: int
    ) -> None:
        log.error("task_dead", error=repr(error), attempts=attempts, exc_info=error)
        try:
            body = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            body = {"undecodable": payload.decode("utf-8", "backslashreplace")}
        try:
            async with self._context.db.system("dead letter") as work:
                await work.execute(
                    _DEAD_LETTER.format(schema=self._context.db.schema),
                    uuid7(),
                    kind,
                    name,
                    queue,
                    _tenant_of(body),
                    body,
                    repr(error)[:4000],
                    attempts,
                )
        except Exception as trouble:
            # Nowhere to write it down (PostgreSQL is away): the job stays, or it would be lost.
            log.warning("burial_failed", error=repr(trouble))
            raise Retry(defer=_BURIAL_SECONDS * self._scale) from trouble


def _tenant_of(body: object) -> UUID | None:
    """Return the tenant a payload names, where it names a proper one."""
    try:
        return UUID(str(body.get("tenant_id"))) if isinstance(body, dict) else None
    except ValueError:
        return None


def build_workers(
    contexts: Mapping[str, PluginContext],
    manifests: Mapping[str, tuple[Sequence[Task], Sequence[Subscription]]],
    queue_client: QueueClient,
    *,
    queues: Sequence[str],
    redis: Any,
    concurrency: int,
    render_slots: int,
) -> tuple[list[DueWorker], DueQueues]:
    """Return one arq worker per queue class and context that has anything to run, and who calls
    them."""
    workers: list[DueWorker] = []
    for name, context in contexts.items():
        tasks, subscriptions = manifests[name]
        runner = Runner(context, queue_client)
        per_queue: dict[QueueName, list[Any]] = {}
        for task in tasks:
            per_queue.setdefault(task.queue, []).append(runner.task_function(task))
        for subscription in subscriptions:
            per_queue.setdefault(subscription.queue, []).append(runner.event_function(subscription))
        for queue, functions in per_queue.items():
            if queues and queue not in queues:
                continue
            rendering = queue in _OF_SLOTS
            workers.append(
                DueWorker(
                    functions=functions,
                    queue_name=queue_client.queue_name(queue, name),
                    redis_pool=redis,
                    handle_signals=False,
                    max_jobs=render_slots if rendering else concurrency,
                    # arq reads so many from the front, where what other workers run lies too.
                    queue_read_limit=_READ_LIMIT if rendering else None,
                    poll_delay=_POLL_SECONDS,
                    keep_result=0,
                    max_tries=1_000_000,
                    job_serializer=serialize,
                    job_deserializer=deserialize,
                    retry_jobs=True,
                    health_check_interval=3600,
                    log_results=False,
                )
            )
    due = DueQueues(redis, [worker.queue_name for worker in workers], queue_client.calls)
    for worker in workers:
        worker.due = due
    return workers, due
