"""The simulated farm: a heap of events, machines that take time, and the real SQL.

Owns simulated time and the nodes. Every claim, report and reaping is the farm's own function with
``now``, in a transaction of its own; what becomes of a job is decided there and nowhere here.
What happens within the same moment happens at once, over several connections: nodes do not stand
in line for each other, and the seed decides the draws but not who of two is first.
"""

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from flatrender.clock import SystemClock
from flatrender.db import SystemTransaction
from flatrender_render.domain import Step
from flatrender_render.farm import claims, reports
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.failures import classify
from flatrender_render.farm.reports import FinishedExport, Piece
from flatrender_render.simulation.load import Load
from flatrender_render.simulation.plan import ENGINE, Chance, Plan
from flatrender_render.simulation.tally import Tally

#: Simulated seconds that count as one moment, and the most that happens in one.
MOMENT_SECONDS = 0.25
MOMENT_EVENTS = 200
_VACUUM_EVERY = 5_000  # claims; as autovacuum would, were its clock the simulation's
_VACUUM = (
    "VACUUM (ANALYZE) render.frame_jobs, render.render_jobs, render.queue_tenants, "
    "render.queue_lanes"
)
_SHA = "5" * 64

_WAITING = """
SELECT count(*) FROM (SELECT FROM render.frame_jobs
    WHERE engine = $1 AND state = 'Waiting' AND NOT held AND not_before <= $2 LIMIT $3) w
"""
_OPEN = """
SELECT count(*) FROM render.render_jobs
WHERE engine = $1 AND step NOT IN ('Done', 'Failed', 'Cancelled')
"""


class _Machine:
    """A node: its speed, whether it is there, and what it holds."""

    def __init__(self, id_: UUID, speed: float) -> None:
        self.id = id_
        self.speed = speed
        self.up = True
        self.life = 0  # rises with every failure: events of an earlier life are void
        self.held: Claim | None = None
        self.since = 0.0


class _Lane:
    """One connection, and the time of what it does just now."""

    def __init__(self, connection: Any, opens: datetime) -> None:
        self._connection = connection
        self._opens = opens
        self._clock = SystemClock()
        self.at = 0.0

    @property
    def now(self) -> datetime:
        """The simulated moment."""
        return self._opens + timedelta(seconds=self.at)

    @contextlib.asynccontextmanager
    async def system(self) -> AsyncIterator[SystemTransaction]:
        """Open one cross-tenant transaction, as ``ContextDatabase.system`` does."""
        async with self._connection.transaction():
            work = SystemTransaction(self._connection, schema="render", clock=self._clock)
            yield work
            await work.flush_outbox()


_Event = Callable[[_Lane], Awaitable[None]]


class World:
    """Runs a load to its end. ``connections`` work, ``keeper`` (may own tables) vacuums."""

    def __init__(
        self, plan: Plan, chance: Chance, load: Load, connections: Sequence[Any], keeper: Any
    ) -> None:
        self._plan = plan
        self._chance = chance
        self._arrivals = {order.id: order.arrives for order in load.orders}
        self._whose = {order.id: order.tenant for order in load.orders}
        self._machines = [
            _Machine(node, speed) for node, speed in zip(load.nodes, chance.speeds(), strict=True)
        ]
        self._lanes = [_Lane(connection, load.opens) for connection in connections]
        self._keeper = keeper
        self._idle: dict[UUID, _Machine] = {}
        self._events: list[tuple[float, int, _Event]] = []
        self._order = itertools.count()
        self._open = len(load.orders)
        self.tally = Tally(plan.tenants)

    async def run(self, told: Callable[[int], None] = lambda _done: None) -> Tally:
        """Let everything happen until no job is open; ``told`` hears the frame jobs done."""
        for number, machine in enumerate(self._machines):
            self._at(number * 1e-3, partial(self._ask, machine))
            self._at(self._chance.until_failure(), partial(self._break, machine))
        self._at(self._plan.sweep_seconds, self._sweep)
        begun, vacuumed, at = time.perf_counter(), 0, 0.0
        while self._open:
            moment = self._moment()
            await asyncio.gather(*(self._live(lane, moment) for lane in self._lanes))
            at = max(lane.at for lane in self._lanes)
            told(self.tally.done)
            if self.tally.claims - vacuumed >= _VACUUM_EVERY:
                vacuumed = self.tally.claims
                await self._keeper.execute(_VACUUM)
        self.tally.wall_seconds = time.perf_counter() - begun
        self.tally.simulated_seconds = at
        self.tally.capacity_seconds = self._plan.nodes * (self.tally.full_until or at)
        return self.tally

    def _moment(self) -> Iterator[tuple[float, int, _Event]]:
        """Take what happens next, and what happens at about the same time."""
        first = heapq.heappop(self._events)
        found = [first]
        while (
            self._events
            and self._events[0][0] <= first[0] + MOMENT_SECONDS
            and len(found) < MOMENT_EVENTS
        ):
            found.append(heapq.heappop(self._events))
        return iter(found)

    @staticmethod
    async def _live(lane: _Lane, moment: Iterator[tuple[float, int, _Event]]) -> None:
        for at, _, happen in moment:  # one iterator for all lanes: each takes what is next
            lane.at = at
            await happen(lane)

    def _at(self, at: float, happen: _Event) -> None:
        if math.isfinite(at):
            heapq.heappush(self._events, (at, next(self._order), happen))

    async def _ask(self, machine: _Machine, lane: _Lane) -> None:
        if not machine.up or machine.held is not None:
            return
        at, life = lane.at, machine.life
        asked = time.perf_counter()
        async with lane.system() as work:
            claim = await claims.claim(
                work,
                engine=ENGINE,
                node_id=machine.id,
                lease=self._plan.lease_seconds,
                now=lane.now,
            )
        self.tally.claim_seconds += time.perf_counter() - asked
        if claim is None:
            self.tally.ran_dry(at, backlog=self._plan.arrivals <= at)
            self._idle[machine.id] = machine
            return
        self.tally.claims += 1
        if claim.kind == "video" and claim.attempt == 1:
            wait = at - self._arrivals[claim.job.id]
            self.tally.waited(self._whose[claim.job.id], wait)
        if claim.job.step == Step.QUEUED:
            async with lane.system() as work:
                await claims.begin(work, claim.job.id)
        if machine.life != life:  # it died as it was answered
            return
        machine.held, machine.since = claim, at
        seconds = self._chance.seconds(claim.kind, machine.speed) + self._plan.overhead_seconds
        for number in range(1, int(seconds // self._plan.beat_seconds) + 1):
            beat = at + number * self._plan.beat_seconds
            self._at(beat, partial(self._beat, machine, claim, life))
        self._at(at + seconds, partial(self._end, machine, claim, life))

    async def _beat(self, machine: _Machine, claim: Claim, life: int, lane: _Lane) -> None:
        if machine.life != life:
            return
        try:
            async with lane.system() as work:
                await claims.heartbeat(
                    work,
                    frame_job_id=claim.id,
                    epoch=claim.epoch,
                    done_frames=0,
                    lease=self._plan.lease_seconds,
                    now=lane.now,
                )
        except StaleEpoch:  # the fence is gone: the node stops at once
            machine.life += 1
            machine.held = None
            self.tally.wasted_seconds += lane.at - machine.since
            self._soon(machine, lane)

    async def _end(self, machine: _Machine, claim: Claim, life: int, lane: _Lane) -> None:
        if machine.life != life:
            return
        machine.held = None
        seconds = lane.at - machine.since
        if machine.up:
            self._soon(machine, lane)
        try:
            if self._chance.fails():
                async with lane.system() as work:
                    verdict = classify("worker_crashed", "simulated")
                    await reports.fail(work, claim, verdict, now=lane.now)
                self.tally.failures += 1
                self.tally.wasted_seconds += seconds
            else:
                await self._report(claim, lane)
                self.tally.piece(seconds, lane.at)
        except StaleEpoch:
            async with lane.system() as work:
                await claims.count_stale(work, claim.id, claim.epoch)
            self.tally.stale += 1
            self.tally.wasted_seconds += seconds

    def _soon(self, machine: _Machine, lane: _Lane) -> None:
        self._at(lane.at + self._plan.overhead_seconds, partial(self._ask, machine))

    async def _report(self, claim: Claim, lane: _Lane) -> None:
        piece = Piece(
            object_key=claim.object_key("mp4"),
            sha256=_SHA,
            frames=claim.frames,
            packets=claim.frames,
            bytes=1_000,
        )
        if claim.kind != "assemble":
            async with lane.system() as work:
                await reports.complete(work, claim, piece, now=lane.now)
            self.tally.done += 1
            return
        for step in (Step.UPLOADING, Step.VALIDATING):
            async with lane.system() as work:
                await reports.advance(work, claim, step)
        export = FinishedExport(
            piece=piece,
            duration=claim.job.duration,
            audio_codec=None,
            poster_key="p",
            thumbnail_key="t",
            sheet_key="s",
        )
        async with lane.system() as work:
            await reports.finish(work, claim, export, now=lane.now)
        self._open -= 1

    async def _break(self, machine: _Machine, lane: _Lane) -> None:
        self.tally.node_failures += 1
        away = self._chance.away()
        machine.up = False
        machine.life += 1
        self._idle.pop(machine.id, None)
        claim, machine.held = machine.held, None
        if claim is not None and self._chance.cut_off():
            # It goes on, and reports when it is heard again: too late, unless that was soon.
            self._at(lane.at + away, partial(self._end, machine, claim, machine.life))
        elif claim is not None:
            self.tally.wasted_seconds += lane.at - machine.since
        self._at(lane.at + away, partial(self._return, machine))

    async def _return(self, machine: _Machine, lane: _Lane) -> None:
        machine.up = True
        self._at(lane.at + self._chance.until_failure(), partial(self._break, machine))
        self._soon(machine, lane)

    async def _sweep(self, lane: _Lane) -> None:
        """Do what the sweep task does: reap, and wake as many as there is work for."""
        rows: list[Any] = [None]
        while rows:
            async with lane.system() as work:
                rows = await claims.reap(work, now=lane.now)
            self.tally.reaped += len(rows)
        if self._idle:
            async with lane.system() as work:
                waiting = await work.fetchval(_WAITING, ENGINE, lane.now, len(self._idle))
                ended = not waiting and not any(machine.held for machine in self._machines)
                if ended:  # failed jobs are over too, and nobody reports those
                    self._open = await work.fetchval(_OPEN, ENGINE)
            for machine in list(self._idle.values())[:waiting]:
                self._idle.pop(machine.id, None)
                self._at(lane.at, partial(self._ask, machine))
        self._at(lane.at + self._plan.sweep_seconds, self._sweep)
