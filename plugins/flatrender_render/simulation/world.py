"""The simulated farm: a heap of events, machines that take time, and the real SQL.

Owns simulated time and the nodes. Every claim, report and reaping is the farm's own function with
``now``; what becomes of a job is decided there and nowhere here. What happens within the same
moment happens at once: nodes claim beside each other's reports, reports go over several
connections, those of one job always over the same, and what goes over one connection in a moment
shares a transaction. The seed decides the draws but not who of two is first.
"""

import asyncio
import contextlib
import heapq
import itertools
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
MOMENT_SECONDS = 1.0
MOMENT_EVENTS = 400
ASKS = 50  # nodes that claim in one transaction
#: As autovacuum would by the settings of these tables, were its clock the simulation's: after so
#: many claims; the large ones after a share of their rows. Every claim leaves dead entries where
#: the next one begins to look, and a simulation makes as many in a minute as a farm in an hour.
_QUEUE_EVERY = 2_000
_VACUUM_QUEUE = "VACUUM (ANALYZE) render.queue_tenants, render.queue_lanes"
_WORK_SHARE = 50
_VACUUM_WORK = "VACUUM (ANALYZE) render.frame_jobs, render.render_jobs, render.frame_attempts"
_SHA = "5" * 64

#: As each node's own ``claims.claim``, one after the other.
_CLAIMS = """
SELECT a.node, c.* FROM unnest($1::uuid[], $2::timestamptz[]) a(node, at)
CROSS JOIN LATERAL render.claim_frame_jobs($3, a.node, $4, 1, a.at) c
"""
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
    """One connection and what is open on it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._clock = SystemClock()

    @contextlib.asynccontextmanager
    async def system(self) -> AsyncIterator[SystemTransaction]:
        """Open one cross-tenant transaction, as ``ContextDatabase.system`` does."""
        async with self._connection.transaction():
            work = SystemTransaction(self._connection, schema="render", clock=self._clock)
            yield work
            await work.flush_outbox()


class _Deed:
    """What happens at a time. ``report`` needs the database; its job says on which connection."""

    def __init__(
        self,
        *,
        plain: Callable[[float], None] | None = None,
        ask: _Machine | None = None,
        report: Callable[[float, SystemTransaction], Awaitable[None]] | None = None,
        job: int = 0,
        sweep: bool = False,
    ) -> None:
        self.plain = plain
        self.ask = ask
        self.report = report
        self.job = job
        self.sweep = sweep


_Event = tuple[float, int, _Deed]


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
        self._opens = load.opens
        self._claimer, *lanes = [_Lane(connection) for connection in connections]
        self._lanes = lanes or [self._claimer]
        self._keeper = keeper
        self._idle: dict[UUID, _Machine] = {}
        self._events: list[_Event] = []
        self._order = itertools.count()
        self._open = len(load.orders)
        self.tally = Tally(plan.tenants)

    async def run(self, told: Callable[[int], None] = lambda _done: None) -> Tally:
        """Let everything happen until no job is open; ``told`` hears the frame jobs done."""
        for number, machine in enumerate(self._machines):
            self._at(number * 1e-3, _Deed(ask=machine))
            self._at(self._chance.until_failure(), _Deed(plain=partial(self._break, machine)))
        self._at(self._plan.sweep_seconds, _Deed(sweep=True))
        begun, at = time.perf_counter(), 0.0
        upkeep = {
            _VACUUM_QUEUE: _QUEUE_EVERY,
            _VACUUM_WORK: max(_QUEUE_EVERY, self._plan.frame_jobs // _WORK_SHARE),
        }
        vacuumed = dict.fromkeys(upkeep, 0)
        while self._open > 0:
            moment = self._moment()
            at = moment[-1][0]
            await self._live(moment)
            told(self.tally.done)
            for statement, every in upkeep.items():
                if self.tally.claims - vacuumed[statement] >= every:
                    vacuumed[statement] = self.tally.claims
                    await self._keeper.execute(statement)
        self.tally.wall_seconds = time.perf_counter() - begun
        self.tally.simulated_seconds = at
        self.tally.capacity_seconds = self._plan.nodes * (self.tally.full_until or at)
        return self.tally

    def _moment(self) -> list[_Event]:
        """Take what happens next, and what happens at about the same time."""
        first = heapq.heappop(self._events)
        found = [first]
        while (
            self._events
            and self._events[0][0] <= first[0] + MOMENT_SECONDS
            and len(found) < MOMENT_EVENTS
        ):
            found.append(heapq.heappop(self._events))
        return found

    async def _live(self, moment: Sequence[_Event]) -> None:
        """Let a moment happen: what needs no database, then all at once, then the sweep."""
        for at, _, deed in moment:
            if deed.plain is not None:
                deed.plain(at)
        shares: list[list[_Event]] = [[] for _ in self._lanes]
        for event in moment:
            if event[2].report is not None:
                shares[event[2].job % len(shares)].append(event)
        asking = {
            deed.ask.id: (at, deed.ask)
            for at, _, deed in moment
            if deed.ask is not None and deed.ask.up and deed.ask.held is None
        }
        begun, *_ = await asyncio.gather(
            self._asks([*asking.values()]),
            *(self._reports(lane, share) for lane, share in zip(self._lanes, shares, strict=True)),
        )
        if begun:  # a claim locks its frame job first, everything else the job
            async with self._claimer.system() as work:
                for job in begun:
                    await claims.begin(work, job)
        for at, _, deed in moment:
            if deed.sweep:
                await self._sweep(at)

    @staticmethod
    async def _reports(lane: _Lane, share: Sequence[_Event]) -> None:
        if not share:
            return
        async with lane.system() as work:
            # By job, as every transaction that locks several.
            for at, _, deed in sorted(share, key=lambda event: (event[2].job, event[0], event[1])):
                if deed.report is not None:
                    await deed.report(at, work)

    def _at(self, at: float, deed: _Deed) -> None:
        if math.isfinite(at):
            heapq.heappush(self._events, (at, next(self._order), deed))

    def _now(self, at: float) -> datetime:
        return self._opens + timedelta(seconds=at)

    async def _asks(self, asking: Sequence[tuple[float, _Machine]]) -> list[UUID]:
        """Let nodes claim; returns the jobs that begin with it."""
        begun: dict[UUID, None] = {}
        for first in range(0, len(asking), ASKS):
            some = asking[first : first + ASKS]
            asked = time.perf_counter()
            async with self._claimer.system() as work:
                rows = await work.fetch(
                    _CLAIMS,
                    [machine.id for _, machine in some],
                    [self._now(at) for at, _ in some],
                    ENGINE,
                    self._plan.lease_seconds,
                )
            self.tally.claim_seconds += time.perf_counter() - asked
            nodes = [row["node"] for row in rows]
            found = dict(zip(nodes, claims.claims_of(rows), strict=True))
            for at, machine in some:
                claim = found.get(machine.id)
                if claim is None:
                    self.tally.ran_dry(at, backlog=self._plan.arrivals <= at)
                    self._idle[machine.id] = machine
                    continue
                self._start(machine, claim, at)
                if claim.job.step == Step.QUEUED:
                    begun[claim.job.id] = None
        return list(begun)

    def _start(self, machine: _Machine, claim: Claim, at: float) -> None:
        """Begin a claimed piece: its heartbeats, and its end."""
        self.tally.claims += 1
        if claim.kind == "video" and claim.attempt == 1:
            wait = at - self._arrivals[claim.job.id]
            self.tally.waited(self._whose[claim.job.id], wait)
        machine.held, machine.since = claim, at
        seconds = self._chance.seconds(claim.kind, machine.speed) + self._plan.overhead_seconds
        life = machine.life
        for number in range(1, int(seconds // self._plan.beat_seconds) + 1):
            beat = at + number * self._plan.beat_seconds
            self._later(beat, claim, partial(self._beat, machine, claim, life))
        self._later(at + seconds, claim, partial(self._end, machine, claim, life))

    def _later(
        self, at: float, claim: Claim, report: Callable[[float, SystemTransaction], Awaitable[None]]
    ) -> None:
        self._at(at, _Deed(report=report, job=claim.job.id.int))

    async def _beat(
        self, machine: _Machine, claim: Claim, life: int, at: float, work: SystemTransaction
    ) -> None:
        if machine.life != life:
            return
        try:
            await claims.heartbeat(
                work,
                frame_job_id=claim.id,
                epoch=claim.epoch,
                done_frames=0,
                lease=self._plan.lease_seconds,
                now=self._now(at),
            )
        except StaleEpoch:  # the fence is gone: the node stops at once
            machine.life += 1
            machine.held = None
            self.tally.wasted_seconds += at - machine.since
            self._soon(machine, at)

    async def _end(
        self, machine: _Machine, claim: Claim, life: int, at: float, work: SystemTransaction
    ) -> None:
        if machine.life != life:
            return
        machine.held = None
        seconds = at - machine.since
        if machine.up:
            self._soon(machine, at)
        try:  # a report behind the fence has changed nothing: its transaction goes on
            if self._chance.fails():
                verdict = classify("worker_crashed", "simulated")
                await reports.fail(work, claim, verdict, now=self._now(at))
                self.tally.failures += 1
                self.tally.wasted_seconds += seconds
            else:
                await self._report(claim, at, work)
                self.tally.piece(seconds, at)
        except StaleEpoch:
            await claims.count_stale(work, claim.id, claim.epoch)
            self.tally.stale += 1
            self.tally.wasted_seconds += seconds

    def _soon(self, machine: _Machine, at: float) -> None:
        self._at(at + self._plan.overhead_seconds, _Deed(ask=machine))

    async def _report(self, claim: Claim, at: float, work: SystemTransaction) -> None:
        piece = Piece(
            object_key=claim.object_key("mp4"),
            sha256=_SHA,
            frames=claim.frames,
            packets=claim.frames,
            bytes=1_000,
        )
        if claim.kind != "assemble":
            await reports.complete(work, claim, piece, now=self._now(at))
            self.tally.done += 1
            return
        for step in (Step.UPLOADING, Step.VALIDATING):
            await reports.advance(work, claim, step)
        export = FinishedExport(
            piece=piece,
            duration=claim.job.duration,
            audio_codec=None,
            poster_key="p",
            thumbnail_key="t",
            sheet_key="s",
        )
        await reports.finish(work, claim, export, now=self._now(at))
        self._open -= 1

    def _break(self, machine: _Machine, at: float) -> None:
        self.tally.node_failures += 1
        away = self._chance.away()
        machine.up = False
        machine.life += 1
        self._idle.pop(machine.id, None)
        claim, machine.held = machine.held, None
        if claim is not None and self._chance.cut_off():
            # It goes on, and reports when it is heard again: too late, unless that was soon.
            self._later(at + away, claim, partial(self._end, machine, claim, machine.life))
        elif claim is not None:
            self.tally.wasted_seconds += at - machine.since
        self._at(at + away, _Deed(plain=partial(self._return, machine)))

    def _return(self, machine: _Machine, at: float) -> None:
        machine.up = True
        self._at(at + self._chance.until_failure(), _Deed(plain=partial(self._break, machine)))
        self._soon(machine, at)

    async def _sweep(self, at: float) -> None:
        """Do what the sweep task does: reap, tidy, and wake as many as there is work for."""
        rows: list[Any] = [None]
        while rows:
            async with self._claimer.system() as work:
                rows = await claims.reap(work, now=self._now(at))
            self.tally.reaped += len(rows)
        async with self._claimer.system() as work:
            await claims.tidy(work)
        if self._idle:
            async with self._claimer.system() as work:
                waiting = await work.fetchval(_WAITING, ENGINE, self._now(at), len(self._idle))
                ended = not waiting and not any(machine.held for machine in self._machines)
                if ended:  # failed jobs are over too, and nobody reports those
                    self._open = await work.fetchval(_OPEN, ENGINE)
            for machine in list(self._idle.values())[:waiting]:
                self._idle.pop(machine.id, None)
                self._at(at, _Deed(ask=machine))
        self._at(at + self._plan.sweep_seconds, _Deed(sweep=True))
