"""Round corners (Lottie "Rounded Corners", ``rd``)."""

import math
from collections.abc import Sequence

from flatrender_render.engines.lottie.bezier import Bezier
from flatrender_render.engines.lottie.outline import Outline
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier

ARC = 0.5519


class RoundCorners(Modifier):
    """Replaces each sharp vertex by an arc of at most the given radius."""

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "r"))

    def modify(self, outlines: Sequence[Outline], *values: float) -> Sequence[Outline]:
        """Round every outline."""
        radius = values[0]
        if radius <= 0:
            return outlines
        return [Outline(tuple(rounded(c, radius) for c in o.contours)) for o in outlines]


def rounded(contour: Bezier, radius: float) -> Bezier:
    """Round one contour. Ends of open contours and curved vertices stay as they are."""
    data = contour.data
    count = len(data) // 6
    out: list[float] = []
    for index in range(count):
        vertex = data[index * 6 : index * 6 + 6]
        end = not contour.closed and index in {0, count - 1}
        if end or any(vertex[2:]):
            out += vertex
            continue
        for neighbour, incoming in ((index - 1, True), ((index + 1) % count, False)):
            at = (neighbour % count) * 6
            dx, dy = data[at] - vertex[0], data[at + 1] - vertex[1]
            distance = math.hypot(dx, dy)
            part = min(distance / 2, radius) / distance if distance > 0 else 0.0
            x, y = dx * part, dy * part
            tangent = (-x * ARC, -y * ARC)
            handles = (0.0, 0.0, *tangent) if incoming else (*tangent, 0.0, 0.0)
            out += (vertex[0] + x, vertex[1] + y, *handles)
    return Bezier(tuple(out), contour.closed)
