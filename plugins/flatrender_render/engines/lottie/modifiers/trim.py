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
        if length > 0:
            joined = len(ranges) == 2 and measure.isClosed()
            for index, (a, b) in enumerate(ranges):
                # Over the seam of a closed path the pieces are one line without caps.
                _append(out, measure, a * length, b * length, joined=joined and index == 1)
        if not measure.nextContour():
            break
    return Outline(path=out)


def _append(
    out: skia.Path, measure: skia.PathMeasure, start: float, end: float, *, joined: bool
) -> None:
    """Add a piece of the measured contour; skia-python's getSegment overwrites its target."""
    piece = skia.Path()
    if measure.getSegment(start, end, piece, True):
        mode = skia.Path.kExtend_AddPathMode if joined else skia.Path.kAppend_AddPathMode
        out.addPath(piece, mode)


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
        pieces = [(a, b) for a, b in pieces if b - a > 1e-6]
        seam = (
            len(pieces) == 2 and measure.isClosed() and pieces[0][1] >= length and pieces[1][0] <= 0
        )
        for index, (a, b) in enumerate(pieces):
            _append(out, measure, a, b, joined=seam and index == 1)
        done += length
        if not measure.nextContour():
            break
    return Outline(path=out)
