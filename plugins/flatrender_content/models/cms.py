"""Mapped tables of the content schema: cms."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Computed,
    Double,
    FetchedValue,
    ForeignKeyConstraint,
    LargeBinary,
    Text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_content.models.base import Base


class TemplateSvgPreview(Base):
    """SVG stills of scenes whose fills are CSS variables, so that a page recolours them live."""

    __tablename__ = "template_svg_previews"
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
            ["tenant_id", "scene_id"],
            ["content.scenes.tenant_id", "content.scenes.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID]
    scene_id: Mapped[UUID]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    svg: Mapped[str | None]
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    package_sha256: Mapped[str | None]
    at_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    width: Mapped[int | None]
    height: Mapped[int | None]
    color_keys: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    error: Mapped[str | None]
    generated_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Blog(Base):
    """Articles of a tenant's blog, one row per language."""

    __tablename__ = "blogs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    locale: Mapped[str] = mapped_column(server_default=FetchedValue())
    slug: Mapped[str]
    title: Mapped[str]
    excerpt: Mapped[str] = mapped_column(server_default=FetchedValue())
    body_html: Mapped[str] = mapped_column(server_default=FetchedValue())
    cover_object_key: Mapped[str | None]
    author_id: Mapped[UUID | None]
    author_name: Mapped[str] = mapped_column(server_default=FetchedValue())
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    published_at: Mapped[datetime | None]
    seo_title: Mapped[str | None]
    seo_description: Mapped[str | None]
    reading_minutes: Mapped[int | None]
    view_count: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("by the database", persisted=True), nullable=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Page(Base):
    """Standing pages (terms, about), one row per language; body sanitised when written."""

    __tablename__ = "pages"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    locale: Mapped[str] = mapped_column(server_default=FetchedValue())
    slug: Mapped[str]
    title: Mapped[str]
    body_html: Mapped[str] = mapped_column(server_default=FetchedValue())
    seo_title: Mapped[str | None]
    seo_description: Mapped[str | None]
    published_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Slide(Base):
    """Slides and banners of a tenant's pages."""

    __tablename__ = "slides"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    placement: Mapped[str] = mapped_column(server_default=FetchedValue())
    title_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    title_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    subtitle_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    subtitle_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    button_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    button_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    link_url: Mapped[str | None]
    container_id: Mapped[UUID | None]
    image_object_key: Mapped[str | None]
    image_mobile_object_key: Mapped[str | None]
    video_object_key: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class AiSettings(Base):
    """Which OpenAI-compatible service a tenant uses for what."""

    __tablename__ = "ai_settings"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    purpose: Mapped[str]
    provider: Mapped[str] = mapped_column(server_default=FetchedValue())
    base_url: Mapped[str]
    model: Mapped[str]
    api_key_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    system_prompt_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    system_prompt_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    temperature: Mapped[float | None] = mapped_column(Double)
    max_tokens: Mapped[int | None]
    timeout_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    daily_limit_per_user: Mapped[int | None]
    daily_limit: Mapped[int | None]
    options: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class AiUsageDaily(Base):
    """Use of the AI helpers per person and day of the tenant's zone; limits count here."""

    __tablename__ = "ai_usage_daily"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    purpose: Mapped[str] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(server_default=FetchedValue())
    failures: Mapped[int] = mapped_column(server_default=FetchedValue())
    input_tokens: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    output_tokens: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
