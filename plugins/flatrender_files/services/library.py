"""The library: list, rename, trash, restore, download; deletions that reach the store."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from flatrender.contracts.files import FileDeleted
from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import keyset
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_files import queries
from flatrender_files.queries import FileView, Quota
from flatrender_files.services.uploads import DEFAULT_LIMIT

LINK_LIFE = timedelta(minutes=10)
TRASH_DAYS = 30
BATCH = 200
_INLINE = ("image/png", "image/jpeg", "image/webp", "image/gif", "audio/", "video/")

_PURGE = """
UPDATE file_mgr.files SET state = 'Deleted', deleted_at = now()
WHERE id IN (SELECT id FROM file_mgr.files
             WHERE trashed_at < now() - make_interval(days => $1) AND deleted_at IS NULL
             ORDER BY trashed_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, user_id, bucket, object_key, size_bytes
"""
_UNCOUNT = """
UPDATE file_mgr.quotas SET used_bytes = greatest(0, used_bytes - $3),
    file_count = greatest(0, file_count - 1)
WHERE tenant_id = $1 AND user_id = $2
"""
_DUE = """
DELETE FROM file_mgr.pending_deletions
WHERE id IN (SELECT id FROM file_mgr.pending_deletions WHERE due_at <= now()
             ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING object_key
"""


class LibraryService:
    """Use cases of files that are there."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def read(self, principal: Principal, file_id: UUID) -> FileView:
        """Return one file. Raises ``NotFound``."""
        found = await queries.file_of(
            self._db.reads, principal.tenant_id, principal.user_id, file_id
        )
        if found is None:
            raise NotFound()
        return found

    async def files(
        self,
        principal: Principal,
        params: CursorParams,
        *,
        trashed: bool,
        purpose: str | None,
        folder_id: UUID | None,
        text: str | None,
    ) -> CursorPage[FileView]:
        """Return a page of the caller's files."""
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        filters = {
            "user": str(principal.user_id),
            "trashed": trashed,
            "purpose": purpose,
            "folder": str(folder_id),
            "q": text,
        }
        keys = keyset(
            params, queries.FILE_ORDER, signer, route="list_files", filters=filters, first=8
        )
        rows = await queries.files_of(
            self._db.reads,
            principal.tenant_id,
            principal.user_id,
            trashed=trashed,
            purpose=purpose,
            folder_id=folder_id,
            text=text,
            keys=keys,
        )
        names = [term.column.sql for term in keys.order.terms]
        return keys.page(rows, lambda row: [getattr(row, name) for name in names])

    async def rename(self, principal: Principal, file_id: UUID, name: str) -> None:
        """Give a file another name. Raises ``NotFound``."""
        await self._change(principal, file_id, "name = :name", name=name)

    async def trash(self, principal: Principal, file_id: UUID) -> None:
        """Put a file into the trash; it still counts. Raises ``NotFound``."""
        await self._change(principal, file_id, "trashed_at = coalesce(trashed_at, now())")

    async def restore(self, principal: Principal, file_id: UUID) -> None:
        """Take a file out of the trash. Raises ``NotFound``."""
        await self._change(principal, file_id, "trashed_at = NULL")

    async def link(self, principal: Principal, file_id: UUID, *, inline: bool) -> str:
        """Return a fresh presigned link; only harmless types may be shown inline.

        Raises ``NotFound``.
        """
        found = await queries.object_of(
            self._db.reads, principal.tenant_id, principal.user_id, file_id
        )
        if found is None:
            raise NotFound()
        harmless = found.content_type.startswith(_INLINE)
        return self._context.infra.storage.link(
            found.object_key,
            expires=LINK_LIFE,
            download_name=found.name,
            content_type=found.content_type if harmless else "application/octet-stream",
            inline=inline and harmless,
        )

    async def quota(self, principal: Principal) -> Quota:
        """Return the caller's storage."""
        found = await queries.quota_of(self._db.reads, principal.tenant_id, principal.user_id)
        return found or Quota(
            limit_bytes=DEFAULT_LIMIT, used_bytes=0, reserved_bytes=0, file_count=0
        )

    async def purge_trash(self) -> int:
        """Delete for good what lay long enough in the trash; returns how many files."""
        async with self._db.system("old trash") as work:
            rows = await work.fetch(_PURGE, TRASH_DAYS, BATCH)
            for row in rows:  # bounded by the batch
                await self._forget(work, row)
        return len(rows)

    async def delete_objects(self) -> int:
        """Remove from the store what was marked for it; failures are kept for the next run."""
        async with self._db.system("pending deletions") as work:
            rows = await work.fetch(_DUE, BATCH)
            for row in rows:  # an error rolls back: deleting twice is harmless
                await self._context.infra.storage.delete(row["object_key"])
        return len(rows)

    async def _forget(self, work: Any, row: Any) -> None:
        await work.execute(_UNCOUNT, row["tenant_id"], row["user_id"], row["size_bytes"])
        await work.execute(
            "INSERT INTO file_mgr.pending_deletions (tenant_id, bucket, object_key, reason) "
            "VALUES ($1, $2, $3, 'trash')",
            row["tenant_id"],
            row["bucket"],
            row["object_key"],
        )
        work.emit(
            FileDeleted(file_id=row["id"], user_id=row["user_id"]), tenant_id=row["tenant_id"]
        )

    async def _change(
        self, principal: Principal, file_id: UUID, assignment: str, **values: object
    ) -> None:
        async with self._db.unit_of_work(principal.tenant_id) as work:
            changed = await work.execute(
                f"UPDATE file_mgr.files SET {assignment} WHERE tenant_id = :tenant "  # noqa: S608 - one of three own assignments
                "AND user_id = :user AND id = :id AND state = 'Ready' RETURNING id",
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=file_id,
                **values,
            )
            if changed.first() is None:
                raise NotFound()
