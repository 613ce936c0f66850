"""What people read of renders: jobs, exports, tickets for live streams, links to bytes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import asdict

from flatrender.contracts.identity import TokenIssuer
from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import KeysetQuery, SortMenu, keyset
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_render import queries, schemas
from flatrender_render.domain import TERMINAL, Step
from flatrender_render.errors import ExportGone
from flatrender_render.farm import why
from flatrender_render.farm.renditions import CONTENT_TYPES
from flatrender_render.queries import JobFilter
from flatrender_render.schemas import Export, Job, JobDetail, WatchTicket

WATCH_SECONDS = 300
LINK_LIFE = timedelta(minutes=10)


async def watch_ticket(
    context: PluginContext, principal: Principal, key: UUID, *, socket: str, stream: str
) -> WatchTicket:
    """Return a token for the live streams of a job or batch that the caller may see."""
    token = await context.port(TokenIssuer).watch(
        tenant_id=principal.tenant_id,
        user_id=principal.user_id or key,
        job_id=key,
        seconds=WATCH_SECONDS,
        session_id=principal.session_id,
    )
    base = context.infra.settings.http.public_url.rstrip("/")
    return WatchTicket(
        token=token,
        expires_in=WATCH_SECONDS,
        ws_url=f"{base.replace('http', 'ws', 1)}{socket}?token={token}",
        sse_url=f"{base}{stream}?token={token}",
    )


class ViewService:
    """Reads of the render context, scoped to the caller."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._reads = context.db.reads
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def job(self, principal: Principal, job_id: UUID) -> Job:
        """Return one job. Raises ``NotFound``."""
        view = await self._job(principal, job_id)
        return schemas.job_of(view, (await self._reasons([view])).get(job_id))

    async def detail(self, principal: Principal, job_id: UUID) -> JobDetail:
        """Return one job with its pieces. Raises ``NotFound``."""
        view = await self._job(principal, job_id)
        chunks = await queries.chunks_of(self._reads, principal.tenant_id, job_id)
        return schemas.detail_of(view, chunks, (await self._reasons([view])).get(job_id))

    async def jobs(
        self, principal: Principal, params: CursorParams, shown: JobFilter
    ) -> CursorPage[Job]:
        """Return a page of the caller's jobs, each with the code of why it waits."""
        keys = self._keys(
            params,
            queries.JOB_ORDER,
            route="list_renders",
            first=9,
            principal=principal,
            **{name: value and str(value) for name, value in asdict(shown).items()},
        )
        rows = await queries.jobs_of(
            self._reads, principal.tenant_id, principal.user_id, shown=shown, keys=keys
        )
        page = keys.page(rows, lambda row: [row.submitted_at, row.id])
        reasons = await self._reasons(page.data)
        data = [schemas.job_of(row, reasons.get(row.id)) for row in page.data]
        return CursorPage(data=data, meta=page.meta)

    async def _reasons(self, rows: Sequence[queries.JobView]) -> dict[UUID, str]:
        """Return why the jobs wait that may be waiting."""
        ids = [row.id for row in rows if Step(row.step) not in TERMINAL]
        return {key: one.code for key, one in (await why.explain_many(self._db, ids)).items()}

    async def ticket(self, principal: Principal, job_id: UUID) -> WatchTicket:
        """Return a token for the live streams of a job. Raises ``NotFound``."""
        await self._job(principal, job_id)
        return await watch_ticket(
            self._context,
            principal,
            job_id,
            socket=f"/ws/v1/render/{job_id}",
            stream=f"/v1/renders/{job_id}/stream",
        )

    async def export(self, principal: Principal, export_id: UUID) -> Export:
        """Return one export. Raises ``NotFound``."""
        found = await queries.export_of(
            self._reads, principal.tenant_id, principal.user_id, export_id
        )
        if found is None:
            raise NotFound()
        return schemas.export_of(found, self._base)

    async def exports(self, principal: Principal, params: CursorParams) -> CursorPage[Export]:
        """Return a page of the caller's exports."""
        keys = self._keys(
            params, queries.EXPORT_ORDER, route="list_exports", first=4, principal=principal
        )
        rows = await queries.exports_of(
            self._reads, principal.tenant_id, principal.user_id, keys=keys
        )
        page = keys.page(rows, lambda row: [row.created_at, row.id])
        data = [schemas.export_of(row, self._base) for row in page.data]
        return CursorPage(data=data, meta=page.meta)

    async def link(self, principal: Principal, export_id: UUID, what: str) -> str:
        """Return a fresh presigned link to a part of an export.

        Raises ``NotFound`` and :class:`ExportGone`.
        """
        found = await queries.objects_of(
            self._reads, principal.tenant_id, principal.user_id, export_id
        )
        if found is None:
            raise NotFound()
        if found.expired:
            raise ExportGone()
        storage = self._context.infra.storage
        if what == "video":
            return storage.link(
                found.object_key,
                expires=LINK_LIFE,
                download_name=f"{found.name or 'video'}.{found.format}",
                content_type=CONTENT_TYPES[found.format],
            )
        key = {
            "poster": found.poster_object_key,
            "thumbnail": found.thumbnail_object_key,
            "contact-sheet": found.contact_sheet_object_key,
        }[what]
        if key is None:
            raise NotFound()
        return storage.link(key, expires=LINK_LIFE)

    async def _job(self, principal: Principal, job_id: UUID) -> queries.JobView:
        found = await queries.job_of(self._reads, principal.tenant_id, principal.user_id, job_id)
        if found is None:
            raise NotFound()
        return found

    def _keys(
        self,
        params: CursorParams,
        menu: SortMenu,
        *,
        route: str,
        first: int,
        principal: Principal,
        **filters: object,
    ) -> KeysetQuery[Any]:
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        bound = {"user": str(principal.user_id), **filters}
        return keyset(params, menu, signer, route=route, filters=bound, first=first)
