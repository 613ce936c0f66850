"""Mapped tables of the file_mgr schema: files."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, Double, FetchedValue, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_files.models.base import Base


class Folder(Base):
    """Folders of a person; names are unique within their parent."""

    __tablename__ = "folders"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id", "parent_id"],
            ["file_mgr.folders.tenant_id", "file_mgr.folders.user_id", "file_mgr.folders.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    parent_id: Mapped[UUID | None]
    name: Mapped[str]
    color: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    trashed_at: Mapped[datetime | None]


class File(Base):
    """What people uploaded. A file is usable once Ready: sniffed, probed, hashed."""

    __tablename__ = "files"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id", "folder_id"],
            ["file_mgr.folders.tenant_id", "file_mgr.folders.user_id", "file_mgr.folders.id"],
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    folder_id: Mapped[UUID | None]
    purpose: Mapped[str] = mapped_column(server_default=FetchedValue())
    name: Mapped[str]
    bucket: Mapped[str]
    object_key: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    reject_code: Mapped[str | None]
    declared_type: Mapped[str] = mapped_column(server_default=FetchedValue())
    content_type: Mapped[str] = mapped_column(server_default=FetchedValue())
    extension: Mapped[str] = mapped_column(server_default=FetchedValue())
    size_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    sha256: Mapped[str | None]
    etag: Mapped[str | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration: Mapped[float | None] = mapped_column(Double)
    fps: Mapped[float | None] = mapped_column(Double)
    has_alpha: Mapped[bool | None]
    probe: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    thumbnail_object_key: Mapped[str | None]
    waveform: Mapped[Any] = mapped_column(JSONB, nullable=True)
    download_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_used_at: Mapped[datetime | None]
    search: Mapped[str | None] = mapped_column(Computed("by the database", persisted=True))
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    trashed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class Quota(Base):
    """Storage of a person. A reservation is one UPDATE whose WHERE holds used + reserved +
    wanted <= limit; a lowered limit may leave used above it."""

    __tablename__ = "quotas"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    limit_bytes: Mapped[int] = mapped_column(BigInteger)
    used_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    reserved_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    file_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    warned_percent: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UploadSession(Base):
    """An upload from its reservation to its end; an abandoned one gives its bytes back."""

    __tablename__ = "upload_sessions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "file_id"],
            ["file_mgr.files.tenant_id", "file_mgr.files.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    file_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(server_default=FetchedValue())
    bucket: Mapped[str]
    object_key: Mapped[str]
    declared_type: Mapped[str] = mapped_column(server_default=FetchedValue())
    declared_bytes: Mapped[int] = mapped_column(BigInteger)
    declared_sha256: Mapped[str | None]
    reserved_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    multipart_upload_id: Mapped[str | None]
    part_bytes: Mapped[int | None] = mapped_column(BigInteger)
    parts: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    source_url: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    error_code: Mapped[str | None]
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class PublicLink(Base):
    """Public links: permanent routes of ours that answer 302 to a fresh presigned link. No
    presigned link is ever stored."""

    __tablename__ = "public_links"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "file_id"],
            ["file_mgr.files.tenant_id", "file_mgr.files.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    file_id: Mapped[UUID]
    token: Mapped[str]
    created_by: Mapped[UUID | None]
    as_attachment: Mapped[bool] = mapped_column(server_default=FetchedValue())
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    hits: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class PendingDeletion(Base):
    """Objects whose row is gone and whose bytes must follow; repeated until the store says so."""

    __tablename__ = "pending_deletions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    bucket: Mapped[str]
    object_key: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    due_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class CleanupSchedule(Base):
    """What is cleaned away after how many days, per tenant."""

    __tablename__ = "cleanup_schedules"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    target: Mapped[str]
    after_days: Mapped[float] = mapped_column(Double)
    enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    options: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    next_run_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    last_run_at: Mapped[datetime | None]
    last_result: Mapped[Any] = mapped_column(JSONB, nullable=True)
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
