"""The relay: takes committed outbox rows to the queues, at least once, soon.

The database's notification wakes it; a sweep finds what a notification missed and what only now
became due. Several relays may run: rows are taken with SKIP LOCKED. When Valkey has lost its
memory (restarted or emptied), what was handed to it recently is handed over again, the latest
first and not all at once; handlers and tasks are idempotent.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import structlog

from flatrender.db.connect import connect_arguments
from flatrender.events.subscriptions import Subscription
from flatrender.observability.metrics import OUTBOX_LAG, OUTBOX_RELAYED
from flatrender.plugin import PluginContext
from flatrender.tasks.queue import Job, QueueClient

log = structlog.get_logger(__name__)

CHANNEL = "flatrender_outbox"
BATCH = 200
SWEEP_SECONDS = 5.0
REPLAYED_PER_SECOND = 200
#: How far back rows are handed over again after Valkey restarted, and after it was emptied.
REPLAY_AFTER_RESTART = timedelta(minutes=5)
REPLAY_AFTER_LOSS = timedelta(hours=24)

_TAKE = """
SELECT id, event_id, kind, name, queue, payload, headers, created_at
FROM {schema}.outbox WHERE published_at IS NULL AND available_at <= now()
ORDER BY available_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_PUBLISHED = (
    "UPDATE {schema}.outbox SET published_at = now(), attempts = attempts + 1 WHERE id = ANY($1)"
)
#: The latest first, for those are most likely what was lost, and in slices: what happens now must
#: not wait behind a day of what was done long ago. Within a slice the order stays.
_REPLAY = """
UPDATE {schema}.outbox o
SET published_at = NULL, available_at = now() + r.slice * interval '1 second'
FROM (
    SELECT id, (row_number() OVER (ORDER BY published_at DESC, id DESC) - 1) / $2::int AS slice
    FROM {schema}.outbox WHERE published_at > now() - $1::interval
) r WHERE o.id = r.id
"""
_NEXT = (
    "SELECT extract(epoch FROM min(available_at) - now())::float8 "
    "FROM {schema}.outbox WHERE published_at IS NULL"
)


class Relay:
    """Drains the outboxes of every context this process has a system role for.

    ``subscribers`` maps an event type to (context, subscription) of every *installed* context,
    loaded here or not: another process will run them. ``time_scale`` multiplies the timers.
    """

    def __init__(
        self,
        contexts: Mapping[str, PluginContext],
        subscribers: Mapping[str, Sequence[tuple[str, Subscription]]],
        queue: QueueClient,
        prefix: str,
        *,
        time_scale: float = 1.0,
    ) -> None:
        self._contexts = {c.db.schema: c for c in contexts.values()}
        self._subscribers = subscribers
        self._queue = queue
        self._mark = f"{prefix}:relay:mark"
        self._scale = time_scale
        self._wake = asyncio.Event()
        self._dirty: set[str] = set(self._contexts)
        # Times of the loop: when the next row of a schema is due, when all are looked through,
        # when Valkey is asked again whether it is still the same.
        self._due: dict[str, float] = {}
        self._sweep_at = 0.0
        self._ask_at = 0.0

    async def run(self) -> None:
        """Relay until cancelled; a lost connection is re-made."""
        while True:
            try:
                await self._run_connected()
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the relay outlives every outage
                log.warning("relay_interrupted", error=repr(error))
                await asyncio.sleep(1.0 * self._scale)

    async def drain(self, schema: str) -> int:
        """Hand over everything due in one schema; returns the number of rows."""
        total = 0
        while True:
            taken = await self._drain_batch(self._contexts[schema])
            total += taken
            if taken < BATCH:
                return total

    async def _run_connected(self) -> None:
        some = next(iter(self._contexts.values()))
        arguments = connect_arguments(some.infra.settings.database, some.name, system=True)
        listener = await asyncpg.connect(**arguments)
        try:
            await listener.add_listener(CHANNEL, self._heard)
            self._dirty = set(self._contexts)
            self._sweep_at = self._ask_at = 0.0
            while True:
                await self._check_memory()
                schemas, self._dirty = self._dirty, set()
                self._wake.clear()
                for schema in schemas:
                    await self.drain(schema)
                    await self._look(schema)
                await self._wait()
                if listener.is_closed():
                    raise ConnectionError("the listening connection was lost")
        finally:
            with contextlib.suppress(Exception):
                await listener.close(timeout=2)

    def _heard(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        if isinstance(payload, str) and payload in self._contexts:
            self._dirty.add(payload)
            self._wake.set()

    async def _wait(self) -> None:
        """Wait for a notification, the next delayed row or the sweep, whatever comes first."""
        loop = asyncio.get_running_loop()
        soonest = min([self._sweep_at, *self._due.values()])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, soonest - loop.time())):
                await self._wake.wait()
        if loop.time() >= self._sweep_at:
            self._sweep_at = loop.time() + SWEEP_SECONDS * self._scale
            for schema in self._contexts.keys() - self._dirty:
                await self._look(schema)
        self._dirty |= {schema for schema, due in self._due.items() if due <= loop.time()}

    async def _look(self, schema: str) -> None:
        """Find out when the next row of a schema is due."""
        rows = await self._contexts[schema].db.system_fetch("relay", _NEXT.format(schema=schema))
        left = rows[0][0] if rows else None
        now = asyncio.get_running_loop().time()
        self._due[schema] = float("inf") if left is None else now + left

    async def _drain_batch(self, context: PluginContext) -> int:
        schema = context.db.schema
        async with context.db.system("relay") as work:
            rows = await work.fetch(_TAKE.format(schema=schema), BATCH)
            if not rows:
                return 0
            for row in rows:
                for job in self._jobs(context.name, row):
                    await self._queue.enqueue(job)
            await work.execute(_PUBLISHED.format(schema=schema), [row["id"] for row in rows])
        OUTBOX_RELAYED.labels(context.name).inc(len(rows))
        lag = (context.clock.now() - rows[0]["created_at"]).total_seconds()
        OUTBOX_LAG.labels(context.name).observe(max(0.0, lag))
        return len(rows)

    def _jobs(self, context: str, row: Any) -> list[Job]:
        payload = msgspec.json.encode(row["payload"])
        if row["kind"] == "task":
            return [
                Job(
                    context=context,
                    queue=row["queue"],
                    name=row["name"],
                    payload=payload,
                    headers=row["headers"],
                    job_id=str(row["event_id"]),
                )
            ]
        return [
            Job(
                context=subscriber,
                queue=subscription.queue,
                name=subscription.name,
                payload=payload,
                headers=row["headers"],
                job_id=f"{row['event_id']}:{subscriber}:{subscription.name}",
            )
            for subscriber, subscription in self._subscribers.get(row["name"], ())
        ]

    async def _check_memory(self) -> None:
        """Notice that Valkey forgot, and hand over again what it may have lost."""
        now = asyncio.get_running_loop().time()
        if now < self._ask_at:
            return
        redis = await self._queue.redis()
        info = await redis.info("server")
        run_id = str(info.get("run_id", ""))
        marked = await redis.get(self._mark)
        since: timedelta | None = None
        if marked is None:
            since = REPLAY_AFTER_LOSS
        elif marked.decode() != run_id:
            since = REPLAY_AFTER_RESTART
        if since is not None:
            for context in self._contexts.values():
                async with context.db.system("relay: Valkey forgot") as work:
                    replay = _REPLAY.format(schema=context.db.schema)
                    tag = await work.execute(replay, since, REPLAYED_PER_SECOND)
                    log.info("outbox_replayed", context=context.name, rows=tag)
            self._dirty = set(self._contexts)
            await redis.set(self._mark, run_id)
        self._ask_at = now + SWEEP_SECONDS * self._scale
