"""Content's published language: templates as others see them."""

from collections.abc import Sequence
from typing import ClassVar, Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.events.envelope import Event
from flatrender.template.manifest import AudioDefaults, SceneSound, Slot, Transition


class ContentEvent(Event, frozen=True, kw_only=True):
    """Base of content's events."""

    producer: ClassVar[str] = "content"


class TemplatePublished(ContentEvent, frozen=True, kw_only=True):
    """A container can be picked by customers."""

    event_type: ClassVar[str] = "content.template.published.v1"
    container_id: UUID
    slug: str
    version: str


class TemplateUnpublished(ContentEvent, frozen=True, kw_only=True):
    """A container is no longer offered; saved projects keep working."""

    event_type: ClassVar[str] = "content.template.unpublished.v1"
    container_id: UUID
    slug: str


class FontInstalled(ContentEvent, frozen=True, kw_only=True):
    """A font was added to the catalogue: by an administrator (``Upload``) or with a package."""

    event_type: ClassVar[str] = "content.font.installed.v1"
    font_id: UUID
    family: str
    style: str
    object_key: str
    sha256: str
    source: str = "Package"
    postscript_name: str = ""
    size_bytes: int = 0


class SvgPreviewGenerated(ContentEvent, frozen=True, kw_only=True):
    """A recolourable preview of a scene is ready."""

    event_type: ClassVar[str] = "content.svg_preview.generated.v1"
    container_id: UUID
    scene_id: UUID


class GraphScene(Struct, frozen=True, kw_only=True):
    """A scene of a template as studio copies it."""

    id: UUID
    key: str
    name_fa: str
    name_en: str
    animation: str
    position: int
    duration: float
    min_duration: float
    max_duration: float
    intro: float
    outro: float
    transition: Transition
    slots: list[Slot]
    sounds: list[SceneSound]
    in_default: bool
    repeatable: bool
    removable: bool
    max_repeats: int


class GraphColor(Struct, frozen=True, kw_only=True):
    """A shared colour of a template."""

    key: str
    name_fa: str
    name_en: str
    default: str


class GraphPreset(Struct, frozen=True, kw_only=True):
    """A palette of a template."""

    key: str
    name_fa: str
    name_en: str
    colors: dict[str, str]


class TemplateGraph(Struct, frozen=True, kw_only=True):
    """One renderable aspect of a template with everything below it."""

    container_id: UUID
    container_version_id: UUID
    project_id: UUID
    slug: str
    name_fa: str
    name_en: str
    mode: str
    engine: str
    direction: str
    aspect: str
    width: int
    height: int
    fps: int
    package_object_key: str
    package_sha256: str
    scenes: list[GraphScene]
    colors: list[GraphColor]
    presets: list[GraphPreset]
    audio: AudioDefaults
    default_music_id: UUID | None


class MusicRef(Struct, frozen=True, kw_only=True):
    """A track of the music library."""

    id: UUID
    title_fa: str
    title_en: str
    object_key: str
    sha256: str
    duration: float


#: Packages of these engines bring their fonts, and every version draws them: nothing to look up.
SELF_CONTAINED_ENGINES = frozenset({"lottie"})


class TemplateNeeds(Struct, frozen=True, kw_only=True):
    """What a machine must have to draw a package.

    ``fonts`` by PostScript name where it is known, else by family; ``engine_version`` is the
    oldest that opens it.
    """

    fonts: list[str] = []
    engine_version: str | None = None


class TemplateCatalogue(Protocol):
    """Reads of published templates, scoped to what the tenant may see."""

    async def graph(self, tenant_id: UUID, project_id: UUID) -> TemplateGraph | None:
        """Return the whole graph of one aspect, or None when the tenant cannot see it."""
        ...

    async def needs(
        self, tenant_id: UUID, container_id: UUID, package_sha256: str
    ) -> TemplateNeeds:
        """Return what drawing this very package takes; nothing where that is not known."""
        ...

    async def music(self, tenant_id: UUID, music_id: UUID) -> MusicRef | None:
        """Return a music track, or None."""
        ...


class PackagesInUse(Protocol):
    """Which packages of templates a context still needs; content asks before it removes one."""

    async def used(self, keys: Sequence[str]) -> set[str]:
        """Return those object keys that something of this context refers to, of any tenant."""
        ...
