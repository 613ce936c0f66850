"""Drawn pixels to the encoder's: sRGB, full range, to BT.709, MPEG range, 4:2:0.

Owns the conversion's settings and converting only what changed. That has the bytes that converting
the whole picture gives: parts begin at whole steps, and so much more is converted around them that
no filter reaches what is kept.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator

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
SPLIT = 64  # rows between two parts that are worth converting them apart
WORTH = 0.85  # above this share of the picture, converting all of it is cheaper


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


def parts(boxes: Iterable[Box], width: int, height: int) -> Iterator[Box]:
    """Return boxes of whole steps, one above the other, that hold all that boxes change."""
    left = top = right = bottom = 0
    for box in sorted(boxes, key=lambda b: b[1]):
        if box[0] >= box[2] or box[1] >= box[3]:
            continue
        first = max(box[1] - REACH, 0) // STEP * STEP
        last = min(-(-(box[3] + REACH) // STEP) * STEP, height)
        begin = max(box[0] - REACH, 0) // COLUMNS * COLUMNS
        end = min(-(-(box[2] + REACH) // COLUMNS) * COLUMNS, width)
        if bottom and first > bottom + SPLIT:
            yield left, top, right, bottom
            bottom = 0
        if bottom:
            left, right, bottom = min(left, begin), max(right, end), max(bottom, last)
        else:
            left, top, right, bottom = begin, first, end, last
    if bottom:
        yield left, top, right, bottom


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
        some = None if changed is None else list(parts(changed, width, height))
        if (
            self._picture is None
            or some is None
            or sum((r - x) * (b - y) for x, y, r, b in some) > WORTH * width * height
        ):
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
