"""The library: list, rename, trash, restore, download; deletions that reach the store."""

import asyncio
from datetime import timedelta
from uuid import UUID

from flatrender.contracts.files import FileDeleted
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import keyset
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.storage import StoreError
from flatrender_files import queries
from flatrender_files.errors import QuotaExceeded
from flatrender_files.queries import FileView, Quota
from flatrender_files.services.folders import live_folder, lock_tree
from flatrender_files.services.uploads import DEFAULT_LIMIT

LINK_LIFE = timedelta(minutes=10)
TRASH_DAYS = 30
BATCH = 200
_INLINE = ("image/png", "image/jpeg", "image/webp", "image/gif", "audio/", "video/")

# Row, count and bytes go together: in one statement.
_PURGE = """
WITH gone AS (
    UPDATE file_mgr.files SET state = 'Deleted', deleted_at = now(), folder_id = NULL,
        trashed_at = coalesce(trashed_at, now())
    WHERE id IN (SELECT id FROM file_mgr.files WHERE state = 'Ready' AND {chosen})
    RETURNING id, tenant_id, user_id, bucket, object_key, size_bytes
), freed AS (
    UPDATE file_mgr.quotas q SET used_bytes = greatest(0, q.used_bytes - g.bytes),
        file_count = greatest(0, q.file_count - g.files)
    FROM (SELECT tenant_id, user_id, sum(size_bytes) AS bytes, count(*) AS files
          FROM gone GROUP BY 1, 2) g
    WHERE q.tenant_id = g.tenant_id AND q.user_id = g.user_id
), marked AS (
    INSERT INTO file_mgr.pending_deletions (tenant_id, bucket, object_key, reason)
    SELECT tenant_id, bucket, object_key, 'deleted' FROM gone ON CONFLICT DO NOTHING
)
SELECT id, tenant_id, user_id FROM gone
"""
_PURGE_ONE = _PURGE.format(chosen="tenant_id = :tenant AND user_id = :user AND id = :id FOR UPDATE")
_PURGE_OLD = _PURGE.format(
    chosen="trashed_at < now() - make_interval(days => $1) "
    "ORDER BY trashed_at LIMIT $2 FOR UPDATE SKIP LOCKED"
)
_PURGE_PERSON = _PURGE.format(chosen="tenant_id = :tenant AND user_id = :user FOR UPDATE")
_FORGET = (
    "UPDATE file_mgr.upload_sessions SET expires_at = now() "
    "WHERE tenant_id = :tenant AND user_id = :user AND state IN ('Open', 'Completing')",
    "UPDATE file_mgr.files SET name = 'deleted', probe = '{}', waveform = NULL, folder_id = NULL "
    "WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM file_mgr.folders WHERE tenant_id = :tenant AND user_id = :user",
)
# From the leaves up; a folder goes once nothing is in it.
_PURGE_FOLDERS = """
DELETE FROM file_mgr.folders d WHERE d.trashed_at < now() - make_interval(days => $1)
  AND NOT EXISTS (SELECT FROM file_mgr.files f WHERE f.tenant_id = d.tenant_id
                  AND f.user_id = d.user_id AND f.folder_id = d.id)
  AND NOT EXISTS (SELECT FROM file_mgr.folders c WHERE c.tenant_id = d.tenant_id
                  AND c.user_id = d.user_id AND c.parent_id = d.id)
"""
_RESTORE = """
UPDATE file_mgr.files f SET trashed_at = NULL, folder_id = (
    SELECT d.id FROM file_mgr.folders d WHERE d.tenant_id = f.tenant_id AND d.user_id = f.user_id
      AND d.id = f.folder_id AND d.trashed_at IS NULL)
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND state = 'Ready'
  AND trashed_at IS NOT NULL
RETURNING size_bytes
"""
_DUE = """
SELECT id, object_key FROM file_mgr.pending_deletions WHERE due_at <= now()
ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_LATER = """
UPDATE file_mgr.pending_deletions SET attempts = attempts + 1, last_error = $2,
    due_at = now() + make_interval(mins => least(1440, 2 ^ least(attempts, 11))::int)
WHERE id = $1
"""


class LibraryService:
    """Use cases of files that are there."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def erase_person(self, work: UnitOfWork, user_id: UUID) -> None:
        """Delete all that a person stored, with its names, inside ``work``; uploads under way are
        closed by their sweep, objects go as those of every deleted file."""
        gone = await work.execute(_PURGE_PERSON, tenant=work.tenant, user=user_id)
        for row in gone:
            work.emit(FileDeleted(file_id=row.id, user_id=row.user_id))
        for statement in _FORGET:
            await work.execute(statement, tenant=work.tenant, user=user_id)

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

    async def change(
        self,
        principal: Principal,
        file_id: UUID,
        *,
        name: str | None,
        move: bool,
        folder_id: UUID | None,
    ) -> None:
        """Rename a file and, with ``move``, put it into a folder (None: into none).

        Raises ``NotFound`` for the file and for the folder.
        """
        async with self._db.unit_of_work(principal.tenant_id) as work:
            if move and folder_id is not None:
                await lock_tree(work, principal.user_id)
                await live_folder(work, principal.user_id, folder_id)
            changed = await work.execute(
                "UPDATE file_mgr.files SET name = coalesce(:name, name), "
                "folder_id = CASE WHEN :move THEN CAST(:folder AS uuid) ELSE folder_id END "
                "WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND state = 'Ready' "
                "RETURNING id",
                name=name,
                move=move,
                folder=folder_id,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=file_id,
            )
            if changed.first() is None:
                raise NotFound()

    async def trash(self, principal: Principal, file_id: UUID) -> None:
        """Put a file into the trash; it still counts. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            changed = await work.execute(
                "UPDATE file_mgr.files SET trashed_at = coalesce(trashed_at, now()) "
                "WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND state = 'Ready' "
                "RETURNING id",
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=file_id,
            )
            if changed.first() is None:
                raise NotFound()

    async def restore(self, principal: Principal, file_id: UUID) -> None:
        """Take a file out of the trash, and out of a folder that is still there.

        Raises ``NotFound``, and :class:`QuotaExceeded` for who has more than a lowered limit.
        """
        async with self._db.unit_of_work(principal.tenant_id) as work:
            restored = await work.execute(
                _RESTORE, tenant=principal.tenant_id, user=principal.user_id, id=file_id
            )
            row = restored.first()
            if row is None:
                return  # there already, or nobody's: the read that follows tells
            found = await work.execute(
                "SELECT limit_bytes - used_bytes FROM file_mgr.quotas "
                "WHERE tenant_id = :tenant AND user_id = :user",
                tenant=principal.tenant_id,
                user=principal.user_id,
            )
            left = found.scalar_one()
            if left < 0:
                raise QuotaExceeded(needed=row.size_bytes, left=max(0, left + row.size_bytes))

    async def purge(self, principal: Principal, file_id: UUID) -> None:
        """Delete a file for good; its storage is free at once. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            gone = await work.execute(
                _PURGE_ONE, tenant=principal.tenant_id, user=principal.user_id, id=file_id
            )
            row = gone.first()
            if row is None:
                raise NotFound()
            work.emit(FileDeleted(file_id=row.id, user_id=row.user_id))

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
            rows = await work.fetch(_PURGE_OLD, TRASH_DAYS, BATCH)
            for row in rows:
                told = FileDeleted(file_id=row["id"], user_id=row["user_id"])
                work.emit(told, tenant_id=row["tenant_id"])
            await work.execute(_PURGE_FOLDERS, TRASH_DAYS)
        return len(rows)

    async def delete_objects(self) -> int:
        """Remove from the store what was marked for it; returns how many went.

        What the store refuses is tried again later and later, and holds up nothing else.
        """
        async with self._db.system("pending deletions") as work:
            rows = await work.fetch(_DUE, BATCH)
            errors = await asyncio.gather(*(self._delete(row["object_key"]) for row in rows))
            failed = [(row["id"], e) for row, e in zip(rows, errors, strict=True) if e]
            done = [row["id"] for row, e in zip(rows, errors, strict=True) if not e]
            await work.execute(
                "DELETE FROM file_mgr.pending_deletions WHERE id = ANY($1::uuid[])", done
            )
            if failed:
                await work.connection.executemany(_LATER, failed)
        return len(done)

    async def _delete(self, key: str) -> str | None:
        """Delete an object; deleting twice is harmless. Returns the error, None when it went."""
        try:
            await self._context.infra.storage.delete(key)
        except StoreError as error:
            return str(error)[:500]
        return None
