"""Mapped tables of the content schema. The database is the truth; a contract test compares."""

from flatrender_content.models.base import Base
from flatrender_content.models.cms import (
    AiSettings,
    AiUsageDaily,
    Blog,
    Page,
    Slide,
    TemplateSvgPreview,
)
from flatrender_content.models.plumbing import (
    DeadLetter,
    IdempotencyKey,
    Inbox,
    Outbox,
    UnusedObject,
)
from flatrender_content.models.scenes import (
    Character,
    ColorPreset,
    Favorite,
    Preset,
    Scene,
    SceneColorElement,
    SceneContent,
    SharedColor,
)
from flatrender_content.models.taxonomy import Category, Font, MusicTrack, Tag
from flatrender_content.models.templates import (
    ContainerShare,
    ContainerTag,
    ContainerVersion,
    Project,
    ProjectAsset,
    ProjectContainer,
)

__all__ = [
    "AiSettings",
    "AiUsageDaily",
    "Base",
    "Blog",
    "Category",
    "Character",
    "ColorPreset",
    "ContainerShare",
    "ContainerTag",
    "ContainerVersion",
    "DeadLetter",
    "Favorite",
    "Font",
    "IdempotencyKey",
    "Inbox",
    "MusicTrack",
    "Outbox",
    "Page",
    "Preset",
    "Project",
    "ProjectAsset",
    "ProjectContainer",
    "Scene",
    "SceneColorElement",
    "SceneContent",
    "SharedColor",
    "Slide",
    "Tag",
    "TemplateSvgPreview",
    "UnusedObject",
]
