"""Where the scenes of a composition lie in time, and how large a rendered video is.

Pure arithmetic that studio (durations, prices), render (chunks) and engines (drawing) share, so
that all three mean the same frames. Seconds are floats; frame ``n`` shows the instant ``n / fps``.
"""

from typing import Literal

from msgspec import Struct

from flatrender.template.composition import Composition

Resolution = Literal["360p", "540p", "720p", "1080p", "4K"]

# The short side in pixels: 9:16 at 4K is 2160x3840.
SHORT_SIDE: dict[Resolution, int] = {
    "360p": 360,
    "540p": 540,
    "720p": 720,
    "1080p": 1080,
    "4K": 2160,
}


class Placement(Struct, frozen=True, kw_only=True):
    """A scene on the timeline: seconds from the start of the video.

    ``overlap`` is how long it comes in over the scene before it (0 for the first).
    """

    index: int
    start: float
    end: float
    overlap: float


def placements(composition: Composition) -> list[Placement]:
    """Place every scene; an overlap is cut to what both scenes can give."""
    placed: list[Placement] = []
    cursor = 0.0
    for index, scene in enumerate(composition.scenes):
        overlap = 0.0
        if index:
            before = composition.scenes[index - 1]
            overlap = min(scene.transition.overlap, scene.duration, before.duration)
        start = cursor - overlap
        cursor = start + scene.duration
        placed.append(Placement(index=index, start=start, end=cursor, overlap=overlap))
    return placed


def duration_seconds(composition: Composition) -> float:
    """Return the length of the video: the durations less the overlaps."""
    return max(p.end for p in placements(composition))


def total_frames(composition: Composition) -> int:
    """Return how many frames the video has; at least one."""
    return max(1, round(duration_seconds(composition) * composition.fps))


def output_size(width: int, height: int, resolution: Resolution) -> tuple[int, int]:
    """Return the even size of a video whose shape is ``width`` x ``height``.

    The short side gets the resolution's number of pixels; the long side the nearest even number.
    """
    short = SHORT_SIDE[resolution]
    if width <= height:
        return short, _even(height * short / width)
    return _even(width * short / height), short


def _even(value: float) -> int:
    return max(2, 2 * round(value / 2))
