"""Random histories of legal and illegal acts through the real SQL, held against the pure tables.

Beside PostgreSQL a model walks over ``domain.STEP_MOVES`` and ``FRAME_MOVES``: every act says what
it expects of it (a move of the tables, or a refusal), and after each act the rows must stand as
the model does, epochs included. Each history has a seed.
"""

import os
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender_render.act_errors import NotFailed, NotPausable, NotPaused, NotRetryable
from flatrender_render.domain import (
    BLAMED,
    MAX_BLAMED_ATTEMPTS,
    STEP_MOVES,
    TERMINAL,
    FrameState,
    Step,
    check_frame,
    check_step,
)
from flatrender_render.errors import JobFinished
from flatrender_render.farm import claims, reports
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.failures import classify
from flatrender_render.services.acts import ActService, Reach

SEEDS = range(200 if os.environ.get("FLATRENDER_FAULTS") == "full" else 6)
ACTS = 80
#: Mostly what the job is not to blame for, so that it lives long enough.
CODES = ("store_unavailable", "worker_crashed", "disk_full", "proof_failed") * 3 + (
    "template_broken",
)
LAST = ("assemble", 0)
Key = tuple[str, int]


class Frame:
    """What the model knows of a frame job."""

    def __init__(self, state: FrameState = FrameState.WAITING, *, held: bool = False) -> None:
        self.state = state
        self.held = held
        self.epoch = 0
        self.blamed = 0

    def move(self, state: FrameState) -> None:
        """Go on, if the table allows it."""
        check_frame(self.state, state)
        self.state = state

    @property
    def open(self) -> bool:
        return self.state in (FrameState.WAITING, FrameState.CLAIMED)


class Model:
    """One job, as the tables say it must stand."""

    def __init__(self, pieces: int) -> None:
        self.step = Step.QUEUED
        self.retryable = True
        self.frames: dict[Key, Frame] = {("video", n): Frame() for n in range(pieces)}

    def move(self, step: Step) -> None:
        """Go on, if the table allows it."""
        check_step(self.step, step)
        self.step = step

    @property
    def drawn(self) -> bool:
        """Whether all that goes before the assembly is done."""
        return all(f.state is FrameState.DONE for key, f in self.frames.items() if key != LAST)

    def assemble(self) -> None:
        """Queue the assembly, now that the last piece is in."""
        paused = self.step is Step.PAUSED
        self.frames.setdefault(LAST, Frame()).held = paused
        if not paused:
            self.move(Step.ENCODING)

    def end(self, step: Step, state: FrameState) -> None:
        """End the job, and with it what is open."""
        self.move(step)
        for frame in self.frames.values():
            if frame.open:
                frame.move(state)

    def go_on(self) -> None:
        """Let the pieces of a queued job go."""
        for key, frame in self.frames.items():
            if frame.open:
                frame.held = key == LAST and not self.drawn
        if self.drawn:
            self.move(Step.RENDERING)
            self.move(Step.ENCODING)


class History:
    """One job in PostgreSQL, its model, and everything that was ever claimed of it."""

    def __init__(self, farm: Any, customer: Any, chance: random.Random) -> None:
        self.farm = farm
        self.chance = chance
        self.acts = ActService(customer.platform.runtime.plugins["render"].context)
        person = customer.person
        self.reach = Reach(
            tenant_id=person.tenant_id, user_id=person.id, by="user", actor=person.id
        )
        self.claims: list[Claim] = []
        self.refused = 0

    async def begin(self) -> None:
        """Submit the job."""
        pieces = self.chance.randint(1, 3)
        self.model = Model(pieces)
        self.claims.clear()
        self.id: UUID = await self.farm.job(pieces=pieces, tenant=self.reach.tenant_id)
        self.node: UUID = await self.farm.node()
        async with self.farm.db.system("test") as work:
            await work.execute(
                "UPDATE render.render_jobs SET user_id = $2 WHERE id = $1",
                self.id,
                self.reach.user_id,
            )

    # what nodes do: any claim that ever was, most often the newest -----------------------------

    def some(self) -> tuple[Claim, Frame, bool] | None:
        """Return a claim, its frame in the model, and whether it still holds it."""
        if not self.claims:
            return None
        newest = self.chance.random() < 0.5
        claim = self.claims[-1] if newest else self.chance.choice(self.claims)
        frame = self.model.frames[claim.kind, claim.index]
        return claim, frame, frame.state is FrameState.CLAIMED and frame.epoch == claim.epoch

    async def claim(self) -> None:
        found = await self.farm.claim(self.node)
        free = {
            key
            for key, f in self.model.frames.items()
            if f.state is FrameState.WAITING and not f.held
        }
        if found is None:
            assert not free
            return
        assert (found.kind, found.index) in free
        frame = self.model.frames[found.kind, found.index]
        frame.move(FrameState.CLAIMED)
        frame.epoch += 1
        self.claims.append(found)
        async with self.farm.db.system("test") as work:
            await claims.begin(work, self.id)
        if self.model.step in (Step.QUEUED, Step.PREPARING):
            self.model.move(Step.RENDERING)

    async def report(
        self, act: Callable[[Any, Claim], Awaitable[Any]], then: Callable[[Claim, Frame], None]
    ) -> None:
        """Report on some claim: it counts when the claim is held, else it is refused."""
        if (chosen := self.some()) is None:
            return
        claim, frame, held = chosen
        try:
            async with self.farm.db.system("test") as work:
                await act(work, claim)
        except StaleEpoch:
            assert not held
            self.refused += 1
        else:
            assert held
            then(claim, frame)

    async def beat(self) -> None:
        async def act(work: Any, claim: Claim) -> None:
            await claims.heartbeat(
                work,
                frame_job_id=claim.id,
                epoch=claim.epoch,
                done_frames=self.chance.randint(0, 9),
            )

        await self.report(act, lambda _claim, _frame: None)

    async def complete(self) -> None:
        async def act(work: Any, claim: Claim) -> None:
            export = self.farm.finished(claim)
            if claim.kind == "assemble":
                await reports.advance(work, claim, Step.VALIDATING)
                await reports.finish(work, claim, export)
            else:
                await reports.complete(work, claim, export.piece)

        def then(claim: Claim, frame: Frame) -> None:
            frame.move(FrameState.DONE)
            if claim.kind == "assemble":
                self.model.move(Step.VALIDATING)
                self.model.move(Step.DONE)
                return
            if self.model.step is Step.QUEUED:
                self.model.move(Step.RENDERING)
            if self.model.drawn:
                self.model.assemble()

        await self.report(act, then)

    async def fail(self) -> None:
        verdict = classify(self.chance.choice(CODES), "because")

        async def act(work: Any, claim: Claim) -> None:
            await reports.fail(work, claim, verdict)

        def then(_claim: Claim, frame: Frame) -> None:
            frame.move(FrameState.WAITING)
            if verdict.error_class in BLAMED:
                frame.blamed += 1
                if verdict.fail_now or frame.blamed >= MAX_BLAMED_ATTEMPTS:
                    self.model.end(Step.FAILED, FrameState.FAILED)
                    self.model.retryable = verdict.retryable

        await self.report(act, then)
        await self.sql("UPDATE render.frame_jobs SET not_before = now() WHERE job_id = $1")

    async def release(self) -> None:
        if (chosen := self.some()) is None:
            return
        claim, frame, held = chosen
        async with self.farm.db.system("test") as work:
            ours = await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)
        assert ours is held
        if held:
            frame.move(FrameState.WAITING)

    async def reap(self) -> None:
        """The lease on everything that is claimed runs out."""
        await self.sql(
            "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' "
            "WHERE job_id = $1 AND state = 'Claimed'"
        )
        async with self.farm.db.system("test") as work:
            await claims.reap(work)
        for frame in self.model.frames.values():
            if frame.state is FrameState.CLAIMED:
                frame.move(FrameState.WAITING)

    # what people do ----------------------------------------------------------------------------

    async def person(self, act: Awaitable[None], refusal: type[Exception] | None) -> bool:
        """Do an act of a person; True when it was to be accepted, and was."""
        if refusal is None:
            await act
            return True
        with pytest.raises(refusal):
            await act
        self.refused += 1
        return False

    async def pause(self) -> None:
        step = self.model.step
        refusal: type[Exception] | None = None
        if step in TERMINAL:
            refusal = JobFinished
        elif step is not Step.PAUSED and Step.PAUSED not in STEP_MOVES[step]:
            refusal = NotPausable
        accepted = await self.person(self.acts.pause(self.reach, self.id), refusal)
        if accepted and step is not Step.PAUSED:
            self.model.move(Step.PAUSED)
            for frame in self.model.frames.values():
                frame.held = frame.held or frame.open

    async def resume(self) -> None:
        refusal = None if self.model.step is Step.PAUSED else NotPaused
        if await self.person(self.acts.resume(self.reach, self.id), refusal):
            self.model.move(Step.QUEUED)
            self.model.go_on()

    async def cancel(self) -> None:
        refusal = JobFinished if self.model.step in TERMINAL else None
        if await self.person(self.acts.stop(self.reach, self.id), refusal):
            self.model.end(Step.CANCELLED, FrameState.CANCELLED)

    async def retry(self) -> None:
        refusal: type[Exception] | None = None
        if self.model.step is not Step.FAILED:
            refusal = NotFailed
        elif not self.model.retryable:
            refusal = NotRetryable
        if await self.person(self.acts.retry(self.reach, self.id), refusal):
            self.model.move(Step.QUEUED)
            for frame in self.model.frames.values():
                if frame.state is FrameState.FAILED:
                    frame.move(FrameState.WAITING)
                    frame.blamed = 0
            self.model.go_on()

    async def priority(self) -> None:
        refusal = JobFinished if self.model.step in TERMINAL else None
        await self.person(
            self.acts.prioritise(self.reach, self.id, -self.chance.randint(0, 9)), refusal
        )

    # what must hold ----------------------------------------------------------------------------

    async def sql(self, statement: str) -> list[Any]:
        rows: list[Any] = await self.farm.db.system_fetch("test", statement, self.id)
        return rows

    async def agrees(self) -> None:
        """The rows stand as the model does, and each attempt has one end."""
        (job,) = await self.sql("SELECT step FROM render.render_jobs WHERE id = $1")
        rows = await self.sql(
            "SELECT kind, index, state, epoch, (lease_until IS NOT NULL) AS leased, "
            "(SELECT count(*) FROM render.frame_attempts a WHERE a.frame_job_id = f.id "
            " AND a.outcome = 'Running') AS running FROM render.frame_jobs f WHERE job_id = $1"
        )
        found = {(r["kind"], r["index"]): (r["state"], r["epoch"]) for r in rows}
        meant = {key: (str(f.state), f.epoch) for key, f in self.model.frames.items()}
        assert (job["step"], found) == (str(self.model.step), meant)
        for row in rows:
            claimed = row["state"] == "Claimed"
            assert (row["leased"], row["running"]) == (claimed, int(claimed))


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_rows_stand_as_the_tables_say(island: Any, farm: Any, seed: int) -> None:
    chance = random.Random(seed)
    customer = await island.lot.customer(plan="pro")
    await island.lot.platform.sql(
        "UPDATE identity.users SET daily_render_limit = 0 WHERE id = $1", customer.person.id
    )
    here = type(farm)(island.lot.platform.runtime.plugins["render"].context.db)
    here.engine = f"acts-{seed}-{uuid4().hex[:6]}"
    history = History(here, customer, chance)
    await history.begin()
    acts: list[tuple[Callable[[], Awaitable[None]], int]] = [
        (history.claim, 30), (history.beat, 20), (history.complete, 7), (history.fail, 16),
        (history.release, 9), (history.reap, 6), (history.pause, 6), (history.resume, 8),
        (history.cancel, 1), (history.retry, 12), (history.priority, 4),
    ]  # fmt: skip
    done: list[str] = []
    for _ in range(ACTS):
        (act,) = chance.choices([act for act, _ in acts], [weight for _, weight in acts])
        done.append(act.__name__)
        await act()
        await history.agrees()
        if history.model.step in (Step.DONE, Step.CANCELLED) and chance.random() < 0.2:
            await history.begin()
    assert history.refused, "illegal acts were tried as well"
