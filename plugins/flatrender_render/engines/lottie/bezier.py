"""Bezier shapes as stored in a file, and the arithmetic of single cubic segments.

Owns the value type ``Bezier`` (Lottie "Bezier shape") and segment maths shared by motion paths and
shape modifiers. Pure; no Skia.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

Point = tuple[float, float]
Cubic = tuple[Point, Point, Point, Point]


@dataclass(frozen=True, slots=True)
class Bezier:
    """One contour. ``data`` is flat: per vertex x, y, in-tangent, out-tangent (relative)."""

    data: tuple[float, ...]
    closed: bool

    def __len__(self) -> int:
        """Return the number of vertices."""
        return len(self.data) // 6


def lerp_bezier(a: Bezier, b: Bezier, t: float) -> Bezier:
    """Interpolate vertex by vertex. Unequal counts use the shorter one, as players do."""
    return Bezier(tuple([x + (y - x) * t for x, y in zip(a.data, b.data, strict=False)]), a.closed)


def point_at(c: Cubic, t: float) -> Point:
    """Return the point of a cubic at parameter ``t``."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = c
    u = 1 - t
    a, b, d, e = u * u * u, 3 * u * u * t, 3 * u * t * t, t * t * t
    return (a * x0 + b * x1 + d * x2 + e * x3, a * y0 + b * y1 + d * y2 + e * y3)


def derivative_at(c: Cubic, t: float) -> Point:
    """Return the first derivative at ``t`` (not normalised)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = c
    u = 1 - t
    a, b, d = 3 * u * u, 6 * u * t, 3 * t * t
    return (
        a * (x1 - x0) + b * (x2 - x1) + d * (x3 - x2),
        a * (y1 - y0) + b * (y2 - y1) + d * (y3 - y2),
    )


def tangent_at(c: Cubic, t: float) -> Point:
    """Return the unit tangent at ``t``; sensible where handles coincide with their vertex."""
    dx, dy = derivative_at(c, t)
    length = math.hypot(dx, dy)
    if length < 1e-6:
        near, far = point_at(c, max(t - 1e-3, 0.0)), point_at(c, min(t + 1e-3, 1.0))
        dx, dy = far[0] - near[0], far[1] - near[1]
        length = math.hypot(dx, dy)
        if length < 1e-12:
            return (1.0, 0.0)
    return (dx / length, dy / length)


def split(c: Cubic, t: float) -> tuple[Cubic, Cubic]:
    """Split a cubic in two at ``t`` (de Casteljau)."""
    p0, p1, p2, p3 = c
    a = _mix(p0, p1, t)
    b = _mix(p1, p2, t)
    d = _mix(p2, p3, t)
    ab = _mix(a, b, t)
    bd = _mix(b, d, t)
    m = _mix(ab, bd, t)
    return (p0, a, ab, m), (m, bd, d, p3)


def _mix(a: Point, b: Point, t: float) -> Point:
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t)


def is_line(c: Cubic, tolerance: float = 1e-6) -> bool:
    """Whether both handles lie on their vertices."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = c
    return (
        abs(x1 - x0) < tolerance
        and abs(y1 - y0) < tolerance
        and abs(x2 - x3) < tolerance
        and abs(y2 - y3) < tolerance
    )


def even(c: Cubic) -> Cubic:
    """Return the same curve; on a straight one equal parameters give equal distances."""
    if not is_line(c):
        return c
    (x0, y0), _, _, (x3, y3) = c
    dx, dy = (x3 - x0) / 3, (y3 - y0) / 3
    return ((x0, y0), (x0 + dx, y0 + dy), (x3 - dx, y3 - dy), (x3, y3))


class ArcLength:
    """Walks one cubic by length instead of parameter (motion along a spatial path)."""

    __slots__ = ("_lengths", "cubic", "straight")

    STEPS = 128

    def __init__(self, cubic: Cubic) -> None:
        self.cubic = cubic
        self.straight = is_line(cubic)
        self._lengths: list[float] | None = None

    @property
    def lengths(self) -> list[float]:
        """Lengths from the start to each step; measured when first needed."""
        if self._lengths is not None:
            return self._lengths
        cubic = self.cubic
        points = [point_at(cubic, i / self.STEPS) for i in range(self.STEPS + 1)]
        lengths = [0.0]
        for (ax, ay), (bx, by) in pairwise(points):
            lengths.append(lengths[-1] + math.hypot(bx - ax, by - ay))
        self._lengths = lengths
        return lengths

    @property
    def total(self) -> float:
        """Length of the curve."""
        return self.lengths[-1]

    def parameter(self, fraction: float) -> float:
        """Return the curve parameter at a fraction of the length."""
        lengths = self.lengths
        target = fraction * lengths[-1]
        if target <= 0 or lengths[-1] <= 0:
            return 0.0
        if target >= lengths[-1]:
            return 1.0
        low, high = 0, self.STEPS
        while high - low > 1:
            middle = (low + high) // 2
            if lengths[middle] <= target:
                low = middle
            else:
                high = middle
        span = lengths[high] - lengths[low]
        rest = (target - lengths[low]) / span if span > 0 else 0.0
        return (low + rest) / self.STEPS

    def at(self, fraction: float) -> Point:
        """Return the point at a fraction of the length; beyond the ends along the tangent."""
        (x0, y0), (x3, y3) = self.cubic[0], self.cubic[3]
        if self.straight:
            return (x0 + (x3 - x0) * fraction, y0 + (y3 - y0) * fraction)
        if 0 <= fraction <= 1:
            return point_at(self.cubic, self.parameter(fraction))
        end = 0.0 if fraction < 0 else 1.0
        x, y = point_at(self.cubic, end)
        tx, ty = tangent_at(self.cubic, end)
        over = (fraction - end) * self.total
        return (x + tx * over, y + ty * over)

    def direction(self, fraction: float) -> Point:
        """Return the unit direction of travel at a fraction of the length."""
        return tangent_at(self.cubic, self.parameter(min(max(fraction, 0.0), 1.0)))
