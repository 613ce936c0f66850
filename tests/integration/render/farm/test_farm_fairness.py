"""Who is served next: tenants, people, caps, priority, what a node has, and the index behind it."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatrender.testing.waiting import waited_for
from flatrender_render.farm import claims
from flatrender_render.farm.claims import Claim


async def test_ten_thousand_jobs_do_not_starve_twenty_tenants_with_one_each(queue: Any) -> None:
    heavy, small = uuid4(), [uuid4() for _ in range(20)]
    await queue.submit(heavy, jobs=10_000)
    await queue.served(5)
    for tenant in small:
        await queue.submit(tenant)
    served = [claim.job.tenant_id for claim in await queue.served(42)]
    assert set(small) <= set(served)
    assert served.count(heavy) == 22, "what is left goes to who has work"


async def test_ten_thousand_jobs_of_one_customer_do_not_starve_another(queue: Any) -> None:
    tenant = uuid4()
    await queue.submit(tenant, jobs=2_000)
    await queue.served(5)
    others = {await queue.submit(tenant) for _ in range(10)}
    served = {claim.job.user_id for claim in await queue.served(25)}
    assert others <= served


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, 4.0]), min_size=2, max_size=4))
async def test_shares_converge_to_the_weights(farm: Any, weights: list[float]) -> None:
    queue = await farm.queue()
    tenants = {uuid4(): weight for weight in weights}
    for tenant, weight in tenants.items():
        await queue.share(tenant, weight=weight)
        await queue.submit(tenant, jobs=4, pieces=50)
    count = 80
    served = Counter(claim.job.tenant_id for claim in await queue.served(count))
    for tenant, weight in tenants.items():
        fair = count * weight / sum(weights)
        assert abs(served[tenant] - fair) <= 2 + weight / min(weights), (weights, served)


async def test_people_of_a_tenant_share_by_their_plans(queue: Any) -> None:
    tenant = uuid4()
    free = await queue.submit(tenant, pieces=60, weight=1.0)
    pro = await queue.submit(tenant, pieces=60, weight=4.0)
    served = Counter(claim.job.user_id for claim in await queue.served(50))
    assert 37 <= served[pro] <= 43
    assert served[free] == 50 - served[pro]


async def test_somebody_back_from_a_rest_has_nothing_saved_up(queue: Any) -> None:
    busy, rested = uuid4(), uuid4()
    await queue.submit(rested)
    await queue.submit(busy, jobs=400)
    await queue.served(201)
    async with queue.farm.db.system("test") as work:
        await claims.tidy(work)
    await queue.submit(rested, jobs=100)
    served = Counter(claim.job.tenant_id for claim in await queue.served(40))
    assert abs(served[rested] - 20) <= 1


async def test_a_capped_tenant_saves_up_only_so_much(queue: Any) -> None:
    busy, capped = uuid4(), uuid4()
    await queue.share(capped, max_running_frames=1)
    await queue.submit(capped, jobs=300)
    await queue.submit(busy, jobs=400)
    await queue.served(200)
    await queue.sql(
        "UPDATE render.tenant_shares SET max_running_frames = NULL WHERE tenant_id = $1", capped
    )
    served = Counter(claim.job.tenant_id for claim in await queue.served(150))
    assert served[busy] >= 35, "64 pieces of credit at most, then turn by turn"


async def test_a_tenant_never_runs_more_than_its_cap(queue: Any) -> None:
    tenant, other = uuid4(), uuid4()
    await queue.share(tenant, max_running_frames=3)
    await queue.submit(tenant, jobs=10)
    found = await asyncio.gather(*(queue.take() for _ in range(12)))
    assert sum(claim is not None for claim in found) <= 3
    more = await queue.served(5)
    assert sum(c is not None for c in found) + len(more) == 3
    await queue.submit(other)
    last = await queue.take()
    assert last is not None
    assert last.job.tenant_id == other, "a full tenant stands in nobody's way"


async def test_a_person_never_runs_more_than_the_cap(queue: Any) -> None:
    tenant = uuid4()
    await queue.share(tenant, max_running_frames_per_user=2)
    first = await queue.submit(tenant, jobs=10)
    second = await queue.submit(tenant, jobs=1)
    served = Counter(claim.job.user_id for claim in await queue.served(8))
    assert served == {first: 2, second: 1}


async def test_priority_goes_first_and_age_overtakes_it(queue: Any) -> None:
    tenant, user = uuid4(), uuid4()
    await queue.submit(tenant, user=user, priority=0)
    await queue.submit(tenant, user=user, priority=5)
    first = await queue.take()
    assert first is not None
    assert await _priority(queue, first) == 5
    await queue.sql(
        "UPDATE render.frame_jobs SET created_at = created_at - interval '6 minutes', "
        "priority = priority WHERE engine = $1 AND priority = 0",
        queue.farm.engine,
    )
    await queue.submit(tenant, user=user, priority=5)
    second = await queue.take()
    assert second is not None
    assert await _priority(queue, second) == 0, "six minutes of waiting are worth more than five"


async def test_priority_is_a_head_start_among_people_not_a_wall(queue: Any) -> None:
    tenant = uuid4()
    plain = await queue.submit(tenant, pieces=60)
    urgent = await queue.submit(tenant, pieces=60, priority=10)
    served = [claim.job.user_id for claim in await queue.served(60)]
    assert served[:8].count(urgent) >= 4
    assert served.count(urgent) > served.count(plain) >= 20


async def test_a_node_of_one_tenant_serves_nobody_else(queue: Any) -> None:
    mine, other = uuid4(), uuid4()
    await queue.sql("UPDATE render.nodes SET only_tenant_id = $2 WHERE id = $1", queue.node, mine)
    await queue.submit(other)
    assert await queue.take() is None
    await queue.submit(mine)
    claim = await queue.take()
    assert claim is not None
    assert claim.job.tenant_id == mine


async def test_a_font_that_a_node_lacks_keeps_the_job_for_another(queue: Any) -> None:
    tenant = uuid4()
    await queue.submit(tenant, fonts=("Vazirmatn", "Lalezar-Regular"))
    assert await queue.take() is None
    await _font(queue, "vazirmatn")
    assert await queue.take() is None
    await _font(queue, "Lalezar", postscript="lalezar-regular")
    assert await queue.take() is not None


async def test_an_older_engine_does_not_get_what_needs_a_newer_one(queue: Any) -> None:
    await queue.submit(uuid4(), version="24.2")
    for version, served in (("23.9x1", False), ("24.1", False), ("24.10x2", True)):
        await queue.sql(
            "UPDATE render.nodes SET engine_versions = $2 WHERE id = $1",
            queue.node,
            {queue.farm.engine: version},
        )
        assert (await queue.take() is not None) is served, version


async def test_paused_and_blocked_work_is_passed_over(queue: Any) -> None:
    tenant = uuid4()
    await queue.submit(tenant)
    job = (await queue.sql("SELECT * FROM render.frame_jobs WHERE engine = $1", queue.farm.engine))[
        0
    ]
    await queue.sql("UPDATE render.frame_jobs SET held = true WHERE id = $1", job["id"])
    assert await queue.take() is None
    await queue.sql("UPDATE render.frame_jobs SET held = false WHERE id = $1", job["id"])
    await queue.sql(
        "INSERT INTO render.job_node_blocks (tenant_id, job_id, node_id) VALUES ($1, $2, $3)",
        tenant,
        job["job_id"],
        queue.node,
    )
    assert await queue.take() is None
    assert await queue.take(await queue.farm.node()) is not None


async def test_a_warm_node_that_is_idle_goes_first_for_two_seconds(queue: Any) -> None:
    tenant, warm = uuid4(), await queue.farm.node()
    await queue.sql(
        "UPDATE render.nodes SET status = 'Idle', last_heartbeat_at = now(), engines = $2 "
        "WHERE id = $1",
        warm,
        [queue.farm.engine],
    )
    await queue.sql(
        "INSERT INTO render.node_template_cache (node_id, package_sha256, size_bytes) "
        "VALUES ($1, $2, 1)",
        warm,
        "b" * 64,  # of the queue's jobs
    )
    await queue.submit(tenant, jobs=3)
    assert await queue.take() is None, "a cold node lets the warm one go first"
    assert await queue.take(warm) is not None
    await queue.sql(
        "UPDATE render.frame_jobs SET not_before = now() - interval '3 s' WHERE id = ("
        "SELECT id FROM render.frame_jobs WHERE engine = $1 AND state = 'Waiting' LIMIT 1)",
        queue.farm.engine,
    )
    await queue.sql("UPDATE render.nodes SET status = 'Busy' WHERE id = $1", warm)
    assert len(await queue.served(3)) == 2, "but not for long, and not for one that is busy"


async def test_a_lane_that_fell_asleep_too_early_is_woken(queue: Any) -> None:
    await queue.submit(uuid4(), jobs=3)
    await queue.sql(
        "UPDATE render.queue_lanes SET active = false WHERE engine = $1", queue.farm.engine
    )
    # How many lanes this call woke is not asked: the sweep of another test may have come first.
    async with queue.farm.db.system("test") as work:
        await claims.tidy(work)
    assert await queue.take() is not None


async def test_a_sweep_does_not_put_to_sleep_what_is_just_getting_work(queue: Any) -> None:
    tenant, person = uuid4(), uuid4()
    await queue.submit(tenant, user=person)
    assert await queue.take() is not None  # the lane is awake, and empty
    async with queue.farm.db.system("a submit that takes its time") as work:
        await queue.insert(work, tenant, person)
        async with queue.farm.db.system("the sweep") as sweep:
            await claims.tidy(sweep)
    assert await queue.take() is not None, "without waiting for the next sweep"


async def test_a_submit_wakes_a_lane_that_a_sweep_is_putting_to_sleep(queue: Any) -> None:
    tenant, person = uuid4(), uuid4()
    await queue.submit(tenant, user=person)
    assert await queue.take() is not None
    async with queue.farm.db.system("the sweep") as sweep:
        for table in ("queue_lanes", "queue_tenants"):  # as queue_tidy() does
            await sweep.execute(
                f"SELECT FROM render.{table} WHERE engine = $1 FOR UPDATE", queue.farm.engine
            )
            await sweep.execute(
                f"UPDATE render.{table} SET active = false WHERE engine = $1", queue.farm.engine
            )
        late = asyncio.create_task(queue.submit(tenant, user=person))
        await waited_for(sweep)
    await late
    assert await queue.take() is not None


async def test_the_search_is_one_descent_whatever_waits(queue: Any) -> None:
    tenant = uuid4()
    user = await queue.submit(tenant, jobs=10_000, pieces=10)
    async with queue.farm.db.system("test") as work:
        rows = await work.fetch(
            "EXPLAIN (ANALYZE, FORMAT json, TIMING off) SELECT f.id FROM render.frame_jobs f "
            "WHERE f.tenant_id = $1 AND f.engine = $2 AND f.user_id = $3 AND f.needs_key = '' "
            "AND f.state = 'Waiting' AND NOT f.held AND f.not_before <= now() "
            "ORDER BY f.tenant_id, f.engine, f.user_id, f.needs_key, f.rank, f.id LIMIT 1 "
            "FOR UPDATE SKIP LOCKED",
            tenant,
            queue.farm.engine,
            user,
        )
    # A hundred thousand rows would slow the tests that come after on this database.
    async with queue.farm.db.system("test") as work:
        await work.execute("SET LOCAL statement_timeout = '5min'")
        await work.execute("DELETE FROM render.frame_jobs WHERE engine = $1", queue.farm.engine)
    raw = rows[0][0]
    plan = (json.loads(raw) if isinstance(raw, str) else raw)[0]["Plan"]
    scans = [node for node in _nodes(plan) if "Scan" in node["Node Type"]]
    assert [node.get("Index Name") for node in scans] == ["frame_jobs_queue"]
    assert scans[0]["Actual Rows"] == 1
    assert scans[0].get("Rows Removed by Filter", 0) == 0


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def _priority(queue: Any, claim: Claim) -> int:
    rows = await queue.sql("SELECT priority FROM render.frame_jobs WHERE id = $1", claim.id)
    return int(rows[0][0])


async def _font(queue: Any, family: str, postscript: str | None = None) -> None:
    await queue.sql(
        "INSERT INTO render.node_fonts (node_id, family, postscript_name, state) "
        "VALUES ($1, $2, $3, 'Installed')",
        queue.node,
        family,
        postscript,
    )
