"""Folders of a person: make, rename, move, trash, restore.

Owns the shape of the tree: no cycles, no two siblings of one name, bounded depth and number. All
writes of one person's tree follow each other (an advisory lock), so that what was checked still
holds when it is written. Never touches bytes or quotas.
"""

from typing import Any
from uuid import UUID

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_files import queries
from flatrender_files.errors import FolderCycle, FolderExists, TooManyFolders
from flatrender_files.queries import FolderView

MAX_FOLDERS = 1000
MAX_DEPTH = 16

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('folders:' || :user, 0))"
_FIND = """
SELECT id, parent_id, name, trashed_at FROM file_mgr.folders
WHERE tenant_id = :tenant AND user_id = :user AND id = :id
"""
_PATH = """
WITH RECURSIVE up AS (
    SELECT id, parent_id FROM file_mgr.folders
    WHERE tenant_id = :tenant AND user_id = :user AND id = :id
    UNION SELECT f.id, f.parent_id FROM file_mgr.folders f JOIN up ON f.id = up.parent_id
    WHERE f.tenant_id = :tenant AND f.user_id = :user
) SELECT id FROM up
"""
_DOWN = """
WITH RECURSIVE down AS (
    SELECT id, 1 AS depth FROM file_mgr.folders
    WHERE tenant_id = :tenant AND user_id = :user AND id = :id
    UNION ALL SELECT f.id, down.depth + 1 FROM file_mgr.folders f JOIN down ON f.parent_id = down.id
    WHERE f.tenant_id = :tenant AND f.user_id = :user AND down.depth < 100
)
"""
_CLASH = """
SELECT 1 FROM file_mgr.folders
WHERE tenant_id = :tenant AND user_id = :user AND parent_id IS NOT DISTINCT FROM :parent
  AND lower(name) = lower(:name) AND trashed_at IS NULL AND id <> :id
"""
_TRASH = "".join(
    (
        _DOWN,
        """, folders AS (
    UPDATE file_mgr.folders SET trashed_at = now()
    WHERE tenant_id = :tenant AND id IN (SELECT id FROM down) AND trashed_at IS NULL
)
UPDATE file_mgr.files SET trashed_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND folder_id IN (SELECT id FROM down)
  AND state = 'Ready' AND trashed_at IS NULL
""",
    )
)
# What went into the trash together comes back together.
_RESTORE = "".join(
    (
        _DOWN,
        """, folders AS (
    UPDATE file_mgr.folders SET trashed_at = NULL,
        parent_id = CASE WHEN id = :id THEN CAST(:parent AS uuid) ELSE parent_id END
    WHERE tenant_id = :tenant AND id IN (SELECT id FROM down) AND trashed_at = :at
)
UPDATE file_mgr.files SET trashed_at = NULL
WHERE tenant_id = :tenant AND user_id = :user AND folder_id IN (SELECT id FROM down)
  AND state = 'Ready' AND trashed_at = :at
""",
    )
)
_HEIGHT = "".join((_DOWN, "SELECT max(depth) FROM down"))


async def lock_tree(work: UnitOfWork, user_id: UUID | None) -> None:
    """Let writes of this person's tree follow each other until the transaction ends."""
    await work.execute(_LOCK, user=str(user_id))


async def live_folder(work: UnitOfWork, user_id: UUID | None, folder_id: UUID) -> Any:
    """Return a folder of this person that is not in the trash. Raises ``NotFound``."""
    found = await work.execute(_FIND, tenant=work.tenant, user=user_id, id=folder_id)
    row = found.first()
    if row is None or row.trashed_at is not None:
        raise NotFound()
    return row


class FolderService:
    """Use cases of folders."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def folders(
        self,
        principal: Principal,
        page: PageParams,
        *,
        parent_id: UUID | None,
        top: bool,
        trashed: bool,
    ) -> Page[FolderView]:
        """Return a page of the person's folders by name."""
        rows, total = await queries.folders_of(
            self._db.reads,
            principal.tenant_id,
            principal.user_id,
            parent_id=parent_id,
            top=top,
            trashed=trashed,
            limit=page.limit,
            offset=page.offset,
        )
        return page.of(rows, total)

    async def read(self, principal: Principal, folder_id: UUID) -> FolderView:
        """Return one folder, also from the trash. Raises ``NotFound``."""
        found = await queries.folder_of(
            self._db.reads, principal.tenant_id, principal.user_id, folder_id
        )
        if found is None:
            raise NotFound()
        return found

    async def create(self, principal: Principal, name: str, parent_id: UUID | None) -> UUID:
        """Make a folder. Raises ``NotFound`` (the parent), :class:`FolderExists`,
        :class:`TooManyFolders`."""
        folder_id = uuid7()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await lock_tree(work, principal.user_id)
            count = await work.execute(
                "SELECT count(*) FROM file_mgr.folders WHERE tenant_id = :tenant "
                "AND user_id = :user",
                tenant=principal.tenant_id,
                user=principal.user_id,
            )
            if count.scalar_one() >= MAX_FOLDERS:
                raise TooManyFolders(limit=MAX_FOLDERS)
            await self._fits(work, principal, folder_id, name, parent_id, height=1)
            await work.execute(
                "INSERT INTO file_mgr.folders (id, tenant_id, user_id, parent_id, name) "
                "VALUES (:id, :tenant, :user, :parent, :name)",
                id=folder_id,
                tenant=principal.tenant_id,
                user=principal.user_id,
                parent=parent_id,
                name=name,
            )
        return folder_id

    async def change(
        self,
        principal: Principal,
        folder_id: UUID,
        *,
        name: str | None,
        move: bool,
        parent_id: UUID | None,
    ) -> None:
        """Rename a folder and, with ``move``, put it under ``parent_id`` (None: the top).

        Raises ``NotFound``, :class:`FolderExists`, :class:`FolderCycle`, :class:`TooManyFolders`.
        """
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await lock_tree(work, principal.user_id)
            row = await live_folder(work, principal.user_id, folder_id)
            parent = parent_id if move else row.parent_id
            new_name = row.name if name is None else name
            height = await self._height(work, principal, folder_id) if move else 0
            await self._fits(work, principal, folder_id, new_name, parent, height=height)
            await work.execute(
                "UPDATE file_mgr.folders SET name = :name, parent_id = :parent "
                "WHERE tenant_id = :tenant AND user_id = :user AND id = :id",
                name=new_name,
                parent=parent,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=folder_id,
            )

    async def trash(self, principal: Principal, folder_id: UUID) -> None:
        """Put a folder and all in it into the trash. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await lock_tree(work, principal.user_id)
            await live_folder(work, principal.user_id, folder_id)
            await work.execute(
                _TRASH, tenant=principal.tenant_id, user=principal.user_id, id=folder_id
            )

    async def restore(self, principal: Principal, folder_id: UUID) -> None:
        """Take a folder out of the trash with what went into it; to the top when its own parent
        is still there. Raises ``NotFound``, :class:`FolderExists`."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await lock_tree(work, principal.user_id)
            found = await work.execute(
                _FIND, tenant=work.tenant, user=principal.user_id, id=folder_id
            )
            row = found.first()
            if row is None:
                raise NotFound()
            if row.trashed_at is None:
                return
            parent = row.parent_id
            if parent is not None:
                above = await work.execute(
                    _FIND, tenant=work.tenant, user=principal.user_id, id=parent
                )
                holder = above.first()
                if holder is None or holder.trashed_at is not None:
                    parent = None
            await self._fits(work, principal, folder_id, row.name, parent, height=0)
            await work.execute(
                _RESTORE,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=folder_id,
                parent=parent,
                at=row.trashed_at,
            )

    async def _fits(
        self,
        work: UnitOfWork,
        principal: Principal,
        folder_id: UUID,
        name: str,
        parent_id: UUID | None,
        *,
        height: int,
    ) -> None:
        """Refuse a place in the tree; ``height`` is the levels that come with the folder."""
        if parent_id is not None:
            await live_folder(work, principal.user_id, parent_id)
            found = await work.execute(
                _PATH, tenant=work.tenant, user=principal.user_id, id=parent_id
            )
            path = [row.id for row in found]
            if folder_id in path:
                raise FolderCycle()
            if len(path) + height > MAX_DEPTH:
                raise TooManyFolders(limit=MAX_DEPTH)
        clash = await work.execute(
            _CLASH,
            tenant=work.tenant,
            user=principal.user_id,
            parent=parent_id,
            name=name,
            id=folder_id,
        )
        if clash.first() is not None:
            raise FolderExists()

    async def _height(self, work: UnitOfWork, principal: Principal, folder_id: UUID) -> int:
        found = await work.execute(
            _HEIGHT,
            tenant=work.tenant,
            user=principal.user_id,
            id=folder_id,
        )
        return int(found.scalar_one())
