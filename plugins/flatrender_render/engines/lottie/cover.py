"""Which pixels a drawing of thin lines may touch, where its box would hold far more.

Owns the cover: squares of a grid along the outlines. It may hold too much and never too little.
"""

from collections.abc import Iterable
from typing import NamedTuple

import skia

from .geometry import Matrix, from_skia, multiply, stretch_of, to_skia

CELL = 16  # pixels
WORTH = 100_000  # pixels of a box below which there is little to gain
MOST = 16_384  # pixels to a side; what is larger than this has no cover
MANY = 40  # outlines from which on finding their cover costs too much
THIN = 0.2  # share of the box above which a cover, with its many pieces, was no gain
# Beyond what is painted: a square whose middle the grown outline misses may be touched as far as
# half its diagonal away (0.71 of a side); Skia finds middles to an eighth of a square. Two pixels
# as ``raster.device_box`` has them.
_MARGIN = 0.85 * CELL + 2.0
_SMALL = skia.Matrix.Scale(1 / CELL, 1 / CELL)
_LARGE = skia.Matrix.Scale(CELL, CELL)
_PEN = skia.Paint(
    Style=skia.Paint.kStroke_Style,
    StrokeJoin=skia.Paint.kRound_Join,
    StrokeCap=skia.Paint.kRound_Cap,
)


class Mark(NamedTuple):
    """An outline that is painted, ``reach`` units of its space beyond it at most.

    ``line`` tells that nothing is painted within. What is filled is covered by its box.
    """

    path: skia.Path
    matrix: Matrix
    reach: float
    line: bool


def cover(marks: Iterable[Mark], matrix: skia.Matrix, box: skia.IRect) -> skia.Region | None:
    """Return the pixels that ``marks`` may touch, or ``None`` where a box is as good.

    ``matrix`` leads to the surface, ``box`` holds all pixels of it that are touched.
    """
    held = list(marks)
    if (
        few(box)
        or max(box.width(), box.height()) > MOST
        or len(held) > MANY
        or not any(mark.line for mark in held)
        or matrix.hasPerspective()
    ):
        return None
    outer = from_skia(matrix)
    if sum(_about(mark, outer) for mark in held) > THIN * box.width() * box.height():
        return None
    grid, cells = skia.Region(_grid(box)), skia.Region()
    for mark in held:
        within = multiply(outer, mark.matrix)
        reach = mark.reach * stretch_of(within) + _MARGIN
        if mark.line:
            path, edge, squares = skia.Path(), skia.Path(), skia.Region()
            mark.path.transform(to_skia(within), path)
            _PEN.setStrokeWidth(2 * reach)
            _PEN.getFillPath(path, edge)
            edge.setFillType(skia.PathFillType.kWinding)
            edge.transform(_SMALL)
            squares.setPath(edge, grid)
        else:
            area = to_skia(within).mapRect(mark.path.getBounds())
            squares = skia.Region(_grid(area.makeOutset(reach, reach).roundOut()))
        cells.op(squares, skia.Region.kUnion_Op)
    outline = skia.Path()
    cells.getBoundaryPath(outline)
    outline.setFillType(skia.PathFillType.kEvenOdd)
    outline.transform(_LARGE)
    found = skia.Region()
    found.setPath(outline, skia.Region(box))
    return found


def few(box: skia.IRect) -> bool:
    """Whether a box has so few pixels that there is little to gain."""
    return bool(box.width() * box.height() < WORTH)


def _about(mark: Mark, outer: Matrix) -> float:
    """Return about how many pixels the cover of one outline has: that of an ellipse in its box."""
    within = multiply(outer, mark.matrix)
    bounds, size = mark.path.getBounds(), stretch_of(within)
    width, height = float(bounds.width()) * size, float(bounds.height()) * size
    if not mark.line:
        return width * height
    around = 1.6 * (width + height)
    return around * (2 * (mark.reach * size + _MARGIN) + CELL)


def _grid(box: skia.IRect) -> skia.IRect:
    """Return the squares of the grid that a box of pixels touches."""
    return skia.IRect.MakeLTRB(
        box.left() // CELL, box.top() // CELL, -(-box.right() // CELL), -(-box.bottom() // CELL)
    )
