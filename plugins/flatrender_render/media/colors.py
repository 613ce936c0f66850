"""Drawn pixels to the encoder's: sRGB, full range, to BT.709, MPEG range, 4:2:0.

Owns the conversion's settings and converting only what changed. That has the bytes that converting
the whole picture gives: parts begin at whole steps, and so much more is converted around them that
no filter reaches what is kept.
"""

from collections import OrderedDict
from collections.abc import Iterable
from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)
from numpy.typing import NDArray

Box = tuple[int, int, int, int]  # left, top, right, bottom; pixels

REACH = 4  # pixels on each side that chroma is filtered from
MARGIN = 16  # pixels converted beyond those that are kept
STEP = 32  # rows; parts are whole steps, so that few different sizes exist
COLUMNS = 64  # the same across
KEPT = 64  # sizes prepared for
PART = 40_000  # pixels that cost as much as a part does beside its pixels
WORTH = 0.8  # above this share of the cost of all, converting all is cheaper: whole rows go faster
_NEVER = 1 << 62


def to_video(reformatter: VideoReformatter, source: av.VideoFrame) -> av.VideoFrame:
    """Convert BGRA pixels into a new frame. Raises ``av.FFmpegError``."""
    return reformatter.reformat(
        source,
        format="yuv420p",
        src_colorspace=Colorspace.ITU709,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        dst_color_primaries=ColorPrimaries.BT709,
        dst_color_trc=ColorTrc.BT709,
        interpolation=Interpolation.BILINEAR,
        threads=1,
    )


def plane_of(picture: av.VideoFrame, number: int) -> NDArray[np.uint8]:
    """Return a plane as rows of its full stride, without copying."""
    plane = picture.planes[number]
    rows: NDArray[np.uint8] = np.asarray(memoryview(plane)).view(np.uint8)
    return rows.reshape(-1, plane.line_size)


def parts(boxes: Iterable[Box], width: int, height: int) -> list[Box]:
    """Return boxes of whole steps, apart from each other, that hold all that boxes change.

    Of the ways to cut the picture into strips and those at their gaps, the cheapest.
    """
    rows = _touched(boxes, width, height)
    # Strips that end where ``rows`` changes: the cheapest ways down to there, with their last cut.
    ends = [n for n in range(1, len(rows) + 1) if n == len(rows) or rows[n] != rows[n - 1]]
    best: list[tuple[int, int]] = [(0, 0)]
    for number, end in enumerate(ends):
        cheapest = (_NEVER, 0)
        bits = 0
        for cut in range(number, -1, -1):
            bits |= rows[ends[cut] - 1]
            begin = ends[cut - 1] if cut else 0
            cost = best[cut][0] + _cost(bits, end - begin)
            cheapest = min(cheapest, (cost, cut))
        best.append(cheapest)
    found: list[Box] = []
    number = len(ends)
    while number:
        cut = best[number][1]
        begin, end = ends[cut - 1] if cut else 0, ends[number - 1]
        bits = 0
        for row in rows[begin:end]:
            bits |= row
        top, bottom = begin * STEP, min(end * STEP, height)
        found += [
            (left * COLUMNS, top, min(right * COLUMNS, width), bottom)
            for left, right in _runs(bits, _gap(end - begin))
        ]
        number = cut
    return found


def _costs(some: Iterable[Box]) -> int:
    """Return what converting parts costs, in pixels."""
    wide = 2 * MARGIN
    return sum((r - x + wide) * (b - y + wide) + PART for x, y, r, b in some)


def _touched(boxes: Iterable[Box], width: int, height: int) -> list[int]:
    """Return for every step of rows which steps of columns boxes reach, one bit each."""
    rows = [0] * -(-height // STEP)
    for left, top, right, bottom in boxes:
        if left >= right or top >= bottom:
            continue
        first = max(left - REACH, 0) // COLUMNS
        last = (min(right + REACH, width) - 1) // COLUMNS
        bits = (2 << last) - (1 << first)
        begin, end = max(top - REACH, 0) // STEP, (min(bottom + REACH, height) - 1) // STEP + 1
        for row in range(begin, end):
            rows[row] |= bits
    return rows


def _gap(steps: int) -> int:
    """Return from how many untouched columns on two parts of a strip are cheaper than one."""
    return 1 + (PART // (steps * STEP + 2 * MARGIN) + 2 * MARGIN) // COLUMNS


@lru_cache(maxsize=4096)
def _runs(bits: int, gap: int) -> tuple[tuple[int, int], ...]:
    """Return the first and the end column of every run of bits, over gaps smaller than ``gap``."""
    runs: list[tuple[int, int]] = []
    column = 0
    while bits:
        skipped = (bits & -bits).bit_length() - 1
        bits >>= skipped
        column += skipped
        length = (~bits & (bits + 1)).bit_length() - 1
        bits >>= length
        if runs and column - runs[-1][1] < gap:
            runs[-1] = (runs[-1][0], column + length)
        else:
            runs.append((column, column + length))
        column += length
    return tuple(runs)


@lru_cache(maxsize=16384)
def _cost(bits: int, steps: int) -> int:
    """Return what converting the touched columns of a strip costs, in pixels."""
    high = steps * STEP + 2 * MARGIN
    runs = _runs(bits, _gap(steps))
    return sum(((right - left) * COLUMNS + 2 * MARGIN) * high + PART for left, right in runs)


class Converter:
    """Converts one BGRA buffer again and again, whole or only where it changed."""

    def __init__(self, buffer: NDArray[np.uint8]) -> None:
        self.source = av.VideoFrame.from_numpy_buffer(buffer, format="bgra")
        self._buffer = buffer
        self._picture: av.VideoFrame | None = None
        # A reformatter keeps what it prepared for one size.
        self._reformatters: OrderedDict[tuple[int, ...], VideoReformatter] = OrderedDict()

    def convert(self, changed: Iterable[Box] | None = None) -> av.VideoFrame:
        """Return the buffer converted; the same picture as before where only boxes changed.

        The picture is good until the next call. Raises ``av.FFmpegError``.
        """
        height, width = self._buffer.shape[:2]
        some = None if changed is None else parts(changed, width, height)
        if self._picture is None or some is None or _costs(some) > WORTH * width * height:
            self._picture = to_video(self._reformatter((height, width)), self.source)
        else:
            for part in some:
                self._update(self._picture, part)
        return self._picture

    def _update(self, picture: av.VideoFrame, part: Box) -> None:
        left, top, right, bottom = part
        x, y = max(left - MARGIN, 0), max(top - MARGIN, 0)
        # The rows stay where they lie: only the distance from one to the next is the buffer's.
        area = self._buffer[y : bottom + MARGIN, x : right + MARGIN]
        source = av.VideoFrame.from_numpy_buffer(area, format="bgra")
        fresh = to_video(self._reformatter(area.shape[:2]), source)
        for number, share in ((0, 1), (1, 2), (2, 2)):
            into, out = plane_of(picture, number), plane_of(fresh, number)
            into[top // share : bottom // share, left // share : right // share] = out[
                (top - y) // share : (bottom - y) // share,
                (left - x) // share : (right - x) // share,
            ]

    def _reformatter(self, size: tuple[int, ...]) -> VideoReformatter:
        found = self._reformatters.get(size)
        if found is None:
            found = self._reformatters[size] = VideoReformatter()
            if len(self._reformatters) > KEPT:
                self._reformatters.popitem(last=False)
        else:
            self._reformatters.move_to_end(size)
        return found
