"""A copy of one's own data as a zip: asked for, gathered from every context, kept seven days."""

import asyncio
import io
import zipfile
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.identity import DATA_CONTEXTS, DataExportGiven, DataExportRequested
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.privacy import rows_of
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender.storage import StoreError
from flatrender.tasks.task import Nothing, Task
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.security_log import record, tell_owner

LIMIT = define_limit("data_export", 3, 86_400.0).name
KEEP_DAYS = 7

#: Identity's own part: everything about the person but secrets and what staff note about them.
SECTIONS = {
    "account": "SELECT id, register_mode, email, email_verified_at, mobile, mobile_verified_at, "
    "display_name, first_name, last_name, company, locale, timezone, country, role, created_at, "
    "last_login_at, marketing_consent, terms_accepted_at FROM identity.users "
    "WHERE tenant_id = :tenant AND id = :user",
    "sessions": "SELECT device_name, user_agent, host(ip) AS first_address, "
    "host(last_ip) AS last_address, created_at, last_seen_at FROM identity.sessions "
    "WHERE tenant_id = :tenant AND user_id = :user ORDER BY created_at",
    "security_log": "SELECT kind, created_at, host(ip) AS address, user_agent, detail "
    "FROM identity.security_events WHERE tenant_id = :tenant AND user_id = :user "
    "ORDER BY created_at",
    "second_factors": "SELECT kind, name, rp_id, created_at, last_used_at "
    "FROM identity.mfa_factors WHERE tenant_id = :tenant AND user_id = :user "
    "AND confirmed_at IS NOT NULL ORDER BY created_at",
    "trusted_devices": "SELECT name, user_agent, host(last_ip) AS last_address, created_at, "
    "last_used_at, expires_at FROM identity.trusted_devices "
    "WHERE tenant_id = :tenant AND user_id = :user AND revoked_at IS NULL ORDER BY created_at",
    "sign_in_providers": "SELECT provider, email, created_at FROM identity.oauth_identities "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "payments": "SELECT id, amount_minor, currency, status, created_at FROM identity.payments "
    "WHERE tenant_id = :tenant AND user_id = :user ORDER BY created_at",
    "plans": "SELECT p.code, up.status, up.starts_at, up.expires_at FROM identity.user_plans up "
    "JOIN identity.plans p ON p.id = up.plan_id "
    "WHERE up.tenant_id = :tenant AND up.user_id = :user ORDER BY up.starts_at",
}

_OPEN = """
SELECT id FROM identity.data_exports
WHERE tenant_id = :tenant AND user_id = :user AND state = 'Running'
"""
_LOCK_USER = "SELECT id FROM identity.users WHERE tenant_id = :tenant AND id = :user FOR UPDATE"
_INSERT = """
INSERT INTO identity.data_exports (id, tenant_id, user_id, state)
VALUES (:id, :tenant, :user, 'Running')
"""
_GIVEN = """
UPDATE identity.data_exports SET parts = parts
    || jsonb_build_object(CAST(:context AS text), CAST(:key AS text))
WHERE tenant_id = :tenant AND id = :id AND state = 'Running' RETURNING parts
"""
_RUNNING = """
SELECT user_id, parts FROM identity.data_exports
WHERE tenant_id = :tenant AND id = :id AND state = 'Running'
"""
_READY = """
UPDATE identity.data_exports SET state = 'Ready', object_key = :key, size_bytes = :size,
    parts = '{}', ready_at = now(), expires_at = now() + make_interval(days => :days)
WHERE tenant_id = :tenant AND id = :id AND state = 'Running' RETURNING id
"""
_LINES = """
SELECT id, state, size_bytes, created_at, ready_at, expires_at FROM identity.data_exports
WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4
"""
_LINE = """
SELECT id, state, size_bytes, created_at, ready_at, expires_at FROM identity.data_exports
WHERE tenant_id = $1 AND user_id = $2 AND id = $3
"""
_COUNT = "SELECT count(*) FROM identity.data_exports WHERE tenant_id = $1 AND user_id = $2"
_KEY = """
SELECT object_key FROM identity.data_exports
WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND state = 'Ready' AND expires_at > now()
"""
#: One whose part never came is given up after a day.
_OVER = """
UPDATE identity.data_exports e SET object_key = NULL, parts = '{}',
    state = CASE WHEN e.state = 'Ready' THEN 'Expired' ELSE 'Failed' END
FROM (SELECT id, object_key, parts FROM identity.data_exports
      WHERE (state = 'Ready' AND expires_at <= now())
         OR (state = 'Running' AND created_at < now() - interval '1 day')
      LIMIT 100 FOR UPDATE SKIP LOCKED) o
WHERE e.id = o.id
RETURNING e.tenant_id, o.object_key, o.parts
"""


class DataExportLine(Struct, frozen=True, kw_only=True):
    """One copy of one's data. ``state``: Running, Ready, Failed, Expired."""

    id: UUID
    state: str
    size_bytes: int | None
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None


class BuildExport(Struct, frozen=True):
    """A copy whose parts are all there."""

    tenant_id: UUID
    export_id: UUID


class RemoveObjects(Struct, frozen=True):
    """Objects that nobody may read any longer."""

    keys: list[str]


class DataExportService:
    """Use cases of copies of one's own data."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def ask(self, principal: Principal, *, password: str | None) -> DataExportLine:
        """Begin a copy; one that is being made is answered again.

        Raises what :meth:`CredentialService.prove` raises; ``RateLimited`` after three a day.
        """
        account = await self._context.get(CredentialService).prove(principal, password)
        tenant_id = principal.tenant_id
        limiter = self._context.infra.security.limiter
        await limiter.check(LIMIT, f"user:{tenant_id}:{account.id}", critical=True)
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(_LOCK_USER, tenant=tenant_id, user=account.id)
            found = await work.execute(_OPEN, tenant=tenant_id, user=account.id)
            export_id: UUID | None = found.scalar_one_or_none()
            if export_id is None:
                export_id = uuid7()
                await work.execute(_INSERT, id=export_id, tenant=tenant_id, user=account.id)
                await record(work, account.id, "data_export_asked", session_id=principal.session_id)
                work.emit(DataExportRequested(export_id=export_id, user_id=account.id))
        line = await self._db.reads.one(
            DataExportLine, tenant_id, _LINE, tenant_id, account.id, export_id
        )
        if line is None:
            raise NotFound()
        return line

    async def page(self, tenant_id: UUID, user_id: UUID, page: PageParams) -> Page[DataExportLine]:
        """Return one page of a person's copies, the newest first."""
        rows = await self._db.reads.all(
            DataExportLine, tenant_id, _LINES, tenant_id, user_id, page.limit, page.offset
        )
        total = await self._db.reads.value(tenant_id, _COUNT, tenant_id, user_id)
        return page.of(rows, int(total))

    async def link(self, tenant_id: UUID, user_id: UUID, export_id: UUID) -> str:
        """Return a presigned link to a ready copy. Raises ``NotFound``, also when it expired."""
        rows = await self._db.reads.records(tenant_id, _KEY, tenant_id, user_id, export_id)
        if not rows:
            raise NotFound()
        return self._context.infra.storage.link(
            rows[0]["object_key"],
            download_name="flatrender-data.zip",
            content_type="application/zip",
        )

    async def given(self, work: UnitOfWork, part: DataExportGiven) -> None:
        """Note a context's part; the last one has the zip made."""
        noted = await work.execute(
            _GIVEN,
            context=part.context,
            key=part.object_key,
            tenant=work.tenant,
            id=part.export_id,
        )
        parts: dict[str, str] | None = noted.scalar_one_or_none()
        if parts is not None and set(parts) >= set(DATA_CONTEXTS):
            work.enqueue(BUILD, BuildExport(work.tenant, part.export_id))

    async def build(self, order: BuildExport) -> None:
        """Put the parts and identity's own into one zip; a second run finds nothing to do."""
        async with self._db.unit_of_work(order.tenant_id) as work:
            found = await work.execute(_RUNNING, tenant=order.tenant_id, id=order.export_id)
            row: Any = found.first()
            if row is None:
                return
            own = await rows_of(work, SECTIONS, row.user_id)
        store = self._context.infra.storage
        files = {"identity.json": msgspec.json.encode(own)}
        for context, part in sorted(row.parts.items()):
            files[f"{context}.json"] = await store.get(part)
        packed = await asyncio.to_thread(_zip, files)
        key = f"data-exports/{order.export_id}/data.zip"
        await store.put(key, packed, content_type="application/zip")
        async with self._db.unit_of_work(order.tenant_id) as work:
            done = await work.execute(
                _READY,
                key=key,
                size=len(packed),
                days=KEEP_DAYS,
                tenant=order.tenant_id,
                id=order.export_id,
            )
            if done.first() is None:  # its owner's account ended meanwhile, or another run did it
                return
            await tell_owner(work, row.user_id, "data_export_ready", {"days": str(KEEP_DAYS)})
            work.enqueue(REMOVE, RemoveObjects(list(row.parts.values())))

    async def expire(self) -> None:
        """End copies whose time is over and give up those whose parts never came."""
        async with self._db.system("copies of data that ended") as work:
            for row in await work.fetch(_OVER):
                keys = [key for key in (row["object_key"], *row["parts"].values()) if key]
                work.enqueue(REMOVE, RemoveObjects(keys))

    async def remove(self, keys: list[str]) -> None:
        """Remove objects; one that is gone already is no error."""
        for key in keys:
            try:
                await self._context.infra.storage.delete(key)
            except StoreError as error:
                if error.retryable:
                    raise


def _zip(files: dict[str, bytes]) -> bytes:
    """Pack in memory: rows of one person are megabytes at most."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return buffer.getvalue()


async def build_export(context: PluginContext, order: BuildExport) -> None:
    """Make a copy whose parts are there."""
    await context.get(DataExportService).build(order)


async def remove_objects(context: PluginContext, order: RemoveObjects) -> None:
    """Remove objects of copies that ended."""
    await context.get(DataExportService).remove(order.keys)


async def expire_exports(context: PluginContext, _payload: Nothing) -> None:
    """End copies whose time is over."""
    await context.get(DataExportService).expire()


BUILD = Task(
    name="identity.build_export",
    queue="cleanup",
    handler=build_export,
    payload=BuildExport,
    timeout=300.0,
)
REMOVE = Task(
    name="identity.remove_objects", queue="cleanup", handler=remove_objects, payload=RemoveObjects
)
EXPIRE_EXPORTS = Task(name="identity.expire_exports", queue="cleanup", handler=expire_exports)
