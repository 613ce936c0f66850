"""Requests and answers of content's HTTP API. Durations are seconds, sizes pixels."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from flatrender.template.manifest import AudioDefaults, Slot, Text, Transition
from flatrender.text import check_lines

SlugValue = Annotated[
    str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$(?!\n)", max_length=80, examples=["story"])
]
# A template's slug may have capitals; two that differ in case only are still the same.
TemplateSlug = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$(?!\n)", max_length=80)]
Position = Annotated[int, Meta(ge=0, le=1_000_000)]
Icon = Annotated[str, Meta(min_length=1, max_length=120)]
HexColor = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}$(?!\n)")]
Keyword = Annotated[str, Meta(min_length=1, max_length=80)]
Length = Annotated[float, Meta(gt=0, le=600)]


class Words(Struct, frozen=True, kw_only=True):
    """A text in Persian and English; either may be empty."""

    fa: str
    en: str


class LongWords(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A description in Persian and English; either may be empty."""

    fa: Annotated[str, Meta(max_length=4000)] = ""
    en: Annotated[str, Meta(max_length=4000)] = ""

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("fa", "en"), breaks=True)


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


TrackWord = Annotated[str, Meta(min_length=1, max_length=80)]


class TrackBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new track: a sound among the caller's own files, with what the library says of it."""

    file_id: UUID
    title: Text
    artist: Annotated[str, Meta(max_length=200)] = ""
    bpm: Annotated[float, Meta(gt=0, le=400)] | None = None
    mood: TrackWord | None = None
    genre: TrackWord | None = None
    license: Annotated[str, Meta(max_length=200)] | None = None
    position: Position = 0
    active: bool = True

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("artist", "mood", "genre", "license"))


class TrackChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Changes of a track; absent fields stay. The sound itself never changes."""

    title: Text | UnsetType = UNSET
    artist: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    bpm: Annotated[float, Meta(gt=0, le=400)] | UnsetType | None = UNSET
    mood: TrackWord | UnsetType | None = UNSET
    genre: TrackWord | UnsetType | None = UNSET
    license: Annotated[str, Meta(max_length=200)] | UnsetType | None = UNSET
    position: Position | UnsetType = UNSET
    active: bool | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("artist", "mood", "genre", "license"))


class ImportFileBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A package among the caller's own files; ``publish`` offers it at once."""

    file_id: UUID
    publish: bool = False


class FontBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The caller's own uploaded file."""

    file_id: UUID


class FontChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether a font is offered."""

    active: bool


class TemplateChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Changes of a template; absent fields stay. What is changed here no import overwrites."""

    slug: TemplateSlug | UnsetType = UNSET
    name: Text | UnsetType = UNSET
    description: LongWords | UnsetType = UNSET
    keywords: Annotated[list[Keyword], Meta(max_length=50)] | UnsetType = UNSET
    category_id: UUID | UnsetType | None = UNSET
    tag_ids: Annotated[list[UUID], Meta(max_length=50)] | UnsetType = UNSET
    min_plan_tier: Annotated[int, Meta(ge=0, le=1000)] | UnsetType = UNSET
    position: Position | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("keywords",))


class SceneChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Changes of a scene; absent fields stay. What is changed here no import overwrites."""

    name: Text | UnsetType = UNSET
    duration: Length | UnsetType = UNSET
    min_duration: Length | UnsetType = UNSET
    max_duration: Length | UnsetType = UNSET
    in_default: bool | UnsetType = UNSET
    repeatable: bool | UnsetType = UNSET
    removable: bool | UnsetType = UNSET


class SharingBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who else sees a published template: all tenants, those named, or none."""

    sharing: Annotated[str, Meta(pattern=r"^(all|chosen|none)$(?!\n)")]
    tenant_ids: Annotated[list[UUID], Meta(max_length=1000)] = []


class AdminTemplate(Struct, frozen=True, kw_only=True):
    """A template as its administrators see it; ``manual_fields`` are kept by imports."""

    id: UUID
    slug: str
    name: Words
    description: Words
    mode: str
    aspects: list[str]
    scene_count: int
    version: str | None
    sharing: str
    shared_with: list[UUID]
    category_id: UUID | None
    tag_ids: list[UUID]
    keywords: list[str]
    min_plan_tier: int
    position: int
    use_count: int
    render_count: int
    manual_fields: list[str]
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime


class AdminTrack(Struct, frozen=True, kw_only=True):
    """A track as its administrators see it; ``source`` is ``Upload`` or ``Package``."""

    id: UUID
    title: Words
    artist: str
    duration: float
    bpm: float | None
    mood: str | None
    genre: str | None
    license: str | None
    position: int
    active: bool
    source: str
    size_bytes: int | None


class AdminFont(Struct, frozen=True, kw_only=True):
    """A font as its administrators see it."""

    id: UUID
    family: str
    style: str
    weight: int
    format: str
    scripts: list[str]
    source: str
    active: bool


def columns_of(body: Struct) -> dict[str, Any]:
    """Return the columns that a request sets: bilingual fields become two, absent ones none."""
    columns: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(body).items():
        if value is UNSET:
            continue
        if isinstance(value, Text | LongWords):
            columns |= {f"{name}_fa": value.fa, f"{name}_en": value.en}
        else:
            columns[name] = value
    return columns
