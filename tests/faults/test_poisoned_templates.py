"""A template that crashes the engine whoever draws it ends its job and marks no node."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing.platform import Platform
from flatrender.testing.waiting import until
from flatrender_render.farm import claims, reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.conduct import QUARANTINE_AFTER
from flatrender_render.farm.link import Failure
from flatrender_render.farm.local import LocalLink
from flatrender_render.farm.reports import Piece

CRASH = Failure(code="worker_crashed", message="killed by SIGSEGV")
_COMPOSITION = {
    "width": 640, "height": 360, "fps": 30, "aspect": "16:9", "direction": "rtl",
    "scenes": [{"id": "s", "scene_key": "one", "animation": "a", "duration": 4.0}],
}  # fmt: skip


class Farm:
    """Nodes and jobs under an engine that no worker has."""

    def __init__(self, platform: Platform) -> None:
        self.context = platform.runtime.plugins["render"].context
        self.engine = f"poison-{uuid4().hex[:8]}"

    async def node(self) -> UUID:
        node_id = uuid4()
        async with self.context.db.system("test") as work:
            await work.execute(
                "INSERT INTO render.nodes (id, name, status, engines) VALUES ($1, $2, 'Idle', $3)",
                node_id,
                f"n-{node_id}",
                [self.engine],
            )
        return node_id

    async def job(self, package: str) -> UUID:
        job_id = uuid4()
        async with self.context.db.system("test") as work:
            await work.execute(
                "INSERT INTO render.render_jobs (id, tenant_id, user_id, saved_project_id, engine, "
                "package_object_key, package_sha256, composition, composition_sha256, resolution, "
                "aspect, width, height, fps, duration, watermark, total_frames, reservation_state) "
                "VALUES ($1, $2, $3, $3, $4, 'k', $5, $6, $5, '360p', '16:9', 640, 360, 30, 4, "
                "true, 60, 'Reserved')",
                job_id,
                DEFAULT_TENANT_ID,
                uuid4(),
                self.engine,
                package * 64,
                _COMPOSITION,
            )
            await work.execute(
                "INSERT INTO render.frame_jobs (tenant_id, job_id, kind, index, first_frame, "
                "last_frame, engine, package_sha256) VALUES ($1, $2, 'video', 0, 0, 59, $3, $4)",
                DEFAULT_TENANT_ID,
                job_id,
                self.engine,
                package * 64,
            )
        return job_id

    async def claim(self, node: UUID) -> Claim:
        """Claim what waits; rests and back-off are over by now."""

        async def ask() -> Claim | None:
            async with self.context.db.system("test") as work:
                await work.execute(
                    "UPDATE render.frame_jobs SET not_before = now() - interval '1 minute' "
                    "WHERE engine = $1 AND state = 'Waiting'",
                    self.engine,
                )
                await work.execute(
                    "DELETE FROM render.job_node_blocks WHERE job_id IN "
                    "(SELECT id FROM render.render_jobs WHERE engine = $1)",
                    self.engine,
                )
                await work.execute("UPDATE render.nodes SET rest_until = NULL WHERE id = $1", node)
                return await claims.claim(work, engine=self.engine, node_id=node)

        # A lane that was empty a moment ago may sleep until the next sweep.
        return await until(ask)

    async def crash(self, node: UUID) -> None:
        await LocalLink(self.context, node).fail(await self.claim(node), CRASH)

    async def step(self, job: UUID) -> Any:
        (row,) = await self.context.db.system_fetch(
            "test", "SELECT step, error_class FROM render.render_jobs WHERE id = $1", job
        )
        return tuple(row)

    async def blocks(self, job: UUID) -> int:
        (row,) = await self.context.db.system_fetch(
            "test", "SELECT count(*) AS n FROM render.job_node_blocks WHERE job_id = $1", job
        )
        return int(row["n"])


async def test_three_nodes_crash_on_one_piece(platform: Platform) -> None:
    farm = Farm(platform)
    job = await farm.job("a")
    nodes = [await farm.node() for _ in range(3)]
    for node in nodes[:2]:
        await farm.crash(node)
        assert await farm.step(job) == ("Queued", None)
    await farm.crash(nodes[2])
    assert await farm.step(job) == ("Failed", "template")
    assert await farm.blocks(job) == 0
    statuses = await platform.sql("SELECT status FROM render.nodes WHERE id = ANY ($1)", nodes)
    assert {row["status"] for row in statuses} == {"Idle"}


async def test_one_poison_after_the_other_sets_no_node_aside(platform: Platform) -> None:
    """More of them than failures in a row that mean quarantine; nor does a node rest for them."""
    farm = Farm(platform)
    nodes = [await farm.node() for _ in range(3)]
    for _ in range(QUARANTINE_AFTER + 1):
        job = await farm.job("a")
        for node in nodes:
            await farm.crash(node)
        assert await farm.step(job) == ("Failed", "template")
    rows = await platform.sql(
        "SELECT status, consecutive_failures, rest_until, crash_count FROM render.nodes "
        "WHERE id = ANY ($1) ORDER BY crash_count",
        nodes,
    )
    standing = [tuple(row)[:3] for row in rows]
    assert standing == [("Idle", 0, None)] * 3
    assert [row["crash_count"] for row in rows] == [0, QUARANTINE_AFTER + 1, QUARANTINE_AFTER + 1]


async def test_a_node_that_crashes_on_everything_fails_no_job(platform: Platform) -> None:
    farm = Farm(platform)
    job = await farm.job("a")
    node = await farm.node()
    for _ in range(5):
        await farm.crash(node)
    assert await farm.step(job) == ("Queued", None)


@pytest.mark.parametrize("package", ["b", "a"], ids=["another template", "the same"])
async def test_one_node_is_enough_when_it_is_known_to_be_sound(
    platform: Platform, package: str
) -> None:
    farm = Farm(platform)
    job = await farm.job("a")
    node = await farm.node()
    await farm.crash(node)
    await farm.crash(node)
    elsewhere = Farm(platform)
    await elsewhere.job(package)
    other = await elsewhere.claim(node)
    async with farm.context.db.system("test") as work:
        piece = Piece(object_key="k", sha256="c" * 64, frames=60, packets=60, bytes=10)
        await reports.complete(work, other, piece)
    await farm.crash(node)
    assert await farm.step(job) == ("Failed", "template")
