"""Seeded random histories of faults against the farm's SQL and state machine, in simulated time.

Each history is a small farm in which nodes die, are cut off and come back, report twice and out
of order, run full, have wrong clocks, and in which the database forgets what it did not commit.
Then the faults end, and the same questions are asked as after every fault. A few histories belong
to the ordinary tests, a thousand to the full form, which prints the tally. ``FLATRENDER_HISTORIES``
names the seeds to run (``17``, ``200-399``): a long run goes in parts, one history again alone.
"""

import hashlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.clock import SystemClock
from flatrender.db import ContextDatabase
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing.plugin import TestDatabase
from flatrender_render.domain import TERMINAL, Step
from flatrender_render.farm import claims, repairs, reports
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.failures import classify
from flatrender_render.farm.repairs import Damage, Damaged
from flatrender_render.farm.reports import FinishedExport, Piece

PART = 50  # seeds of one test: parts run beside each other, and one that fails names its seeds
ACTS = 70
_OPENS = datetime(2030, 1, 1, tzinfo=UTC)
_COMPOSITION = {
    "width": 640, "height": 360, "fps": 30, "aspect": "16:9", "direction": "rtl",
    "scenes": [{"id": "s", "scene_key": "one", "animation": "a", "duration": 4.0}],
}  # fmt: skip
_JOB = """
INSERT INTO render.render_jobs (id, tenant_id, user_id, saved_project_id, engine,
    package_object_key, package_sha256, composition, composition_sha256, resolution, aspect,
    width, height, fps, duration, watermark, total_frames, reservation_state)
VALUES ($1, $2, $3, $3, $4, 'k', repeat('a', 64), $5, repeat('a', 64), '360p', '16:9', 640, 360,
    30, 4, true, $6, 'Reserved')
"""
_FRAMES = """
INSERT INTO render.frame_jobs (tenant_id, job_id, kind, index, first_frame, last_frame, engine,
                               not_before)
SELECT $1, $2, 'video', n, n * 60, n * 60 + 59, $3, $5 FROM generate_series(0, $4::int - 1) n
"""


class Undone(Exception):
    """The database died before the commit."""


def drawn(job: UUID, kind: str, index: int) -> bytes:
    """Return what an undisturbed run makes: it depends on the job alone, never on the attempt."""
    return f"{job}:{kind}:{index}".encode()


def film(job: UUID, pieces: int) -> bytes:
    """Return the export of an undisturbed run."""
    return b"|".join(drawn(job, "video", index) for index in range(pieces))


class History:
    """One farm and what happens to it."""

    def __init__(self, database: ContextDatabase, seed: int) -> None:
        self.db = database
        self.random = random.Random(seed)
        self.engine = f"history-{seed}-{uuid4().hex[:6]}"
        self.store: dict[str, bytes] = {}
        self.jobs: dict[UUID, int] = {}
        self.poisoned: set[UUID] = set()
        self.nodes = [uuid4() for _ in range(3)]
        self.held: list[tuple[UUID, Claim]] = []
        self.mail: list[tuple[Claim, Callable[[], Awaitable[None]]]] = []  # sent, not yet heard
        self.now = _OPENS
        self.faults: Counter[str] = Counter()
        self.stale = 0
        self.recovery = 0.0

    async def arrange(self) -> None:
        """Register the nodes and submit the jobs."""
        async with self.db.system("history") as work:
            for node in self.nodes:
                await self._register(work, node)
            for _ in range(self.random.randint(1, 3)):
                job, pieces = uuid4(), self.random.randint(1, 4)
                self.jobs[job] = pieces
                if self.random.random() < 0.1:
                    self.poisoned.add(job)
                    self.faults["poisoned template"] += 1
                await work.execute(
                    _JOB, job, DEFAULT_TENANT_ID, uuid4(), self.engine, _COMPOSITION, 60 * pieces
                )
                await work.execute(_FRAMES, DEFAULT_TENANT_ID, job, self.engine, pieces, self.now)

    async def _register(self, work: Any, node: UUID) -> None:
        await work.execute(
            "INSERT INTO render.nodes (id, name, status, engines) VALUES ($1, $2, 'Idle', $3)",
            node,
            f"n-{node}",
            [self.engine],
        )

    async def trouble(self) -> None:
        """Let things happen, good and bad."""
        acts: list[tuple[int, str, Callable[[], Awaitable[None]]]] = [
            (30, "", self.take),
            (24, "", self.work_on),
            (10, "", self.hear),
            (8, "", self.beat),
            (6, "", self.sweep),
            (4, "node killed", self.die),
            (4, "node cut off", self.cut_off),
            (4, "report twice", self.twice),
            (4, "node fails", self.stumble),
            (3, "disk full", self.disk_full),
            (3, "database restarted", self.undo),
            (2, "node stops", self.leave),
            (2, "object damaged", self.damage),
            (2, "clock wrong", self.wrong_clock),
        ]
        weights = [weight for weight, _, _ in acts]
        for _ in range(ACTS):
            self.now += timedelta(seconds=self.random.expovariate(1 / 3))
            _, name, act = self.random.choices(acts, weights)[0]
            before = (len(self.held), len(self.mail), self.stale)
            await act()
            if name and (len(self.held), len(self.mail), self.stale) != before:
                self.faults[name] += 1

    async def recover(self) -> None:
        """End the faults: an ordinary farm, to which every late report is delivered as well."""
        began = self.now
        self.held.clear()
        self.random.shuffle(self.mail)
        self.nodes = [uuid4() for _ in range(2)]
        async with self.db.system("history") as work:
            for node in self.nodes:
                await self._register(work, node)
        for _ in range(400):
            if await self.ended():
                break
            self.now += timedelta(seconds=5)
            await self.sweep()
            for _ in self.nodes:
                await self.take()
            while self.held:
                await self.work_on()
            await self.hear()
        self.recovery = (self.now - began).total_seconds()
        while self.mail:
            await self.hear()

    async def ended(self) -> bool:
        """Whether every job has ended."""
        rows = await self.db.system_fetch(
            "history", "SELECT step FROM render.render_jobs WHERE engine = $1", self.engine
        )
        return all(Step(row["step"]) in TERMINAL for row in rows)

    # what nodes do ------------------------------------------------------------------------------

    async def take(self) -> None:
        node = self.random.choice(self.nodes)
        async with self.db.system("history") as work:
            claim = await claims.claim(work, engine=self.engine, node_id=node, now=self.now)
        if claim is not None:
            async with self.db.system("history") as work:
                await claims.begin(work, claim.job.id)
            self.held.append((node, claim))

    async def work_on(self) -> None:
        if self.held:
            _, claim = self.held.pop(self.random.randrange(len(self.held)))
            await self._deliver(claim, self._result(claim))

    async def beat(self) -> None:
        if self.held:
            node, claim = self.random.choice(self.held)
            try:
                async with self.db.system("history") as work:
                    await claims.heartbeat(
                        work, frame_job_id=claim.id, epoch=claim.epoch, done_frames=1, now=self.now
                    )
            except StaleEpoch:
                self.held.remove((node, claim))
                self.stale += 1

    async def sweep(self) -> None:
        async with self.db.system("history") as work:
            await claims.reap(work, now=self.now)

    async def hear(self) -> None:
        """Deliver a report that was under way, whichever."""
        if self.mail:
            claim, report = self.mail.pop(self.random.randrange(len(self.mail)))
            await self._deliver(claim, report)

    # what goes wrong ----------------------------------------------------------------------------

    async def die(self) -> None:
        if self.held:
            node = self.random.choice(self.held)[0]
            self.held = [one for one in self.held if one[0] != node]

    async def cut_off(self) -> None:
        """A node does its work and is not heard, for as long as it takes."""
        if self.held:
            _, claim = self.held.pop(self.random.randrange(len(self.held)))
            self.mail.append((claim, self._result(claim)))
            self.now += timedelta(seconds=self.random.uniform(0, 60))

    async def twice(self) -> None:
        if self.held:
            _, claim = self.held.pop(self.random.randrange(len(self.held)))
            report = self._result(claim)
            await self._deliver(claim, report)
            self.mail.append((claim, report))

    async def stumble(self) -> None:
        await self._fail(self.random.choice(["worker_crashed", "worker_hung", "store_unavailable"]))

    async def disk_full(self) -> None:
        await self._fail("disk_full")

    async def leave(self) -> None:
        if self.held:
            _, claim = self.held.pop()
            async with self.db.system("history") as work:
                await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch, now=self.now)

    async def undo(self) -> None:
        """The database dies with a report in its transaction; the node sends it again later."""
        if self.held:
            _, claim = self.held.pop(self.random.randrange(len(self.held)))
            report = self._result(claim, Undone())
            with pytest.raises((Undone, StaleEpoch)):
                await report()
            self.mail.append((claim, self._result(claim)))

    async def damage(self) -> None:
        """An object is lost or altered in the store."""
        if self.store:
            key = self.random.choice(list(self.store))
            if self.random.random() < 0.5:
                del self.store[key]
            else:
                self.store[key] += b"?"
            self.faults["object damaged"] += 1

    async def wrong_clock(self) -> None:
        """A node whose clock is minutes off claims and beats: its time is in nothing it says."""
        before = self.now
        await self.take()
        if self.held:
            _, claim = self.held[-1]
            (row,) = await self.db.system_fetch(
                "history",
                "SELECT lease_until, epoch FROM render.frame_jobs WHERE id = $1",
                claim.id,
            )
            if row["epoch"] == claim.epoch and row["lease_until"] is not None:
                assert row["lease_until"] <= before + timedelta(seconds=claims.LEASE_SECONDS)

    # reports ------------------------------------------------------------------------------------

    async def _fail(self, code: str) -> None:
        if self.held:
            _, claim = self.held.pop(self.random.randrange(len(self.held)))

            async def report() -> None:
                async with self.db.system("history") as work:
                    await reports.fail(work, claim, classify(code, "because"), now=self.now)

            await self._deliver(claim, report)

    async def _deliver(self, claim: Claim, report: Callable[[], Awaitable[None]]) -> None:
        try:
            await report()
        except StaleEpoch:
            self.stale += 1
            async with self.db.system("history") as work:
                await claims.count_stale(work, claim.id, claim.epoch)

    def _result(self, claim: Claim, ends: Exception | None = None) -> Callable[[], Awaitable[None]]:
        """Do the work of a claim now; returns the report, to be delivered whenever."""
        job = claim.job.id

        async def commit(say: Callable[[Any], Awaitable[object]]) -> None:
            async with self.db.system("history") as work:
                await say(work)
                if ends is not None:
                    raise ends

        if job in self.poisoned:
            verdict = classify("template_broken", "because")
            return lambda: commit(lambda work: reports.fail(work, claim, verdict, now=self.now))
        if claim.kind == "assemble":
            return lambda: self._assemble(claim, commit)
        key = claim.object_key("mp4")
        self.store[key] = drawn(job, claim.kind, claim.index)
        piece = _piece(claim, key, self.store[key])
        return lambda: commit(lambda work: reports.complete(work, claim, piece, now=self.now))

    async def _assemble(
        self, claim: Claim, commit: Callable[[Callable[[Any], Awaitable[object]]], Awaitable[None]]
    ) -> None:
        async with self.db.system("history") as work:
            await reports.lock_own(work, claim)
            parts = await work.fetch(
                "SELECT kind, index, object_key, sha256 FROM render.frame_jobs "
                "WHERE job_id = $1 AND kind = 'video' AND state = 'Done' ORDER BY index",
                claim.job.id,
            )
        damages = [
            Damage(kind=part["kind"], index=part["index"], defect="wrong_hash")
            for part in parts
            if _sha(self.store.get(part["object_key"], b"")) != part["sha256"]
        ]
        if damages:
            error = Damaged(damages)
            await commit(lambda work: repairs.repair(work, claim, error, now=self.now))
            return
        for step in (Step.UPLOADING, Step.VALIDATING):
            async with self.db.system("history") as work:
                await reports.advance(work, claim, step)
        key = claim.object_key("mp4")
        data = b"|".join(self.store[part["object_key"]] for part in parts)
        self.store[f"export:{key}"] = data
        export = FinishedExport(
            piece=_piece(claim, f"export:{key}", data), duration=4.0, audio_codec=None,
            poster_key="p", thumbnail_key="t", sheet_key="s",
        )  # fmt: skip
        await commit(lambda work: reports.finish(work, claim, export, now=self.now))


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _piece(claim: Claim, key: str, data: bytes) -> Piece:
    return Piece(
        object_key=key,
        sha256=_sha(data),
        frames=claim.frames,
        packets=claim.frames,
        bytes=len(data),
        render=1.0,
    )


async def check(history: History) -> Counter[str]:
    """Return what went wrong with a history that is over: nothing, if the farm is right."""
    wrong: Counter[str] = Counter()
    rows = await history.db.system_fetch("history", _STORY, history.engine)
    assert len(rows) == len(history.jobs)
    for row in rows:
        job, step = row["id"], row["step"]
        told = Counter(row["told"])
        exports = row["exports"]
        if Step(step) not in TERMINAL:
            wrong["lost"] += 1
        if step == "Done":
            wrong["lost"] += not exports
            wrong["doubled"] += len(exports) > 1 or told["render.job.completed.v1"] != 1
            film_sha = _sha(film(job, history.jobs[job]))
            wrong["wrong"] += sum(sha256 != film_sha for sha256 in exports)
        else:
            wrong["doubled"] += bool(exports) or told["render.job.failed.v1"] != 1
        wrong["doubled"] += told["render.job.started.v1"] > 1
        expected = {"Done": "Settling", "Failed": "Releasing"}.get(step)
        wrong["money"] += row["reservation_state"] != expected
        wrong["unfair"] += job not in history.poisoned and step == "Failed" and not row["blamed"]
        wrong["poison"] += job in history.poisoned and (step != "Failed" or row["blocked"] > 0)
        for name in ("claimed", "waiting", "repairs", "running", "gaps", "foreign"):
            wrong[name] += row[name] > 0
    return +wrong


_STORY = """
SELECT j.id, j.step, j.reservation_state,
    ARRAY(SELECT e.sha256 FROM render.exports e WHERE e.job_id = j.id) AS exports,
    ARRAY(SELECT o.name FROM render.outbox o
          WHERE o.payload->'data'->>'job_id' = j.id::text AND o.kind = 'event') AS told,
    (SELECT count(*) FROM render.frame_jobs f WHERE f.job_id = j.id
       AND (f.state = 'Claimed' OR f.lease_until IS NOT NULL)) AS claimed,
    (SELECT count(*) FROM render.frame_jobs f WHERE f.job_id = j.id AND f.state = 'Waiting')
        AS waiting,
    (SELECT count(*) FROM render.frame_repair_jobs r WHERE r.job_id = j.id
       AND r.state IN ('Waiting', 'Running')) AS repairs,
    (SELECT count(*) FROM render.frame_attempts a WHERE a.job_id = j.id
       AND a.outcome = 'Running') AS running,
    (SELECT count(*) FROM render.job_node_blocks b WHERE b.job_id = j.id
       AND b.reason = 'template_broken') AS blocked,
    (SELECT count(*) FROM render.frame_attempts a WHERE a.job_id = j.id AND a.blamed)
      + (SELECT count(*) FROM render.frame_repair_jobs r WHERE r.job_id = j.id) AS blamed,
    (SELECT count(*) FROM render.frame_jobs f WHERE f.job_id = j.id AND (f.epoch <> f.attempts
       OR f.epoch <> (SELECT count(*) FROM render.frame_attempts a WHERE a.frame_job_id = f.id)))
        AS gaps,
    (SELECT count(*) FROM render.frame_jobs f WHERE f.job_id = j.id AND f.state = 'Done'
       AND position('.' || f.epoch || '.' in f.object_key) = 0) AS foreign
FROM render.render_jobs j WHERE j.engine = $1
"""


@pytest.fixture(scope="module")
async def history_database(
    clone_database: Callable[[], TestDatabase],
) -> AsyncIterator[ContextDatabase]:
    """A database that no worker looks at: its time is the histories' own."""
    database = ContextDatabase(
        clone_database().settings(), context="render", schema="render", clock=SystemClock()
    )
    yield database
    await database.close()


def parts() -> list[range]:
    """Return the seeds to run, cut into tests."""
    full = os.environ.get("FLATRENDER_FAULTS") == "full"
    first, _, last = (
        os.environ.get("FLATRENDER_HISTORIES") or ("0-999" if full else "0-11")
    ).partition("-")
    seeds = range(int(first), int(last or first) + 1)
    return [seeds[start : start + PART] for start in range(0, len(seeds), PART)]


@pytest.mark.parametrize("seeds", parts(), ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
async def test_random_histories_end_with_everything_done_once(
    history_database: ContextDatabase,
    seeds: range,
    record_property: Callable[[str, object], None],
) -> None:
    tally: dict[str, Counter[str]] = {}
    failed: list[str] = []
    for seed in seeds:
        history = History(history_database, seed)
        await history.arrange()
        await history.trouble()
        await history.recover()
        wrong = await check(history)
        if wrong:
            failed.append(f"seed {seed}: {dict(wrong)}")
        for fault, times in history.faults.items():
            row = tally.setdefault(fault, Counter())
            row.update({"times": times, "histories": 1, "wrong": sum(wrong.values())})
            row["longest"] = max(row["longest"], round(history.recovery))
    record_property("histories", len(seeds))
    record_property("faults", {fault: dict(row) for fault, row in tally.items()})
    assert not failed, "\n".join(failed)
    assert len(tally) >= 9 or len(seeds) < 12, "the histories had hardly any faults"
