"""What animators do to each fragment of a text at a time (Lottie "Text Animator").

Owns reading animators and adding up their values. Never draws: the result is a ``Look`` for every
fragment that anything changes.
"""

import colorsys
from dataclasses import dataclass, field

from flatrender_render.engines.lottie.properties import Property, Vector, color, scalar, vector
from flatrender_render.engines.lottie.reader import Obj

from .fragments import Fragments
from .selector import Selector, combined

_SCALARS = ("r", "sk", "sa", "sw", "t", "fh", "fs", "fb", "sh", "ss", "sb")
_HUES = frozenset({"fh", "fs", "fb", "sh", "ss", "sb"})
_PERCENTS = ("o", "fo", "so")
_VECTORS: dict[str, Vector] = {
    "p": (0.0, 0.0),
    "a": (0.0, 0.0),
    "s": (100.0, 100.0),
    "bl": (0.0, 0.0),
    "ls": (0.0, 0.0),
}


@dataclass(slots=True)
class Look:
    """How a fragment departs from its document. Lengths in pixels, angles in degrees."""

    position: list[float] = field(default_factory=lambda: [0.0, 0.0])
    anchor: list[float] = field(default_factory=lambda: [0.0, 0.0])
    scale: list[float] = field(default_factory=lambda: [1.0, 1.0])
    blur: list[float] = field(default_factory=lambda: [0.0, 0.0])
    line_spacing: list[float] = field(default_factory=lambda: [0.0, 0.0])
    rotation: float = 0.0
    skew: float = 0.0
    skew_axis: float = 0.0
    opacity: float = 1.0
    fill_opacity: float = 1.0
    stroke_opacity: float = 1.0
    fill: Vector | None = None
    stroke: Vector | None = None
    stroke_width: float = 0.0
    tracking: float = 0.0

    @property
    def still(self) -> bool:
        """Whether nothing is changed."""
        return self == _PLAIN

    @property
    def flat(self) -> bool:
        """Whether nothing is changed but the colour of the filling."""
        return self == Look(fill=self.fill)


_PLAIN = Look()


class Animator:
    """One animator: its selectors and the properties that it has."""

    def __init__(self, obj: Obj, number: int) -> None:
        self.selectors = [
            Selector(s, number * 16 + n) for n, s in enumerate(_selectors(obj)) if n < 16
        ]
        values = obj.child("a")
        self.scalars: dict[str, Property[float]] = {}
        self.vectors: dict[str, Property[Vector]] = {}
        self.colors: dict[str, Property[Vector]] = {}
        if values is not None:
            self._read(values)
        parts = [*self.scalars.values(), *self.vectors.values(), *self.colors.values()]
        self.static = all(p.static for p in parts) and all(s.static for s in self.selectors)
        self._tints = bool(self.colors) or not _HUES.isdisjoint(self.scalars)

    def _read(self, values: Obj) -> None:
        for key in _SCALARS:
            if values.has(key):
                self.scalars[key] = scalar(values, key, 0.0)
        if values.has("rz") and "r" not in self.scalars:
            self.scalars["r"] = scalar(values, "rz", 0.0)
        for key in _PERCENTS:
            if values.has(key):
                self.scalars[key] = scalar(values, key, 100.0)
        for key, default in _VECTORS.items():
            if values.has(key):
                self.vectors[key] = vector(values, key, default)
        for key in ("fc", "sc"):
            if values.has(key):
                self.colors[key] = color(values, key)
        for key in ("rx", "ry"):
            if values.has(key):
                turn = scalar(values, key)
                if not turn.static or turn.at(0.0) != 0.0:
                    values.report("3D text animator")

    def reach(self, fragments: Fragments, frame: float) -> list[float]:
        """Return how strongly every fragment is reached, in -1..1."""
        return combined(self.selectors, fragments, len(fragments.items), frame)

    def apply(
        self,
        looks: list[Look],
        reach: list[float],
        frame: float,
        fill: Vector | None,
        stroke: Vector | None,
    ) -> None:
        """Add this animator's share to looks, each reached as strongly as ``reach`` says."""
        scalars = {k: p.at(frame) for k, p in self.scalars.items()}
        vectors = {k: p.at(frame) for k, p in self.vectors.items()}
        colors = {k: p.at(frame)[:3] for k, p in self.colors.items()}
        for look, share in zip(looks, reach, strict=True):
            if not share:
                continue
            if scalars:
                _scalars(look, scalars, share)
            if vectors:
                _vectors(look, vectors, share)
            if self._tints:
                _colors(look, scalars, colors, share, fill=fill, stroke=stroke)


def _selectors(obj: Obj) -> list[Obj]:
    if isinstance(obj.raw.get("s"), list | tuple):
        return list(obj.objects("s"))
    one = obj.child("s")
    return [] if one is None else [one]


def _scalars(look: Look, values: dict[str, float], share: float) -> None:
    # Once per letter and frame: only what the animator has is looked at.
    for key, value in values.items():
        if key == "o":
            look.opacity *= _fade(value, share)
        elif key == "r":
            look.rotation += value * share
        elif key == "fo":
            look.fill_opacity *= _fade(value, share)
        elif key == "so":
            look.stroke_opacity *= _fade(value, share)
        elif key == "t":
            look.tracking += value * share
        elif key == "sw":
            look.stroke_width += value * share
        elif key == "sk":
            look.skew += value * share
        elif key == "sa":
            look.skew_axis += value * share


def _fade(percent: float, share: float) -> float:
    return min(max(1.0 + (percent / 100.0 - 1.0) * share, 0.0), 1.0)


def _vectors(look: Look, values: dict[str, Vector], share: float) -> None:
    for key, into in (
        ("p", look.position),
        ("a", look.anchor),
        ("bl", look.blur),
        ("ls", look.line_spacing),
    ):
        value = values.get(key)
        if value is not None:
            into[0] += value[0] * share
            into[1] += value[1] * share
    scale = values.get("s")
    if scale is not None:
        look.scale[0] *= 1.0 + (scale[0] / 100.0 - 1.0) * share
        look.scale[1] *= 1.0 + (scale[1] / 100.0 - 1.0) * share


def _colors(
    look: Look,
    scalars: dict[str, float],
    colors: dict[str, Vector],
    share: float,
    *,
    fill: Vector | None,
    stroke: Vector | None,
) -> None:
    look.fill = _tint(look.fill or fill, colors.get("fc"), share) if "fc" in colors else look.fill
    if "sc" in colors:
        look.stroke = _tint(look.stroke or stroke, colors.get("sc"), share)
    if scalars.keys() & {"fh", "fs", "fb"}:
        look.fill = _shift(
            look.fill or fill, scalars.get("fh"), scalars.get("fs"), scalars.get("fb"), share
        )
    if scalars.keys() & {"sh", "ss", "sb"}:
        look.stroke = _shift(
            look.stroke or stroke, scalars.get("sh"), scalars.get("ss"), scalars.get("sb"), share
        )


def _tint(old: Vector | None, new: Vector | None, share: float) -> Vector | None:
    if new is None:
        return old
    if old is None or share >= 1.0:
        return new
    amount = max(share, 0.0)
    return tuple(a + (b - a) * amount for a, b in zip(old, new, strict=False))


def _shift(
    old: Vector | None,
    hue: float | None,
    saturation: float | None,
    brightness: float | None,
    share: float,
) -> Vector | None:
    """Turn the hue (degrees), move saturation and brightness (percent)."""
    if old is None:
        return None
    h, s, v = colorsys.rgb_to_hsv(*old[:3])
    h = (h + (hue or 0.0) * share / 360.0) % 1.0
    s = min(max(s + (saturation or 0.0) * share / 100.0, 0.0), 1.0)
    v = min(max(v + (brightness or 0.0) * share / 100.0, 0.0), 1.0)
    return colorsys.hsv_to_rgb(h, s, v)
