"""The composition: one finished choice of scenes, values and sound, ready for an engine.

Studio freezes it from a saved project, render stores it with the job, an engine draws it. It is
plain data: the same composition, package and engine version give the same bytes. Values are
nested by scene instance, never flattened, so that two copies of a scene cannot collide.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from flatrender.template.manifest import Aspect, GradientStop, Hex, Key, Transition


class ImageRef(Struct, frozen=True, kw_only=True):
    """A customer's picture: its content address, where it lies and how it is framed.

    ``focus_x`` and ``focus_y`` (0..1) name the point that stays in view when the picture is
    cropped; ``zoom`` >= 1 enlarges around it.
    """

    sha256: str
    object_key: str
    content_type: str = ""
    focus_x: Annotated[float, Meta(ge=0, le=1)] = 0.5
    focus_y: Annotated[float, Meta(ge=0, le=1)] = 0.5
    zoom: Annotated[float, Meta(ge=1, le=10)] = 1.0


# text and colours are str, numbers float, gradients lists of stops
SlotValue = str | float | ImageRef | list[GradientStop]


class SceneInstance(Struct, frozen=True, kw_only=True):
    """One scene in the running order. ``id`` is unique in the composition (a saved scene's id)."""

    id: str
    scene_key: Key
    animation: str
    duration: Annotated[float, Meta(gt=0)]
    values: dict[str, SlotValue] = {}
    transition: Transition = Transition()
    intro: float = 0.0
    outro: float = 0.0


class AudioClip(Struct, frozen=True, kw_only=True):
    """One sound on the timeline. ``start`` and fades in seconds, ``volume`` linear 0..2.

    ``source`` is ``package:<path>`` or ``object:<object key>``. ``role`` decides ducking: music
    ducks under voice. ``duration`` None plays to the end of the sound or of the video.
    """

    role: Literal["music", "voice", "sfx"]
    source: str
    sha256: str = ""
    start: float = 0.0
    duration: float | None = None
    trim_start: float = 0.0
    volume: Annotated[float, Meta(ge=0, le=2)] = 1.0
    gain_db: float = 0.0
    fade_in: float = 0.0
    fade_out: float = 0.0
    loop: bool = False


class Composition(Struct, frozen=True, kw_only=True):
    """What an engine renders at the template's own size; output size is the job's business."""

    width: int
    height: int
    fps: int
    aspect: Aspect
    direction: Literal["rtl", "ltr"]
    scenes: Annotated[list[SceneInstance], Meta(min_length=1)]
    colors: dict[str, Hex] = {}
    audio: list[AudioClip] = []
