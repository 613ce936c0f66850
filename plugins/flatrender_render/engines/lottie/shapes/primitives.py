"""The shapes that make outlines: rectangle, ellipse, star, polygon, path.

Lottie "Shapes": ``rc``, ``el``, ``sr``, ``sh``. Vertex order and first vertex follow After Effects,
because trim, dashes and modifiers start there. ``d: 3`` reverses the direction.
"""

import math
from collections.abc import Callable
from typing import Any

from flatrender_render.engines.lottie.bezier import Bezier
from flatrender_render.engines.lottie.outline import Outline
from flatrender_render.engines.lottie.properties import (
    Mapped,
    Property,
    bezier,
    position,
    scalar,
    vector,
)
from flatrender_render.engines.lottie.reader import Obj

# Length of a handle that makes a quarter circle, as After Effects has it.
ARC = 0.5519

Part = tuple[Property[Any], ...]


class Primitive:
    """An outline made from a few properties; static ones are made once."""

    __slots__ = ("_cache", "make", "parts", "static")

    def __init__(self, make: Callable[..., tuple[Bezier, ...]], parts: Part) -> None:
        self.make = make
        self.parts = parts
        self.static = all(p.static for p in parts)
        self._cache: tuple[tuple[Any, ...], Outline] | None = None

    def at(self, frame: float) -> Outline:
        """Return the outline at a frame; the same object while nothing changes."""
        cache = self._cache
        if cache is not None and self.static:
            return cache[1]
        values = tuple([p.at(frame) for p in self.parts])
        if cache is not None and cache[0] == values:
            return cache[1]
        outline = Outline(self.make(*values))
        self._cache = (values, outline)
        return outline


def parse_primitive(obj: Obj, kind: str) -> Primitive:
    """Read one of ``rc el sr sh``."""
    reverse = obj.int("d", 1) == 3
    if kind == "rc":
        make: Callable[..., tuple[Bezier, ...]] = rectangle
        parts: Part = (position(obj, "p"), vector(obj, "s", (0.0, 0.0)), scalar(obj, "r"))
    elif kind == "el":
        make, parts = ellipse, (position(obj, "p"), vector(obj, "s", (0.0, 0.0)))
    elif kind == "sr":
        limit = obj.doc.limits.points
        make = _star if obj.int("sy", 1) == 1 else _polygon
        parts = (
            position(obj, "p"),
            _limited(obj, "pt", limit),
            scalar(obj, "r"),
            scalar(obj, "or"),
            scalar(obj, "os"),
            scalar(obj, "ir"),
            scalar(obj, "is"),
        )
    else:
        make, parts = _path, (bezier(obj, "ks"),)
    if reverse:
        forward = make

        def make(*values: Any) -> tuple[Bezier, ...]:
            return tuple(reversed_contour(c) for c in forward(*values))

    return Primitive(make, parts)


def _limited(obj: Obj, key: str, limit: int) -> Property[float]:
    return Mapped(scalar(obj, key, 5.0), lambda v: min(max(v, 0.0), float(limit)))


def _path(shape: Bezier) -> tuple[Bezier, ...]:
    return (shape,) if shape.data else ()


def reversed_contour(contour: Bezier) -> Bezier:
    """Turn the direction and keep the first vertex of closed shapes."""
    data = contour.data
    vertices = [data[n : n + 6] for n in range(0, len(data), 6)]
    vertices = [vertices[0], *vertices[:0:-1]] if contour.closed and vertices else vertices[::-1]
    flat = [v for x, y, ix, iy, ox, oy in vertices for v in (x, y, ox, oy, ix, iy)]
    return Bezier(tuple(flat), contour.closed)


def rectangle(at: tuple[float, ...], size: tuple[float, ...], radius: float) -> tuple[Bezier, ...]:
    """From the top right clockwise; with rounding from below the top right corner."""
    w, h = size[0] / 2, size[1] / 2
    left, right, top, bottom = at[0] - w, at[0] + w, at[1] - h, at[1] + h
    r = min(abs(w), abs(h), max(radius, 0.0))
    if r < 1e-6:
        corners = ((right, top), (right, bottom), (left, bottom), (left, top))
        return (Bezier(tuple(v for x, y in corners for v in (x, y, 0.0, 0.0, 0.0, 0.0)), True),)
    k = r * ARC
    rx, ry = math.copysign(r, w), math.copysign(r, h)
    kx, ky = math.copysign(k, w), math.copysign(k, h)
    return (
        Bezier(
            (
                *(right, top + ry, 0, -ky, 0, 0),
                *(right, bottom - ry, 0, 0, 0, ky),
                *(right - rx, bottom, kx, 0, 0, 0),
                *(left + rx, bottom, 0, 0, -kx, 0),
                *(left, bottom - ry, 0, ky, 0, 0),
                *(left, top + ry, 0, 0, 0, -ky),
                *(left + rx, top, -kx, 0, 0, 0),
                *(right - rx, top, 0, 0, kx, 0),
            ),
            True,
        ),
    )


def ellipse(at: tuple[float, ...], size: tuple[float, ...]) -> tuple[Bezier, ...]:
    """From the top clockwise."""
    x, y, w, h = at[0], at[1], size[0] / 2, size[1] / 2
    kx, ky = w * ARC, h * ARC
    return (
        Bezier(
            (
                *(x, y - h, -kx, 0, kx, 0),
                *(x + w, y, 0, -ky, 0, ky),
                *(x, y + h, kx, 0, -kx, 0),
                *(x - w, y, 0, ky, 0, -ky),
            ),
            True,
        ),
    )


def _spokes(
    at: tuple[float, ...], rotation: float, rings: list[tuple[float, float]], step: float
) -> tuple[Bezier, ...]:
    """Lay vertices around a centre; each ring is a radius and the length of its handles."""
    flat: list[float] = []
    angle = math.radians(rotation - 90.0)
    for radius, handle in rings:
        cos, sin = math.cos(angle), math.sin(angle)
        # Handles along the circle: behind for the in-tangent, ahead for the out-tangent.
        tx, ty = -sin * handle, cos * handle
        if radius == 0:
            tx = ty = 0.0
        flat += (at[0] + cos * radius, at[1] + sin * radius, -tx, -ty, tx, ty)
        angle += step
    return (Bezier(tuple(flat), True),)


def _polygon(
    at: tuple[float, ...],
    points: float,
    rotation: float,
    outer: float,
    outer_round: float,
    _inner: float,
    _inner_round: float,
) -> tuple[Bezier, ...]:
    count = int(points)
    if count < 2:
        return ()
    handle = outer * outer_round / 100 * 2 * math.pi / (count * 4)
    return _spokes(at, rotation, [(outer, handle)] * count, 2 * math.pi / count)


def _star(  # noqa: PLR0917 - one parameter for each of the star's properties
    at: tuple[float, ...],
    points: float,
    rotation: float,
    outer: float,
    outer_round: float,
    inner: float,
    inner_round: float,
) -> tuple[Bezier, ...]:
    count = int(points)
    if count < 2:
        return ()
    quarter = 2 * math.pi / (count * 4)
    rings = [
        (outer, outer * outer_round / 100 * quarter),
        (inner, inner * inner_round / 100 * quarter),
    ]
    return _spokes(at, rotation, rings * count, math.pi / count)
