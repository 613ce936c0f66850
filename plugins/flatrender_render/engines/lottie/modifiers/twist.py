"""Twist (Lottie "Twist", ``tw``)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from flatrender_render.engines.lottie.bezier import Bezier, Cubic, Point, even, split
from flatrender_render.engines.lottie.outline import Outline, from_segments, segments
from flatrender_render.engines.lottie.properties import scalar, vector
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier


class Twist(Modifier):
    """Turns points around a centre: fully at the centre, not at all at the farthest vertex."""

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "a"), vector(obj, "c", (0.0, 0.0)))

    def modify(self, outlines: Sequence[Outline], *values: Any) -> Sequence[Outline]:
        """Twist every outline around the common centre."""
        angle, centre = values
        cx, cy = centre[0], centre[1]
        reach = max(
            (
                math.hypot(c.data[n] - cx, c.data[n + 1] - cy)
                for o in outlines
                for c in o.contours
                for n in range(0, len(c.data), 6)
            ),
            default=0.0,
        )
        if angle == 0 or reach < 1e-6:
            return outlines
        turn = math.radians(angle)

        def move(p: Point) -> Point:
            x, y = p[0] - cx, p[1] - cy
            part = turn * max(1.0 - math.hypot(x, y) / reach, 0.0)
            cos, sin = math.cos(part), math.sin(part)
            return (cx + x * cos - y * sin, cy + x * sin + y * cos)

        return [Outline(tuple(_map(c, move) for c in o.contours)) for o in outlines]


def _map(contour: Bezier, move: Callable[[Point], Point]) -> Bezier:
    pieces: list[Cubic] = []
    for segment in segments(contour):
        left, right = split(even(segment), 0.5)
        for part in (*split(left, 0.5), *split(right, 0.5)):
            a, b, c, d = part
            pieces.append((move(a), move(b), move(c), move(d)))
    return from_segments(pieces, contour.closed) if pieces else contour
