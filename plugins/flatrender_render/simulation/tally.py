"""What a simulation counted, and the words for it."""

from array import array
from collections.abc import Iterator
from typing import Any

from flatrender.testing.rounds import percentile

_CHECKS = {
    "jobs not done": (
        "SELECT count(*) FROM render.render_jobs WHERE engine = $1 AND step <> 'Done'"
    ),
    "frame jobs lost": (
        "SELECT count(*) FROM render.frame_jobs WHERE engine = $1 AND state <> 'Done'"
    ),
    "frame jobs done twice": (
        "SELECT count(*) FROM (SELECT FROM render.frame_attempts a JOIN render.frame_jobs f "
        "ON f.id = a.frame_job_id WHERE f.engine = $1 AND a.outcome = 'Done' "
        "GROUP BY f.id HAVING count(*) > 1) d"
    ),
    "jobs without exactly one export": (
        "SELECT count(*) FROM render.render_jobs j WHERE engine = $1 AND "
        "(SELECT count(*) FROM render.exports e WHERE e.job_id = j.id) <> 1"
    ),
    "attempts left open": (
        "SELECT count(*) FROM render.frame_attempts a JOIN render.frame_jobs f "
        "ON f.id = a.frame_job_id WHERE f.engine = $1 AND a.outcome = 'Running'"
    ),
}


class Tally:
    """Counts of one simulation. Times in simulated seconds, but ``wall_seconds``."""

    def __init__(self, tenants: int) -> None:
        self._waits = [array("f") for _ in range(tenants)]
        self.claims = 0
        self.done = 0
        self.failures = 0
        self.node_failures = 0
        self.reaped = 0
        self.stale = 0
        self.useful_seconds = 0.0
        self.useful_while_full = 0.0
        self.wasted_seconds = 0.0
        self.simulated_seconds = 0.0
        self.capacity_seconds = 0.0
        self.claim_seconds = 0.0
        self.wall_seconds = 0.0
        self.full_until: float | None = None

    def waited(self, tenant: int, seconds: float) -> None:
        """Note how long a frame job waited for its first claim."""
        self._waits[tenant].append(seconds)

    def piece(self, seconds: float, at: float) -> None:
        """Note a piece that became a result, made in the ``seconds`` before ``at``."""
        self.useful_seconds += seconds
        end = at if self.full_until is None else self.full_until
        self.useful_while_full += max(0.0, min(at, end) - (at - seconds))

    def ran_dry(self, at: float, *, backlog: bool) -> None:
        """Note that a node found nothing: from here on the farm is larger than its work."""
        if self.full_until is None and backlog:
            self.full_until = at

    @property
    def utilisation(self) -> float:
        """Time that became results, of all nodes' time while there was work for all of them.

        Nodes that are away count as capacity: their time is lost too.
        """
        return self.useful_while_full / self.capacity_seconds if self.capacity_seconds else 0.0

    @property
    def wasted(self) -> float:
        """Share of the work whose result was thrown away."""
        total = self.useful_seconds + self.wasted_seconds
        return self.wasted_seconds / total if total else 0.0

    def waits(self) -> Iterator[tuple[int, int, float, float, float]]:
        """Yield tenant, frame jobs, and p50, p95 and longest wait, for tenants that had any."""
        for tenant, waits in enumerate(self._waits):
            if waits:
                yield (tenant, len(waits), percentile(waits, 50), percentile(waits, 95), max(waits))

    async def faults(self, connection: Any, engine: str) -> dict[str, int]:
        """Return what must be 0: what was lost, doubled or left behind, as the tables tell."""
        return {name: await connection.fetchval(sql, engine) for name, sql in _CHECKS.items()}
