"""Requests and answers of content's HTTP API. Durations are seconds, sizes pixels."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from flatrender.template.manifest import AudioDefaults, Slot, Text, Transition


class Words(Struct, frozen=True, kw_only=True):
    """A text in Persian and English; either may be empty."""

    fa: str
    en: str


class CategoryRef(Struct, frozen=True, kw_only=True):
    """The category a template is in."""

    slug: str
    name: Text


class TemplateItem(Struct, frozen=True, kw_only=True):
    """A template in a list. ``poster_url`` is permanent and null until a poster is drawn."""

    id: UUID
    slug: str
    name: Text
    description: Words
    mode: str
    direction: str
    category: CategoryRef | None
    tags: list[str]
    aspects: list[str]
    duration: float
    scene_count: int
    min_plan_tier: int
    published_at: datetime
    poster_url: str | None


class TemplateScene(Struct, frozen=True, kw_only=True):
    """A scene of one aspect, with what a customer can fill in."""

    id: UUID
    key: str
    name: Text
    position: int
    duration: float
    min_duration: float
    max_duration: float
    repeatable: bool
    removable: bool
    max_repeats: int
    in_default: bool
    transition: Transition
    snapshot_url: str | None
    slots: list[Slot]


class TemplateProject(Struct, frozen=True, kw_only=True):
    """One aspect of a template: what a saved project is made from."""

    id: UUID
    aspect: str
    width: int
    height: int
    fps: int
    duration: float
    poster_url: str | None
    scenes: list[TemplateScene]


class TemplateColor(Struct, frozen=True, kw_only=True):
    """A colour of the whole template."""

    key: str
    name: Text
    default: str


class TemplatePreset(Struct, frozen=True, kw_only=True):
    """A palette: colour key to colour."""

    key: str
    name: Text
    colors: dict[str, str]


class TemplateFont(Struct, frozen=True, kw_only=True):
    """A font the template brings."""

    family: str
    style: str
    weight: int


class Template(TemplateItem, frozen=True, kw_only=True):
    """A template with everything below it."""

    keywords: list[str]
    author: str
    version: str
    audio: AudioDefaults
    default_music_id: UUID | None
    fonts: list[TemplateFont]
    shared_colors: list[TemplateColor]
    presets: list[TemplatePreset]
    projects: list[TemplateProject]


class Category(Struct, frozen=True, kw_only=True):
    """A category of templates; ``parent`` is the slug of the one above."""

    id: UUID
    slug: str
    name: Text
    description: Words
    parent: str | None
    icon: str | None
    position: int


class Tag(Struct, frozen=True, kw_only=True):
    """A tag of templates."""

    id: UUID
    slug: str
    name: Text
    color: str | None
    position: int


class FontFace(Struct, frozen=True, kw_only=True):
    """A font of the library; ``scripts`` are ISO 15924 codes."""

    id: UUID
    family: str
    style: str
    weight: int
    italic: bool
    format: str
    scripts: list[str]
    license: str | None


class MusicTrack(Struct, frozen=True, kw_only=True):
    """A track of the music library; ``audio_url`` is permanent."""

    id: UUID
    key: str | None
    title: Text
    artist: str
    duration: float
    bpm: float | None
    mood: str | None
    genre: str | None
    audio_url: str
