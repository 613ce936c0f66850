"""Zig zag (Lottie "Zig Zag", ``zz``)."""

import math
from collections.abc import Sequence

from flatrender_render.engines.lottie.bezier import Bezier, Point, even, point_at, tangent_at
from flatrender_render.engines.lottie.outline import Outline, segments
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier


class ZigZag(Modifier):
    """Moves points along each segment to alternating sides; ``pt: 2`` makes waves."""

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "s"), scalar(obj, "r"), scalar(obj, "pt", 1.0))
        self.limits = obj.doc.limits

    def modify(self, outlines: Sequence[Outline], *values: float) -> Sequence[Outline]:
        """Ruffle every outline."""
        amplitude, ridges, kind = values
        count = min(max(round(ridges), 0), self.limits.points)
        smooth = round(kind) == 2
        return [
            Outline(tuple(self._ruffle(c, amplitude, count, smooth) for c in o.contours))
            for o in outlines
        ]

    def _ruffle(self, contour: Bezier, amplitude: float, ridges: int, smooth: bool) -> Bezier:
        parts = [even(s) for s in segments(contour)]
        if not parts:
            return contour
        ridges = min(ridges, max(self.limits.segments // len(parts) - 1, 0))
        out: list[float] = []
        side = -1.0

        def add(at: Point, tangent: Point, before: float, after: float) -> None:
            nonlocal side
            tx, ty = tangent
            x, y = at[0] + ty * side * amplitude, at[1] - tx * side * amplitude
            out.extend((x, y, -tx * before, -ty * before, tx * after, ty * after))
            side = -side

        spans = [math.dist(p[0], p[3]) / ((ridges + 1) * 2) if smooth else 0.0 for p in parts]
        for index, part in enumerate(parts):
            first = index == 0 and not contour.closed
            behind = part if first else parts[index - 1]
            corner = _chord(behind[0], part[3]) if not first else _chord(part[0], part[3])
            add(part[0], corner, 0.0 if first else spans[index - 1], spans[index])
            for ridge in range(1, ridges + 1):
                t = ridge / (ridges + 1)
                add(point_at(part, t), tangent_at(part, t), spans[index], spans[index])
        if not contour.closed:
            last = parts[-1]
            add(last[3], _chord(last[0], last[3]), spans[-1], 0.0)
        return Bezier(tuple(out), contour.closed)


def _chord(a: Point, b: Point) -> Point:
    """Return the unit direction from one point to another."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    return (dx / length, dy / length) if length > 1e-9 else (1.0, 0.0)
