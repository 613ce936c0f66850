"""The fleet as administrators of the farm see it and act on it.

Every act is a row of ``node_commands``, which says how it went, and one of the record of acts
(``farm.audit``), which stays. What the farm decides by itself (no more work for a drained node)
holds at once; a node outside is told with its next pulse.
"""

from typing import Any, Literal, TypeVar
from uuid import UUID

import msgspec

from flatrender.clock import uuid7
from flatrender.errors import Conflict, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_render import fleet_queries as sql
from flatrender_render.farm import audit, health
from flatrender_render.fleet_schemas import ChartPoint, Crash, NodeChart, NodeDetail, NodeView

T = TypeVar("T")
Act = Literal["drain", "release", "restart", "close_ae", "quarantine", "test_render"]

_THERE = "SELECT FROM render.nodes WHERE id = $1 AND deleted_at IS NULL"
_HELD = """
SELECT name, kind, engines, status FROM render.nodes
WHERE id = $1 AND deleted_at IS NULL FOR UPDATE
"""
_STATUS = "SELECT status FROM render.nodes WHERE id = $1"
#: Acts that are a matter of the machine's own service where it is a worker of the pool.
_OUTSIDE_ONLY = frozenset({"restart"})
#: Acts that a worker of the pool carries out as well; the others are done by what is written here.
_TOLD = frozenset({"test_render", "close_ae"})


class ActNotForNode(Conflict):
    """The act does not fit this kind of node."""

    code = "act_not_for_node"
    title_fa = "این کار برای این گره نیست"
    title_en = "This act is not for this node"
    detail_fa = (
        "کارگرهای خود سرور با سرویس خودشان راه‌اندازی می‌شوند؛ بستن افترافکتس فقط جایی است که هست."
    )
    detail_en = (
        "A worker of the pool is restarted with its service; After Effects is closed only where "
        "it is."
    )


class FleetService:
    """Lists, details and acts of nodes; crash reports."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def nodes(
        self,
        page: PageParams,
        *,
        status: str | None = None,
        kind: str | None = None,
        engine: str | None = None,
        q: str | None = None,
        sort: str = "name",
    ) -> Page[NodeView]:
        """Return a page of the nodes that belong to the farm."""
        rows = await self._db.system_fetch(
            "list of nodes", sql.NODES, status, kind, engine, q, sort, page.limit, page.offset
        )
        total = rows[0]["total"] if rows else 0
        return page.of([_as(row, NodeView) for row in rows], total)

    async def node(self, node_id: UUID) -> NodeDetail:
        """Return one node with what it does, holds and went through. Raises ``NotFound``."""
        rows = await self._db.system_fetch("a node", sql.DETAIL, node_id)
        if not rows:
            raise NotFound()
        fields = dict(rows[0])
        node = {name: fields.pop(name) for name in NodeView.__struct_fields__}
        return msgspec.convert({"node": node, **fields}, NodeDetail, strict=False)

    async def chart(self, node_id: UUID, *, bucket: str, hours: int) -> NodeChart:
        """Return how a node was, by minute or hour. Raises ``NotFound``."""
        if not await self._db.system_fetch("a node", _THERE, node_id):
            raise NotFound()
        seconds = {"minute": 60.0, "hour": 3600.0}[bucket]
        rows = await self._db.system_fetch(
            "chart of a node", health.CHART, node_id, seconds, hours * 3600.0
        )
        return NodeChart(bucket=bucket, points=[_as(row, ChartPoint) for row in rows])

    async def act(
        self, node_id: UUID, act: Act, *, by: UUID | None, reason: str = ""
    ) -> NodeDetail:
        """Do ``act`` on a node; ``by`` is None for the operator's command line.

        Raises ``NotFound`` and :class:`ActNotForNode`.
        """
        async with self._db.system(f"node {act}") as work:
            row = await work.fetchrow(_HELD, node_id)
            if row is None:
                raise NotFound()
            outside = row["kind"] == "Remote"
            if (act in _OUTSIDE_ONLY and not outside) or (
                act == "close_ae" and "aerender" not in row["engines"]
            ):
                raise ActNotForNode()
            if act == "drain":
                await work.execute(sql.DRAIN, node_id, reason)
            elif act == "release":
                await work.execute(sql.RELEASE, node_id)
            elif act == "quarantine":
                await work.execute(sql.QUARANTINE, node_id, reason, by)
            told = outside or act in _TOLD
            await work.execute(sql.COMMAND, uuid7(), node_id, act, {}, by, reason, told)
            await audit.record(
                work, f"node.{act}", "node", node_id, by=by, name=row["name"], reason=reason,
                before={"status": row["status"]},
                after={"status": await work.fetchval(_STATUS, node_id)},
            )  # fmt: skip
        return await self.node(node_id)

    async def crashes(
        self,
        page: PageParams,
        *,
        node_id: UUID | None = None,
        classification: str | None = None,
        acknowledged: bool | None = None,
    ) -> Page[Crash]:
        """Return a page of crash reports, newest first."""
        rows = await self._db.system_fetch(
            "crashes of nodes", sql.CRASHES, node_id, classification, acknowledged, page.limit,
            page.offset,
        )  # fmt: skip
        total = rows[0]["total"] if rows else 0
        return page.of([_as(row, Crash) for row in rows], total)

    async def acknowledge(self, principal: Principal, crash_id: UUID) -> Crash:
        """Note that somebody has seen a crash; the first to do so stays. Raises ``NotFound``."""
        rows = await self._db.system_fetch(
            "crash seen", sql.ACKNOWLEDGE, crash_id, principal.user_id
        )
        if not rows:
            raise NotFound()
        return _as(rows[0], Crash)


def _as(row: Any, kind: type[T]) -> T:
    return msgspec.convert(dict(row), kind, strict=False)
