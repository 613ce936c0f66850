"""What an owner does with finished videos: further formats of them, and deleting them."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_render import queries
from flatrender_render.errors import AlreadyInFormat, ExportGone
from flatrender_render.farm import expiry, renditions
from flatrender_render.farm.failures import classify
from flatrender_render.output_schemas import Rendition, RenditionFailure

_LIST = """
SELECT r.id, r.format, r.state, r.progress, e.id, e.size_bytes, r.error_code, r.created_at,
       r.finished_at
FROM render.renditions r
LEFT JOIN render.exports e ON e.tenant_id = r.tenant_id AND e.id = r.export_id
     AND e.deleted_at IS NULL
WHERE r.tenant_id = $1 AND r.user_id = $2 AND r.source_export_id = $3
ORDER BY r.created_at, r.format
"""


class _Row(Struct, frozen=True, kw_only=True):
    id: UUID
    format: str
    state: str
    progress: float
    export_id: UUID | None
    size_bytes: int | None
    error_code: str | None
    created_at: datetime
    finished_at: datetime | None


class OutputService:
    """Use cases of finished videos."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def want(
        self, principal: Principal, export_id: UUID, formats: list[str]
    ) -> list[Rendition]:
        """Ask for further formats; what is there or on its way is not made again.

        Raises ``NotFound``, ``ExportGone`` and ``AlreadyInFormat``.
        """
        found = await self._export(principal, export_id)
        if found.format != "mp4":
            raise AlreadyInFormat()
        if found.expires_at is not None and found.expires_at <= self._context.clock.now():
            raise ExportGone()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await renditions.want(work, export_id, sorted(set(formats)))
        return await self._rows(principal, export_id)

    async def renditions(self, principal: Principal, export_id: UUID) -> list[Rendition]:
        """Return the further formats of a video. Raises ``NotFound``."""
        await self._export(principal, export_id)
        return await self._rows(principal, export_id)

    async def delete(self, principal: Principal, export_id: UUID) -> None:
        """Delete a video for good; its links end with it. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            if not await expiry.delete(work, principal.user_id, export_id):
                raise NotFound()

    async def _export(self, principal: Principal, export_id: UUID) -> queries.ExportView:
        found = await queries.export_of(
            self._db.reads, principal.tenant_id, principal.user_id, export_id
        )
        if found is None:
            raise NotFound()
        return found

    async def _rows(self, principal: Principal, export_id: UUID) -> list[Rendition]:
        rows = await self._db.reads.all(
            _Row, principal.tenant_id, _LIST, principal.tenant_id, principal.user_id, export_id
        )
        return [self._shown(row) for row in rows]

    def _shown(self, row: _Row) -> Rendition:
        failure = None
        if row.state == "Failed":
            verdict = classify(row.error_code or "internal", "")
            failure = RenditionFailure(
                code=row.error_code or "internal",
                message_fa=verdict.explanation_fa,
                message_en=verdict.explanation_en,
            )
        url = f"{self._base}/v1/exports/{row.export_id}/download" if row.export_id else None
        return Rendition(
            id=row.id,
            format=row.format,
            state=row.state,
            progress=round(row.progress, 4),
            export_id=row.export_id,
            url=url,
            size_bytes=row.size_bytes,
            failure=failure,
            created_at=row.created_at,
            finished_at=row.finished_at,
        )
