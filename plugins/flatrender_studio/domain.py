"""Studio's pure rules: what a saved project is, what may change in it, how it becomes a
composition. No I/O.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.errors import FieldError
from flatrender.template.composition import (
    AudioClip,
    Composition,
    ImageRef,
    SceneInstance,
    SlotValue,
)
from flatrender.template.manifest import Aspect, ImageSlot, SceneSound, Slot, Transition
from flatrender.template.timing import placements
from flatrender.template.values import check_values, field_error

MAX_SCENES = 200


class Content(Struct, frozen=True, kw_only=True):
    """One filled slot of a saved scene. ``value`` null means as the template has it."""

    key: str
    type: str
    name_fa: str
    name_en: str
    required: bool
    group: str | None
    value: Any
    default: Any
    limits: dict[str, Any]

    @property
    def slot(self) -> Slot:
        """The slot as the template's manifest says it."""
        raw = {
            **self.limits,
            "type": self.type,
            "id": self.key,
            "name": {"fa": self.name_fa, "en": self.name_en},
            "required": self.required,
            "group": self.group,
            "default": self.default,
        }
        made: Slot = msgspec.convert(raw, Slot)
        return made


class Scene(Struct, frozen=True, kw_only=True):
    """A saved scene with its contents. Durations in seconds."""

    id: UUID
    key: str
    name_fa: str
    name_en: str
    title: str | None
    animation: str
    position: int
    duration: float
    default_duration: float
    min_duration: float
    max_duration: float
    intro: float
    outro: float
    transition: Transition
    sounds: list[SceneSound]
    repeatable: bool
    removable: bool
    max_repeats: int
    contents: list[Content]


class Color(Struct, frozen=True, kw_only=True):
    """A shared colour of the project."""

    element_key: str
    name_fa: str
    name_en: str
    value: str
    default: str


class Sound(Struct, frozen=True, kw_only=True):
    """A sound the customer put on the timeline by hand. ``start`` in seconds of the video."""

    id: UUID
    role: Literal["music", "voice", "sfx"]
    file_id: UUID | None
    object_key: str
    sha256: str
    name: str
    start: float
    duration: float | None
    trim_start: float
    volume: float
    fade_in: float
    fade_out: float
    loop: bool


class Project(Struct, frozen=True, kw_only=True):
    """A saved project with everything in it."""

    id: UUID
    user_id: UUID
    name: str
    container_id: UUID
    project_id: UUID
    template_slug: str
    mode: str
    engine: str
    direction: Literal["rtl", "ltr"]
    aspect: Aspect
    width: int
    height: int
    fps: int
    package_object_key: str
    package_sha256: str
    preset_key: str | None
    presets: list[dict[str, Any]]
    duration: float
    version: int
    music_source: str
    music_id: UUID | None
    music_file_id: UUID | None
    music_title: str | None
    music_object_key: str | None
    music_sha256: str | None
    music_start: float
    music_trim_start: float
    music_trim_end: float | None
    music_fade_in: float
    music_fade_out: float
    music_loop: bool
    music_volume: float
    voiceover_file_id: UUID | None
    voiceover_name: str | None
    voiceover_object_key: str | None
    voiceover_sha256: str | None
    voiceover_start: float
    voiceover_trim_start: float
    voiceover_trim_end: float | None
    voiceover_fade_in: float
    voiceover_fade_out: float
    voiceover_volume: float
    sfx_enabled: bool
    sfx_volume: float
    scenes: list[Scene]
    colors: list[Color]
    sounds: list[Sound]
    last_edited_at: str
    created_at: str


def image_of(value: Any) -> ImageRef | None:
    """Return the picture a stored value refers to, or None."""
    if not isinstance(value, dict) or "object_key" not in value:
        return None
    return ImageRef(
        sha256=value["sha256"],
        object_key=value["object_key"],
        content_type=value.get("content_type", ""),
        focus_x=value.get("focus_x", 0.5),
        focus_y=value.get("focus_y", 0.5),
        zoom=value.get("zoom", 1.0),
    )


def scene_values(
    scene: Scene, pointer: str, *, complete: bool = True
) -> tuple[dict[str, SlotValue], list[FieldError]]:
    """Return a scene's values ready for the engine, and what is missing or not valid."""
    raw: dict[str, object] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for content in scene.contents:
        value = content.value
        if image := image_of(value):
            sizes[image.sha256] = (int(value.get("width") or 0), int(value.get("height") or 0))
            raw[content.key] = image
        elif value is not None:
            raw[content.key] = value
    return check_values(
        [content.slot for content in scene.contents],
        raw,
        pointer,
        image_size=lambda ref: sizes.get(ref.sha256),
        complete=complete,
    )


def compose(project: Project, *, complete: bool = True) -> tuple[Composition, list[FieldError]]:
    """Freeze a project into a composition; the errors name every slot that is not ready.

    With ``complete`` False a required slot may be empty: a preview shows the template's own.
    """
    errors: list[FieldError] = []
    instances = []
    for scene in sorted(project.scenes, key=lambda s: s.position):
        values, found = scene_values(scene, f"/scenes/{scene.id}", complete=complete)
        errors += found
        instances.append(
            SceneInstance(
                id=str(scene.id),
                scene_key=scene.key,
                animation=scene.animation,
                duration=scene.duration,
                values=values,
                transition=scene.transition,
                intro=scene.intro,
                outro=scene.outro,
            )
        )
    silent = Composition(
        width=project.width,
        height=project.height,
        fps=project.fps,
        aspect=project.aspect,
        direction=project.direction,
        scenes=instances,
        colors={color.element_key: color.value for color in project.colors},
    )
    return msgspec.structs.replace(silent, audio=list(_clips(project, silent))), errors


def length(scenes: Sequence[Scene], fps: int = 30) -> float:
    """Return the length of a video of these scenes, overlaps taken off."""
    if not scenes:
        return 0.0
    composition = Composition(
        width=16,
        height=16,
        fps=fps,
        aspect="16:9",
        direction="rtl",
        scenes=[
            SceneInstance(
                id=str(s.id),
                scene_key=s.key,
                animation=s.animation,
                duration=s.duration,
                transition=s.transition,
            )
            for s in sorted(scenes, key=lambda s: s.position)
        ],
    )
    return round(placements(composition)[-1].end, 6)


def _clips(project: Project, composition: Composition) -> Iterable[AudioClip]:
    if project.music_object_key:
        yield AudioClip(
            role="music",
            source=f"object:{project.music_object_key}",
            sha256=project.music_sha256 or "",
            start=project.music_start,
            duration=_span(project.music_trim_start, project.music_trim_end),
            trim_start=project.music_trim_start,
            volume=project.music_volume,
            fade_in=project.music_fade_in,
            fade_out=project.music_fade_out,
            loop=project.music_loop,
        )
    if project.voiceover_object_key:
        yield AudioClip(
            role="voice",
            source=f"object:{project.voiceover_object_key}",
            sha256=project.voiceover_sha256 or "",
            start=project.voiceover_start,
            duration=_span(project.voiceover_trim_start, project.voiceover_trim_end),
            trim_start=project.voiceover_trim_start,
            volume=project.voiceover_volume,
            fade_in=project.voiceover_fade_in,
            fade_out=project.voiceover_fade_out,
        )
    if project.sfx_enabled and project.sfx_volume > 0:
        ordered = sorted(project.scenes, key=lambda s: s.position)
        for scene, place in zip(ordered, placements(composition), strict=True):
            for sound in scene.sounds:
                if sound.at < scene.duration:
                    yield AudioClip(
                        role="sfx",
                        source=f"package:{sound.path}",
                        start=round(place.start + sound.at, 6),
                        duration=sound.duration,
                        trim_start=sound.trim_start,
                        volume=project.sfx_volume,
                        gain_db=sound.gain_db,
                    )
    for sound_ in project.sounds:
        yield AudioClip(
            role=sound_.role,
            source=f"object:{sound_.object_key}",
            sha256=sound_.sha256,
            start=sound_.start,
            duration=sound_.duration,
            trim_start=sound_.trim_start,
            volume=min(2.0, sound_.volume * (project.sfx_volume if sound_.role == "sfx" else 1.0)),
            fade_in=sound_.fade_in,
            fade_out=sound_.fade_out,
            loop=sound_.loop,
        )


def _span(start: float, end: float | None) -> float | None:
    return None if end is None else max(0.05, end - start)


def duration_error(scene: Scene, wanted: float, pointer: str) -> FieldError | None:
    """Return why a duration is refused, or None."""
    if scene.min_duration <= wanted <= scene.max_duration:
        return None
    return FieldError(
        pointer=pointer,
        code="duration_out_of_range",
        message_fa=f"بین {scene.min_duration:g} و {scene.max_duration:g} ثانیه",
        message_en=f"Between {scene.min_duration:g} and {scene.max_duration:g} seconds",
    )


def image_ids(
    contents: Mapping[str, Mapping[str, object]], scenes: Mapping[str, Scene]
) -> set[UUID]:
    """Return the file ids that a bulk edit names in image slots; malformed ones are left out."""
    found: set[UUID] = set()
    for scene_id, values in contents.items():
        scene = scenes.get(scene_id)
        for content in scene.contents if scene else ():
            value = values.get(content.key)
            if isinstance(content.slot, ImageSlot) and isinstance(value, Mapping):
                try:
                    found.add(UUID(str(value.get("file_id"))))
                except ValueError:
                    continue
    return found


def missing_file(pointer: str) -> FieldError:
    """The named file is not there, not this person's, or no picture."""
    return FieldError(
        pointer=pointer,
        code="file_not_found",
        message_fa="چنین فایلی ندارید",
        message_en="You have no such file",
    )


__all__ = [
    "MAX_SCENES",
    "Color",
    "Content",
    "Project",
    "Scene",
    "Sound",
    "compose",
    "duration_error",
    "field_error",
    "image_ids",
    "image_of",
    "length",
    "missing_file",
    "scene_values",
]
