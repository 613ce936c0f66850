"""Where the scenes of a composition lie in time.

Pure arithmetic that studio (durations, prices), render (chunks) and engines (drawing) share, so
that all three mean the same frames. Seconds are floats; frame ``n`` shows the instant ``n / fps``.
"""

import math

from msgspec import Struct

from flatrender.template.composition import Composition


class Placement(Struct, frozen=True, kw_only=True):
    """A scene on the timeline: seconds from the start of the video.

    ``overlap`` is how long it comes in over the scene before it (0 for the first).
    """

    index: int
    start: float
    end: float
    overlap: float


def placements(composition: Composition) -> list[Placement]:
    """Place every scene. A cut has no overlap; others give at most what both scenes have."""
    placed: list[Placement] = []
    cursor = 0.0
    for index, scene in enumerate(composition.scenes):
        overlap = 0.0
        if index and scene.transition.kind != "cut":
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
    return max(1, math.floor(duration_seconds(composition) * composition.fps + 0.5))
