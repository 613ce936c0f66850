"""What lies on a node: told with its pulses, seen by administrators, and minded by claims."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flatrender_render.farm.cache import CachedPackage
from flatrender_render.farm.remote import FarmRefused, HttpLink


async def rows(farm: Any, node: Any) -> dict[str, Any]:
    found = await farm.platform.sql(
        "SELECT * FROM render.node_template_cache WHERE node_id = $1", node.id
    )
    return {row["package_sha256"]: row for row in found}


def lies(digest: str, **more: Any) -> CachedPackage:
    return CachedPackage(**{"sha256": digest, "bytes": 10, **more})


A, B = "a" * 64, "b" * 64


async def test_rows_follow_what_the_node_tells(farm: Any) -> None:
    node = await farm.enrol()
    async with node.joined(packages=[lies(A, hits=2)]) as client:
        assert set(await rows(farm, node)) == {A}
        await node.pulse(client)
        assert set(await rows(farm, node)) == {A}, "nothing new: as told before"
        await node.pulse(client, packages=[lies(B, pins=1, unused=60.0, verified=5.0)])
        (row,) = (await rows(farm, node)).values()
        assert (row["package_sha256"], row["state"], row["pins"]) == (B, "Ready", 1)
        (age,) = await farm.platform.sql(
            "SELECT now() - last_used_at > interval '59 s' AS old, verified_at < now() AS seen "
            "FROM render.node_template_cache WHERE node_id = $1",
            node.id,
        )
        assert (age["old"], age["seen"]) == (True, True)
        seen = (await farm.ask("GET", f"/v1/admin/nodes/{node.id}")).json()
        assert [one["package_sha256"] for one in seen["cache"]] == [B]
        await node.pulse(client, packages=[])
        assert await rows(farm, node) == {}


async def test_what_is_no_digest_or_too_much_is_refused(farm: Any) -> None:
    node = await farm.enrol()
    async with node.joined() as client:
        for told in ([lies("../x")], [lies(A, bytes=-1)], [lies(A)] * 1001):
            with pytest.raises(FarmRefused) as refused:
                await node.pulse(client, packages=told)
            assert refused.value.code == "validation_failed"
        assert await rows(farm, node) == {}


async def test_what_lay_on_a_node_that_went_away_is_forgotten(farm: Any) -> None:
    left, removed, silent = [await farm.enrol() for _ in range(3)]
    for node in (left, removed, silent):
        async with node.joined(packages=[lies(A)]) as client:
            if node is left:
                await client.call("/v1/node/bye", None, dict)
    gone = await farm.ask("DELETE", f"/v1/admin/nodes/{removed.id}")
    assert gone.status_code == 204
    await farm.platform.sql(
        "UPDATE render.nodes SET last_heartbeat_at = now() - interval '1 hour' WHERE id = $1",
        silent.id,
    )
    await farm.sweep()
    for node in (left, removed, silent):
        assert await rows(farm, node) == {}


async def test_a_claim_goes_to_the_warm_node_first(farm: Any) -> None:
    warm, cold = await farm.enrol(), await farm.enrol()
    customer = await farm.lot.customer()
    async with warm.joined() as ours, cold.joined() as theirs:
        job = await customer.submit()
        await customer.hold(job["id"], "audio")
        (row,) = await farm.platform.sql(
            "SELECT package_sha256 FROM render.render_jobs WHERE id = $1", UUID(job["id"])
        )
        await warm.pulse(ours, packages=[lies(row["package_sha256"])])
        # As if it had come this moment, however slow the machine is.
        await farm.platform.sql(
            "UPDATE render.frame_jobs SET not_before = now() WHERE job_id = $1", UUID(job["id"])
        )
        assert await HttpLink(theirs, wait=0.0).claim("lottie") is None
        claim = await HttpLink(ours, wait=0.0).claim("lottie")
        assert claim is not None
        assert str(claim.job.id) == job["id"]
    await customer.call("POST", f"/v1/renders/{job['id']}/cancel")


async def test_a_node_at_work_tells_what_it_fetched_and_what_it_removed(
    farm: Any, tmp_path: Path
) -> None:
    node = await farm.enrol()
    customer = await farm.lot.customer("long")
    async with node.at_work(tmp_path) as agent:
        job = await customer.submit()
        assert (await customer.ended(job["id"]))["step"] == "Done"

        async def told() -> Any:
            return await rows(farm, node)

        found = await farm.platform.until(told)
        files = {path.name for path in (tmp_path / "cache").iterdir()}
        assert {f"{digest}.package" for digest in found} == {
            name for name in files if name.endswith(".package")
        }
        await agent.performer.cache.clean()

        async def forgotten() -> bool:
            return not await rows(farm, node)

        await farm.platform.until(forgotten)


async def test_a_worker_of_the_pool_tells_it_too(platform: Any, lot: Any) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    assert (await customer.ended(job["id"]))["step"] == "Done"

    async def told() -> Any:
        return await platform.sql(
            "SELECT c.package_sha256 FROM render.node_template_cache c "
            "JOIN render.render_jobs j ON j.package_sha256 = c.package_sha256 AND j.id = $1 "
            "JOIN render.frame_jobs f ON f.job_id = j.id AND f.node_id = c.node_id",
            UUID(job["id"]),
        )

    assert await platform.until(told)
