"""Which node has which of the farm's fonts, for its administrators."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender_render.farm import audit, fonts

SHOWN = 200  # nodes of a font, those that lack it first

#: ``Other``: a face of these names that is not this file. ``Missing``: nobody told the node yet.
_MATRIX = """
SELECT r.id, r.family, r.style, r.postscript_name, r.sha256, r.size_bytes, r.state, m.installed,
       m.lacking, m.nodes, count(*) OVER () AS total
FROM render.font_requests r CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.state = 'Installed') AS installed,
           count(*) FILTER (WHERE c.state <> 'Installed') AS lacking,
           coalesce(jsonb_agg(to_jsonb(c) - 'place' ORDER BY c.place)
                    FILTER (WHERE c.place <= $4), '[]') AS nodes
    FROM (
        SELECT s.*, row_number() OVER (ORDER BY s.state = 'Installed', lower(s.node_name)) AS place
        FROM (
            SELECT n.id AS node_id, n.name AS node_name, n.status AS node_status, f.error,
                   f.reported_at,
                   CASE WHEN f.state = 'Installed' AND f.sha256 IS DISTINCT FROM r.sha256
                        THEN 'Other' ELSE coalesce(f.state, 'Missing') END AS state
            FROM render.nodes n LEFT JOIN render.node_fonts f
              ON f.node_id = n.id AND f.family = r.family AND f.style = r.style
            WHERE n.deleted_at IS NULL AND $1 = ANY (n.engines)) s) c) m
WHERE r.sha256 IS NOT NULL AND r.state <> 'Withdrawn' AND ($5::text IS NULL
      OR strpos(lower(r.family || ' ' || r.style), lower($5)) > 0)
ORDER BY lower(r.family), lower(r.style), r.id LIMIT $2 OFFSET $3
"""
_THERE = """
SELECT family || ' ' || style FROM render.font_requests
WHERE id = $1 AND state IN ('Installing', 'Done')
"""


class FontOnNode(Struct, frozen=True, kw_only=True):
    """How a font is on a node: ``Installed``, ``Pending``, ``Failed``, ``Other`` (a face of the
    same names, not this file) or ``Missing``."""

    node_id: UUID
    node_name: str
    node_status: str
    state: str
    error: str | None
    reported_at: datetime | None


class FarmFont(Struct, frozen=True, kw_only=True):
    """A font of the farm. ``nodes`` are those that take fonts, at most 200: who lacks it first."""

    id: UUID
    family: str
    style: str
    postscript_name: str | None
    sha256: str
    size_bytes: int
    state: str
    installed: int
    lacking: int
    nodes: list[FontOnNode]


class FarmFontService:
    """The matrix of nodes and fonts."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def matrix(self, page: PageParams, *, q: str | None = None) -> Page[FarmFont]:
        """Return a page of the farm's fonts, each with its nodes."""
        rows = await self._db.system_fetch(
            "fonts of the farm", _MATRIX, fonts.ENGINE, page.limit, page.offset, SHOWN, q
        )
        total = rows[0]["total"] if rows else 0
        found = [msgspec.convert(dict(row), FarmFont, strict=False) for row in rows]
        return page.of(found, total)

    async def install(self, font_id: UUID, *, by: UUID | None) -> None:
        """Tell every node that lacks a font to install it, again where it failed.

        Raises ``NotFound``.
        """
        async with self._db.system("font of the farm") as work:
            name = await work.fetchval(_THERE, font_id)
            if name is None:
                raise NotFound()
            await fonts.order(work, font_id=font_id)
            await audit.record(work, "font.install", "font", font_id, by=by, name=name)
