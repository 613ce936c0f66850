"""What people read of batches: how far they are, their rows, tables to fill and to take away."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

from flatrender.contracts.studio import SavedProjects
from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import SortColumn, SortMenu, keyset
from flatrender.http.tables import write_csv
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_render.batch_schemas import Batch, BatchRow, BatchRows, RowMeta
from flatrender_render.batch_table import KEY

_BATCH = """
SELECT b.id, b.saved_project_id, b.name, b.resolution, b.state, b.total, s.waiting, s.running,
       b.done, b.failed, b.cancelled, b.charge_minor, b.currency, b.created_at, b.finished_at,
       s.drawn
FROM render.batches b
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.state = 'Waiting')::int AS waiting,
           count(*) FILTER (WHERE r.state = 'Submitted')::int AS running,
           coalesce(sum(least(1, j.done_frames::float8 / j.total_frames))
                    FILTER (WHERE r.state = 'Submitted'), 0)::float8 AS drawn
    FROM render.batch_rows r
    LEFT JOIN render.render_jobs j ON j.tenant_id = r.tenant_id AND j.id = r.job_id
         AND r.state = 'Submitted'
    WHERE r.tenant_id = b.tenant_id AND r.batch_id = b.id) s
"""
_ONE = _BATCH + "WHERE b.tenant_id = $1 AND b.user_id = $2 AND b.id = $3"
_LIST = (
    _BATCH
    + """WHERE b.tenant_id = $1 AND b.user_id = $2 AND {after}
ORDER BY {order} LIMIT $3"""
)
ORDER = SortMenu(
    {"created_at": SortColumn("b.created_at", datetime, "timestamptz")},
    default="-created_at",
    tie=SortColumn("b.id", UUID, "uuid"),
)
_ROWS = """
SELECT r.row, r.key,
       CASE WHEN r.state = 'Submitted' THEN coalesce(j.step, 'Queued') ELSE r.state END,
       CASE WHEN r.state = 'Waiting' THEN 0
            WHEN r.state = 'Submitted'
            THEN coalesce(0.95 * least(1, j.done_frames::float8 / j.total_frames), 0)
            ELSE 1 END::float8,
       r.attempt, r.job_id, e.id, r.cells, r.error_code, r.error_fa, r.error_en
FROM render.batch_rows r
LEFT JOIN render.render_jobs j ON j.tenant_id = r.tenant_id AND j.id = r.job_id
LEFT JOIN render.exports e ON e.tenant_id = r.tenant_id AND e.id = r.export_id
     AND e.deleted_at IS NULL
WHERE r.tenant_id = $1 AND r.batch_id = $2 AND r.row > $3 ORDER BY r.row LIMIT $4
"""
_COLUMNS = "SELECT columns FROM render.batches WHERE tenant_id = $1 AND user_id = $2 AND id = $3"


class _View(Struct, frozen=True, kw_only=True):
    id: UUID
    saved_project_id: UUID
    name: str
    resolution: str
    state: str
    total: int
    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int
    charge_minor: int
    currency: str
    created_at: datetime
    finished_at: datetime | None
    drawn: float


class _RowView(Struct, frozen=True, kw_only=True):
    row: int
    key: str
    state: str
    progress: float
    attempt: int
    job_id: UUID
    export_id: UUID | None
    cells: dict[str, Any]
    error_code: str | None
    error_fa: str | None
    error_en: str | None


class BatchViews:
    """Reads of batches, scoped to the caller."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._reads = context.db.reads
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def batch(self, principal: Principal, batch_id: UUID) -> Batch:
        """Return one batch. Raises ``NotFound``."""
        found = await self._reads.one(
            _View,
            principal.tenant_id,
            _ONE,
            principal.tenant_id,
            principal.user_id,
            batch_id,
        )
        if found is None:
            raise NotFound()
        return self._shown(found)

    async def batches(self, principal: Principal, params: CursorParams) -> CursorPage[Batch]:
        """Return a page of the caller's batches, newest first."""
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        keys = keyset(
            params,
            ORDER,
            signer,
            route="list_batches",
            filters={"user": str(principal.user_id)},
            first=4,
        )
        sql = _LIST.format(after=keys.condition, order=keys.order.order_by())
        rows = await self._reads.all(
            _View,
            principal.tenant_id,
            sql,
            principal.tenant_id,
            principal.user_id,
            keys.limit,
            *keys.values,
        )
        page = keys.page(rows, lambda row: [row.created_at, row.id])
        return CursorPage(data=[self._shown(row) for row in page.data], meta=page.meta)

    async def rows(
        self, principal: Principal, batch_id: UUID, *, after: int, limit: int
    ) -> BatchRows:
        """Return the rows behind number ``after``. Raises ``NotFound``."""
        await self._columns(principal, batch_id)
        found = await self._rows(principal, batch_id, after, limit + 1)
        more = len(found) > limit
        data = [self._row(one) for one in found[:limit]]
        return BatchRows(
            data=data, meta=RowMeta(after=data[-1].row if more else None, has_more=more)
        )

    async def results(self, principal: Principal, batch_id: UUID) -> bytes:
        """Return a CSV of all rows with what became of them. Raises ``NotFound``."""
        columns = [name for name in await self._columns(principal, batch_id) if name != KEY]
        rows = await self._rows(principal, batch_id, 0, 10_000)
        head = [
            "row",
            KEY,
            *columns,
            "state",
            "url",
            "error_code",
            "error_fa",
            "error_en",
            "job_id",
        ]
        shown = [self._row(one) for one in rows]
        return write_csv(
            head,
            (
                [
                    row.row,
                    row.key,
                    *(row.cells.get(name) for name in columns),
                    row.state,
                    row.url,
                    row.error_code,
                    row.error_fa,
                    row.error_en,
                    row.job_id,
                ]
                for row in shown
            ),
        )

    async def template(self, principal: Principal, saved_project_id: UUID) -> bytes:
        """Return a CSV to fill in: the project's slots, and its values as the first row."""
        if principal.user_id is None:
            raise NotFound()
        columns = await self._context.port(SavedProjects).columns(
            principal.tenant_id, principal.user_id, saved_project_id
        )
        if columns is None:
            raise NotFound()
        return write_csv(
            [KEY, *(column.name for column in columns)],
            [["1", *(column.value for column in columns)]],
        )

    async def _columns(self, principal: Principal, batch_id: UUID) -> list[str]:
        found: list[str] | None = await self._reads.value(
            principal.tenant_id, _COLUMNS, principal.tenant_id, principal.user_id, batch_id
        )
        if found is None:
            raise NotFound()
        return found

    async def _rows(
        self, principal: Principal, batch_id: UUID, after: int, limit: int
    ) -> list[_RowView]:
        return await self._reads.all(
            _RowView, principal.tenant_id, _ROWS, principal.tenant_id, batch_id, after, limit
        )

    def _shown(self, view: _View) -> Batch:
        facts = asdict(view)
        drawn = facts.pop("drawn")
        ended = view.done + view.failed + view.cancelled
        return Batch(
            **facts,
            progress=round(min(1.0, (ended + 0.95 * drawn) / view.total), 4),
            results_url=f"{self._base}/v1/batches/{view.id}/results.csv",
        )

    def _row(self, view: _RowView) -> BatchRow:
        url = f"{self._base}/v1/exports/{view.export_id}/download" if view.export_id else None
        facts = asdict(view) | {"progress": round(view.progress, 4)}
        return BatchRow(**facts, url=url)
