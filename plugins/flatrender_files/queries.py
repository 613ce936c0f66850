"""The file manager's hot reads: SQL to Struct."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.contracts.files import FileRef
from flatrender.db import ReadPool
from flatrender.http.sorting import KeysetQuery, SortColumn, SortMenu


class FileView(Struct, frozen=True, kw_only=True):
    """A file as its owner sees it. Sizes in bytes and pixels, duration in seconds."""

    id: UUID
    name: str
    content_type: str
    size_bytes: int
    sha256: str
    purpose: str
    folder_id: UUID | None
    width: int | None
    height: int | None
    duration: float | None
    created_at: datetime
    trashed_at: datetime | None


class FileObject(Struct, frozen=True, kw_only=True):
    """Where a file's bytes lie."""

    name: str
    object_key: str
    content_type: str


class Quota(Struct, frozen=True, kw_only=True):
    """A person's storage in bytes."""

    limit_bytes: int
    used_bytes: int
    reserved_bytes: int
    file_count: int


class FolderView(Struct, frozen=True, kw_only=True):
    """A folder as its owner sees it; ``file_count`` is what lies directly in it."""

    id: UUID
    parent_id: UUID | None
    name: str
    file_count: int
    created_at: datetime
    updated_at: datetime
    trashed_at: datetime | None


_FILE = """
SELECT id, name, content_type, size_bytes, sha256, purpose, folder_id, width, height, duration,
       created_at, trashed_at
FROM file_mgr.files
"""
_ONE = _FILE + "WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND state = 'Ready'"
_LIST = (
    _FILE
    + """
WHERE tenant_id = $1 AND user_id = $2 AND state = 'Ready'
  AND (trashed_at IS NOT NULL) = $3 AND ($4::text IS NULL OR purpose = $4)
  AND ($5::uuid IS NULL OR folder_id = $5)
  AND ($6::text IS NULL OR search LIKE '%' || public.search_words($6) || '%')
  AND {after}
ORDER BY {order} LIMIT $7
"""
)
FILE_ORDER = SortMenu(
    {
        "created_at": SortColumn("created_at", datetime, "timestamptz"),
        "name": SortColumn("name", str, "text"),
        "size_bytes": SortColumn("size_bytes", int, "bigint"),
    },
    default="-created_at",
    tie=SortColumn("id", UUID, "uuid"),
)
_OBJECT = """
SELECT name, object_key, content_type FROM file_mgr.files
WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND state = 'Ready'
"""
_RESOLVE = """
SELECT id, user_id, name, bucket, object_key, sha256, content_type, size_bytes, width, height,
       duration
FROM file_mgr.files
WHERE tenant_id = $1 AND user_id = $2 AND id = ANY($3) AND state = 'Ready' AND trashed_at IS NULL
"""
_QUOTA = """
SELECT limit_bytes, used_bytes, reserved_bytes, file_count FROM file_mgr.quotas
WHERE tenant_id = $1 AND user_id = $2
"""


async def file_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, file_id: UUID
) -> FileView | None:
    """Return one file of a user, or None."""
    return await reads.one(FileView, tenant_id, _ONE, tenant_id, user_id, file_id)


async def files_of(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID | None,
    *,
    trashed: bool,
    purpose: str | None,
    folder_id: UUID | None,
    text: str | None,
    keys: KeysetQuery[Any],
) -> list[FileView]:
    """Return a user's files behind a keyset position (parameters from ``$8`` on)."""
    sql = _LIST.format(after=keys.condition, order=keys.order.order_by())
    return await reads.all(
        FileView,
        tenant_id,
        sql,
        tenant_id,
        user_id,
        trashed,
        purpose,
        folder_id,
        text,
        keys.limit,
        *keys.values,
    )


async def object_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, file_id: UUID
) -> FileObject | None:
    """Return where a file lies, or None."""
    return await reads.one(FileObject, tenant_id, _OBJECT, tenant_id, user_id, file_id)


async def resolve(
    reads: ReadPool, tenant_id: UUID, user_id: UUID, file_ids: Sequence[UUID]
) -> dict[UUID, FileRef]:
    """Return the usable files among the ids."""
    rows = await reads.all(FileRef, tenant_id, _RESOLVE, tenant_id, user_id, list(file_ids))
    return {row.file_id: row for row in rows}


async def quota_of(reads: ReadPool, tenant_id: UUID, user_id: UUID | None) -> Quota | None:
    """Return a person's storage, or None before the first upload."""
    return await reads.one(Quota, tenant_id, _QUOTA, tenant_id, user_id)


_FOLDER = """
SELECT d.id, d.parent_id, d.name,
       (SELECT count(*) FROM file_mgr.files f
        WHERE f.tenant_id = d.tenant_id AND f.user_id = d.user_id AND f.folder_id = d.id
          AND f.state = 'Ready' AND f.trashed_at IS NULL),
       d.created_at, d.updated_at, d.trashed_at
FROM file_mgr.folders d
WHERE d.tenant_id = $1 AND d.user_id = $2
"""
_FOLDERS = """
  AND (d.trashed_at IS NOT NULL) = $3 AND ($4::uuid IS NULL OR d.parent_id = $4)
  AND (NOT $5 OR d.parent_id IS NULL)
"""
_FOLDER_COUNT = "".join(
    (
        "SELECT count(*) FROM file_mgr.folders d WHERE d.tenant_id = $1 AND d.user_id = $2",
        _FOLDERS,
    )
)


async def folder_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID | None, folder_id: UUID
) -> FolderView | None:
    """Return one folder of a user, or None."""
    sql = _FOLDER + "AND d.id = $3"
    return await reads.one(FolderView, tenant_id, sql, tenant_id, user_id, folder_id)


async def folders_of(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID | None,
    *,
    parent_id: UUID | None,
    top: bool,
    trashed: bool,
    limit: int,
    offset: int,
) -> tuple[list[FolderView], int]:
    """Return one page of a user's folders by name, and how many there are."""
    chosen = (tenant_id, user_id, trashed, parent_id, top)
    rows = await reads.all(
        FolderView,
        tenant_id,
        _FOLDER + _FOLDERS + "ORDER BY lower(d.name), d.id LIMIT $6 OFFSET $7",
        *chosen,
        limit,
        offset,
    )
    total = await reads.value(
        tenant_id,
        _FOLDER_COUNT,
        *chosen,
    )
    return rows, int(total)
