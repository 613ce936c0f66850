"""From a paragraph's characters to clusters of glyphs: runs of one level, script and font each.

Owns itemisation and shaping. Lengths are in ems, so that one result serves every size. Clusters
are in logical (reading) order; the glyphs of one stand from left to right. A cluster is never cut:
it is the smallest piece that can be placed by itself without harming the shape.
"""

import unicodedata
from dataclasses import dataclass

from .bidi import Direction, levels
from .book import AnyFace, Chain
from .segment import (
    JOINING,
    SOFT_BREAK,
    graphemes,
    is_emoji,
    line_breaks,
    script_of,
    scripts,
    upper,
)

SMALL_CAPS = 0.7  # After Effects' size of small capitals
_COMMON = frozenset({"Zyyy", "Zinh"})
NO_BREAK, MAY_BREAK, MUST_BREAK = 0, 1, 2


class Cluster:
    """Characters ``start`` to ``end`` of a paragraph as glyphs ``(gid, x, y)``, in ems."""

    __slots__ = (
        "_ink",
        "advance",
        "brk",
        "end",
        "face",
        "glyphs",
        "joins",
        "level",
        "marked",
        "scale",
        "start",
        "white",
    )

    def __init__(
        self,
        start: int,
        end: int,
        face: AnyFace,
        *,
        glyphs: tuple[tuple[int, float, float], ...],
        advance: float,
        level: int,
        scale: float,
    ) -> None:
        self.start = start
        self.end = end
        self.face = face
        self.glyphs = glyphs
        self.advance = advance
        self.level = level
        self.scale = scale
        self.white = False  # a space: hangs at the end of a line, stretches when justified
        self.joins = False  # of a joining script: takes no tracking, never moves alone
        self.marked = False  # carries combining marks, so it may rise above others
        self.brk = NO_BREAK
        self._ink: tuple[float, float] | None = None

    def ink(self) -> tuple[float, float]:
        """Return how far the glyphs rise above and sink below the baseline, in ems."""
        if self._ink is None:
            top = bottom = 0.0
            for gid, _, y in self.glyphs:
                box = self.face.outline(gid).getBounds()
                if not box.isEmpty():
                    top = max(top, -(box.top() * self.scale + y))
                    bottom = max(bottom, box.bottom() * self.scale + y)
            self._ink = (top, bottom)
        return self._ink


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A shaped paragraph. ``missing`` holds characters that no font has."""

    text: str
    clusters: tuple[Cluster, ...]
    levels: tuple[int, ...]
    base: int
    missing: frozenset[str]


def shape_paragraph(
    text: str, chain: Chain, direction: Direction = "auto", caps: int = 0
) -> Paragraph:
    """Shape one paragraph (without its end). ``caps``: 0 as written, 1 capitals, 2 small ones."""
    small: frozenset[int] = frozenset()
    if caps == 1:
        text = upper(text)
    elif caps == 2:
        text, small = _small_caps(text)
    resolved, base = levels(text, direction)
    spans = graphemes(text)
    script = scripts(text)
    missing: set[str] = set()
    faces = _faces(text, spans, script, chain, missing)
    codes = [ord(c) for c in text]
    breaks = line_breaks(text)
    clusters: list[Cluster] = []
    first = 0
    while first < len(spans):
        start = spans[first][0]
        key = (resolved[start], script[start], faces[first], start in small)
        last = first + 1
        while last < len(spans):
            at = spans[last][0]
            if (resolved[at], script[at], faces[last], at in small) != key:
                break
            last += 1
        end = spans[last - 1][1]
        scale = SMALL_CAPS if start in small else 1.0
        found = _run(
            codes,
            start,
            end,
            faces[first],
            level=resolved[start],
            script=script[start],
            scale=scale,
        )
        joins = script[start] in JOINING
        for cluster in found:
            _classify(cluster, text, joins, breaks)
        clusters += found
        first = last
    return Paragraph(text, tuple(clusters), tuple(resolved), base, frozenset(missing))


def _small_caps(text: str) -> tuple[str, frozenset[int]]:
    out: list[str] = []
    small: set[int] = set()
    length = 0
    for char in text:
        capital = upper(char)
        if capital != char:
            small.update(range(length, length + len(capital)))
        out.append(capital)
        length += len(capital)
    return "".join(out), frozenset(small)


def _faces(
    text: str,
    spans: list[tuple[int, int]],
    script: list[str],
    chain: Chain,
    missing: set[str],
) -> list[AnyFace]:
    """Choose a face for every grapheme: letters first, then what stands with them."""
    chosen: list[AnyFace | None] = [None] * len(spans)
    loose: list[int] = []
    for n, (start, end) in enumerate(spans):
        grapheme = text[start:end]
        if script_of(text[start]) in _COMMON and not is_emoji(grapheme):
            loose.append(n)
            continue
        face = chain.face_for(grapheme)
        if face is None:
            missing.update(grapheme)
            face = chain.primary
        chosen[n] = face
    loose_set = set(loose)
    strong = [n for n in range(len(spans)) if n not in loose_set and not _emoji(chosen[n], chain)]
    position = 0
    for n in loose:
        start, end = spans[n]
        while position < len(strong) and strong[position] < n:
            position += 1
        near: AnyFace | None = None
        for m in (position - 1, position):
            if 0 <= m < len(strong) and script[spans[strong[m]][0]] == script[start]:
                near = chosen[strong[m]]
                break
        if text[start] == SOFT_BREAK:
            chosen[n] = near or chain.primary
            continue
        face = chain.face_for(text[start:end], near)
        if face is None:
            if not text[start].isspace():
                missing.update(text[start:end])
            face = chain.primary
        chosen[n] = face
    return [face or chain.primary for face in chosen]


def _emoji(face: AnyFace | None, chain: Chain) -> bool:
    return any(face is e for e in chain.emoji)


def _run(
    codes: list[int],
    start: int,
    end: int,
    face: AnyFace,
    *,
    level: int,
    script: str,
    scale: float,
) -> list[Cluster]:
    rtl = bool(level & 1)
    glyphs = face.shape(codes, start, end, rtl=rtl, script=script)
    groups: list[tuple[int, list[tuple[int, float, float]], float]] = []
    pen = 0.0
    for glyph in glyphs:
        if not groups or groups[-1][0] != glyph.cluster:
            groups.append((glyph.cluster, [], 0.0))
            pen = 0.0
        at, placed, _ = groups[-1]
        placed.append((glyph.gid, (pen + glyph.x) * scale, glyph.y * scale))
        pen += glyph.advance
        groups[-1] = (at, placed, pen * scale)
    if rtl:
        groups.reverse()
    ends = [at for at, _, _ in groups[1:]] + [end]
    if groups and groups[0][0] != start:  # a font may drop the first characters; none gets lost
        groups[0] = (start, *groups[0][1:])
    return [
        Cluster(at, stop, face, glyphs=tuple(placed), advance=advance, level=level, scale=scale)
        for (at, placed, advance), stop in zip(groups, ends, strict=True)
    ]


def _classify(cluster: Cluster, text: str, joins: bool, breaks: set[int]) -> None:
    piece = text[cluster.start : cluster.end]
    cluster.joins = joins
    if piece == SOFT_BREAK:
        cluster.glyphs, cluster.advance, cluster.brk = (), 0.0, MUST_BREAK
        cluster.white = True
        return
    cluster.white = piece.isspace() and "\u00a0" not in piece and "\u202f" not in piece
    if cluster.white:
        cluster.glyphs = ()
    cluster.marked = any(unicodedata.category(c) == "Mn" for c in piece[1:])
    if cluster.end in breaks:
        cluster.brk = MAY_BREAK
