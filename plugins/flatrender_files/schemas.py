"""Requests and answers of the file manager's HTTP API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from flatrender_files.domain import Purpose
from flatrender_files.queries import FileView

Name = Annotated[str, Meta(min_length=1, max_length=4096)]
FolderName = Annotated[str, Meta(min_length=1, max_length=255)]


class UploadBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What will be uploaded. The exact size is part of the presigned form."""

    name: Name
    content_type: Annotated[
        str, Meta(pattern=r"^[a-z]+/[a-zA-Z0-9.+\-]{1,100}$(?!\n)", examples=["image/png"])
    ]
    size_bytes: Annotated[int, Meta(ge=1, le=2**40)]
    purpose: Purpose = "library"
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")] | None = None


class ChangeFileBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new name, another folder (null: none), or both; absent fields stay."""

    name: Name | UnsetType = UNSET
    folder_id: UUID | UnsetType | None = UNSET


class FolderBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new folder, at the top unless ``parent_id`` says otherwise."""

    name: FolderName
    parent_id: UUID | None = None


class ChangeFolderBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new name, another place (null: the top), or both; absent fields stay."""

    name: FolderName | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET


class File(Struct, frozen=True, kw_only=True):
    """A file; ``url`` is a permanent route of ours that leads to a presigned link."""

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
    url: str
    created_at: datetime
    trashed_at: datetime | None


def file_of(view: FileView, base: str) -> File:
    """Return the public shape of a file; ``base`` is our public URL."""
    return File(
        id=view.id,
        name=view.name,
        content_type=view.content_type,
        size_bytes=view.size_bytes,
        sha256=view.sha256,
        purpose=view.purpose,
        folder_id=view.folder_id,
        width=view.width,
        height=view.height,
        duration=view.duration,
        url=f"{base}/v1/files/{view.id}/download",
        created_at=view.created_at,
        trashed_at=view.trashed_at,
    )
