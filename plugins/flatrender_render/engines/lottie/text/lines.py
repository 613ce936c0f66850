"""Lines: where a paragraph is cut, and where the clusters of a line stand.

Owns greedy line breaking over UAX #14 opportunities, order on the line (UAX #9), justification.
Lengths are in ems of the text's size. Knows nothing of fitting; ``layout`` tries sizes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from .bidi import line_levels, visual_order
from .shaping import MAY_BREAK, MUST_BREAK, Cluster, Paragraph

_EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Cut:
    """Clusters ``start`` to ``end`` of a paragraph as one line.

    ``width`` leaves out spaces at the end. ``forced``: a paragraph or line ended here. ``torn``:
    a word had to be cut, or one cluster is wider than the box.
    """

    start: int
    end: int
    width: float
    forced: bool
    torn: bool


def advance(cluster: Cluster, tracking: float) -> float:
    """Return the cluster's width with tracking (em), which joining scripts never take."""
    return cluster.advance if cluster.joins else cluster.advance + tracking


def cut_lines(paragraph: Paragraph, limit: float | None, tracking: float) -> list[Cut]:
    """Break a paragraph into lines no wider than ``limit`` ems (``None``: only where forced).

    A word wider than a line is cut between clusters; its letters keep their joined forms, as CSS
    Text 3 section 5.5 demands.
    """
    clusters = paragraph.clusters
    cuts: list[Cut] = []
    start = index = 0
    width = 0.0
    chance = -1
    while index < len(clusters):
        cluster = clusters[index]
        step = advance(cluster, tracking)
        too_wide = (
            limit is not None
            and not cluster.white
            and width + (step if cluster.joins else step - tracking) > limit + _EPSILON
        )
        if too_wide and index > start:
            torn = chance <= start
            end = index if torn else chance
            cuts.append(_cut(clusters, start, end, tracking, forced=False, torn=torn))
            start = index = end
            width, chance = 0.0, -1
            continue
        width += step
        index += 1
        if cluster.brk == MUST_BREAK:
            cuts.append(_cut(clusters, start, index, tracking, forced=True, torn=False))
            start, width, chance = index, 0.0, -1
        elif cluster.brk == MAY_BREAK:
            chance = index
    cuts.append(_cut(clusters, start, index, tracking, forced=True, torn=False))
    if limit is None:
        return cuts
    return [cut if cut.torn or cut.width <= limit + _EPSILON else _torn(cut) for cut in cuts]


def _torn(cut: Cut) -> Cut:
    return Cut(cut.start, cut.end, cut.width, cut.forced, torn=True)


def _cut(
    clusters: Sequence[Cluster], start: int, end: int, tracking: float, *, forced: bool, torn: bool
) -> Cut:
    last = end
    while last > start and clusters[last - 1].white:
        last -= 1
    width = sum([advance(c, tracking) for c in clusters[start:last]])
    if last > start and not clusters[last - 1].joins:
        width -= tracking  # the space after the last letter belongs to nothing
    return Cut(start, end, max(width, 0.0), forced, torn)


def order(paragraph: Paragraph, cut: Cut) -> list[int]:
    """Return the indices of a line's clusters from left to right."""
    clusters = paragraph.clusters
    if cut.end <= cut.start:
        return []
    first, last = clusters[cut.start].start, clusters[cut.end - 1].end
    at = line_levels(paragraph.text, paragraph.levels, paragraph.base, first, last)
    return [
        cut.start + n
        for n in visual_order([at[c.start - first] for c in clusters[cut.start : cut.end]])
    ]


def positions(
    paragraph: Paragraph, cut: Cut, tracking: float, stretch: float
) -> list[tuple[int, float, float]]:
    """Place a line's clusters: index, left edge and width, from left to right (em).

    ``stretch`` is what every inner space is widened by. Spaces at the end of the line have no
    width: they hang.
    """
    clusters = paragraph.clusters
    last = cut.end
    while last > cut.start and clusters[last - 1].white:
        last -= 1
    out: list[tuple[int, float, float]] = []
    pen = 0.0
    for index in order(paragraph, cut):
        cluster = clusters[index]
        if index >= last:
            out.append((index, pen, 0.0))
            continue
        width = advance(cluster, tracking) + (stretch if cluster.white else 0.0)
        out.append((index, pen, width))
        pen += width
    return out


def inner_spaces(paragraph: Paragraph, cut: Cut) -> int:
    """Count the spaces of a line that justification may widen."""
    clusters = paragraph.clusters[cut.start : cut.end]
    last = len(clusters)
    while last and clusters[last - 1].white:
        last -= 1
    return sum(1 for c in clusters[:last] if c.white)
