"""Mapped tables of the render schema: results."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Double, FetchedValue, ForeignKeyConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_render.models.base import Base


class Snapshot(Base):
    """Stills, content-addressed: the same picture is drawn once per tenant."""

    __tablename__ = "snapshots"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID | None]
    cache_key: Mapped[str]
    saved_project_id: Mapped[UUID | None]
    saved_scene_id: Mapped[UUID | None]
    project_id: Mapped[UUID | None]
    scene_id: Mapped[UUID | None]
    engine: Mapped[str]
    engine_version: Mapped[str] = mapped_column(server_default=FetchedValue())
    package_object_key: Mapped[str]
    package_sha256: Mapped[str]
    composition: Mapped[Any] = mapped_column(JSONB, nullable=True)
    frame: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    watermark: Mapped[bool] = mapped_column(server_default=FetchedValue())
    format: Mapped[str] = mapped_column(server_default=FetchedValue())
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    node_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    public_token: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    hits: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_used_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Export(Base):
    """Proven results of jobs. One per job and format: a job cannot finish twice."""

    __tablename__ = "exports"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "job_id"], ["render.render_jobs.tenant_id", "render.render_jobs.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    job_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    format: Mapped[str] = mapped_column(server_default=FetchedValue())
    resolution: Mapped[str]
    aspect: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[int]
    frames: Mapped[int]
    duration: Mapped[float] = mapped_column(Double)
    watermark: Mapped[bool]
    video_codec: Mapped[str] = mapped_column(server_default=FetchedValue())
    audio_codec: Mapped[str | None]
    object_key: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    poster_object_key: Mapped[str | None]
    thumbnail_object_key: Mapped[str | None]
    contact_sheet_object_key: Mapped[str | None]
    compute_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    download_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_downloaded_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    expiry_reminded_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class ExportShare(Base):
    """Public links to exports: permanent routes of ours that answer with a fresh presigned
    link."""

    __tablename__ = "export_shares"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "export_id"],
            ["render.exports.tenant_id", "render.exports.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    export_id: Mapped[UUID]
    token_hash: Mapped[str]
    password_hash: Mapped[str | None]
    allow_download: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    view_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_viewed_at: Mapped[datetime | None]
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    max_downloads: Mapped[int | None]
    downloads: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class ScanJob(Base):
    """Reading of After Effects templates: quick on the server, full on a node; previewed as a
    diff, then applied."""

    __tablename__ = "scan_jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID | None]
    kind: Mapped[str]
    source_object_key: Mapped[str]
    source_sha256: Mapped[str]
    source_name: Mapped[str] = mapped_column(server_default=FetchedValue())
    source_size: Mapped[int | None] = mapped_column(BigInteger)
    engine: Mapped[str] = mapped_column(server_default=FetchedValue())
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    node_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    avoid_nodes: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=FetchedValue())
    reader_nodes: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=FetchedValue())
    stale_reports: Mapped[int] = mapped_column(server_default=FetchedValue())
    result: Mapped[Any] = mapped_column(JSONB, nullable=True)
    diff: Mapped[Any] = mapped_column(JSONB, nullable=True)
    orphans: Mapped[Any] = mapped_column(JSONB, nullable=True)
    errors: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    requested_by: Mapped[UUID | None]
    cancel_requested_at: Mapped[datetime | None]
    applied_at: Mapped[datetime | None]
    applied_by: Mapped[UUID | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
