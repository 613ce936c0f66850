"""Mapped tables of the content schema: templates."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, Double, FetchedValue, ForeignKeyConstraint, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_content.models.base import Base


class ProjectContainer(Base):
    """The sellable template: names, taxonomy, package and what is counted of it."""

    __tablename__ = "project_containers"
    __table_args__ = (
        ForeignKeyConstraint(["category_id"], ["content.categories.id"], ondelete="SET NULL"),
        ForeignKeyConstraint(
            ["tenant_id", "current_version_id"],
            ["content.container_versions.tenant_id", "content.container_versions.id"],
        ),
        ForeignKeyConstraint(
            ["default_music_id"], ["content.music_tracks.id"], ondelete="SET NULL"
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    slug: Mapped[str]
    slug_key: Mapped[str | None] = mapped_column(Computed("by the database", persisted=True))
    name_fa: Mapped[str]
    name_en: Mapped[str]
    description_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    description_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    keywords: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    category_id: Mapped[UUID | None]
    tag_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=FetchedValue())
    mode: Mapped[str]
    direction: Mapped[str] = mapped_column(server_default=FetchedValue())
    engine: Mapped[str] = mapped_column(server_default=FetchedValue())
    aspects: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    duration: Mapped[float | None] = mapped_column(Double)
    scene_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    sharing: Mapped[str]
    min_plan_tier: Mapped[int] = mapped_column(server_default=FetchedValue())
    current_version_id: Mapped[UUID | None]
    package_object_key: Mapped[str | None]
    package_sha256: Mapped[str | None]
    package_version: Mapped[str | None]
    package_size: Mapped[int | None] = mapped_column(BigInteger)
    manifest: Mapped[Any] = mapped_column(JSONB, nullable=True)
    audio: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    default_music_id: Mapped[UUID | None]
    poster_object_key: Mapped[str | None]
    poster_object_keys: Mapped[Any] = mapped_column(
        JSONB, server_default=FetchedValue(), nullable=False
    )
    preview_object_keys: Mapped[Any] = mapped_column(
        JSONB, server_default=FetchedValue(), nullable=False
    )
    author: Mapped[str] = mapped_column(server_default=FetchedValue())
    import_report: Mapped[Any] = mapped_column(JSONB, nullable=True)
    published_at: Mapped[datetime | None]
    featured_at: Mapped[datetime | None]
    view_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    use_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    render_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    favorite_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    manual_fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    seo: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    created_by: Mapped[UUID | None]
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("by the database", persisted=True), nullable=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class ContainerShare(Base):
    """Which tenants see a template whose sharing is "chosen"."""

    __tablename__ = "container_shares"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "container_id"],
            ["content.project_containers.tenant_id", "content.project_containers.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID] = mapped_column(primary_key=True)
    shared_with: Mapped[UUID] = mapped_column(primary_key=True)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class ContainerVersion(Base):
    """Every package that was imported, unchanged for ever: saved projects hold on to the
    version they copied."""

    __tablename__ = "container_versions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "container_id"],
            ["content.project_containers.tenant_id", "content.project_containers.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    version: Mapped[str]
    engine: Mapped[str] = mapped_column(server_default=FetchedValue())
    package_object_key: Mapped[str]
    package_sha256: Mapped[str]
    package_size: Mapped[int] = mapped_column(BigInteger)
    manifest: Mapped[Any] = mapped_column(JSONB, nullable=False)
    report: Mapped[Any] = mapped_column(JSONB, nullable=True)
    changelog: Mapped[str] = mapped_column(server_default=FetchedValue())
    imported_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class ContainerTag(Base):
    """project_containers.tag_ids turned over, for lists by tag; kept by trigger, never written
    by hand."""

    __tablename__ = "container_tags"
    __table_args__ = (
        ForeignKeyConstraint(["tag_id"], ["content.tags.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "container_id"],
            ["content.project_containers.tenant_id", "content.project_containers.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag_id: Mapped[UUID] = mapped_column(primary_key=True)
    container_id: Mapped[UUID] = mapped_column(primary_key=True)


class Project(Base):
    """One renderable aspect of a template. A deleted one comes back when its aspect is
    imported again."""

    __tablename__ = "projects"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "container_id"],
            ["content.project_containers.tenant_id", "content.project_containers.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    aspect: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[int] = mapped_column(server_default=FetchedValue())
    duration: Mapped[float] = mapped_column(Double)
    scene_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    final_comp: Mapped[str | None]
    source_object_key: Mapped[str | None]
    source_sha256: Mapped[str | None]
    poster_object_key: Mapped[str | None]
    preview_object_key: Mapped[str | None]
    manual_fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class ProjectAsset(Base):
    """Files a template is made of: pictures, sounds, fonts, footage."""

    __tablename__ = "project_assets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "container_id"],
            ["content.project_containers.tenant_id", "content.project_containers.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["content.projects.tenant_id", "content.projects.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "version_id"],
            ["content.container_versions.tenant_id", "content.container_versions.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID | None]
    version_id: Mapped[UUID | None]
    kind: Mapped[str]
    path: Mapped[str]
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    object_key: Mapped[str | None]
    content_type: Mapped[str | None]
    sha256: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    width: Mapped[int | None]
    height: Mapped[int | None]
    duration: Mapped[float | None] = mapped_column(Double)
    missing: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
