"""Requests and answers of studio's HTTP API."""

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from flatrender.text import check_lines
from flatrender_studio.domain import Content, Project, Scene

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Volume = Annotated[float, Meta(ge=0, le=2)]
Moment = Annotated[float, Meta(ge=0, le=3600)]


class CreateBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new project from one aspect of a template, with one of its palettes."""

    project_id: UUID
    name: Name | None = None
    preset: Annotated[str, Meta(max_length=63)] | None = None

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("name",))


class ChangeBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may change about the whole project."""

    name: Name | None = None
    direction: Literal["rtl", "ltr"] | None = None

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("name",))


class ContentsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Values by scene id and slot key; absent ones stay, null is the template's own."""

    scenes: dict[str, dict[str, Any]]


class ColorsBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Colours by key, or a palette of the template."""

    colors: dict[str, str | None] | None = None
    preset: Annotated[str, Meta(max_length=63)] | None = None


class MusicChoice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Music: a track of the library or an own file. Times in seconds."""

    music_id: UUID | None = None
    file_id: UUID | None = None
    start: Moment = 0.0
    trim_start: Moment = 0.0
    trim_end: Moment | None = None
    fade_in: Moment | None = None
    fade_out: Moment | None = None
    loop: bool = True


class VoiceChoice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A voice-over from an own file."""

    file_id: UUID
    start: Moment = 0.0
    trim_start: Moment = 0.0
    trim_end: Moment | None = None
    fade_in: Moment = 0.0
    fade_out: Moment = 0.0


class SoundChoice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sound effect from an own file at a moment of the video."""

    file_id: UUID
    start: Moment = 0.0
    duration: Annotated[float, Meta(gt=0, le=3600)] | None = None
    trim_start: Moment = 0.0
    volume: Volume = 1.0
    fade_in: Moment = 0.0
    fade_out: Moment = 0.0
    loop: bool = False


class AudioBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The sound. Absent parts stay as they are; null takes one out."""

    music: MusicChoice | UnsetType | None = UNSET
    voiceover: VoiceChoice | UnsetType | None = UNSET
    sfx: Annotated[list[SoundChoice], Meta(max_length=100)] | UnsetType | None = UNSET
    music_volume: Volume | UnsetType = UNSET
    sfx_volume: Volume | UnsetType = UNSET
    voiceover_volume: Volume | UnsetType = UNSET
    sfx_enabled: bool | UnsetType = UNSET


class SceneBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may change about a scene."""

    duration: Annotated[float, Meta(gt=0, le=600)] | None = None
    title: Annotated[str, Meta(max_length=200)] | None = None

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("title",))


class AddSceneBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scene of the template to add; at the end by default."""

    scene_key: Annotated[str, Meta(max_length=63)]
    position: Annotated[int, Meta(ge=0, le=1000)] | None = None


class OrderBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Every scene of the project, each once, in their new order."""

    order: Annotated[list[UUID], Meta(min_length=1, max_length=1000)]


class Names(Struct, frozen=True):
    """A label in Persian and English."""

    fa: str
    en: str


class ContentView(Struct, frozen=True, kw_only=True):
    """A slot with the customer's value (null: the template's own)."""

    key: str
    type: str
    name: Names
    required: bool
    group: str | None
    value: Any
    default: Any
    limits: dict[str, Any]


class SceneView(Struct, frozen=True, kw_only=True):
    """A scene of a saved project."""

    id: UUID
    scene_key: str
    name: Names
    title: str | None
    position: int
    duration: float
    min_duration: float
    max_duration: float
    repeatable: bool
    removable: bool
    contents: list[ContentView]


class ColorView(Struct, frozen=True, kw_only=True):
    """A shared colour."""

    element_key: str
    name: Names
    value: str
    default: str


class MusicView(Struct, frozen=True, kw_only=True):
    """The music that is chosen."""

    music_id: UUID | None
    file_id: UUID | None
    title: str | None
    start: float
    trim_start: float
    trim_end: float | None
    fade_in: float
    fade_out: float
    loop: bool


class VoiceView(Struct, frozen=True, kw_only=True):
    """The voice-over that is chosen."""

    file_id: UUID
    name: str | None
    start: float
    trim_start: float
    trim_end: float | None
    fade_in: float
    fade_out: float


class SoundView(Struct, frozen=True, kw_only=True):
    """A sound effect put in by hand."""

    file_id: UUID | None
    name: str
    start: float
    duration: float | None
    volume: float


class AudioView(Struct, frozen=True, kw_only=True):
    """The sound of a project."""

    music: MusicView | None
    voiceover: VoiceView | None
    sfx: list[SoundView]
    music_volume: float
    sfx_volume: float
    voiceover_volume: float
    sfx_enabled: bool


class SavedProject(Struct, frozen=True, kw_only=True):
    """A saved project with everything in it; ``version`` is the ETag's number."""

    id: UUID
    name: str
    template_id: UUID
    template_slug: str
    project_id: UUID
    mode: str
    direction: str
    aspect: str
    width: int
    height: int
    fps: int
    duration: float
    preset: str | None
    version: int
    scenes: list[SceneView]
    colors: list[ColorView]
    audio: AudioView
    last_edited_at: str
    created_at: str


def project_view(project: Project) -> SavedProject:
    """Return the public shape of a project."""
    return SavedProject(
        id=project.id,
        name=project.name,
        template_id=project.container_id,
        template_slug=project.template_slug,
        project_id=project.project_id,
        mode=project.mode,
        direction=project.direction,
        aspect=project.aspect,
        width=project.width,
        height=project.height,
        fps=project.fps,
        duration=project.duration,
        preset=project.preset_key,
        version=project.version,
        scenes=[_scene_view(scene) for scene in sorted(project.scenes, key=lambda s: s.position)],
        colors=[
            ColorView(
                element_key=color.element_key,
                name=Names(color.name_fa, color.name_en),
                value=color.value,
                default=color.default,
            )
            for color in project.colors
        ],
        audio=_audio_view(project),
        last_edited_at=project.last_edited_at,
        created_at=project.created_at,
    )


def _scene_view(scene: Scene) -> SceneView:
    return SceneView(
        id=scene.id,
        scene_key=scene.key,
        name=Names(scene.name_fa, scene.name_en),
        title=scene.title,
        position=scene.position,
        duration=scene.duration,
        min_duration=scene.min_duration,
        max_duration=scene.max_duration,
        repeatable=scene.repeatable,
        removable=scene.removable,
        contents=[_content_view(content) for content in scene.contents],
    )


def _content_view(content: Content) -> ContentView:
    value = content.value
    if isinstance(value, dict) and "object_key" in value:
        # Where the bytes lie is ours; the customer knows the file.
        value = {k: v for k, v in value.items() if k not in ("object_key", "sha256")}
    return ContentView(
        key=content.key,
        type=content.type,
        name=Names(content.name_fa, content.name_en),
        required=content.required,
        group=content.group,
        value=value,
        default=content.default,
        limits=content.limits,
    )


def _audio_view(project: Project) -> AudioView:
    music = None
    if project.music_object_key:
        music = MusicView(
            music_id=project.music_id,
            file_id=project.music_file_id,
            title=project.music_title,
            start=project.music_start,
            trim_start=project.music_trim_start,
            trim_end=project.music_trim_end,
            fade_in=project.music_fade_in,
            fade_out=project.music_fade_out,
            loop=project.music_loop,
        )
    voice = None
    if project.voiceover_file_id is not None:
        voice = VoiceView(
            file_id=project.voiceover_file_id,
            name=project.voiceover_name,
            start=project.voiceover_start,
            trim_start=project.voiceover_trim_start,
            trim_end=project.voiceover_trim_end,
            fade_in=project.voiceover_fade_in,
            fade_out=project.voiceover_fade_out,
        )
    return AudioView(
        music=music,
        voiceover=voice,
        sfx=[
            SoundView(
                file_id=sound.file_id,
                name=sound.name,
                start=sound.start,
                duration=sound.duration,
                volume=sound.volume,
            )
            for sound in project.sounds
        ],
        music_volume=project.music_volume,
        sfx_volume=project.sfx_volume,
        voiceover_volume=project.voiceover_volume,
        sfx_enabled=project.sfx_enabled,
    )
