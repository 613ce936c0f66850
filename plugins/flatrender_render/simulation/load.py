"""Fills a database with the nodes and jobs of a simulation, by COPY.

Writes only into a farm that has no frame job yet: a simulation reaps and claims whatever waits.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec

from flatrender_render.domain import GOP_FRAMES
from flatrender_render.simulation.plan import ENGINE, Chance, Order, Plan

_SHA = "5" * 64
_FPS = 30
_COMPOSITION = msgspec.json.encode(
    {
        "width": 1920,
        "height": 1080,
        "fps": _FPS,
        "aspect": "16:9",
        "direction": "rtl",
        "scenes": [{"id": "s", "scene_key": "one", "animation": "a", "duration": 2.0}],
    }
).decode()
_JOB_COLUMNS = (
    "id", "tenant_id", "user_id", "saved_project_id", "engine", "package_object_key",
    "package_sha256", "composition", "composition_sha256", "resolution", "aspect", "width",
    "height", "fps", "duration", "watermark", "total_frames", "frame_jobs_total",
    "reservation_state", "submitted_at", "created_at",
)  # fmt: skip
_FRAME_COLUMNS = (
    "id", "tenant_id", "job_id", "kind", "index", "first_frame", "last_frame", "engine",
    "package_sha256", "not_before", "created_at",
)  # fmt: skip
_BATCH = 50_000
_PEOPLE = 20  # of each tenant


class FarmInUse(Exception):
    """The database holds frame jobs: a simulation would take them."""


class Load:
    """The rows of a simulation. ``opens`` is the moment its time begins."""

    def __init__(self, plan: Plan, chance: Chance, opens: datetime) -> None:
        self.opens = opens
        self.orders = chance.orders()
        self.tenants = [chance.identifier() for _ in range(plan.tenants)]
        self.nodes = [chance.identifier() for _ in range(plan.nodes)]
        self._chance = chance

    async def write(self, connection: Any) -> None:
        """Write all rows and let the planner know them. Raises :class:`FarmInUse`."""
        if await connection.fetchval("SELECT EXISTS (SELECT FROM render.frame_jobs)"):
            raise FarmInUse("this database has frame jobs of its own: give an empty one")
        await connection.execute(
            "INSERT INTO render.nodes (id, name, status, engines, engine_versions, slots, "
            "last_heartbeat_at) SELECT id, 'simulated-' || n, 'Idle', $2, $3, 1, $4 "
            "FROM unnest($1::uuid[]) WITH ORDINALITY AS given(id, n)",
            self.nodes,
            [ENGINE],
            '{"' + ENGINE + '": "1"}',
            self.opens,
        )
        await connection.copy_records_to_table(
            "render_jobs", schema_name="render", columns=_JOB_COLUMNS, records=self._jobs()
        )
        records = self._frames()
        while batch := list(islice(records, _BATCH)):
            await connection.copy_records_to_table(
                "frame_jobs", schema_name="render", columns=_FRAME_COLUMNS, records=batch
            )
        await connection.execute("ANALYZE render.render_jobs, render.frame_jobs, render.nodes")

    def _jobs(self) -> Iterator[tuple[object, ...]]:
        for number, order in enumerate(self.orders):
            frames = order.pieces * GOP_FRAMES
            tenant = self.tenants[order.tenant]
            person = UUID(int=tenant.int + 1 + number % _PEOPLE)
            arrives = self._arrival(order)
            yield (
                order.id, tenant, person, person, ENGINE, "simulated", _SHA,
                _COMPOSITION, _SHA, "1080p", "16:9", 1920, 1080, _FPS, frames / _FPS, False,
                frames, order.pieces + 1, "None", arrives, arrives,
            )  # fmt: skip

    def _frames(self) -> Iterator[tuple[object, ...]]:
        for order in self.orders:
            arrives = self._arrival(order)
            for index in range(order.pieces):
                first = index * GOP_FRAMES
                yield (
                    self._chance.identifier(), self.tenants[order.tenant], order.id, "video",
                    index, first, first + GOP_FRAMES - 1, ENGINE, _SHA, arrives, arrives,
                )  # fmt: skip

    def _arrival(self, order: Order) -> datetime:
        return self.opens + timedelta(seconds=order.arrives)
