"""When something moves and when it stands still.

Most of a template's layers move in, stand, and move out. Knowing when, the painter keeps a picture
of what stands instead of drawing it again for every frame. Answers depend on the frame alone.
"""

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable

Span = tuple[float, float]

MAX_SPANS = 200  # more than a drawn scene has; a file with more only loses speed

ROUNDING = 1e-4  # frames; far more than sums and quotients of frames lose
ALWAYS: Span = (-math.inf, math.inf)


class Stillness:
    """Spans of motion ``start <= frame < end``; a change at an instant is a span of no length."""

    __slots__ = ("edges", "moving", "spans")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        merged: list[Span] = []
        for start, end in sorted(set(spans)):
            if merged and start < merged[-1][1] and end > merged[-1][0]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end))
            else:
                merged.append((start, end))
        self.spans: tuple[Span, ...] = tuple(merged)
        # Edges cut time into gaps; ``moving`` says of each gap whether it is one of motion.
        edges: list[float] = []
        moving: list[bool] = [False]
        for start, end in merged:
            if not edges or start > edges[-1]:
                edges.append(start)
                moving.append(end > start)
            elif end > start:
                moving[-1] = True
            if end > edges[-1]:
                edges.append(end)
                moving.append(False)
        self.edges = edges
        self.moving = moving

    def gap(self, frame: float) -> Span | None:
        """Return the span around a frame in which nothing changes, or ``None`` in motion."""
        index = bisect_right(self.edges, frame)
        if self.moving[index]:
            return None
        return (
            self.edges[index - 1] if index > 0 else -math.inf,
            self.edges[index] if index < len(self.edges) else math.inf,
        )

    def mapped(self, scale: float, offset: float) -> "Stillness":
        """Return the same in another time: ``outer = inner * scale + offset``.

        Where rounding may put a change before or behind its time in the other one, it is a span
        of motion around it.
        """
        slack = 0.0 if scale == 1 and offset == int(offset) else ROUNDING
        return Stillness(
            (
                min(a * scale + offset, b * scale + offset) - slack,
                max(a * scale + offset, b * scale + offset) + slack,
            )
            for a, b in self.spans
        )


MOVING = Stillness([ALWAYS])
STILL = Stillness()


def together(parts: Iterable[Stillness]) -> Stillness:
    """Return when any of several moves."""
    spans = {span for part in parts for span in part.spans}
    return stillness(spans) if spans else STILL


def stillness(spans: Collection[Span]) -> Stillness:
    """Return the stillness of these spans; very many count as always moving."""
    return Stillness(spans) if len(spans) <= MAX_SPANS else MOVING
