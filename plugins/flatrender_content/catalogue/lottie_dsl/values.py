"""Properties: plain, keyframed or offered to the customer as a slot.

Owns how a value becomes Lottie's ``{"a": .., "k": ..}`` (Lottie specification 1.0, "Properties").
Times are seconds here and frames in the file. Knows nothing of layers or shapes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flatrender_content.catalogue.lottie_dsl.easing import CURVES, Ease

Json = dict[str, Any]
Vec = tuple[float, ...]

FPS = 30  # of the whole catalogue (new templates are 30 fps)


@dataclass(frozen=True, slots=True)
class Key:
    """One keyframe: ``at`` seconds, the value, and the easing of the way *to* it."""

    at: float
    value: float | Vec
    ease: Ease = "expo_out"


@dataclass(frozen=True, slots=True)
class Animated:
    """A value over time; before the first key its value, after the last the last's."""

    keys: tuple[Key, ...]

    def shifted(self, by: float) -> "Animated":
        """Return the same movement ``by`` seconds later."""
        return Animated(tuple(Key(k.at + by, k.value, k.ease) for k in self.keys))


@dataclass(frozen=True, slots=True)
class Slotted:
    """A value that the customer (or the palette) replaces; ``sid`` is the slot's id."""

    sid: str
    default: float | Vec


Value = float | Vec | Animated | Slotted


def keys(*points: tuple[float, float | Vec] | tuple[float, float | Vec, Ease]) -> Animated:
    """Build an animated value from ``(seconds, value[, ease to it])``. At least one point."""
    return Animated(tuple(Key(*p) for p in points))


def wiggle(
    period: float, low: float | Vec, high: float | Vec, until: float, start: float = 0.0
) -> Animated:
    """Swing gently between two values until ``until`` seconds: the micro-motion of a hold."""
    out: list[Key] = []
    at, index = start, 0
    while at < until + period:
        out.append(Key(at, high if index % 2 else low, "sine_in_out"))
        at += period
        index += 1
    return Animated(tuple(out))


def frames(seconds: float) -> float:
    """Convert seconds to frames, to a thousandth."""
    return number(seconds * FPS)


def number(value: float) -> float:
    """Round for the file: a thousandth is below anything visible and keeps the bytes stable."""
    rounded = round(float(value), 3)
    return int(rounded) if rounded.is_integer() else rounded


def plain(value: float | Sequence[float]) -> float | list[float]:
    """Round a number or a vector for the file."""
    if isinstance(value, int | float):
        return number(value)
    return [number(v) for v in value]


def prop(value: Value) -> Json:
    """Return the Lottie property of a value."""
    if isinstance(value, Animated):
        if len(value.keys) == 1:
            return {"a": 0, "k": plain(value.keys[0].value)}
        return {"a": 1, "k": _keyframes(value)}
    if isinstance(value, Slotted):
        return {"a": 0, "k": plain(value.default), "sid": value.sid}
    return {"a": 0, "k": plain(value)}


def _keyframes(value: Animated) -> list[Json]:
    out: list[Json] = []
    for index, key in enumerate(value.keys):
        start = plain(key.value)
        frame: Json = {"t": frames(key.at), "s": start if isinstance(start, list) else [start]}
        if index + 1 < len(value.keys):
            arriving = value.keys[index + 1].ease
            if arriving == "hold":
                frame["h"] = 1
            ox, oy, ix, iy = CURVES[arriving]
            frame["o"] = {"x": [ox], "y": [oy]}
            frame["i"] = {"x": [ix], "y": [iy]}
        out.append(frame)
    return out


def rgb(hex_color: str) -> Vec:
    """Return ``#rrggbb`` as Lottie's red, green, blue, alpha in 0..1."""
    digits = hex_color.removeprefix("#")
    return (*(round(int(digits[i : i + 2], 16) / 255, 4) for i in (0, 2, 4)), 1.0)


def color_prop(color: "str | Slotted | Animated") -> Json:
    """Return the property of a colour: ``#rrggbb``, a slot or keyframes of rgba vectors."""
    if isinstance(color, str):
        return {"a": 0, "k": list(rgb(color))}
    if isinstance(color, Slotted):
        assert isinstance(color.default, tuple)  # noqa: S101 - colour slots are made from hex
        return {"a": 0, "k": [round(v, 4) for v in color.default], "sid": color.sid}
    return prop(color)
