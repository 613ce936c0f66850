"""Keyframes: values at a time, their lookup and interpolation (Lottie "Keyframes").

Pure evaluation; ``properties`` reads these from files. ``at(frame)`` of the same frame is always
the same value.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from .bezier import ArcLength, Bezier, lerp_bezier
from .easing import LINEAR, Easing

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Vector = tuple[float, ...]


class Property(Protocol[T_co]):
    """A value over time."""

    @property
    def static(self) -> bool:
        """Whether the value is the same at every frame."""
        ...

    def at(self, frame: float) -> T_co:
        """Return the value at a frame of the layer's composition."""
        ...


class Static(Generic[T]):
    """A property that does not move."""

    __slots__ = ("value",)
    static = True

    def __init__(self, value: T) -> None:
        self.value = value

    def at(self, frame: float) -> T:
        """Return the value."""
        return self.value


class Mapped(Generic[T]):
    """Another property seen through a function (degrees to radians, splitting, clamping)."""

    __slots__ = ("function", "inner", "static")

    def __init__(self, inner: Property[Any], function: Callable[[Any], T]) -> None:
        self.inner = inner
        self.function = function
        self.static = inner.static

    def at(self, frame: float) -> T:
        """Return the function of the inner value."""
        return self.function(self.inner.at(frame))


class Segment(Generic[T]):
    """The way from one keyframe to the next. Subclasses know how to interpolate."""

    __slots__ = ("easing", "end", "hold", "length", "start", "time")

    def __init__(self, time: float, length: float, start: T, end: T) -> None:
        self.time = time
        self.length = length
        self.start = start
        self.end = end
        self.hold = False
        self.easing: Easing | tuple[Easing, ...] = LINEAR

    def value(self, frame: float) -> T:
        """Return the value at a frame within the segment."""
        if self.hold or self.length <= 0:
            return self.start
        x = (frame - self.time) / self.length
        if isinstance(self.easing, tuple):
            return self.mix([e(x) for e in self.easing])
        return self.mix(self.easing(x))

    def mix(self, y: "float | list[float]") -> T:
        """Interpolate; ``y`` is one eased fraction or one for each dimension."""
        raise NotImplementedError


class ScalarSegment(Segment[float]):
    """Between two numbers."""

    __slots__ = ()

    def mix(self, y: float | list[float]) -> float:
        """Interpolate linearly in ``y``."""
        return self.start + (self.end - self.start) * (y[0] if isinstance(y, list) else y)


class VectorSegment(Segment[Vector]):
    """Between two vectors, each dimension with its own easing where the file gives one."""

    __slots__ = ()

    def mix(self, y: float | list[float]) -> Vector:
        """Interpolate each dimension."""
        if isinstance(y, list):
            y = y + y[-1:] * (len(self.start) - len(y))
            return tuple(
                [a + (b - a) * f for a, b, f in zip(self.start, self.end, y, strict=False)]
            )
        return tuple([a + (b - a) * y for a, b in zip(self.start, self.end, strict=False)])


class SpatialSegment(Segment[Vector]):
    """Along a curve in the plane at the eased fraction of its length; depth stays linear."""

    __slots__ = ("arc",)

    def __init__(
        self, time: float, length: float, start: Vector, end: Vector, arc: ArcLength
    ) -> None:
        super().__init__(time, length, start, end)
        self.arc = arc

    def mix(self, y: float | list[float]) -> Vector:
        """Walk the curve."""
        fraction = y[0] if isinstance(y, list) else y
        rest = [a + (b - a) * fraction for a, b in zip(self.start[2:], self.end[2:], strict=False)]
        return (*self.arc.at(fraction), *rest)


class BezierSegment(Segment[Bezier]):
    """Between two shapes."""

    __slots__ = ()

    def mix(self, y: float | list[float]) -> Bezier:
        """Interpolate every vertex."""
        return lerp_bezier(self.start, self.end, y[0] if isinstance(y, list) else y)


class Keyframed(Generic[T]):
    """Keyframes of one property: before the first its value, after the last its value."""

    __slots__ = ("_memo", "final", "last", "segments", "times")
    static = False

    def __init__(self, segments: list[Segment[T]], final: T, last: float) -> None:
        self.segments = segments
        self.times = [s.time for s in segments]
        self.final = final
        self.last = last
        # Last answer: the same frame is asked by several users of one property, and holds and
        # ends repeat. One tuple, swapped whole, so that threads cannot see halves.
        self._memo: tuple[float, T] | None = None

    def at(self, frame: float) -> T:
        """Return the value at a frame."""
        memo = self._memo
        if memo is not None and memo[0] == frame:
            return memo[1]
        value = self._evaluate(frame)
        self._memo = (frame, value)
        return value

    def _evaluate(self, frame: float) -> T:
        if frame >= self.last:
            return self.final
        index = bisect_right(self.times, frame) - 1
        if index < 0:
            return self.segments[0].start
        return self.segments[index].value(frame)

    def direction(self, frame: float) -> tuple[float, float] | None:
        """Return the unit direction of travel, or ``None`` where it stands still.

        Used by auto-orient (Lottie "Layers", member ``ao``).
        """
        index = min(max(bisect_right(self.times, frame) - 1, 0), len(self.segments) - 1)
        segment: Any = self.segments[index]
        if isinstance(segment, SpatialSegment):
            if segment.arc.total < 1e-6:
                return None
            x = (frame - segment.time) / segment.length if segment.length > 0 else 0.0
            curve = segment.easing[0] if isinstance(segment.easing, tuple) else segment.easing
            return segment.arc.direction(curve(min(max(x, 0.0), 1.0)))
        if not isinstance(segment, VectorSegment):
            return None
        dx, dy = segment.end[0] - segment.start[0], segment.end[1] - segment.start[1]
        length = math.hypot(dx, dy)
        return (dx / length, dy / length) if length > 1e-6 else None


class Split:
    """A position whose dimensions are animated apart (``s: true``)."""

    __slots__ = ("parts", "static")

    def __init__(self, parts: Iterable[Property[float]]) -> None:
        self.parts = tuple(parts)
        self.static = all(p.static for p in self.parts)

    def at(self, frame: float) -> Vector:
        """Return the assembled vector."""
        return tuple([p.at(frame) for p in self.parts])

    def direction(self, frame: float) -> tuple[float, float] | None:
        """Return the unit direction of travel by differences."""
        step = 0.05
        (ax, ay), (bx, by) = self.at(frame - step)[:2], self.at(frame + step)[:2]
        length = math.hypot(bx - ax, by - ay)
        return ((bx - ax) / length, (by - ay) / length) if length > 1e-6 else None


def direction_of(prop: Property[Vector], frame: float) -> tuple[float, float] | None:
    """Return where a position is heading, or ``None`` for one that stands still."""
    return prop.direction(frame) if isinstance(prop, Keyframed | Split) else None


def motions(segments: list[Segment[T]], final: T) -> list[tuple[float, float]]:
    """Return the spans of time in which the value changes; jumps have no length."""
    spans: list[tuple[float, float]] = []
    for index, segment in enumerate(segments):
        end = segment.time + max(segment.length, 0.0)
        if not segment.hold and (
            segment.start != segment.end or isinstance(segment, SpatialSegment)
        ):
            spans.append((segment.time, end))
        after = segments[index + 1].start if index + 1 < len(segments) else final
        if (segment.start if segment.hold else segment.end) != after:
            spans.append((end, end))
    return spans
