"""Claims, fences and reports on real PostgreSQL: what a late, doubled or dead worker can do."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from flatrender_render.domain import Step
from flatrender_render.farm import claims, reports
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.failures import classify


async def test_fifty_claimers_never_share_a_frame_job(farm: Any) -> None:
    await farm.job(pieces=30)
    node = await farm.node()
    found = await asyncio.gather(*(farm.claim(node) for _ in range(50)))
    taken = [claim.id for claim in found if claim is not None]
    assert len(taken) == len(set(taken)) == 30


async def test_a_job_runs_to_its_end(farm: Any) -> None:
    job_id = await farm.job(pieces=2)
    first, second = await farm.must_claim(), await farm.must_claim()
    assert not await farm.complete(first)
    assert await farm.complete(second), "the last piece queues the assembly"
    assembly = await farm.must_claim()
    assert assembly.kind == "assemble"
    async with farm.db.system("test") as work:
        await reports.enter(work, job_id, Step.UPLOADING)
        await reports.enter(work, job_id, Step.VALIDATING)
        export_id = await reports.finish(work, assembly, farm.finished(assembly))
    job = await farm.row(
        "SELECT step, done_frames, export_id, reservation_state FROM render.render_jobs "
        "WHERE id = $1",
        job_id,
    )
    assert tuple(job) == ("Done", 120, export_id, "Settling")
    assert await farm.events(job_id) == ["render.job.started.v1", "render.job.completed.v1"]


async def test_a_stale_report_changes_nothing_and_is_counted(farm: Any) -> None:
    await farm.job(pieces=1)
    late = await farm.must_claim()
    async with farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' WHERE id = $1",
            late.id,
        )
        await claims.reap(work)
    fresh = await farm.must_claim()
    assert fresh.id == late.id
    assert fresh.epoch > late.epoch
    for report in (farm.complete(late), _beat(farm, late), _fail(farm, late)):
        with pytest.raises(StaleEpoch):
            await report
    async with farm.db.system("test") as work:
        await claims.count_stale(work, late.id, late.epoch)
    attempt = await farm.row(
        "SELECT outcome, stale_reports FROM render.frame_attempts "
        "WHERE frame_job_id = $1 AND epoch = $2",
        late.id,
        late.epoch,
    )
    assert tuple(attempt) == ("Lost", 1)
    assert await farm.complete(fresh)


async def test_a_result_cannot_be_reported_twice(farm: Any) -> None:
    await farm.job(pieces=2)
    claim = await farm.must_claim()
    await farm.complete(claim)
    with pytest.raises(StaleEpoch):
        await farm.complete(claim)


async def test_attempt_keys_never_meet(farm: Any) -> None:
    await farm.job(pieces=1)
    first = await farm.must_claim()
    async with farm.db.system("test") as work:
        assert await claims.release(work, frame_job_id=first.id, epoch=first.epoch)
    second = await farm.must_claim()
    assert first.object_key("mp4") != second.object_key("mp4")


async def test_three_failures_of_the_job_itself_end_it(farm: Any) -> None:
    job_id = await farm.job(pieces=2)
    for attempt in range(3):
        claim = await farm.must_claim()
        ended = await _fail(farm, claim, code="proof_failed")
        assert ended == (attempt == 2)
        async with farm.db.system("test") as work:  # skip the back-off
            await work.execute(
                "UPDATE render.frame_jobs SET not_before = now() - interval '1 h' WHERE id = $1 "
                "AND state = 'Waiting'",
                claim.id,
            )
    job = await farm.row(
        "SELECT step, error_code, reservation_state FROM render.render_jobs WHERE id = $1", job_id
    )
    assert tuple(job) == ("Failed", "proof_failed", "Releasing")
    assert await farm.claim() is None, "nothing of it is left to do"
    assert (await farm.events(job_id))[-1] == "render.job.failed.v1"


async def test_a_dead_node_is_not_the_jobs_fault(farm: Any) -> None:
    job_id = await farm.job(pieces=1)
    for _ in range(5):
        claim = await farm.must_claim()
        assert not await _fail(farm, claim, code="worker_crashed")
        async with farm.db.system("test") as work:
            await work.execute(
                "UPDATE render.frame_jobs SET not_before = now() - interval '1 h' WHERE id = $1",
                claim.id,
            )
    job = await farm.row("SELECT step FROM render.render_jobs WHERE id = $1", job_id)
    assert job["step"] == "Rendering"


async def test_a_broken_template_fails_at_once(farm: Any) -> None:
    await farm.job(pieces=2)
    claim = await farm.must_claim()
    assert await _fail(farm, claim, code="template_broken")


async def test_a_cancelled_job_stays_cancelled(farm: Any) -> None:
    job_id = await farm.job(pieces=1)
    claim = await farm.must_claim()
    async with farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.render_jobs SET step = 'Cancelled', finished_at = now() WHERE id = $1",
            job_id,
        )
        await work.execute(
            "UPDATE render.frame_jobs SET state = 'Cancelled', lease_until = NULL "
            "WHERE job_id = $1",
            job_id,
        )
    with pytest.raises(StaleEpoch):
        await farm.complete(claim)
    async with farm.db.system("test") as work:
        assert not await reports.fail_job(work, job_id, classify("internal", "late"))
    job = await farm.row("SELECT step FROM render.render_jobs WHERE id = $1", job_id)
    assert job["step"] == "Cancelled"


async def test_leases_follow_the_given_clock(farm: Any) -> None:
    await farm.job(pieces=1)
    node = await farm.node()
    now = (await farm.row("SELECT now() AS t"))["t"] + timedelta(days=400)
    async with farm.db.system("test") as work:
        claim = await claims.claim(work, engine=farm.engine, node_id=node, now=now)
        assert claim is not None
    row = await farm.row("SELECT lease_until FROM render.frame_jobs WHERE id = $1", claim.id)
    assert row["lease_until"] == now + timedelta(seconds=claims.LEASE_SECONDS)
    later = now + timedelta(seconds=20)
    async with farm.db.system("test") as work:
        await claims.heartbeat(
            work, frame_job_id=claim.id, epoch=claim.epoch, done_frames=1, now=later
        )
    row = await farm.row("SELECT lease_until FROM render.frame_jobs WHERE id = $1", claim.id)
    assert row["lease_until"] == later + timedelta(seconds=claims.LEASE_SECONDS), "prolonged"


async def test_a_beat_prolongs_and_tells_how_the_job_stands(farm: Any) -> None:
    """Its own frames included, which its statement has just written."""
    await farm.job(pieces=2)
    one, other = await farm.must_claim(), await farm.must_claim()
    await _beat(farm, other)
    before = await farm.row("SELECT lease_until AS t FROM render.frame_jobs WHERE id = $1", one.id)
    facts = await claims.beat(farm.db, one.id, one.epoch, 3)
    after = await farm.row("SELECT lease_until AS t FROM render.frame_jobs WHERE id = $1", one.id)
    assert after["t"] > before["t"]
    assert (facts.drawn, facts.total) == (3 + other.frames, one.job.total_frames)
    async with farm.db.system("test") as work:
        again = await claims.progress_of(work, one.job.id)
    assert again == replace(facts, now=again.now)
    await farm.complete(one)
    with pytest.raises(StaleEpoch):
        await claims.beat(farm.db, one.id, one.epoch, 4)


async def _beat(farm: Any, claim: Claim) -> None:
    async with farm.db.system("test") as work:
        await claims.heartbeat(
            work, frame_job_id=claim.id, epoch=claim.epoch, done_frames=claim.frames
        )


async def _fail(farm: Any, claim: Claim, *, code: str = "internal") -> bool:
    async with farm.db.system("test") as work:
        return await reports.fail(work, claim, classify(code, "because"))
