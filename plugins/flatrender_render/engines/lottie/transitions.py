"""How one scene gives way to the next.

Owns the eight kinds of ``manifest.Transition``; each is a small function of progress (0..1). A
direction says where the movement goes: ``start`` is left in a left-to-right video and right in a
right-to-left one, as pages turn. Never knows what a scene is: it gets two functions that draw.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import skia

from flatrender.template.manifest import Direction, TransitionKind
from flatrender_render.engines.lottie.raster import surface_like, wash

Draw = Callable[[skia.Canvas], None]

_VECTORS: dict[str, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "up": (0, -1),
    "down": (0, 1),
}
_SOFT_EDGE = 0.12  # of the travelled side, for wipes


@dataclass(frozen=True, slots=True)
class Stage:
    """What a transition is drawn on: size in the canvas's units, and both scenes."""

    canvas: skia.Canvas
    width: float
    height: float
    before: Draw
    after: Draw
    vector: tuple[int, int]
    color: int

    @property
    def bounds(self) -> skia.Rect:
        """The whole stage."""
        return skia.Rect.MakeWH(self.width, self.height)


def vector_of(direction: Direction, reading: Literal["rtl", "ltr"]) -> tuple[int, int]:
    """Return the unit step of a movement, x to the right and y down."""
    if direction in {"start", "end"}:
        leftwards = (direction == "start") == (reading == "ltr")
        return _VECTORS["left" if leftwards else "right"]
    return _VECTORS[direction]


def ease(progress: float) -> float:
    """Ease in and out: slow, fast, slow (cubic), with f(0) = 0, f(1/2) = 1/2, f(1) = 1."""
    if progress < 0.5:
        return 4 * progress**3
    return 1 - (2 - 2 * progress) ** 3 / 2


def settle(progress: float) -> float:
    """Start fast and come to rest (quartic out)."""
    return 1 - (1 - progress) ** 4


def draw_transition(stage: Stage, kind: TransitionKind, progress: float) -> None:
    """Draw both scenes at ``progress``: 0 is all before, 1 all after."""
    _KINDS[kind](stage, min(max(progress, 0.0), 1.0))


def _faded(stage: Stage, draw: Draw, alpha: float) -> None:
    """Draw a scene as one sheet of glass."""
    if alpha <= 0:
        return
    stage.canvas.saveLayerAlpha(stage.bounds, round(255 * min(alpha, 1.0)))
    draw(stage.canvas)
    stage.canvas.restore()


def _moved(stage: Stage, draw: Draw, dx: float, dy: float) -> None:
    stage.canvas.save()
    # Whole pixels: between them the edges of both scenes would let the ground shine through.
    stage.canvas.translate(round(dx), round(dy))
    stage.canvas.clipRect(stage.bounds)
    draw(stage.canvas)
    stage.canvas.restore()


def _zoomed(stage: Stage, draw: Draw, scale: float, alpha: float) -> None:
    """Enlarge a scene as a picture: what stands in it is remembered at its own size only."""
    if alpha <= 0:
        return
    matrix = stage.canvas.getTotalMatrix()
    width = max(round(stage.width * abs(matrix.getScaleX())), 1)
    height = max(round(stage.height * abs(matrix.getScaleY())), 1)
    surface, _ = surface_like(stage.canvas, width, height)
    inner = surface.getCanvas()
    inner.scale(width / stage.width, height / stage.height)
    draw(inner)
    picture = surface.makeImageSnapshot()
    stage.canvas.save()
    stage.canvas.translate(stage.width / 2, stage.height / 2)
    stage.canvas.scale(scale, scale)
    stage.canvas.translate(-stage.width / 2, -stage.height / 2)
    stage.canvas.drawImageRect(
        picture,
        skia.Rect.Make(picture.bounds()),
        stage.bounds,
        skia.SamplingOptions(skia.FilterMode.kLinear),
        skia.Paint(Alphaf=min(alpha, 1.0)),
    )
    stage.canvas.restore()


def _cut(stage: Stage, progress: float) -> None:
    (stage.before if progress <= 0 else stage.after)(stage.canvas)


def _crossfade(stage: Stage, progress: float) -> None:
    stage.before(stage.canvas)
    _faded(stage, stage.after, ease(progress))


def _slide(stage: Stage, progress: float) -> None:
    """The new scene slides over the old one, which gives way a little and darkens."""
    eased = settle(progress)
    (vx, vy), canvas = stage.vector, stage.canvas
    dx, dy = vx * stage.width, vy * stage.height
    length = stage.width if vx else stage.height
    # Where the new scene's edge is, by the whole pixels that it is moved by.
    far = length - abs(round((vx * dx + vy * dy) * (eased - 1)))
    edge = far if vx + vy > 0 else length - far
    canvas.save()
    canvas.clipRect(_band(stage, edge, length if vx + vy > 0 else 0.0))  # the rest is covered
    _moved(stage, stage.before, dx * eased * 0.25, dy * eased * 0.25)
    wash(canvas, stage.bounds, round(110 * eased) << 24)
    canvas.restore()
    _moved(stage, stage.after, dx * (eased - 1), dy * (eased - 1))


def _push(stage: Stage, progress: float) -> None:
    """The new scene pushes the old one out."""
    vx, vy = stage.vector
    length = stage.width if vx else stage.height
    gone = round(length * ease(progress))  # one number for both: their edges meet
    left = gone - length
    _moved(stage, stage.before, vx * gone, vy * gone)
    _moved(stage, stage.after, vx * left, vy * left)


def _wipe(stage: Stage, progress: float) -> None:
    """A soft edge travels over the picture and leaves the new scene behind it."""
    vx, vy = stage.vector
    length = stage.width if vx else stage.height
    soft = length * _SOFT_EDGE
    # The edge starts and ends outside, so that both ends of the wipe are whole pictures.
    edge = ease(progress) * (length + soft)
    origin = 0.0 if vx + vy > 0 else length
    head = origin + (vx + vy) * edge
    tail = origin + (vx + vy) * (edge - soft)
    points = [(tail, 0), (head, 0)] if vx else [(0, tail), (0, head)]
    mask = skia.GradientShader.MakeLinear(
        [skia.Point(*point) for point in points], [0xFFFFFFFF, 0x00FFFFFF]
    )
    done = _band(stage, origin, tail)
    stage.canvas.save()
    stage.canvas.clipRect(_band(stage, tail, length - origin))  # the rest is covered
    stage.before(stage.canvas)
    stage.canvas.restore()
    if not done.isEmpty():  # what the edge has passed needs no mask
        stage.canvas.save()
        stage.canvas.clipRect(done)
        stage.after(stage.canvas)
        stage.canvas.restore()
    band = _band(stage, tail, head)
    if band.isEmpty():
        return
    stage.canvas.saveLayer(band)
    stage.canvas.clipRect(band)
    stage.after(stage.canvas)
    stage.canvas.drawRect(band, skia.Paint(Shader=mask, BlendMode=skia.BlendMode.kDstIn))
    stage.canvas.restore()


def _band(stage: Stage, one: float, other: float) -> skia.Rect:
    """Return the strip of the stage between two places along its vector, in whole pixels."""
    low, high = round(min(one, other)), round(max(one, other))
    rect = (
        skia.Rect.MakeLTRB(low, 0, high, stage.height)
        if stage.vector[0]
        else skia.Rect.MakeLTRB(0, low, stage.width, high)
    )
    return rect if rect.intersect(stage.bounds) else skia.Rect.MakeEmpty()


def _zoom(stage: Stage, progress: float) -> None:
    """The camera flies into the old scene; the new one settles out of the flight."""
    eased = ease(progress)
    _zoomed(stage, stage.before, 1 + 0.6 * eased, 1.0)
    _zoomed(stage, stage.after, 1 + 0.3 * (1 - settle(progress)), eased)


def _iris(stage: Stage, progress: float) -> None:
    """A circle opens from the middle, led by a ring of the transition's colour."""
    stage.before(stage.canvas)
    reach = math.hypot(stage.width, stage.height) / 2
    radius = reach * ease(progress)
    lead = min(reach * 0.06, radius * 0.5) * (1 - progress)
    middle = (stage.width / 2, stage.height / 2)
    stage.canvas.drawCircle(*middle, radius + lead, skia.Paint(Color=stage.color, AntiAlias=True))
    stage.canvas.save()
    stage.canvas.clipPath(skia.Path.Circle(*middle, radius), doAntiAlias=True)
    stage.after(stage.canvas)
    stage.canvas.restore()


def _dip(stage: Stage, progress: float) -> None:
    """Down to a colour and up again."""
    (stage.before if progress < 0.5 else stage.after)(stage.canvas)
    veil = 1 - abs(2 * ease(progress) - 1)
    wash(stage.canvas, stage.bounds, round(255 * veil) << 24 | stage.color & 0xFFFFFF)


_KINDS: dict[TransitionKind, Callable[[Stage, float], None]] = {
    "cut": _cut,
    "crossfade": _crossfade,
    "slide": _slide,
    "push": _push,
    "wipe": _wipe,
    "zoom": _zoom,
    "iris": _iris,
    "dip": _dip,
}


def parse_color(text: str | None, default: int = 0xFF000000) -> int:
    """Return ``#rrggbb`` or ``#rrggbbaa`` as Skia's 32-bit ARGB."""
    if not text:
        return default
    value = int(text[1:], 16)
    if len(text) == 9:
        return (value & 0xFF) << 24 | value >> 8
    return 0xFF000000 | value
