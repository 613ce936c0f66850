"""What is simulated: how many, how fast, how often it breaks. Pure; every draw has a seed."""

import math
import random
from uuid import UUID

from msgspec import Struct

ENGINE = "simulated"


class Plan(Struct, frozen=True, kw_only=True):
    """The farm and its load. Times in simulated seconds, rates by simulated hour.

    ``frame_jobs`` counts ranges of frames; each job has one assembly besides. ``arrivals`` is the
    time over which jobs come in, evenly at random; 0: all wait when the farm opens. Frame jobs
    take a log-normal time with this median and spread, on a machine of ordinary speed; the speeds
    of machines are log-normal as well. Of the failures of nodes, ``partitions`` are cut-off ones
    that go on working and report late; the others die with what they hold.
    """

    nodes: int = 1000
    frame_jobs: int = 20_000
    tenants: int = 50
    pieces_per_job: int = 20
    failures_per_hour: float = 0.01
    partitions: float = 0.2
    away_seconds: float = 600.0
    piece_failures: float = 0.001
    median_seconds: float = 12.0
    spread: float = 0.6
    assembly_seconds: float = 4.0
    speed_spread: float = 0.25
    overhead_seconds: float = 0.02
    lease_seconds: float = 30.0
    beat_seconds: float = 20.0
    sweep_seconds: float = 5.0
    arrivals: float = 0.0
    connections: int = 4
    seed: int = 1


class Order(Struct, frozen=True):
    """One job to be: whose it is, when it comes in, and into how many pieces it is cut."""

    id: UUID
    tenant: int
    arrives: float
    pieces: int


class Chance:
    """Every random draw of one simulation, from one seed."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - not a secret
        self._made = 0

    def identifier(self) -> UUID:
        """Return the next id; later ones sort after earlier ones, as UUID v7 do."""
        self._made += 1
        return UUID(int=(self._made << 80) | self._random.getrandbits(64))

    def speeds(self) -> list[float]:
        """Return the speed of each node; 1 is ordinary."""
        return [self._random.lognormvariate(0, self._plan.speed_spread) for _ in self._nodes()]

    def _nodes(self) -> range:
        return range(self._plan.nodes)

    def orders(self) -> list[Order]:
        """Cut the load into jobs of tenants: the n-th tenant has a share of about 1/n."""
        weights = [1 / (n + 1) for n in range(self._plan.tenants)]
        left = self._plan.frame_jobs
        made: list[Order] = []
        mean = self._plan.pieces_per_job
        while left > 0:
            pieces = min(
                left, self._random.randint(max(1, mean // 4), max(1, 2 * mean - mean // 4))
            )
            left -= pieces
            # Each tenant once first: nobody is without work.
            known = len(made) < self._plan.tenants
            whose = len(made) if known else self._random.choices(range(len(weights)), weights)[0]
            arrives = self._random.uniform(0, self._plan.arrivals)
            made.append(Order(self.identifier(), whose, arrives, pieces))
        return made

    def seconds(self, kind: str, speed: float) -> float:
        """Return how long a piece takes on a machine of this speed."""
        plan = self._plan
        median = plan.assembly_seconds if kind == "assemble" else plan.median_seconds
        return self._random.lognormvariate(math.log(median), plan.spread) / speed

    def fails(self) -> bool:
        """Whether an attempt fails by itself."""
        return self._random.random() < self._plan.piece_failures

    def until_failure(self) -> float:
        """Return how long a node lives."""
        rate = self._plan.failures_per_hour / 3600
        return self._random.expovariate(rate) if rate > 0 else math.inf

    def cut_off(self) -> bool:
        """Whether a failing node is only cut off and goes on working."""
        return self._random.random() < self._plan.partitions

    def away(self) -> float:
        """Return how long a failed node stays away."""
        return self._random.expovariate(1 / self._plan.away_seconds)
