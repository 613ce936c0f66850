"""Mapped tables of the content schema: taxonomy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, Double, FetchedValue, ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_content.models.base import Base


class Category(Base):
    """Tree of template categories."""

    __tablename__ = "categories"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "parent_id"], ["content.categories.tenant_id", "content.categories.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    parent_id: Mapped[UUID | None]
    slug: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    description_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    description_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    icon: Mapped[str | None]
    image_object_key: Mapped[str | None]
    seo: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Tag(Base):
    """Tags of templates."""

    __tablename__ = "tags"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    slug: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    color: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Font(Base):
    """Font files that templates and customers may use; the farm installs them on its nodes."""

    __tablename__ = "fonts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    family: Mapped[str]
    style: Mapped[str] = mapped_column(server_default=FetchedValue())
    weight: Mapped[int] = mapped_column(server_default=FetchedValue())
    italic: Mapped[bool] = mapped_column(server_default=FetchedValue())
    name_fa: Mapped[str | None]
    name_en: Mapped[str | None]
    postscript_name: Mapped[str | None]
    format: Mapped[str]
    version: Mapped[str | None]
    scripts: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    object_key: Mapped[str]
    sha256: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    license: Mapped[str | None]
    license_url: Mapped[str | None]
    preview_object_key: Mapped[str | None]
    source: Mapped[str] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class MusicTrack(Base):
    """The music library; tracks that a template package brings are added at import."""

    __tablename__ = "music_tracks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    key: Mapped[str | None]
    title_fa: Mapped[str]
    title_en: Mapped[str]
    artist: Mapped[str] = mapped_column(server_default=FetchedValue())
    object_key: Mapped[str]
    sha256: Mapped[str]
    content_type: Mapped[str] = mapped_column(server_default=FetchedValue())
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    duration: Mapped[float] = mapped_column(Double)
    bpm: Mapped[float | None] = mapped_column(Double)
    loudness_lufs: Mapped[float | None] = mapped_column(Double)
    mood: Mapped[str | None]
    genre: Mapped[str | None]
    instrumental: Mapped[bool | None]
    waveform: Mapped[Any] = mapped_column(JSONB, nullable=True)
    preview_object_key: Mapped[str | None]
    cover_object_key: Mapped[str | None]
    license: Mapped[str | None]
    license_url: Mapped[str | None]
    source: Mapped[str] = mapped_column(server_default=FetchedValue())
    container_id: Mapped[UUID | None]
    use_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("by the database", persisted=True), nullable=True
    )
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]
