"""Files' published language: what was uploaded and how a neighbour refers to it."""

from collections.abc import Sequence
from typing import ClassVar, Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.events.envelope import Event


class FilesEvent(Event, frozen=True, kw_only=True):
    """Base of the file manager's events."""

    producer: ClassVar[str] = "files"


class FileUploaded(FilesEvent, frozen=True, kw_only=True):
    """A file was checked and is usable."""

    event_type: ClassVar[str] = "file.uploaded.v1"
    file_id: UUID
    user_id: UUID
    content_type: str
    size_bytes: int


class FileDeleted(FilesEvent, frozen=True, kw_only=True):
    """A file is gone for good."""

    event_type: ClassVar[str] = "file.deleted.v1"
    file_id: UUID
    user_id: UUID


class FileRef(Struct, frozen=True, kw_only=True):
    """A usable file. ``bucket`` and ``object_key`` are ours; ``name`` is the user's data."""

    file_id: UUID
    user_id: UUID
    name: str
    bucket: str
    object_key: str
    sha256: str
    content_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    duration: float | None = None


class StorageFigures(Struct, frozen=True, kw_only=True):
    """A person's storage in numbers; ``used_bytes`` counts the trash, ``reserved_bytes`` is
    promised to uploads that are not finished."""

    files: int
    in_trash: int
    used_bytes: int
    reserved_bytes: int
    limit_bytes: int


class PersonStorage(Protocol):
    """What a person keeps, for who looks at the person."""

    async def figures(self, tenant_id: UUID, user_id: UUID) -> StorageFigures:
        """Return the numbers of this user's files; one query."""
        ...


class FileStore(Protocol):
    """Reads of files, scoped to tenant and owner."""

    async def resolve(
        self, tenant_id: UUID, user_id: UUID, file_ids: Sequence[UUID]
    ) -> dict[UUID, FileRef]:
        """Return the usable files among ``file_ids`` that belong to this user; one query."""
        ...
