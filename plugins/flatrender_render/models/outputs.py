"""Mapped tables of the render schema: what is made of finished videos, batches, bulk stills."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Double, FetchedValue, ForeignKeyConstraint, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_render.models.base import Base

_EXPORT = ["render.exports.tenant_id", "render.exports.id"]


class Rendition(Base):
    """Further formats of a finished video, made from its proven MP4."""

    __tablename__ = "renditions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "source_export_id"], _EXPORT, ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "export_id"], _EXPORT, ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    job_id: Mapped[UUID]
    source_export_id: Mapped[UUID]
    format: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    node_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    not_before: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    progress: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    export_id: Mapped[UUID | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    finished_at: Mapped[datetime | None]
    avoid_nodes: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=FetchedValue())
    maker_nodes: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=FetchedValue())
    stale_reports: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class ObjectRemoval(Base):
    """Objects that nothing refers to any more."""

    __tablename__ = "object_removals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    object_key: Mapped[str]
    not_before: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class BatchRow(Base):
    """Rows of a batch: what they fill in and what became of them."""

    __tablename__ = "batch_rows"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "batch_id"],
            ["render.batches.tenant_id", "render.batches.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID]
    batch_id: Mapped[UUID] = mapped_column(primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    cells: Mapped[Any] = mapped_column(JSONB, nullable=False)
    values: Mapped[Any] = mapped_column(JSONB, nullable=False)
    job_id: Mapped[UUID]
    attempt: Mapped[int] = mapped_column(server_default=FetchedValue())
    retry_of: Mapped[UUID | None]
    support_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    charge_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    export_id: Mapped[UUID | None]
    error_code: Mapped[str | None]
    error_fa: Mapped[str | None]
    error_en: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SceneSnapshotJob(Base):
    """One still of every scene of a saved project, asked for together."""

    __tablename__ = "scene_snapshot_jobs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    saved_project_version: Mapped[int]
    width: Mapped[int]
    permanent: Mapped[bool] = mapped_column(server_default=FetchedValue())
    total: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SceneSnapshotItem(Base):
    """Which still shows which scene."""

    __tablename__ = "scene_snapshot_items"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["render.scene_snapshot_jobs.tenant_id", "render.scene_snapshot_jobs.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "snapshot_id"],
            ["render.snapshots.tenant_id", "render.snapshots.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID]
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    saved_scene_id: Mapped[UUID]
    snapshot_id: Mapped[UUID]
    cached: Mapped[bool] = mapped_column(server_default=FetchedValue())
