"""What a late report may not do, report by report; where a job may not go from where it is."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from flatrender_render.domain import Step
from flatrender_render.farm import claims, repairs, reports
from flatrender_render.farm.claims import Claim, StaleEpoch
from flatrender_render.farm.failures import classify
from flatrender_render.farm.repairs import Damage, Damaged


async def _state(farm: Any, claim: Claim) -> tuple[str, int]:
    row = await farm.row("SELECT state, epoch FROM render.frame_jobs WHERE id = $1", claim.id)
    return row["state"], row["epoch"]


async def _step(farm: Any, job_id: UUID) -> str:
    row = await farm.row("SELECT step FROM render.render_jobs WHERE id = $1", job_id)
    return str(row["step"])


async def _lose(farm: Any, claim: Claim) -> None:
    """Let the lease of a claim run out and somebody reap it."""
    async with farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' WHERE id = $1",
            claim.id,
        )
        await claims.reap(work)


async def _assembly(farm: Any, job_id: UUID) -> Claim:
    """Draw all pieces of a job and claim its assembly."""
    while (claim := await farm.must_claim()).kind != "assemble":
        await farm.complete(claim)
    assert await _step(farm, job_id) == "Encoding"
    found: Claim = claim
    return found


async def test_a_late_assembly_moves_no_step_and_repairs_nothing(farm: Any) -> None:
    job_id = await farm.job(pieces=2)
    late = await _assembly(farm, job_id)
    await _lose(farm, late)
    fresh = await farm.must_claim()
    assert fresh.id == late.id
    damaged = Damaged([Damage(kind="video", index=0, defect="missing")])
    for report in (
        lambda work: reports.advance(work, late, Step.UPLOADING),
        lambda work: repairs.repair(work, late, damaged),
    ):
        with pytest.raises(StaleEpoch):
            async with farm.db.system("test") as work:
                await report(work)
    assert await _step(farm, job_id) == "Encoding"
    assert await _state(farm, fresh) == ("Claimed", fresh.epoch)
    pieces = await farm.row(
        "SELECT array_agg(state ORDER BY index) AS states FROM render.frame_jobs "
        "WHERE job_id = $1 AND kind = 'video'",
        job_id,
    )
    assert pieces["states"] == ["Done", "Done"]


async def test_a_claim_that_was_given_up_moves_no_step(farm: Any) -> None:
    """Reaped and not claimed again: the epoch is still its own, the claim is not."""
    job_id = await farm.job(pieces=1)
    late = await _assembly(farm, job_id)
    await _lose(farm, late)
    with pytest.raises(StaleEpoch):
        async with farm.db.system("test") as work:
            await reports.advance(work, late, Step.UPLOADING)
    assert await _step(farm, job_id) == "Encoding"


async def test_a_proven_piece_cannot_fail_or_be_given_back(farm: Any) -> None:
    await farm.job(pieces=2)
    claim = await farm.must_claim()
    await farm.complete(claim)
    with pytest.raises(StaleEpoch):
        async with farm.db.system("test") as work:
            await reports.fail(work, claim, classify("template_broken", "late"))
    async with farm.db.system("test") as work:
        given = await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)
    assert given is False
    assert await _state(farm, claim) == ("Done", claim.epoch)


async def test_nobody_gives_back_what_somebody_else_claimed(farm: Any) -> None:
    await farm.job(pieces=1)
    late = await farm.must_claim()
    await _lose(farm, late)
    fresh = await farm.must_claim()
    async with farm.db.system("test") as work:
        assert not await claims.release(work, frame_job_id=late.id, epoch=late.epoch)
    assert await _state(farm, fresh) == ("Claimed", fresh.epoch)
    async with farm.db.system("test") as work:
        assert await claims.release(work, frame_job_id=fresh.id, epoch=fresh.epoch)


async def test_a_film_that_was_not_validated_is_not_finished(farm: Any) -> None:
    job_id = await farm.job(pieces=1)
    assembly = await _assembly(farm, job_id)
    with pytest.raises(RuntimeError):
        async with farm.db.system("test") as work:
            await reports.finish(work, assembly, farm.finished(assembly))
    assert await _step(farm, job_id) == "Encoding"
    exports = await farm.row("SELECT count(*) FROM render.exports WHERE job_id = $1", job_id)
    assert exports[0] == 0
    assert "render.job.completed.v1" not in await farm.events(job_id)


@pytest.mark.parametrize(
    ("at", "wanted"), [("Queued", Step.VALIDATING), ("Cancelled", Step.RENDERING)]
)
async def test_a_job_goes_only_where_the_table_lets_it(farm: Any, at: str, wanted: Step) -> None:
    job_id = await farm.job(pieces=1)
    async with farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.render_jobs SET step = $2, finished_at = CASE WHEN $2 = 'Cancelled' "
            "THEN now() END WHERE id = $1",
            job_id,
            at,
        )
        assert not await reports.enter(work, job_id, wanted)
    assert await _step(farm, job_id) == at


async def test_a_failed_attempt_waits_before_the_next(farm: Any) -> None:
    await farm.job(pieces=1)
    claim = await farm.must_claim()
    async with farm.db.system("test") as work:
        await reports.fail(work, claim, classify("worker_crashed", "because"))
    assert await farm.claim() is None
    now = (await farm.row("SELECT now() AS t"))["t"]
    async with farm.db.system("test") as work:
        again = await claims.claim(
            work,
            engine=farm.engine,
            node_id=await farm.node(),
            now=now + timedelta(minutes=3),
        )
    assert again is not None
    assert again.id == claim.id


async def test_a_blocked_node_gets_nothing_of_that_job_until_the_block_ends(farm: Any) -> None:
    job_id = await farm.job(pieces=1)
    blocked, other = await farm.node(), await farm.node()
    now = (await farm.row("SELECT now() AS t"))["t"]
    async with farm.db.system("test") as work:
        await work.execute(
            "INSERT INTO render.job_node_blocks (tenant_id, job_id, node_id, until, reason) "
            "SELECT tenant_id, id, $2, $3, 'failed thrice' FROM render.render_jobs WHERE id = $1",
            job_id,
            blocked,
            now + timedelta(hours=1),
        )
    assert await farm.claim(blocked) is None
    claim = await farm.claim(other)
    assert claim is not None
    async with farm.db.system("test") as work:
        await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)
        later = await claims.claim(
            work, engine=farm.engine, node_id=blocked, now=now + timedelta(hours=2)
        )
    assert later is not None


async def test_a_repair_leaves_a_piece_alone_that_is_being_made(farm: Any) -> None:
    job_id = await farm.job(pieces=2)
    assembly = await _assembly(farm, job_id)
    async with farm.db.system("test") as work:  # somebody draws the first one again already
        await work.execute(
            "UPDATE render.frame_jobs SET state = 'Claimed', epoch = epoch + 1, node_id = $2, "
            "lease_until = now() + interval '1 h' WHERE job_id = $1 AND kind = 'video' "
            "AND index = 0",
            job_id,
            await farm.node(),
        )
    both = [Damage(kind="video", index=index, defect="missing") for index in (0, 1)]
    async with farm.db.system("test") as work:
        note = await repairs.repair(work, assembly, Damaged(both))
    assert note is not None
    assert note.missing_frames == 60
    pieces = await farm.row(
        "SELECT array_agg(state ORDER BY index) AS states FROM render.frame_jobs "
        "WHERE job_id = $1 AND kind = 'video'",
        job_id,
    )
    assert pieces["states"] == ["Claimed", "Waiting"]


async def test_a_job_that_took_nothing_gives_nothing_back(farm: Any) -> None:
    job_id = await farm.job(pieces=1)
    async with farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.render_jobs SET reservation_state = 'None' WHERE id = $1", job_id
        )
        assert await reports.fail_job(work, job_id, classify("internal", "because"))
        assert not await reports.fail_job(work, job_id, classify("internal", "again"))
    row = await farm.row("SELECT reservation_state FROM render.render_jobs WHERE id = $1", job_id)
    assert row["reservation_state"] == "None"
    assert (await farm.events(job_id)).count("render.job.failed.v1") == 1
