"""Pucker and bloat (Lottie "Pucker / Bloat", ``pb``)."""

from collections.abc import Sequence

from flatrender_render.engines.lottie.bezier import Bezier
from flatrender_render.engines.lottie.outline import Outline
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier


class PuckerBloat(Modifier):
    """Pulls vertices to the centre and pushes handles away from it, or the other way round."""

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "a"))

    def modify(self, outlines: Sequence[Outline], *values: float) -> Sequence[Outline]:
        """Bend every outline around the mean of its vertices."""
        amount = values[0] / 100.0
        if amount == 0:
            return outlines
        return [Outline(tuple(_bend(c, amount) for c in o.contours)) for o in outlines]


def _bend(contour: Bezier, amount: float) -> Bezier:
    data = contour.data
    count = len(data) // 6
    if count == 0:
        return contour
    cx, cy = sum(data[0::6]) / count, sum(data[1::6]) / count
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
