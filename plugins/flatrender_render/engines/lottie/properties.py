"""Animated values at a time: pure evaluation of every kind of Lottie property.

Owns keyframes, their lookup and interpolation (Lottie "Properties" and "Keyframes"). Never draws,
never changes: ``at(frame)`` of the same frame is always the same value. Times are frames of the
composition that holds the layer, exactly as stored in ``t``.

Reading (all accept an absent member and then hold the default)::

    scalar(obj, "o", 100.0)        -> Property[float]
    vector(obj, "s", (100, 100))   -> Property[tuple[float, ...]]     at least as long as default
    position(obj, "p", (0, 0))     -> Property[tuple[float, ...]]     spatial paths, split x/y/z
    color(obj, "c", (0, 0, 0, 1))  -> Property[tuple[float, ...]]     r, g, b, a in 0..1
    bezier(obj, "ks")              -> Property[Bezier]
    gradient(obj, "k")             -> Property[tuple[float, ...]]     raw stops, any length

``property.static`` tells that the value never changes, so results made from it may be cached.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from .bezier import ArcLength, Bezier
from .easing import LINEAR, Easing, easing
from .keyframes import (
    BezierSegment,
    Keyframed,
    Mapped,
    Property,
    ScalarSegment,
    Segment,
    SpatialSegment,
    Split,
    Static,
    Vector,
    VectorSegment,
    direction_of,
    motions,
)
from .reader import Obj, number, numbers

__all__ = [
    "Mapped",
    "Property",
    "Static",
    "Vector",
    "bezier",
    "color",
    "direction_of",
    "gradient",
    "hex_color",
    "position",
    "scalar",
    "vector",
]

T = TypeVar("T")


def scalar(obj: Obj, key: str, default: float = 0.0) -> Property[float]:
    """Read a number over time."""
    return _read(obj, key, default, _one, ScalarSegment)


def vector(obj: Obj, key: str, default: Vector) -> Property[Vector]:
    """Read a vector over time, padded with the default where the file gives fewer numbers."""
    return _read(obj, key, default, _padded(default), VectorSegment)


def color(obj: Obj, key: str, default: Vector = (0.0, 0.0, 0.0, 1.0)) -> Property[Vector]:
    """Read a colour, r g b a in 0..1; a missing alpha is 1; ``#rrggbb`` text is understood."""

    def one(at: Obj, place: str, value: object) -> Vector:
        if isinstance(value, str):
            return hex_color(at, place, value)
        given = numbers(at, place, value)[:4]
        # A written alpha is ignored by After Effects and by players: opacity is its own property.
        rgb = (*given, *default[len(given) :])[:3]
        return (*[min(max(v, 0.0), 1.0) for v in rgb], 1.0)

    return _read(obj, key, default, one, VectorSegment)


def gradient(obj: Obj, key: str) -> Property[Vector]:
    """Read raw gradient stops (Lottie "Gradient colors"): a vector of any length."""
    return _read(obj, key, (), numbers, VectorSegment)


def position(obj: Obj, key: str, default: Vector = (0.0, 0.0)) -> Property[Vector]:
    """Read a position: plain, along a spatial path, or split in dimensions."""
    inner = obj.child(key)
    if inner is not None and inner.flag("s") and (inner.has("x") or inner.has("y")):
        parts = [scalar(inner, "x", default[0]), scalar(inner, "y", default[1])]
        if inner.has("z"):
            parts.append(scalar(inner, "z", 0.0))
        _expression(inner)
        return Split(parts)
    return _read(obj, key, default, _padded(default), VectorSegment, spatial=True)


def bezier(obj: Obj, key: str) -> Property[Bezier]:
    """Read a path over time."""
    return _read(obj, key, Bezier((), False), _bezier, BezierSegment)


def hex_color(obj: Obj, key: str, text: str) -> Vector:
    """Read ``#rgb``, ``#rrggbb`` or ``#rrggbbaa``."""
    digits = text.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(d * 2 for d in digits)
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) not in {3, 4}:
        raise obj.fail(key, "expected a colour")
    return (*[v / 255 for v in raw[:3]], raw[3] / 255 if len(raw) == 4 else 1.0)


def _one(obj: Obj, key: str, value: object) -> float:
    if isinstance(value, list | tuple):
        if not value:
            raise obj.fail(key, "expected a number, not an empty list")
        value = value[0]
    return number(obj, key, value)


def _padded(default: Vector) -> Callable[[Obj, str, object], Vector]:
    def read(obj: Obj, key: str, value: object) -> Vector:
        given = numbers(obj, key, value)
        if len(given) >= len(default):
            return given
        if len(given) == 1 and len(default) > 1 and not isinstance(value, list | tuple):
            return given * len(default)
        return given + default[len(given) :]

    return read


def _bezier(obj: Obj, key: str, value: object) -> Bezier:
    if isinstance(value, list | tuple):  # keyframes wrap the shape in a list of one
        value = value[0] if value else {}
    if not isinstance(value, dict):
        raise obj.fail(key, "expected a path")
    shape = Obj(value, obj.doc, obj, tuple(key.split("/")))
    vertices, ins, outs = shape.list("v"), shape.list("i"), shape.list("o")
    obj.doc.count("path vertices", len(vertices), obj.doc.limits.vertices, shape)
    flat: list[float] = []
    for index, vertex in enumerate(vertices):
        for name, source in (("v", vertex), ("i", _item(ins, index)), ("o", _item(outs, index))):
            pair = numbers(shape, f"{name}/{index}", source)
            if len(pair) < 2:
                raise shape.fail(f"{name}/{index}", "expected two numbers")
            flat += pair[:2]
    return Bezier(tuple(flat), shape.flag("c"))


def _item(values: list[Any], index: int) -> object:
    return values[index] if index < len(values) else (0.0, 0.0)


def _expression(obj: Obj) -> None:
    if isinstance(obj.raw.get("x"), str):
        obj.report("expression")


def _read(
    obj: Obj,
    key: str,
    default: T,
    one: Callable[[Obj, str, object], T],
    segment: type[Segment[Any]],
    *,
    spatial: bool = False,
) -> Property[T]:
    raw = obj.raw.get(key)
    if raw is None:
        return Static(default)
    if not isinstance(raw, dict):  # a bare value where a property is expected
        return Static(one(obj, key, raw))
    inner = obj.need(key)
    _expression(inner)
    value = raw.get("k")
    if value is None:
        return Static(default)
    if isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        if "t" in value[0] or "s" in value[0]:
            return _keyframes(inner, one, segment, spatial)
        if segment is not BezierSegment:
            raise inner.fail("k/0", "expected a keyframe")
    return Static(one(inner, "k", value))


def _keyframes(
    obj: Obj,
    one: Callable[[Obj, str, object], T],
    kind: type[Segment[Any]],
    spatial: bool,
) -> Property[T]:
    """Build the segments of one property, old (``e``) and new keyframes alike."""
    frames = list(obj.objects("k"))
    obj.doc.count("keyframes", len(frames), obj.doc.limits.keyframes, obj)
    starts: list[T | None] = [
        one(f, "s", f.raw["s"]) if f.raw.get("s") is not None else None for f in frames
    ]
    ends: list[T | None] = [
        one(f, "e", f.raw["e"]) if f.raw.get("e") is not None else None for f in frames
    ]
    segments: list[Segment[T]] = []
    value: T | None = None
    for index, frame in enumerate(frames):
        start = starts[index]
        if start is None:
            start = value  # the closing keyframe of old files holds no value of its own
        if start is None:
            raise frame.fail("s", "missing")
        value = start
        if index + 1 == len(frames):
            break
        end = ends[index]
        if end is None:
            end = starts[index + 1]
        if end is None:
            end = start
        time = frame.num("t")
        length = frames[index + 1].num("t") - time
        segments.append(
            _segment(frame, kind, spatial=spatial, time=time, length=length, start=start, end=end)
        )
        value = end
    assert value is not None  # noqa: S101 - frames is not empty, so the loop has set it
    if not segments:
        return Static(value)
    segments.sort(key=lambda s: s.time)
    obj.doc.motions += motions(segments, value)
    return Keyframed(segments, value, max(f.num("t") for f in frames))


def _segment(
    frame: Obj,
    kind: type[Segment[Any]],
    *,
    spatial: bool,
    time: float,
    length: float,
    start: Any,
    end: Any,
) -> Segment[Any]:
    result: Segment[Any] | None = None
    if spatial and (frame.has("to") or frame.has("ti")):
        out = numbers(frame, "to", frame.raw.get("to") or (0.0, 0.0))
        into = numbers(frame, "ti", frame.raw.get("ti") or (0.0, 0.0))
        if len(out) >= 2 and len(into) >= 2 and any((*out[:2], *into[:2])):
            (x0, y0), (x3, y3) = start[:2], end[:2]
            arc = ArcLength(
                ((x0, y0), (x0 + out[0], y0 + out[1]), (x3 + into[0], y3 + into[1]), (x3, y3))
            )
            result = SpatialSegment(time, length, start, end, arc)
    if result is None:
        result = kind(time, length, start, end)
    result.hold = frame.flag("h")
    result.easing = _easing(frame)
    return result


def _easing(frame: Obj) -> Easing | tuple[Easing, ...]:
    out, into = frame.raw.get("o"), frame.raw.get("i")
    if not isinstance(out, dict) or not isinstance(into, dict):
        return LINEAR
    ox, oy = _handle(frame, "o", out, 0.0)
    ix, iy = _handle(frame, "i", into, 1.0)
    count = max(len(ox), len(oy), len(ix), len(iy))
    curves = [
        easing(
            ox[min(n, len(ox) - 1)],
            oy[min(n, len(oy) - 1)],
            ix[min(n, len(ix) - 1)],
            iy[min(n, len(iy) - 1)],
        )
        for n in range(min(count, 16))
    ]
    return curves[0] if all(c is curves[0] for c in curves) else tuple(curves)


def _handle(frame: Obj, key: str, raw: dict[str, Any], default: float) -> tuple[Vector, Vector]:
    x = numbers(frame, f"{key}/x", raw["x"]) if raw.get("x") is not None else ()
    y = numbers(frame, f"{key}/y", raw["y"]) if raw.get("y") is not None else ()
    return x or (default,), y or (default,)
