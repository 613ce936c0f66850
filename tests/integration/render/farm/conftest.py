"""A farm without workers: tests claim, report and lose by hand."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.clock import SystemClock
from flatrender.db import ContextDatabase
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.settings import DatabaseSettings
from flatrender_render.farm import claims, reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.reports import FinishedExport, Piece

SHA = "a" * 64
COMPOSITION = {
    "width": 640,
    "height": 360,
    "fps": 30,
    "aspect": "16:9",
    "direction": "rtl",
    "scenes": [{"id": "s", "scene_key": "one", "animation": "a", "duration": 4.0}],
}


@pytest.fixture
async def farm(database_settings: DatabaseSettings) -> AsyncIterator["Farm"]:
    """A farm on a database of its own tables, without workers."""
    database = ContextDatabase(
        database_settings, context="render", schema="render", clock=SystemClock()
    )
    yield Farm(database)
    await database.close()


class Farm:
    """A farm of its own: every test works under an engine name nobody else claims."""

    def __init__(self, database: ContextDatabase) -> None:
        self.db = database
        self.engine = f"engine-{uuid4().hex[:12]}"

    async def node(self) -> UUID:
        """Register a node."""
        node_id = uuid4()
        async with self.db.system("test") as work:
            await work.execute(
                "INSERT INTO render.nodes (id, name) VALUES ($1, $2)", node_id, f"n-{node_id}"
            )
        return node_id

    async def job(self, *, pieces: int = 2, tenant: UUID = DEFAULT_TENANT_ID) -> UUID:
        job_id = uuid4()
        async with self.db.system("test") as work:
            await work.execute(
                "INSERT INTO render.render_jobs (id, tenant_id, user_id, saved_project_id, engine, "
                "package_object_key, package_sha256, composition, composition_sha256, resolution, "
                "aspect, width, height, fps, duration, watermark, total_frames, reservation_state) "
                "VALUES ($1, $2, $3, $3, $4, 'k', $5, $6, $5, '360p', '16:9', 640, 360, 30, 4, "
                "true, $7, 'Reserved')",
                job_id,
                tenant,
                uuid4(),
                self.engine,
                SHA,
                COMPOSITION,
                60 * pieces,
            )
            for index in range(pieces):
                await work.execute(
                    "INSERT INTO render.frame_jobs (tenant_id, job_id, kind, index, first_frame, "
                    "last_frame, engine) VALUES ($1, $2, 'video', $3, $4, $5, $6)",
                    tenant,
                    job_id,
                    index,
                    index * 60,
                    index * 60 + 59,
                    self.engine,
                )
        return job_id

    async def claim(self, node: UUID | None = None) -> Claim | None:
        async with self.db.system("test") as work:
            return await claims.claim(work, engine=self.engine, node_id=node or await self.node())

    async def must_claim(self, node: UUID | None = None) -> Claim:
        found = await self.claim(node)
        assert found is not None
        async with self.db.system("test") as work:
            await claims.begin(work, found.job.id)
        return found

    async def complete(self, claim: Claim) -> bool:
        async with self.db.system("test") as work:
            return await reports.complete(work, claim, _piece(claim))

    def finished(self, claim: Claim) -> FinishedExport:
        """Return what an assembly reports."""
        return _finished(claim)

    async def row(self, sql: str, *args: object) -> Any:
        return (await self.db.system_fetch("test", sql, *args))[0]

    async def events(self, job_id: UUID) -> list[str]:
        rows = await self.db.system_fetch(
            "test",
            "SELECT name FROM render.outbox WHERE payload->'data'->>'job_id' = $1 ORDER BY id",
            str(job_id),
        )
        return [row["name"] for row in rows]


def _piece(claim: Claim, *, size: int = 10) -> Piece:
    return Piece(
        object_key=claim.object_key("mp4"),
        sha256=SHA,
        frames=claim.frames,
        packets=claim.frames,
        bytes=size,
        render=1.0,
    )


def _finished(claim: Claim) -> FinishedExport:
    return FinishedExport(
        piece=_piece(claim, size=1234),
        duration=4.0,
        audio_codec="aac",
        poster_key="p",
        thumbnail_key="t",
        sheet_key="s",
    )
