"""The farm's metrics that only the database knows, brought up to date by being scraped.

A scrape answers with what the last refresh found and begins the next one, so that a process
nobody scrapes asks nothing. Counters begin at the process's first scrape; where several API
processes are scraped each of them counts the whole farm: take ``max``, not ``sum``. Tenants are
labels for the ten who wait longest; the rest is ``other``.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from time import monotonic

import structlog
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from flatrender.db import ContextDatabase
from flatrender.observability.metrics import REGISTRY

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 10.0
TENANTS = 10
STATUSES = ("Starting", "Idle", "Busy", "Draining", "Offline", "Crashed", "Quarantined")

NODES = Gauge("flatrender_farm_nodes", "Nodes by status.", ("status",), registry=REGISTRY)
SLOTS = Gauge("flatrender_farm_slots", "Slots of nodes at work.", ("state",), registry=REGISTRY)
UTILISATION = Gauge(
    "flatrender_farm_utilisation_ratio", "Busy slots of all slots.", registry=REGISTRY
)
RESTING = Gauge("flatrender_farm_nodes_resting", "Nodes that rest now.", registry=REGISTRY)
WAITING = Gauge(
    "flatrender_farm_frame_jobs_waiting", "Frame jobs that are due and wait.", registry=REGISTRY
)
QUEUE_AGE = Gauge(
    "flatrender_farm_queue_age_seconds",
    "How long a tenant's oldest due frame job waits; the ten longest, and the rest.",
    ("tenant",),
    registry=REGISTRY,
)
RETRIES = Counter(
    "flatrender_farm_retries_total", "Attempts that came to nothing, by class.", ("class",),
    registry=REGISTRY,
)  # fmt: skip
WASTED = Counter(
    "flatrender_farm_wasted_seconds_total", "Time of attempts that came to nothing.",
    registry=REGISTRY,
)  # fmt: skip
CHUNK_SECONDS = Histogram(
    "flatrender_farm_chunk_seconds",
    "Time of a proven attempt by kind of work.",
    ("kind",),
    buckets=(0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600),
    registry=REGISTRY,
)

_NODES = """
SELECT status, count(*) AS nodes, coalesce(sum(slots), 0) AS slots,
       coalesce(sum(least(busy_slots, slots)), 0) AS busy,
       count(*) FILTER (WHERE rest_until > now()) AS resting
FROM render.nodes WHERE deleted_at IS NULL GROUP BY status
"""
_QUEUE = """
SELECT tenant_id, count(*) AS waiting,
       extract(epoch FROM now() - min(not_before))::float8 AS age
FROM render.frame_jobs
WHERE state = 'Waiting' AND NOT held AND not_before <= now()
GROUP BY tenant_id ORDER BY age DESC
"""
#: Up to two seconds ago: a report that is being committed is seen next time.
_NOW = "SELECT now() - interval '2 seconds' AS t"
_ENDED = """
SELECT f.kind, a.outcome, coalesce(a.error_class, 'unknown') AS class,
       extract(epoch FROM a.finished_at - a.started_at)::float8 AS seconds
FROM render.frame_attempts a JOIN render.frame_jobs f ON f.id = a.frame_job_id
WHERE a.started_at > $1::timestamptz - interval '1 day'
  AND a.finished_at > greatest($1, $2::timestamptz - interval '1 hour') AND a.finished_at <= $2
  AND a.outcome IN ('Done', 'Failed', 'Lost')
"""
_IDLE = frozenset({"Offline", "Crashed", "Quarantined"})


class FarmMetrics(Collector):
    """Refreshes the gauges above when somebody scrapes."""

    def __init__(self) -> None:
        self._database: ContextDatabase | None = None
        self._seen: datetime | None = None
        self._asked = float("-inf")
        self._running: asyncio.Task[None] | None = None

    def attach(self, database: ContextDatabase) -> None:
        """Read from ``database`` from now on."""
        self._database, self._seen, self._asked = database, None, float("-inf")

    def detach(self, database: ContextDatabase) -> None:
        """Read no more from ``database``."""
        if self._database is database:
            self._database = None
            if self._running is not None:
                self._running.cancel()

    def collect(self) -> Iterable[Metric]:
        """Begin a refresh, when one is due; the metrics speak for themselves."""
        moment = monotonic()
        if self._database is None or moment - self._asked < REFRESH_SECONDS:
            return ()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # somebody printed the metrics outside the server
            return ()
        self._asked = moment
        self._running = loop.create_task(self._quietly(self._database), name="farm-metrics")
        return ()

    async def _quietly(self, database: ContextDatabase) -> None:
        try:
            await self.refresh(database)
        except Exception as error:  # noqa: BLE001 - a scrape must not depend on the database
            log.warning("farm_metrics_not_read", error=repr(error))

    async def refresh(self, database: ContextDatabase) -> None:
        """Ask the database and set everything."""
        await self._nodes(database)
        await self._queue(database)
        await self._attempts(database)

    async def _nodes(self, database: ContextDatabase) -> None:
        rows = await database.system_fetch("metrics of nodes", _NODES)
        counts = {row["status"]: row["nodes"] for row in rows}
        for status in STATUSES:
            NODES.labels(status).set(counts.get(status, 0))
        there = [row for row in rows if row["status"] not in _IDLE]
        slots, busy = sum(row["slots"] for row in there), sum(row["busy"] for row in there)
        SLOTS.labels("busy").set(busy)
        SLOTS.labels("free").set(slots - busy)
        UTILISATION.set(busy / slots if slots else 0.0)
        RESTING.set(sum(row["resting"] for row in rows))

    async def _queue(self, database: ContextDatabase) -> None:
        rows = await database.system_fetch("metrics of the queue", _QUEUE)
        QUEUE_AGE.clear()  # who waits no more has no series
        for row in rows[:TENANTS]:
            QUEUE_AGE.labels(str(row["tenant_id"])).set(row["age"])
        if len(rows) > TENANTS:
            QUEUE_AGE.labels("other").set(rows[TENANTS]["age"])
        WAITING.set(sum(row["waiting"] for row in rows))

    async def _attempts(self, database: ContextDatabase) -> None:
        until = (await database.system_fetch("database time", _NOW))[0]["t"]
        since, self._seen = self._seen, until
        if since is None:
            return  # what was before this process began is not its to count
        for row in await database.system_fetch("metrics of attempts", _ENDED, since, until):
            if row["outcome"] == "Done":
                CHUNK_SECONDS.labels(row["kind"]).observe(row["seconds"])
            else:
                RETRIES.labels(row["class"]).inc()
                WASTED.inc(max(0.0, row["seconds"]))


METRICS = FarmMetrics()
REGISTRY.register(METRICS)
