"""A farm without workers: tests claim, report and lose by hand."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.clock import SystemClock
from flatrender.db import ContextDatabase, SystemTransaction
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.settings import DatabaseSettings
from flatrender_render.farm import claims, reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.reports import FinishedExport, Piece

SHA = "a" * 64
_QUEUED_JOBS = """
INSERT INTO render.render_jobs (tenant_id, user_id, saved_project_id, engine, package_object_key,
    package_sha256, composition, composition_sha256, resolution, aspect, width, height, fps,
    duration, watermark, total_frames, reservation_state, priority, share_weight, required_fonts,
    min_engine_version)
SELECT $1, $2, gen_random_uuid(), $3, 'k', $4, $5, $4, '360p', '16:9', 640, 360, 30, 4, true,
       60 * $7::int, 'Reserved', $8, $9, $10, $11
FROM generate_series(1, $6::int)
"""
_QUEUED_PIECES = """
INSERT INTO render.frame_jobs (tenant_id, job_id, kind, index, first_frame, last_frame, engine,
                               priority, package_sha256)
SELECT j.tenant_id, j.id, 'video', n, n * 60, n * 60 + 59, j.engine, j.priority, j.package_sha256
FROM render.render_jobs j, generate_series(0, $3::int - 1) n
WHERE j.engine = $1 AND j.user_id = $2
  AND NOT EXISTS (SELECT FROM render.frame_jobs f WHERE f.job_id = j.id)
"""
_LEFT = (
    "UPDATE render.frame_jobs SET state = 'Cancelled', lease_until = NULL, finished_at = now() "
    "WHERE engine = ANY ($1::text[]) AND state IN ('Waiting', 'Claimed')",
    "UPDATE render.render_jobs SET step = 'Cancelled', finished_at = now() "
    "WHERE engine = ANY ($1::text[]) AND step NOT IN ('Done', 'Failed', 'Cancelled')",
)
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
    found = Farm(database)
    yield found
    await found.forget_work()
    await database.close()


class Farm:
    """A farm of its own: every test works under an engine name nobody else claims."""

    def __init__(self, database: ContextDatabase) -> None:
        self.db = database
        self.engines: list[str] = []
        self.engine = self._new_engine()

    def _new_engine(self) -> str:
        self.engines.append(f"engine-{uuid4().hex[:12]}")
        return self.engines[-1]

    async def forget_work(self) -> None:
        """End what waits: the workers of this database's platform are woken for it for ever."""
        async with self.db.system("test") as work:
            await work.execute("SET LOCAL statement_timeout = '5min'")  # one test leaves 100,000
            for statement in _LEFT:
                await work.execute(statement, self.engines)

    async def node(self, *, slots: int = 1) -> UUID:
        """Register a node."""
        node_id = uuid4()
        async with self.db.system("test") as work:
            await work.execute(
                "INSERT INTO render.nodes (id, name, slots) VALUES ($1, $2, $3)",
                node_id,
                f"n-{node_id}",
                slots,
            )
        return node_id

    async def queue(self) -> "Queue":
        """Return an empty queue of its own, with one node."""
        self.engine = self._new_engine()
        return Queue(self, await self.node())

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


class Queue:
    """A farm's queue of one engine, filled in bulk."""

    def __init__(self, farm: Farm, node: UUID) -> None:
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
            await self.insert(
                work, tenant, person, jobs, pieces, priority, weight, list(fonts), version
            )
        return person

    async def insert(
        self,
        work: SystemTransaction,
        tenant: UUID,
        person: UUID,
        jobs: int = 1,
        pieces: int = 1,
        priority: int = 0,
        weight: float = 1.0,
        fonts: Sequence[str] = (),
        version: str | None = None,
    ) -> None:
        """Insert jobs within an open transaction."""
        await work.execute(
            _QUEUED_JOBS, tenant, person, self.farm.engine, "b" * 64, COMPOSITION, jobs, pieces,
            priority, weight, fonts, version,
        )  # fmt: skip
        await work.execute(_QUEUED_PIECES, self.farm.engine, person, pieces)

    async def take(self, node: UUID | None = None) -> Claim | None:
        """Claim one."""
        return await claims.take(self.farm.db, engine=self.farm.engine, node_id=node or self.node)

    async def take_many(self, most: int, node: UUID | None = None) -> list[Claim]:
        """Claim up to ``most`` in one transaction."""
        return await claims.take_many(
            self.farm.db, engine=self.farm.engine, node_id=node or self.node, most=most
        )

    async def batches(self, times: int, most: int) -> list[Claim]:
        """Claim ``times`` batches one after another."""
        return [claim for _ in range(times) for claim in await self.take_many(most)]

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
async def queue(farm: Farm) -> Queue:
    """A queue with one node."""
    return await farm.queue()
