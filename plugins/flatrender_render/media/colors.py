"""Drawn pixels to the encoder's: sRGB, full range, to BT.709, MPEG range, 4:2:0.

Owns the conversion's settings and converting only the rows that changed. Those have the bytes that
converting the whole picture gives: rows are converted at full width, and with so many more above
and below that no filter reaches the rows that are kept.
"""

from collections.abc import Iterable, Iterator, Sequence

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

REACH = 4  # rows above and below that chroma is filtered from
MARGIN = 2 * REACH  # rows converted beyond those that are kept
STEP = 32  # rows; bands are whole steps, so that few different heights exist
SPLIT = 96  # rows between two bands that are worth converting them apart


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


def bands(boxes: Iterable[Box], height: int) -> Iterator[tuple[int, int]]:
    """Return ranges of whole steps of rows that hold all that boxes change."""
    start = end = 0
    rows = [(max(box[1] - REACH, 0), box[3] + REACH) for box in boxes if box[1] < box[3]]
    for top, bottom in sorted(rows):
        if end and top > end + SPLIT:
            yield start, end
            end = 0
        if not end:
            start = top // STEP * STEP
        end = max(end, min(-(-bottom // STEP) * STEP, height))
    if end:
        yield start, end


class Bands:
    """Converts ranges of rows of one buffer into a converted picture of it."""

    def __init__(self, buffer: NDArray[np.uint8]) -> None:
        self._buffer = buffer
        # A reformatter keeps what it prepared for one size.
        self._reformatters: dict[int, VideoReformatter] = {}

    def update(self, picture: av.VideoFrame, changed: Sequence[Box]) -> None:
        """Bring ``picture`` up to date with the buffer within boxes. Raises ``av.FFmpegError``."""
        height = self._buffer.shape[0]
        for first, last in bands(changed, height):
            top, bottom = max(first - MARGIN, 0), min(last + MARGIN, height)
            rows = self._buffer[top:bottom]
            source = av.VideoFrame.from_numpy_buffer(rows, format="bgra")
            reformatter = self._reformatters.setdefault(bottom - top, VideoReformatter())
            fresh = to_video(reformatter, source)
            for number, share in ((0, 1), (1, 2), (2, 2)):
                into, out = plane_of(picture, number), plane_of(fresh, number)
                width = picture.width // share
                into[first // share : last // share, :width] = out[
                    (first - top) // share : (last - top) // share, :width
                ]
