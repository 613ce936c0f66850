"""Mapped tables of the content schema: scenes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, FetchedValue, ForeignKeyConstraint, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_content.models.base import Base


class Favorite(Base):
    """Templates a person marked; tenant_id is the person's."""

    __tablename__ = "favorites"
    __table_args__ = (
        ForeignKeyConstraint(
            ["container_id"], ["content.project_containers.id"], ondelete="CASCADE"
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    container_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class Scene(Base):
    """Scenes of a project. (project, key) is unique over deleted ones too: an import brings a
    deleted scene back, it never inserts it again."""

    __tablename__ = "scenes"
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
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID]
    key: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    animation: Mapped[str]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    duration: Mapped[float] = mapped_column(Double)
    min_duration: Mapped[float] = mapped_column(Double)
    max_duration: Mapped[float] = mapped_column(Double)
    intro: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    outro: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    transition: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    sounds: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    in_default: Mapped[bool] = mapped_column(server_default=FetchedValue())
    repeatable: Mapped[bool] = mapped_column(server_default=FetchedValue())
    removable: Mapped[bool] = mapped_column(server_default=FetchedValue())
    max_repeats: Mapped[int] = mapped_column(server_default=FetchedValue())
    snapshot_url: Mapped[str | None]
    snapshot_object_key: Mapped[str | None]
    source: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    manual_fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class SceneContent(Base):
    """Slots of a scene: what the customer fills in."""

    __tablename__ = "scene_contents"
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
    key: Mapped[str]
    type: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    required: Mapped[bool] = mapped_column(server_default=FetchedValue())
    group_key: Mapped[str | None]
    default_value: Mapped[Any] = mapped_column(JSONB, nullable=True)
    limits: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    source: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    manual_fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class SharedColor(Base):
    """Colours of a whole project, by element key."""

    __tablename__ = "shared_colors"
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
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID]
    element_key: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=FetchedValue())
    name_fa: Mapped[str]
    name_en: Mapped[str]
    default_value: Mapped[str]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    manual_fields: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class SceneColorElement(Base):
    """Which shared colours a scene uses, and where."""

    __tablename__ = "scene_color_elements"
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
    element_key: Mapped[str]
    layers: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    default_value: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class ColorPreset(Base):
    """Palettes of a template: element key to colour."""

    __tablename__ = "color_presets"
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
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID | None]
    key: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    colors: Mapped[Any] = mapped_column(JSONB, nullable=False)
    poster_object_key: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Character(Base):
    """Animated characters, of one template or (without container) of the library."""

    __tablename__ = "characters"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "container_id"],
            ["content.project_containers.tenant_id", "content.project_containers.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID | None]
    key: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    gender: Mapped[str | None]
    style: Mapped[str | None]
    poses: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    colors: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    package_object_key: Mapped[str | None]
    package_sha256: Mapped[str | None]
    poster_object_key: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Preset(Base):
    """Ready-made fillings of a template: a running order with values, colours and music to
    start from."""

    __tablename__ = "presets"
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
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    container_id: Mapped[UUID]
    project_id: Mapped[UUID | None]
    key: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    description_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    description_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    scenes: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    colors: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    audio: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    poster_object_key: Mapped[str | None]
    preview_object_key: Mapped[str | None]
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]
