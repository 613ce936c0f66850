"""What dies, lies or is lost while a job runs: the job finishes all the same, once."""

import asyncio
import signal
from typing import Any
from uuid import UUID

import pytest

from flatrender.testing.platform import Platform
from flatrender.testing.workers import children_of, lives, process, worker
from flatrender_render.engines.work import Reference
from flatrender_render.farm.node import Node
from flatrender_render.farm.runner import Runner
from flatrender_render.media.errors import ProofFailed

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)


async def attempts(platform: Platform, job_id: str, kind: str, index: int = 0) -> list[Any]:
    """Return outcome, blame and stale reports of a piece's attempts."""
    rows = await platform.sql(
        "SELECT a.outcome, a.blamed, a.stale_reports FROM render.frame_attempts a "
        "JOIN render.frame_jobs f ON f.id = a.frame_job_id "
        "WHERE f.job_id = $1 AND f.kind = $2 AND f.index = $3 ORDER BY a.epoch",
        UUID(job_id),
        kind,
        index,
    )
    return [tuple(row) for row in rows]


async def test_a_worker_that_stops_gives_its_chunk_to_another(
    island: Any, freezer: Any, again: int
) -> None:
    customer = await island.lot.customer()
    async with worker(island.environment) as first:
        await freezer(first.pool)
        job = await customer.submit()
        piece = await customer.claimed(job["id"])
        await first.stop(grace=0.0)
        (row,) = await customer.platform.sql(
            "SELECT state, node_id FROM render.frame_jobs WHERE id = $1", piece["id"]
        )
        assert (row["state"], row["node_id"]) == ("Waiting", None)
    (node,) = await customer.platform.sql(
        "SELECT status FROM render.nodes WHERE id = $1", piece["node_id"]
    )
    assert node["status"] == "Offline"
    async with worker(island.environment):
        assert (await customer.ended(job["id"]))["step"] == "Done"
    tries = await attempts(customer.platform, job["id"], "video")
    assert tries == [("Lost", False, 0), ("Done", False, 0)]


async def test_a_worker_that_is_told_to_stop_claims_nothing_more(island: Any, freezer: Any) -> None:
    customer = await island.lot.customer("long")
    async with worker(island.environment) as first:
        ice = await freezer(first.pool)
        job = await customer.submit()
        await customer.claimed(job["id"])
        stopping = asyncio.create_task(first.stop())

        async def told() -> bool:
            return bool(first.runner.leaving)

        await customer.platform.until(told)
        ice.thaw()
        await stopping
    states = [p["state"] for p in (await customer.get(f"/v1/renders/{job['id']}"))["chunks"]]
    assert sorted(states) == ["Done", "Waiting", "Waiting"]
    async with worker(island.environment):
        assert (await customer.ended(job["id"]))["step"] == "Done"


async def test_a_worker_killed_outright_loses_nothing(island: Any, again: int) -> None:
    customer = await island.lot.customer("long", plan="pro")
    await customer.give_charge(1_000_000)
    platform = customer.platform
    async with process(island.environment) as doomed:
        job = await customer.submit("1080p")

        async def drawing() -> list[int]:
            return children_of(doomed.pid)

        piece = await customer.claimed(job["id"])
        children = await platform.until(drawing)
        doomed.send_signal(signal.SIGSTOP)
        doomed.kill()
        await doomed.wait()
    (row,) = await platform.sql(
        "SELECT state, lease_until > now() AS leased FROM render.frame_jobs WHERE id = $1",
        piece["id"],
    )
    assert (row["state"], row["leased"]) == ("Claimed", True), "it died without a word"

    async def orphans_gone() -> bool:
        return not any(lives(child) for child in children)

    await platform.until(orphans_gone)
    await platform.sql(
        "UPDATE render.frame_jobs SET lease_until = now() - interval '1 s' WHERE id = $1",
        piece["id"],
    )
    async with worker(island.environment):
        assert (await customer.ended(job["id"]))["step"] == "Done"
        await customer.reservation(job["id"], "Settled")
    tries = await attempts(platform, job["id"], "video", piece["index"])
    assert tries == [("Lost", False, 0), ("Done", False, 0)]
    (count,) = await platform.sql(
        "SELECT count(*) AS n FROM render.exports WHERE job_id = $1", UUID(job["id"])
    )
    assert count["n"] == 1


async def test_a_worker_that_was_given_up_notices_and_stops(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    piece = await customer.claimed(job["id"])
    await platform.sql(  # what the reaper does to a lease that ran out
        "UPDATE render.frame_jobs SET state = 'Waiting', lease_until = NULL, node_id = NULL "
        "WHERE id = $1",
        piece["id"],
    )
    assert (await customer.ended(job["id"]))["step"] == "Done"
    first, second = await attempts(platform, job["id"], "video")
    assert first[2] == 1, "its report came too late and was counted"
    assert second[0] == "Done"


@pytest.mark.parametrize("defect", ["wrong_hash", "missing"])
async def test_a_damaged_range_is_drawn_again_and_no_other(
    lot: Any, platform: Platform, frozen: Any, defect: str
) -> None:
    customer = await lot.customer("long", plan="plus")
    job = await customer.submit()
    await customer.claimed(job["id"])
    await customer.hold(job["id"], "audio")
    frozen.thaw()
    key = await customer.drawn(job["id"], 1)
    storage = platform.runtime.infra.storage
    if defect == "missing":
        await storage.delete(key)
    else:
        data = bytearray(await storage.get(key))
        data[len(data) // 2] ^= 1
        await storage.put(key, bytes(data), content_type="video/mp4")
    await customer.hold(job["id"], "audio", held=False)
    assert (await customer.ended(job["id"]))["step"] == "Done"
    rows = await platform.sql(
        "SELECT defect, attempt, state, first_frame, last_frame, missing_frames, corrupt_frames "
        "FROM render.frame_repair_jobs WHERE job_id = $1",
        UUID(job["id"]),
    )
    missing = 60 if defect == "missing" else 0
    assert [tuple(row) for row in rows] == [(defect, 1, "Done", 60, 119, missing, 60 - missing)]
    assert [a[0] for a in await attempts(platform, job["id"], "video", 0)] == ["Done"]
    assert [a[0] for a in await attempts(platform, job["id"], "video", 1)] == ["Done", "Done"]
    assert [a[0] for a in await attempts(platform, job["id"], "assemble")] == ["Failed", "Done"]
    await customer.reservation(job["id"], "Settled")


async def test_a_range_is_repaired_three_times_at_most(
    lot: Any, platform: Platform, frozen: Any
) -> None:
    customer = await lot.customer("long", plan="plus")
    await customer.give_charge(10_000)
    job = await customer.submit("540p")
    await customer.claimed(job["id"])
    await customer.hold(job["id"], "audio")
    frozen.thaw()
    key = await customer.drawn(job["id"], 0)
    await platform.sql(
        "INSERT INTO render.frame_repair_jobs (tenant_id, job_id, frame_job_id, first_frame, "
        "last_frame, defect, attempt, state) SELECT tenant_id, job_id, id, first_frame, "
        "last_frame, 'missing', n, 'Done' FROM render.frame_jobs, generate_series(1, 3) AS n "
        "WHERE job_id = $1 AND kind = 'video' AND index = 0",
        UUID(job["id"]),
    )
    await platform.runtime.infra.storage.delete(key)
    await customer.hold(job["id"], "audio", held=False)
    failed = await customer.ended(job["id"])
    assert (failed["step"], failed["failure"]["code"]) == ("Failed", "segment_mismatch")
    assert failed["failure"]["retryable"] is True
    released = await customer.reservation(job["id"], "Released")
    assert (released["released_minor"], released["count_given_back"]) == (2000, True)


async def test_a_range_that_fails_its_proof_is_drawn_again(
    lot: Any, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = await lot.customer()
    pool = platform.runtime.plugins["render"].context.get(Runner).pool
    real, faults = pool.prove_chunk, [ProofFailed("black", "all frames are black", (0, 1, 2))]

    async def prove(*args: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return await real(*args, **options)

    monkeypatch.setattr(pool, "prove_chunk", prove)
    job = await customer.ended((await customer.submit())["id"])
    assert job["step"] == "Done"
    rows = await platform.sql(
        "SELECT defect, attempt, state, corrupt_frames FROM render.frame_repair_jobs "
        "WHERE job_id = $1",
        UUID(job["id"]),
    )
    assert [tuple(row) for row in rows] == [("black", 1, "Done", 3)]
    tries = await attempts(platform, job["id"], "video")
    assert tries == [("Failed", True, 0), ("Done", False, 0)]


async def test_pictures_are_held_against_drawings_of_their_own(
    lot: Any, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A renderer whose film shows something else than the scene does not pass, three times."""
    customer = await lot.customer()
    pool = platform.runtime.plugins["render"].context.get(Runner).pool
    real = pool.reference

    async def elsewhere(engine: str, spec: Any, frames: list[int]) -> Reference:
        drawn = await real(engine, spec, [59 - frame for frame in frames])
        turned = {59 - frame: cells for frame, cells in drawn.thumbs.items()}
        return Reference(thumbs=turned, motion=drawn.motion)

    monkeypatch.setattr(pool, "reference", elsewhere)
    job = await customer.ended((await customer.submit())["id"])
    assert (job["step"], job["failure"]["code"]) == ("Failed", "proof_failed")
    outcomes = await attempts(platform, job["id"], "video")
    assert outcomes == [("Failed", True, 0)] * 3
    released = await customer.reservation(job["id"], "Released")
    assert released["count_given_back"] is True


async def test_the_sweep_takes_back_a_lease_that_ran_out(lot: Any, platform: Platform) -> None:
    """A frame job of a dead node: reaped without anybody's wake, and drawn."""
    customer = await lot.customer()
    job = await customer.ended((await customer.submit())["id"])
    assert job["step"] == "Done"
    (node,) = await platform.sql(
        "INSERT INTO render.nodes (name) VALUES ('dead-' || gen_random_uuid()) RETURNING id"
    )
    (row,) = await platform.sql(
        "INSERT INTO render.frame_jobs (tenant_id, job_id, kind, index, engine, state, epoch, "
        "lease_until, node_id) SELECT tenant_id, id, 'video', 9, 'nobodys-engine', 'Claimed', 1, "
        "now() - interval '1 s', $2 FROM render.render_jobs WHERE id = $1 RETURNING id",
        UUID(job["id"]),
        node["id"],
    )

    async def reaped() -> bool:
        (now,) = await platform.sql(
            "SELECT state, node_id FROM render.frame_jobs WHERE id = $1", row["id"]
        )
        return (now["state"], now["node_id"]) == ("Waiting", None)

    await platform.until(reaped)
    await platform.sql("DELETE FROM render.frame_jobs WHERE id = $1", row["id"])


async def test_the_node_of_a_worker_is_registered_and_alive(lot: Any, platform: Platform) -> None:
    customer = await lot.customer()
    await customer.ended((await customer.submit())["id"])
    node = await platform.runtime.plugins["render"].context.get(Node).identity()
    (row,) = await platform.sql(
        "SELECT status, engines, last_heartbeat_at IS NOT NULL AS heard FROM render.nodes "
        "WHERE id = $1",
        node,
    )
    assert row["status"] in {"Idle", "Busy"}
    assert "lottie" in row["engines"]
    assert row["heard"]
