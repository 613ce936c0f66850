"""Pucker and bloat (Lottie "Pucker / Bloat", ``pb``)."""

from collections.abc import Sequence

from flatrender_render.engines.lottie.bezier import Bezier, Point
from flatrender_render.engines.lottie.outline import Outline
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier


class PuckerBloat(Modifier):
    """Pulls vertices to the centre and pushes handles away from it, or the other way round."""

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "a"))

    def modify(self, outlines: Sequence[Outline], *values: float) -> Sequence[Outline]:
        """Bend all outlines around the centre of the box of their vertices."""
        amount = values[0] / 100.0
        contours = [c for o in outlines for c in o.contours if c.data]
        if amount == 0 or not contours:
            return outlines
        # Compared with After Effects: it is the box's centre, not the mean of the vertices.
        left, right = (f(f(c.data[0::6]) for c in contours) for f in (min, max))
        top, bottom = (f(f(c.data[1::6]) for c in contours) for f in (min, max))
        centre = ((left + right) / 2, (top + bottom) / 2)
        return [Outline(tuple(_bend(c, amount, centre) for c in o.contours)) for o in outlines]


def _bend(contour: Bezier, amount: float, centre: Point) -> Bezier:
    data = contour.data
    cx, cy = centre
    out: list[float] = []
    for n in range(0, len(data), 6):
        x, y, ix, iy, ox, oy = data[n : n + 6]
        vx, vy = x + (cx - x) * amount, y + (cy - y) * amount
        ix, iy, ox, oy = x + ix, y + iy, x + ox, y + oy
        out += (
            vx,
            vy,
            ix - (cx - ix) * amount - vx,
            iy - (cy - iy) * amount - vy,
            ox - (cx - ox) * amount - vx,
            oy - (cy - oy) * amount - vy,
        )
    return Bezier(tuple(out), contour.closed)
