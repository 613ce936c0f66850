"""Whose fault it is: the built-in rules in the database, blocks, and what never counts."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender_render.farm import claims, failures, reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.failures import classify, rule_of
from flatrender_render.farm.rules import BUILTIN


async def _fail(farm: Any, claim: Claim, code: str) -> bool:
    async with farm.db.system("test") as work:
        ended = await reports.fail(work, claim, classify(code, "because"))
        await work.execute(
            "UPDATE render.frame_jobs SET not_before = now() WHERE id = $1", claim.id
        )
    return ended


async def _online(farm: Any, *nodes: UUID) -> None:
    async with farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.nodes SET status = 'Idle', engines = $2, last_heartbeat_at = now() "
            "WHERE id = ANY ($1)",
            list(nodes),
            [farm.engine],
        )


async def test_the_database_holds_the_built_in_rules(farm: Any) -> None:
    rows = await farm.db.system_fetch(
        "test", failures.ACTIVE.replace("WHERE active", "WHERE active AND builtin")
    )
    assert {r.code: r for r in map(rule_of, rows)} == {r.code: r for r in BUILTIN}


@pytest.mark.parametrize("code", ["worker_crashed", "store_unavailable", "out_of_memory"])
async def test_attempts_lost_to_nodes_and_passing_trouble_never_count(farm: Any, code: str) -> None:
    job_id = await farm.job(pieces=1)
    for _ in range(7):
        assert not await _fail(farm, await farm.must_claim(), code)
    row = await farm.row(
        "SELECT j.step, f.blamed_attempts FROM render.render_jobs j "
        "JOIN render.frame_jobs f ON f.job_id = j.id WHERE j.id = $1",
        job_id,
    )
    assert tuple(row) == ("Rendering", 0)


async def test_a_node_that_failed_a_job_is_passed_over_while_another_could_take_it(
    farm: Any,
) -> None:
    job_id = await farm.job(pieces=1)
    bad, good = await farm.node(), await farm.node()
    await _online(farm, bad, good)
    await _fail(farm, await farm.must_claim(bad), "worker_crashed")
    assert await farm.claim(bad) is None
    await _fail(farm, await farm.must_claim(good), "worker_crashed")
    claim = await farm.must_claim(good)
    assert claim.job.id == job_id, "nobody else is left: it is not blocked as well"


async def test_a_bad_template_blocks_no_node(farm: Any) -> None:
    bad, good = await farm.node(), await farm.node()
    await _online(farm, bad, good)
    await farm.job(pieces=1)
    await _fail(farm, await farm.must_claim(bad), "proof_failed")
    assert await farm.claim(bad) is not None
    job_id = await farm.job(pieces=1)
    claim = await farm.must_claim(bad)
    assert await _fail(farm, claim, "template_broken")
    rows = await farm.db.system_fetch(
        "test", "SELECT count(*) FROM render.job_node_blocks WHERE job_id = $1", job_id
    )
    assert rows[0][0] == 0


async def test_an_attempt_names_the_rule_that_judged_it(farm: Any) -> None:
    await farm.job(pieces=1)
    claim = await farm.must_claim()
    await _fail(farm, claim, "disk_full")
    row = await farm.row(
        "SELECT rule_code, error_class, blamed FROM render.frame_attempts WHERE frame_job_id = $1",
        claim.id,
    )
    assert tuple(row) == ("disk_full", "resource", False)


async def test_stale_reports_are_counted_by_kind(farm: Any) -> None:
    await farm.job(pieces=1)
    claim = await farm.must_claim()
    async with farm.db.system("test") as work:
        await claims.release(work, frame_job_id=claim.id, epoch=claim.epoch)
    counter = claims.STALE.labels("result")
    before = counter._value.get()
    with pytest.raises(claims.StaleEpoch):
        await farm.complete(claim)
    assert counter._value.get() == before + 1


async def test_a_node_that_does_not_exist_gets_nothing_blocked(farm: Any) -> None:
    """The block names a node of the register; one that was removed meanwhile is passed over."""
    await farm.job(pieces=1)
    await _online(farm, await farm.node())
    claim = await farm.must_claim(uuid4())
    assert not await _fail(farm, claim, "worker_crashed")
