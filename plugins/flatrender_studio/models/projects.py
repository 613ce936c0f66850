"""Mapped tables of the studio schema: projects."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, FetchedValue, ForeignKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_studio.models.base import Base


class SavedProject(Base):
    """A customer's copy of one aspect of a template, with its music and voice-over."""

    __tablename__ = "saved_projects"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    name: Mapped[str]
    container_id: Mapped[UUID]
    container_version_id: Mapped[UUID]
    project_id: Mapped[UUID]
    template_slug: Mapped[str] = mapped_column(server_default=FetchedValue())
    template_name_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    template_name_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    mode: Mapped[str]
    engine: Mapped[str] = mapped_column(server_default=FetchedValue())
    direction: Mapped[str]
    aspect: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[int]
    package_object_key: Mapped[str]
    package_sha256: Mapped[str]
    scene_data: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    presets: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    preset_key: Mapped[str | None]
    duration: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    scene_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    music_source: Mapped[str] = mapped_column(server_default=FetchedValue())
    music_id: Mapped[UUID | None]
    music_file_id: Mapped[UUID | None]
    music_title: Mapped[str | None]
    music_object_key: Mapped[str | None]
    music_package_path: Mapped[str | None]
    music_sha256: Mapped[str | None]
    music_duration: Mapped[float | None] = mapped_column(Double)
    music_start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    music_trim_start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    music_trim_end: Mapped[float | None] = mapped_column(Double)
    music_fade_in: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    music_fade_out: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    music_loop: Mapped[bool] = mapped_column(server_default=FetchedValue())
    music_volume: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    voiceover_file_id: Mapped[UUID | None]
    voiceover_name: Mapped[str | None]
    voiceover_object_key: Mapped[str | None]
    voiceover_sha256: Mapped[str | None]
    voiceover_duration: Mapped[float | None] = mapped_column(Double)
    voiceover_start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    voiceover_trim_start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    voiceover_trim_end: Mapped[float | None] = mapped_column(Double)
    voiceover_fade_in: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    voiceover_fade_out: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    voiceover_volume: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    sfx_enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    sfx_volume: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    thumbnail_object_key: Mapped[str | None]
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    copied_from: Mapped[UUID | None]
    render_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_render_job_id: Mapped[UUID | None]
    last_export_id: Mapped[UUID | None]
    last_rendered_at: Mapped[datetime | None]
    last_edited_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class SavedScene(Base):
    """Scenes of a saved project in their running order; the same template scene may occur more
    than once."""

    __tablename__ = "saved_scenes"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "saved_project_id"],
            ["studio.saved_projects.tenant_id", "studio.saved_projects.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    source_scene_id: Mapped[UUID | None]
    key: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    title: Mapped[str | None]
    animation: Mapped[str]
    position: Mapped[int]
    duration: Mapped[float] = mapped_column(Double)
    default_duration: Mapped[float] = mapped_column(Double)
    min_duration: Mapped[float] = mapped_column(Double)
    max_duration: Mapped[float] = mapped_column(Double)
    intro: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    outro: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    transition: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    sounds: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    repeatable: Mapped[bool] = mapped_column(server_default=FetchedValue())
    removable: Mapped[bool] = mapped_column(server_default=FetchedValue())
    max_repeats: Mapped[int] = mapped_column(server_default=FetchedValue())
    snapshot_object_key: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SavedSceneContent(Base):
    """Slots of a saved scene with the customer's values."""

    __tablename__ = "saved_scene_contents"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "saved_project_id"],
            ["studio.saved_projects.tenant_id", "studio.saved_projects.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "saved_scene_id"],
            ["studio.saved_scenes.tenant_id", "studio.saved_scenes.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    saved_scene_id: Mapped[UUID]
    key: Mapped[str]
    type: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    required: Mapped[bool] = mapped_column(server_default=FetchedValue())
    group_key: Mapped[str | None]
    value: Mapped[Any] = mapped_column(JSONB, nullable=True)
    default_value: Mapped[Any] = mapped_column(JSONB, nullable=True)
    limits: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    file_id: Mapped[UUID | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SavedSharedColor(Base):
    """The customer's colours of the whole project, by element key."""

    __tablename__ = "saved_shared_colors"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "saved_project_id"],
            ["studio.saved_projects.tenant_id", "studio.saved_projects.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    element_key: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=FetchedValue())
    name_fa: Mapped[str]
    name_en: Mapped[str]
    value: Mapped[str]
    default_value: Mapped[str]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SavedSceneColor(Base):
    """A shared colour changed for one scene only."""

    __tablename__ = "saved_scene_colors"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "saved_project_id"],
            ["studio.saved_projects.tenant_id", "studio.saved_projects.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "saved_scene_id"],
            ["studio.saved_scenes.tenant_id", "studio.saved_scenes.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    saved_scene_id: Mapped[UUID]
    element_key: Mapped[str]
    value: Mapped[str]
    default_value: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SavedAudio(Base):
    """Further sounds of a saved project, above all sound effects, each with its own place and
    volume."""

    __tablename__ = "saved_audio"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "saved_project_id"],
            ["studio.saved_projects.tenant_id", "studio.saved_projects.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "saved_scene_id"],
            ["studio.saved_scenes.tenant_id", "studio.saved_scenes.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    saved_scene_id: Mapped[UUID | None]
    role: Mapped[str] = mapped_column(server_default=FetchedValue())
    source: Mapped[str]
    file_id: Mapped[UUID | None]
    music_id: Mapped[UUID | None]
    object_key: Mapped[str | None]
    package_path: Mapped[str | None]
    sha256: Mapped[str | None]
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    source_duration: Mapped[float | None] = mapped_column(Double)
    start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    duration: Mapped[float | None] = mapped_column(Double)
    trim_start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    volume: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    gain_db: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    fade_in: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    fade_out: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    loop: Mapped[bool] = mapped_column(server_default=FetchedValue())
    muted: Mapped[bool] = mapped_column(server_default=FetchedValue())
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
