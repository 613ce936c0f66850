"""Trim paths (Lottie "Trim Path", ``tm``)."""

from collections.abc import Sequence

import skia

from flatrender_render.engines.lottie.outline import EMPTY, Outline
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier


class Trim(Modifier):
    """Keeps what lies between start and end of the length, shifted by an offset.

    ``m: 1`` cuts each path by itself ("simultaneously"); ``m: 2`` lays all paths end to end and
    cuts that ("individually").
    """

    def __init__(self, obj: Obj) -> None:
        super().__init__(scalar(obj, "s"), scalar(obj, "e", 100.0), scalar(obj, "o"))
        self.sequential = obj.int("m", 1) == 2

    def modify(self, outlines: Sequence[Outline], *values: float) -> Sequence[Outline]:
        """Cut the outlines."""
        ranges = ranges_of(*values)
        if ranges is None:
            return outlines
        if not ranges:
            return [EMPTY] * len(outlines)
        if not self.sequential:
            return [_cut_each(o, ranges) for o in outlines]
        lengths = [_length(o) for o in outlines]
        total = sum(lengths)
        result: list[Outline] = []
        done = 0.0
        for outline, length in zip(outlines, lengths, strict=True):
            local = [(max(a * total - done, 0.0), min(b * total - done, length)) for a, b in ranges]
            done += length
            wanted = [(a, b) for a, b in local if b - a > 1e-6]
            if len(wanted) == 1 and wanted[0][0] <= 0 and wanted[0][1] >= length:
                result.append(outline)
            else:
                result.append(_cut_lengths(outline, wanted))
        return result


def ranges_of(start: float, end: float, offset: float) -> list[tuple[float, float]] | None:
    """Return the kept ranges in 0..1, in drawing order; ``None`` keeps all, empty keeps none."""
    a = min(max(start / 100.0, 0.0), 1.0)
    b = min(max(end / 100.0, 0.0), 1.0)
    if a > b:
        a, b = b, a
    if b - a >= 1.0 - 1e-7:
        return None
    if b - a <= 1e-7:
        return []
    shift = (offset % 360.0) / 360.0
    a, b = a + shift, b + shift
    if a >= 1.0:
        a, b = a - 1.0, b - 1.0
    if b <= 1.0:
        return [(a, b)]
    return [(a, 1.0), (0.0, b - 1.0)]


def _length(outline: Outline) -> float:
    measure = skia.PathMeasure(outline.path, False)
    total: float = measure.getLength()
    while measure.nextContour():
        total += measure.getLength()
    return total


def _cut_each(outline: Outline, ranges: list[tuple[float, float]]) -> Outline:
    """Cut every contour at the same fractions."""
    out = skia.Path()
    measure = skia.PathMeasure(outline.path, False)
    while True:
        length = measure.getLength()
        _add_pieces(out, measure, [(a * length, b * length) for a, b in ranges])
        if not measure.nextContour():
            break
    return Outline(path=out)


def _cut_lengths(outline: Outline, ranges: list[tuple[float, float]]) -> Outline:
    """Cut contours laid end to end at absolute lengths."""
    if not ranges:
        return EMPTY
    out = skia.Path()
    measure = skia.PathMeasure(outline.path, False)
    done = 0.0
    while True:
        length = measure.getLength()
        pieces = [(max(a - done, 0.0), min(b - done, length)) for a, b in ranges]
        _add_pieces(out, measure, pieces)
        done += length
        if not measure.nextContour():
            break
    return Outline(path=out)


def _add_pieces(
    out: skia.Path, measure: skia.PathMeasure, pieces: list[tuple[float, float]]
) -> None:
    """Append pieces of the measure's present contour to a path."""
    length = measure.getLength()
    pieces = [(a, b) for a, b in pieces if b - a > 1e-6]
    # Over the seam of a closed path two pieces are one line without caps between.
    seam = (
        len(pieces) == 2
        and measure.isClosed()
        and pieces[0][1] >= length - 1e-6
        and pieces[1][0] <= 1e-6
    )
    for index, (a, b) in enumerate(pieces):
        piece = skia.Path()  # getSegment replaces what its target holds
        measure.getSegment(a, b, piece, True)
        if seam and index == 1:
            out.addPath(piece, skia.Path.kExtend_AddPathMode)
        else:
            out.addPath(piece)
