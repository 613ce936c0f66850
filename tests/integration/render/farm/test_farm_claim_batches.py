"""Several frame jobs in one claim: every rule of a single claim holds for each piece of a batch."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from flatrender.testing.waiting import waited_for
from flatrender_render.farm import claims, reports


@pytest.fixture
async def wide(farm: Any) -> Any:
    """A queue whose node has sixteen slots."""
    queue = await farm.queue()
    queue.node = await farm.node(slots=16)
    return queue


async def test_each_piece_has_its_own_fence_lease_and_attempt(wide: Any) -> None:
    await wide.submit(uuid4(), jobs=2, pieces=3)
    found = await wide.take_many(5)
    assert len({claim.id for claim in found}) == 5
    assert {claim.epoch for claim in found} == {1}
    assert {claim.job.composition.width for claim in found} == {640}, "also of the second of a job"
    rows = await wide.sql(
        "SELECT f.id, f.lease_until > now() AS leased, count(a.id) AS attempts "
        "FROM render.frame_jobs f LEFT JOIN render.frame_attempts a "
        "ON a.frame_job_id = f.id AND a.epoch = f.epoch AND a.node_id = $2 "
        "WHERE f.engine = $1 AND f.state = 'Claimed' GROUP BY f.id",
        wide.farm.engine,
        wide.node,
    )
    assert {row["id"] for row in rows} == {claim.id for claim in found}
    assert all(row["leased"] and row["attempts"] == 1 for row in rows)
    async with wide.farm.db.system("test") as work:
        assert await claims.release(work, frame_job_id=found[0].id, epoch=found[0].epoch)
        await claims.heartbeat(work, frame_job_id=found[1].id, epoch=1, done_frames=1)
        with pytest.raises(claims.StaleEpoch):
            await reports.lock_own(work, found[0])
    assert len(await wide.take_many(16)) == 2, "the one that was left and the one given back"
    assert await wide.take_many(16) == []


async def test_batches_of_four_starve_nobody(wide: Any) -> None:
    heavy, small = uuid4(), [uuid4() for _ in range(20)]
    await wide.submit(heavy, jobs=1_000)
    await wide.take_many(4)
    for tenant in small:
        await wide.submit(tenant)
    served = [claim.job.tenant_id for claim in await wide.batches(10, 4)]
    assert len(served) == 40
    assert set(small) <= set(served)


async def test_within_a_batch_each_piece_goes_to_who_is_least_served(wide: Any) -> None:
    plain, double = uuid4(), uuid4()
    await wide.share(double, weight=2.0)
    await wide.submit(plain, jobs=4, pieces=10)
    await wide.submit(double, jobs=4, pieces=10)
    first = Counter(claim.job.tenant_id for claim in await wide.take_many(12))
    assert abs(first[double] - 8) <= 1
    more = Counter(claim.job.tenant_id for claim in await wide.batches(3, 6))
    assert abs((first + more)[double] - 20) <= 1, "what a batch took is billed for the next"


async def test_within_a_batch_people_share_by_their_plans(wide: Any) -> None:
    tenant = uuid4()
    await wide.submit(tenant, pieces=60, weight=1.0)
    pro = await wide.submit(tenant, pieces=60, weight=3.0)
    served = Counter(claim.job.user_id for claim in await wide.batches(5, 8))
    assert abs(served[pro] - 30) <= 3


async def test_what_a_batch_took_of_a_tenant_is_billed_for_the_next(wide: Any) -> None:
    first, second = uuid4(), uuid4()
    await wide.submit(first, pieces=40)
    await wide.submit(second, pieces=40)
    served = Counter(claim.job.tenant_id for claim in await wide.batches(10, 3))
    assert abs(served[first] - 15) <= 2, "not two of each three"


async def test_what_a_batch_took_of_a_lane_is_billed_for_the_next(wide: Any) -> None:
    tenant = uuid4()
    first = await wide.submit(tenant, pieces=40)
    await wide.submit(tenant, pieces=40)
    served = Counter(claim.job.user_id for claim in await wide.batches(10, 3))
    assert abs(served[first] - 15) <= 2, "not two of each three"


async def test_a_batch_does_not_break_a_cap(wide: Any) -> None:
    tenant, other = uuid4(), uuid4()
    await wide.share(tenant, max_running_frames=3)
    await wide.submit(tenant, jobs=10)
    assert len(await wide.take_many(8)) == 3
    assert await wide.take_many(8) == []
    await wide.submit(other, jobs=2)
    assert [claim.job.tenant_id for claim in await wide.take_many(8)] == [other, other]


async def test_a_batch_does_not_break_the_cap_of_a_person(wide: Any) -> None:
    tenant = uuid4()
    await wide.share(tenant, max_running_frames_per_user=2)
    first = await wide.submit(tenant, jobs=10)
    second = await wide.submit(tenant, jobs=1)
    served = Counter(claim.job.user_id for claim in await wide.take_many(8))
    assert served == {first: 2, second: 1}
    assert await wide.take_many(8) == []


async def test_a_node_gets_no_more_than_its_slots_and_one_after_a_rest(wide: Any) -> None:
    await wide.submit(uuid4(), jobs=20)
    narrow = await wide.farm.node(slots=2)
    assert len(await wide.take_many(8, narrow)) == 2
    await wide.sql(
        "UPDATE render.nodes SET rest_until = now() - interval '1 s' WHERE id = $1", wide.node
    )
    assert len(await wide.take_many(8)) == 1, "until a piece is proven"
    assert await wide.take_many(8) == []


async def test_a_batch_passes_over_what_its_node_may_not_do(wide: Any) -> None:
    tenant = uuid4()
    await wide.submit(tenant, jobs=2, fonts=("Vazirmatn",))
    await wide.submit(tenant, jobs=3)
    rows = await wide.sql(
        "SELECT job_id FROM render.frame_jobs WHERE engine = $1 AND needs_key = '' LIMIT 1",
        wide.farm.engine,
    )
    await wide.sql(
        "INSERT INTO render.job_node_blocks (tenant_id, job_id, node_id) VALUES ($1, $2, $3)",
        tenant,
        rows[0][0],
        wide.node,
    )
    found = await wide.take_many(8)
    assert len(found) == 2
    assert rows[0][0] not in {claim.job.id for claim in found}


async def test_claims_at_once_take_everything_once_and_fairly(wide: Any) -> None:
    tenants = [uuid4() for _ in range(3)]
    for tenant in tenants:
        await wide.submit(tenant, jobs=2, pieces=12)
        await wide.submit(tenant, jobs=2, pieces=12)
    nodes = [await wide.farm.node(slots=4) for _ in range(8)]
    async with asyncio.timeout(60):  # two that waited for each other's bills would hang or fail
        found = [
            claim
            for _ in range(6)
            for batch in await asyncio.gather(*(wide.take_many(4, node) for node in nodes))
            for claim in batch
        ]
    assert len({claim.id for claim in found}) == len(found) == 144
    half = Counter(claim.job.tenant_id for claim in found[:72])
    assert all(abs(half[tenant] - 24) <= 8 for tenant in tenants), half


async def test_nobody_waits_for_the_bill_of_another_while_others_wait_to_be_served(
    wide: Any,
) -> None:
    first, second = uuid4(), uuid4()
    await wide.submit(first, jobs=4)
    await wide.submit(second, jobs=4)
    async with wide.farm.db.system("a claim that takes its time") as work:
        slow = await claims.claim(work, engine=wide.farm.engine, node_id=wide.node)
        assert slow is not None
        async with asyncio.timeout(20):
            other = await wide.take()
        assert other is not None
        assert {slow.job.tenant_id, other.job.tenant_id} == {first, second}


async def test_who_finds_everybody_being_served_waits_for_the_bill(wide: Any) -> None:
    empty, busy = uuid4(), uuid4()
    await wide.submit(empty)
    assert await wide.take() is not None  # awake still, with nothing left
    await wide.submit(busy, jobs=4)
    wake = "UPDATE render.queue_tenants SET active = true WHERE tenant_id = $1"
    awake = "SELECT active FROM render.queue_tenants WHERE tenant_id = $1 FOR SHARE"
    late = None
    while late is None:
        await wide.sql(wake, empty)
        async with wide.farm.db.system("a claim that takes its time") as work:
            # A sweep in between has sent the one with nothing left to sleep; not from here on.
            if not await work.fetchval(awake, empty):
                continue
            first = await claims.claim(work, engine=wide.farm.engine, node_id=wide.node)
            assert first is not None
            late = asyncio.create_task(wide.take())
            await waited_for(work)
            assert not late.done()
    claim = await late
    assert claim is not None
    assert claim.job.tenant_id == busy


async def test_a_batch_reads_the_lanes_it_bills_and_no_others(wide: Any) -> None:
    tenant = uuid4()
    for _ in range(4):
        await wide.submit(tenant, pieces=4)
    await wide.sql(
        "INSERT INTO render.queue_lanes (engine, tenant_id, user_id, active) "
        "SELECT $1, gen_random_uuid(), gen_random_uuid(), false FROM generate_series(1, 3000)",
        wide.farm.engine,
    )
    counted = "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'queue_lanes'"
    async with wide.farm.db.system("test") as work:
        before = await work.fetchval(counted)
        found = await claims.claim_many(work, engine=wide.farm.engine, node_id=wide.node, most=8)
        read = await work.fetchval(counted) - (before or 0)
    assert len(found) == 8
    assert read < 1_000, "not the lanes of others"


async def test_no_index_of_jobs_holds_what_every_report_moves(farm: Any) -> None:
    """A report then leaves the job's row where it is and touches none of a dozen indexes."""
    rows = await farm.db.system_fetch(
        "test",
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_attribute a "
        "ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) "
        "WHERE i.indrelid = 'render.render_jobs'::regclass AND a.attname IN ("
        "'updated_at', 'done_frames', 'frame_jobs_done', 'compute_seconds', 'timings')",
    )
    assert [row[0] for row in rows] == []


async def test_a_worker_of_the_version_before_still_gets_its_frame_job(wide: Any) -> None:
    await wide.submit(uuid4(), jobs=2)
    async with wide.farm.db.system("test") as work:
        rows = await work.fetch(
            "SELECT * FROM render.claim_frame_job($1, $2, 30, NULL)", wide.farm.engine, wide.node
        )
    assert len(rows) == 1
    assert rows[0]["composition"]["width"] == 640
    assert rows[0]["epoch"] == 1


async def test_no_remembered_plan_of_the_queue_reads_a_whole_table(farm: Any) -> None:
    rows = await farm.db.system_fetch(
        "test",
        "SELECT proname, proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname = 'render' AND proname IN ('claim_frame_jobs', 'frame_job_place', "
        "'queue_wake', 'queue_tidy')",
    )
    assert len(rows) == 4
    for row in rows:
        assert "enable_seqscan=off" in (row["proconfig"] or []), row["proname"]
