"""Offset path (Lottie "Offset Path", ``op``)."""

from collections.abc import Sequence

import skia

from flatrender_render.engines.lottie.bezier import Cubic, even, split, tangent_at
from flatrender_render.engines.lottie.outline import Outline, from_segments, segments
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier

JOINS = {1: skia.Paint.kMiter_Join, 2: skia.Paint.kRound_Join, 3: skia.Paint.kBevel_Join}

MAX_VERBS = 1_500  # of both operands; half a second at the worst


class OffsetPath(Modifier):
    """Grows (positive) or shrinks closed outlines; shifts open ones sideways."""

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "a"), scalar(obj, "ml", 4.0))
        self.join = JOINS.get(obj.int("lj", 1), skia.Paint.kMiter_Join)

    def modify(self, outlines: Sequence[Outline], *values: float) -> Sequence[Outline]:
        """Offset every outline."""
        amount, miter = values
        if abs(amount) < 1e-6:
            return outlines
        return [self._one(o, amount, miter) for o in outlines]

    def _one(self, outline: Outline, amount: float, miter: float) -> Outline:
        if all(c.closed for c in outline.contours):
            return Outline(path=grow(outline.path, amount, self.join, miter))
        return Outline(
            tuple(
                from_segments(
                    [_shift(p, amount) for s in segments(c) for p in _quarters(s)], c.closed
                )
                for c in outline.contours
            )
        )


def grow(path: skia.Path, amount: float, join: skia.Paint.Join, miter: float = 4.0) -> skia.Path:
    """Return the region grown (or shrunk, for negative amounts) by a distance.

    The edge within ``amount`` is what a stroke of twice that width covers. Where Skia's Boolean
    operations give up on a degenerate path, it stays as it is.
    """
    paint = skia.Paint(
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=2 * abs(amount),
        StrokeJoin=join,
        StrokeMiter=max(miter, 1.0),
    )
    edge = skia.Path()
    paint.getFillPath(path, edge)
    operation = skia.kUnion_PathOp if amount > 0 else skia.kDifference_PathOp
    return combine(path, edge, operation)


def combine(one: skia.Path, other: skia.Path, operation: skia.PathOp) -> skia.Path:
    """Combine two regions; the first stays alone where Skia cannot, or would take seconds.

    Its Boolean operations take time with the square of the number of segments.
    """
    if one.countVerbs() + other.countVerbs() > MAX_VERBS:
        return one
    try:
        return skia.Op(one, other, operation)
    except RuntimeError:  # degenerate input
        return one


def _quarters(cubic: Cubic) -> tuple[Cubic, ...]:
    left, right = split(even(cubic), 0.5)
    return (*split(left, 0.5), *split(right, 0.5))


def _shift(c: Cubic, amount: float) -> Cubic:
    """Shift one short segment along its normals; handles keep their directions."""
    (ax, ay), (bx, by) = tangent_at(c, 0.0), tangent_at(c, 1.0)
    a = (ay * amount, -ax * amount)
    b = (by * amount, -bx * amount)
    p0, p1, p2, p3 = c
    return (
        (p0[0] + a[0], p0[1] + a[1]),
        (p1[0] + a[0], p1[1] + a[1]),
        (p2[0] + b[0], p2[1] + b[1]),
        (p3[0] + b[0], p3[1] + b[1]),
    )
