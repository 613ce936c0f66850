"""Structs of ``flatrender.json``, the manifest inside a template package.

Durations are seconds, sizes pixels, colours ``#rrggbb`` or ``#rrggbbaa``. A name is a mapping
``{"fa": ..., "en": ...}``. Unknown fields are refused, so that a typing mistake is an error and
not a silent default.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from flatrender.text import check_lines

_KEY, _HEX = r"[a-z][a-z0-9_]{0,62}", r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})"
Key = Annotated[str, Meta(pattern=rf"^{_KEY}$(?!\n)", description="Stable identifier")]
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$(?!\n)", max_length=80)]
Hex = Annotated[str, Meta(pattern=rf"^{_HEX}$(?!\n)")]
#: A color, or the key of a shared one, which follows the palette that the customer chose.
ColorRef = Annotated[str, Meta(pattern=rf"^({_HEX}|{_KEY})$(?!\n)")]
PackagePath = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.\-]+(/[A-Za-z0-9_.\-]+)*$(?!\n)", max_length=200)
]
#: Designers' bundles keep their own names (``(Footage)/swoosh 2.wav``); packages are checked apart.
SoundPath = Annotated[str, Meta(pattern=r"^[^/\\\x00-\x1f][^\\\x00-\x1f]*$(?!\n)", max_length=400)]
Seconds = Annotated[float, Meta(ge=0, le=3600)]
Mode = Literal["Fix", "Flexible", "Mockup", "MusicVisualizer"]
Aspect = Literal["16:9", "1:1", "9:16"]
TransitionKind = Literal["cut", "crossfade", "slide", "push", "wipe", "zoom", "iris", "dip"]
Direction = Literal["left", "right", "up", "down", "start", "end"]


class Text(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A label in Persian and English; ``fa`` is what the product shows first."""

    fa: Annotated[str, Meta(min_length=1, max_length=500)]
    en: Annotated[str, Meta(min_length=1, max_length=500)]

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("fa", "en"))


class SlotBase(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """A place that the customer fills; ``id`` is the Lottie slot id (``sid``) in the scene."""

    id: Key
    name: Text
    required: bool = False
    group: Key | None = None


class TextSlot(SlotBase, frozen=True, tag="text"):
    """Text. ``max_chars`` counts grapheme clusters; the engine wraps and shrinks to the box."""

    default: str
    max_chars: Annotated[int, Meta(ge=1, le=2000)] = 120
    max_lines: Annotated[int, Meta(ge=1, le=40)] = 3
    min_scale: Annotated[float, Meta(gt=0, le=1)] = 0.4
    multiline: bool = False


class ColorSlot(SlotBase, frozen=True, tag="color"):
    """A colour of this scene only; colours of the whole project are ``shared_colors``."""

    default: Hex


class ImageSlot(SlotBase, frozen=True, tag="image"):
    """A picture, fitted into the Lottie image asset's box."""

    default: PackagePath | None = None
    fit: Literal["cover", "contain"] = "cover"
    min_width: Annotated[int, Meta(ge=1, le=8192)] = 64
    min_height: Annotated[int, Meta(ge=1, le=8192)] = 64


class NumberSlot(SlotBase, frozen=True, tag="number"):
    """A number that drives a property (a chart bar, a counter)."""

    default: float
    minimum: float
    maximum: float
    step: Annotated[float, Meta(gt=0)] | None = None
    unit: str = ""


class GradientStop(Struct, frozen=True, forbid_unknown_fields=True):
    """One stop: ``at`` in 0..1."""

    at: Annotated[float, Meta(ge=0, le=1)]
    color: Hex


class GradientSlot(SlotBase, frozen=True, tag="gradient"):
    """A gradient of two to eight stops."""

    default: Annotated[list[GradientStop], Meta(min_length=2, max_length=8)]


Slot = TextSlot | ColorSlot | ImageSlot | NumberSlot | GradientSlot


class Transition(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a scene comes in over the one before it; both play during ``overlap`` seconds.

    ``start`` and ``end`` follow the reading direction of the project, so that a Persian video
    moves the Persian way. ``color`` is of the ring that leads ``iris`` and of the veil of ``dip``:
    one of its own or the key of a shared one; black when left out.
    """

    kind: TransitionKind = "cut"
    overlap: Annotated[float, Meta(ge=0, le=5)] = 0.0
    direction: Direction = "start"
    color: ColorRef | None = None


class SceneSound(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sound effect at ``at`` seconds of the scene; ``gain_db`` relative to the sfx volume.

    It begins ``trim_start`` seconds into its file and lasts ``duration`` seconds; None: to its end.
    """

    path: SoundPath
    at: Seconds = 0.0
    gain_db: Annotated[float, Meta(ge=-60, le=12)] = 0.0
    trim_start: Seconds = 0.0
    duration: Annotated[float, Meta(gt=0, le=3600)] | None = None


class Scene(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scene of one aspect, drawn from ``a/<animation>.json`` of the package.

    A customer may choose any duration in ``min_duration..max_duration``. The first ``intro`` and
    the last ``outro`` seconds keep their speed; what lies between stretches.
    """

    key: Key
    name: Text
    animation: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]+$(?!\n)", max_length=80)]
    duration: Annotated[float, Meta(gt=0, le=600)]
    min_duration: Annotated[float, Meta(gt=0, le=600)] | None = None
    max_duration: Annotated[float, Meta(gt=0, le=600)] | None = None
    intro: Seconds = 0.0
    outro: Seconds = 0.0
    slots: list[Slot] = []
    transition: Transition = Transition()
    sounds: list[SceneSound] = []
    in_default: bool = True
    repeatable: bool = False
    removable: bool = False
    max_repeats: Annotated[int, Meta(ge=1, le=100)] = 20


class SharedColor(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A colour of the whole project: it replaces every Lottie slot whose ``sid`` is ``key``."""

    key: Key
    name: Text
    default: Hex


class Preset(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A colour preset (palette); also written as a dotLottie theme ``t/<key>.json``."""

    key: Key
    name: Text
    colors: dict[str, Hex]


class Font(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A font file of the package; ``family`` and ``style`` as Lottie's font list names them."""

    family: Annotated[str, Meta(min_length=1, max_length=120)]
    style: Annotated[str, Meta(min_length=1, max_length=60)] = "Regular"
    weight: Annotated[int, Meta(ge=1, le=1000)] = 400
    path: PackagePath


class Variant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One aspect of the template: a ``content.projects`` row."""

    aspect: Aspect
    width: Annotated[int, Meta(ge=16, le=8192)]
    height: Annotated[int, Meta(ge=16, le=8192)]
    scenes: Annotated[list[Scene], Meta(min_length=1, max_length=200)]
    fps: Annotated[int, Meta(ge=1, le=60)] = 21  # a template that names none means 21


class MusicTrack(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Music the template brings; also added to the music library at import."""

    key: Key
    title: Text
    path: PackagePath
    artist: Annotated[str, Meta(max_length=200)] = ""
    bpm: Annotated[float, Meta(gt=0, le=400)] | None = None


class AudioDefaults(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What plays unless the customer chooses otherwise; volumes 0..2, 1 = as recorded."""

    music: Key | None = None
    music_volume: Annotated[float, Meta(ge=0, le=2)] = 0.8
    sfx_volume: Annotated[float, Meta(ge=0, le=2)] = 1.0
    fade_in: Seconds = 0.3
    fade_out: Seconds = 1.2


class TemplateManifest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of ``flatrender.json``."""

    format: Literal[1]
    slug: Slug
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$(?!\n)")]
    mode: Mode
    name: Text
    description: Text
    variants: Annotated[list[Variant], Meta(min_length=1, max_length=3)]
    category: Slug
    keywords: Annotated[list[str], Meta(max_length=50)] = []
    tags: Annotated[list[Slug], Meta(max_length=50)] = []
    direction: Literal["rtl", "ltr"] = "rtl"
    shared_colors: Annotated[list[SharedColor], Meta(max_length=32)] = []
    presets: Annotated[list[Preset], Meta(max_length=64)] = []
    fonts: Annotated[list[Font], Meta(max_length=32)] = []
    music: Annotated[list[MusicTrack], Meta(max_length=32)] = []
    audio: AudioDefaults = AudioDefaults()
    engine: Literal["lottie"] = "lottie"
    author: Annotated[str, Meta(max_length=200)] = ""


def json_schema() -> dict[str, object]:
    """Return the published JSON Schema (draft 2020-12) of ``flatrender.json``."""
    schema = msgspec.json.schema(TemplateManifest)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
