"""Who is served next: tenants, people, caps, priority, what a node has, and the index behind it."""

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatrender.db import SystemTransaction
from flatrender_render.farm import claims
from flatrender_render.farm.claims import Claim

SHA = "b" * 64
_JOBS = """
INSERT INTO render.render_jobs (tenant_id, user_id, saved_project_id, engine, package_object_key,
    package_sha256, composition, composition_sha256, resolution, aspect, width, height, fps,
    duration, watermark, total_frames, reservation_state, priority, share_weight, required_fonts,
    min_engine_version)
SELECT $1, $2, gen_random_uuid(), $3, 'k', $4, $5, $4, '360p', '16:9', 640, 360, 30, 4, true,
       60 * $7::int, 'Reserved', $8, $9, $10, $11
FROM generate_series(1, $6::int)
"""
_PIECES = """
INSERT INTO render.frame_jobs (tenant_id, job_id, kind, index, first_frame, last_frame, engine,
                               priority, package_sha256)
SELECT j.tenant_id, j.id, 'video', n, n * 60, n * 60 + 59, j.engine, j.priority, j.package_sha256
FROM render.render_jobs j, generate_series(0, $3::int - 1) n
WHERE j.engine = $1 AND j.user_id = $2
  AND NOT EXISTS (SELECT FROM render.frame_jobs f WHERE f.job_id = j.id)
"""
COMPOSITION = {
    "width": 640,
    "height": 360,
    "fps": 30,
    "aspect": "16:9",
    "direction": "rtl",
    "scenes": [{"id": "s", "scene_key": "one", "animation": "a", "duration": 4.0}],
}


class Queue:
    """A farm's queue of one engine, filled in bulk."""

    def __init__(self, farm: Any, node: UUID) -> None:
        self.farm = farm
        self.node = node

    async def submit(
        self,
        tenant: UUID,
        *,
        jobs: int = 1,
        pieces: int = 1,
        user: UUID | None = None,
        priority: int = 0,
        weight: float = 1.0,
        fonts: tuple[str, ...] = (),
        version: str | None = None,
    ) -> UUID:
        """Insert jobs of one person; returns the person."""
        person = user or uuid4()
        async with self.farm.db.system("test") as work:
            await work.execute("SET LOCAL statement_timeout = '5min'")  # 100,000 rows take a while
            await work.execute(
                _JOBS, tenant, person, self.farm.engine, SHA, COMPOSITION, jobs, pieces, priority,
                weight, list(fonts), version,
            )  # fmt: skip
            await work.execute(_PIECES, self.farm.engine, person, pieces)
        return person

    async def take(self, node: UUID | None = None) -> Claim | None:
        """Claim one."""
        return await claims.take(self.farm.db, engine=self.farm.engine, node_id=node or self.node)

    async def served(self, count: int) -> list[Claim]:
        """Claim ``count`` that are there."""
        found = [await self.take() for _ in range(count)]
        return [claim for claim in found if claim is not None]

    async def share(self, tenant: UUID, **columns: Any) -> None:
        """Set a tenant's share."""
        names = ", ".join(columns)
        marks = ", ".join(f"${n}" for n in range(2, len(columns) + 2))
        async with self.farm.db.system("test") as work:
            await work.execute(
                f"INSERT INTO render.tenant_shares (tenant_id, {names}) VALUES ($1, {marks})",
                tenant,
                *columns.values(),
            )

    async def sql(self, statement: str, *args: Any) -> list[Any]:
        """Run a statement as the farm."""
        rows: list[Any] = await self.farm.db.system_fetch("test", statement, *args)
        return rows


@pytest.fixture
async def queue(farm: Any) -> Queue:
    """A queue with one node."""
    return Queue(farm, await farm.node())


async def test_ten_thousand_jobs_do_not_starve_twenty_tenants_with_one_each(queue: Queue) -> None:
    heavy, small = uuid4(), [uuid4() for _ in range(20)]
    await queue.submit(heavy, jobs=10_000)
    await queue.served(5)
    for tenant in small:
        await queue.submit(tenant)
    served = [claim.job.tenant_id for claim in await queue.served(42)]
    assert set(small) <= set(served)
    assert served.count(heavy) == 22, "what is left goes to who has work"


async def test_ten_thousand_jobs_of_one_customer_do_not_starve_another(queue: Queue) -> None:
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
    farm.engine = f"engine-{uuid4().hex[:12]}"
    queue = Queue(farm, await farm.node())
    tenants = {uuid4(): weight for weight in weights}
    for tenant, weight in tenants.items():
        await queue.share(tenant, weight=weight)
        await queue.submit(tenant, jobs=4, pieces=50)
    count = 80
    served = Counter(claim.job.tenant_id for claim in await queue.served(count))
    for tenant, weight in tenants.items():
        fair = count * weight / sum(weights)
        assert abs(served[tenant] - fair) <= 2 + weight / min(weights), (weights, served)


async def test_people_of_a_tenant_share_by_their_plans(queue: Queue) -> None:
    tenant = uuid4()
    free = await queue.submit(tenant, pieces=60, weight=1.0)
    pro = await queue.submit(tenant, pieces=60, weight=4.0)
    served = Counter(claim.job.user_id for claim in await queue.served(50))
    assert 37 <= served[pro] <= 43
    assert served[free] == 50 - served[pro]


async def test_somebody_back_from_a_rest_has_nothing_saved_up(queue: Queue) -> None:
    busy, rested = uuid4(), uuid4()
    await queue.submit(rested)
    await queue.submit(busy, jobs=400)
    await queue.served(201)
    async with queue.farm.db.system("test") as work:
        await claims.tidy(work)
    await queue.submit(rested, jobs=100)
    served = Counter(claim.job.tenant_id for claim in await queue.served(40))
    assert abs(served[rested] - 20) <= 1


async def test_a_capped_tenant_saves_up_only_so_much(queue: Queue) -> None:
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


async def test_a_tenant_never_runs_more_than_its_cap(queue: Queue) -> None:
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


async def test_a_person_never_runs_more_than_the_cap(queue: Queue) -> None:
    tenant = uuid4()
    await queue.share(tenant, max_running_frames_per_user=2)
    first = await queue.submit(tenant, jobs=10)
    second = await queue.submit(tenant, jobs=1)
    served = Counter(claim.job.user_id for claim in await queue.served(8))
    assert served == {first: 2, second: 1}


async def test_priority_goes_first_and_age_overtakes_it(queue: Queue) -> None:
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


async def test_priority_is_a_head_start_among_people_not_a_wall(queue: Queue) -> None:
    tenant = uuid4()
    plain = await queue.submit(tenant, pieces=60)
    urgent = await queue.submit(tenant, pieces=60, priority=10)
    served = [claim.job.user_id for claim in await queue.served(60)]
    assert served[:8].count(urgent) >= 4
    assert served.count(urgent) > served.count(plain) >= 20


async def test_a_node_of_one_tenant_serves_nobody_else(queue: Queue) -> None:
    mine, other = uuid4(), uuid4()
    await queue.sql("UPDATE render.nodes SET only_tenant_id = $2 WHERE id = $1", queue.node, mine)
    await queue.submit(other)
    assert await queue.take() is None
    await queue.submit(mine)
    claim = await queue.take()
    assert claim is not None
    assert claim.job.tenant_id == mine


async def test_a_font_that_a_node_lacks_keeps_the_job_for_another(queue: Queue) -> None:
    tenant = uuid4()
    await queue.submit(tenant, fonts=("Vazirmatn", "Lalezar-Regular"))
    assert await queue.take() is None
    await _font(queue, "vazirmatn")
    assert await queue.take() is None
    await _font(queue, "Lalezar", postscript="lalezar-regular")
    assert await queue.take() is not None


async def test_an_older_engine_does_not_get_what_needs_a_newer_one(queue: Queue) -> None:
    await queue.submit(uuid4(), version="24.2")
    for version, served in (("23.9x1", False), ("24.1", False), ("24.10x2", True)):
        await queue.sql(
            "UPDATE render.nodes SET engine_versions = $2 WHERE id = $1",
            queue.node,
            {queue.farm.engine: version},
        )
        assert (await queue.take() is not None) is served, version


async def test_paused_and_blocked_work_is_passed_over(queue: Queue) -> None:
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


async def test_a_warm_node_that_is_idle_goes_first_for_two_seconds(queue: Queue) -> None:
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
        SHA,
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


async def test_a_lane_that_fell_asleep_too_early_is_woken(queue: Queue) -> None:
    await queue.submit(uuid4(), jobs=3)
    await queue.sql(
        "UPDATE render.queue_lanes SET active = false WHERE engine = $1", queue.farm.engine
    )
    # How many lanes this call woke is not asked: the sweep of another test may have come first.
    async with queue.farm.db.system("test") as work:
        await claims.tidy(work)
    assert await queue.take() is not None


async def test_a_sweep_does_not_put_to_sleep_what_is_just_getting_work(queue: Queue) -> None:
    tenant, person = uuid4(), uuid4()
    await queue.submit(tenant, user=person)
    assert await queue.take() is not None  # the lane is awake, and empty
    async with queue.farm.db.system("a submit that takes its time") as work:
        await work.execute(
            _JOBS, tenant, person, queue.farm.engine, SHA, COMPOSITION, 1, 1, 0, 1.0, [], None
        )
        await work.execute(_PIECES, queue.farm.engine, person, 1)
        async with queue.farm.db.system("the sweep") as sweep:
            await claims.tidy(sweep)
    assert await queue.take() is not None, "without waiting for the next sweep"


async def test_a_submit_wakes_a_lane_that_a_sweep_is_putting_to_sleep(queue: Queue) -> None:
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
        await _waited_for(sweep)
    await late
    assert await queue.take() is not None


async def _waited_for(work: SystemTransaction) -> None:
    """Return once somebody waits for a lock of this transaction."""
    # Not pg_stat_activity: within a transaction that stays as it was first looked at.
    ours = "pg_backend_pid() = ANY (pg_blocking_pids(pid))"
    asked = f"SELECT 1 FROM pg_locks WHERE NOT granted AND {ours}"
    async with asyncio.timeout(60):
        while not await work.fetchval(asked):
            pass  # asking takes a round trip


async def test_the_search_is_one_descent_whatever_waits(queue: Queue) -> None:
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


async def _priority(queue: Queue, claim: Claim) -> int:
    rows = await queue.sql("SELECT priority FROM render.frame_jobs WHERE id = $1", claim.id)
    return int(rows[0][0])


async def _font(queue: Queue, family: str, postscript: str | None = None) -> None:
    await queue.sql(
        "INSERT INTO render.node_fonts (node_id, family, postscript_name, state) "
        "VALUES ($1, $2, $3, 'Installed')",
        queue.node,
        family,
        postscript,
    )
