"""How nodes behave: who gets no work, what counts against one, rest, quarantine, the way back."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender_render.farm import claims, conduct, reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.conduct import QUARANTINE_AFTER, REST_AFTER, REST_SECONDS
from flatrender_render.farm.failures import classify


class Site:
    """A node and a queue that is never empty."""

    def __init__(self, farm: Any, node: UUID) -> None:
        self.farm = farm
        self.node = node

    async def take(self) -> Claim | None:
        return await claims.take(self.farm.db, engine=self.farm.engine, node_id=self.node)

    async def must_take(self) -> Claim:
        found = await self.take()
        assert found is not None
        return found

    async def set(self, **columns: Any) -> None:
        for name, value in columns.items():
            async with self.farm.db.system("test") as work:
                await work.execute(
                    f"UPDATE render.nodes SET {name} = {value} WHERE id = $1", self.node
                )

    async def row(self) -> Any:
        return await self.farm.row("SELECT * FROM render.nodes WHERE id = $1", self.node)

    async def fail(self, code: str, message: str = "it said so") -> bool:
        """Take a piece whatever the node's state, and fail it."""
        async with self.farm.db.system("test") as work:
            claim = await claims.claim(work, engine=self.farm.engine, node_id=self.node)
        if claim is None:
            await self.farm.job()
            return await self.fail(code, message)
        verdict = classify(code, message, engine="lottie")
        async with self.farm.db.system("test") as work:
            await reports.fail(work, claim, verdict)
            return await conduct.note_failure(work, self.node, claim, verdict)

    async def prove(self, claim: Claim) -> None:
        await self.farm.complete(claim)
        async with self.farm.db.system("test") as work:
            await conduct.note_proven(work, self.node, claim.frames)


@pytest.fixture
async def site(farm: Any) -> Site:
    """A node with work waiting."""
    await farm.job(pieces=3)
    return Site(farm, await farm.node())


@pytest.mark.parametrize(
    ("columns", "free"),
    [
        ({"status": "'Draining'"}, {"status": "'Idle'"}),
        ({"status": "'Quarantined'"}, {"status": "'Idle'"}),
        ({"status": "'Offline'"}, {"status": "'Idle'"}),
        ({"drain_requested_at": "now()"}, {"drain_requested_at": "NULL"}),
        ({"rest_until": "now() + interval '1 hour'"}, {"rest_until": "now()"}),
        ({"deleted_at": "now()"}, {"deleted_at": "NULL"}),
    ],
)
async def test_who_drains_rests_or_is_set_aside_gets_no_work(
    site: Site, columns: dict[str, str], free: dict[str, str]
) -> None:
    await site.set(**columns)
    assert await site.take() is None
    await site.set(**free)
    assert await site.take() is not None


async def test_failures_in_a_row_mean_a_rest_that_doubles(site: Site) -> None:
    await site.fail("worker_crashed")
    assert (await site.row())["rest_until"] is None
    rests = []
    for _ in range(3):
        await site.fail("worker_crashed")
        row = await site.farm.row(
            "SELECT extract(epoch FROM rest_until - updated_at)::float8 AS rest "
            "FROM render.nodes WHERE id = $1",
            site.node,
        )
        rests.append(round(row["rest"]))
        await site.set(rest_until="now()")
    assert rests == [REST_SECONDS, 2 * REST_SECONDS, 4 * REST_SECONDS]


async def test_after_a_rest_there_is_one_piece_at_a_time_until_one_is_proven(site: Site) -> None:
    for _ in range(REST_AFTER):
        await site.fail("worker_crashed")
    await site.farm.job(pieces=3)
    assert await site.take() is None
    await site.set(rest_until="now()")
    trial = await site.must_take()
    assert await site.take() is None
    await site.prove(trial)
    assert (await site.row())["consecutive_failures"] == 0
    assert (await site.row())["frames_done"] == trial.frames
    assert await site.take() is not None
    assert await site.take() is not None


@pytest.mark.parametrize("code", ["template_broken", "input_missing", "store_unavailable"])
async def test_a_bad_template_or_input_never_counts_against_a_node(site: Site, code: str) -> None:
    for _ in range(QUARANTINE_AFTER + 1):
        assert not await site.fail(code)
    row = await site.row()
    assert (row["consecutive_failures"], row["crash_count"], row["rest_until"]) == (0, 0, None)
    assert not await site.farm.db.system_fetch(
        "test", "SELECT FROM render.node_crashes WHERE node_id = $1", site.node
    )


async def test_a_crash_report_says_what_failed_where(site: Site) -> None:
    await site.fail("worker_crashed", "line one\nSegmentation fault")
    row = await site.farm.row("SELECT * FROM render.node_crashes WHERE node_id = $1", site.node)
    assert (row["kind"], row["classification"], row["rule_code"]) == (
        "worker_crashed", "node", "process_died",
    )  # fmt: skip
    assert row["log_tail"].endswith("Segmentation fault")
    assert row["engine"] == site.farm.engine
    assert row["job_id"] is not None


async def test_too_many_failures_set_a_node_aside_and_say_so_once(site: Site) -> None:
    aside = [await site.fail("worker_crashed") for _ in range(QUARANTINE_AFTER + 1)]
    assert aside == [*[False] * (QUARANTINE_AFTER - 1), True, False]
    row = await site.row()
    assert (row["status"], row["quarantined_by"]) == ("Quarantined", None)
    told = await site.farm.db.system_fetch(
        "test",
        "SELECT name FROM render.outbox WHERE payload->'data'->>'node_id' = $1",
        str(site.node),
    )
    assert [one["name"] for one in told] == ["render.node.crashed.v1"]


async def test_the_farm_lifts_its_own_quarantine_and_no_administrators(site: Site) -> None:
    for _ in range(QUARANTINE_AFTER):
        await site.fail("worker_crashed")
    async with site.farm.db.system("test") as work:
        assert await conduct.recover(work, site.node)
    acts = await site.farm.db.system_fetch(
        "test",
        "SELECT actor_kind, act, reason FROM render.farm_acts WHERE target_id = $1 "
        "ORDER BY created_at, id",
        str(site.node),
    )
    assert [tuple(one) for one in acts] == [
        ("farm", "node.quarantine", "worker_crashed"),
        ("farm", "node.recover", "a test render passed"),
    ]
    row = await site.row()
    assert (row["status"], row["quarantined_at"], row["consecutive_failures"]) == ("Idle", None, 0)
    await site.set(status="'Quarantined'", quarantined_at="now()", quarantined_by=f"'{uuid4()}'")
    async with site.farm.db.system("test") as work:
        assert not await conduct.recover(work, site.node)
    assert (await site.row())["status"] == "Quarantined"


async def test_a_node_that_was_set_aside_is_asked_for_one_test_at_a_time(site: Site) -> None:
    for _ in range(QUARANTINE_AFTER):
        await site.fail("worker_crashed")
    await site.set(last_heartbeat_at="now()", quarantined_at="now() - interval '1 hour'")

    async def asked() -> int:
        await conduct.ask_for_tests(site.farm.db)
        row = await site.farm.row(
            "SELECT count(*) AS n FROM render.node_commands WHERE node_id = $1", site.node
        )
        return int(row["n"])

    assert await asked() == 1
    assert await asked() == 1
    async with site.farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.node_commands SET state = 'Failed', finished_at = now() "
            "WHERE node_id = $1",
            site.node,
        )
    assert await asked() == 1
    async with site.farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.node_commands SET finished_at = now() - interval '1 hour' "
            "WHERE node_id = $1",
            site.node,
        )
    assert await asked() == 2


async def test_a_lost_lease_is_reported_and_does_not_count(site: Site) -> None:
    claim = await site.must_take()
    async with site.farm.db.system("test") as work:
        await work.execute(
            "UPDATE render.frame_jobs SET lease_until = now() - interval '1 minute' WHERE id = $1",
            claim.id,
        )
        await conduct.note_lost(work, await claims.reap(work))
    row = await site.farm.row("SELECT * FROM render.node_crashes WHERE node_id = $1", site.node)
    assert (row["kind"], row["frame_job_id"]) == ("lease_expired", claim.id)
    assert (await site.row())["consecutive_failures"] == 0
