"""Layout of a text in its box: wrapped, shrunk, aligned, or cut with an ellipsis.

Owns ``layout`` and its result. Deterministic: the same text, style, box and fonts give the same
numbers. Never draws.

Alignment is what the designer sees: left is left, also when a customer fills a box that was
designed with English with Persian, and the other way round. Direction decides the order of words
and the side where a line that cannot be stretched begins under ``Justify.FULL``.

Vertically, After Effects' convention: the first baseline stands one ascent below the top of the
box, a line is inside the box while its baseline is (letters may hang below). Text that has to be
shrunk is ours to place: then what hangs below the last baseline is inside the box as well, and
the middle stays where it would have been at full size, though not below the box's own.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain as chained

from .bidi import Direction
from .book import Chain, FontBook
from .lines import Cut, cut_lines, inner_spaces, positions
from .segment import graphemes, paragraphs
from .shaping import Cluster, Paragraph, shape_paragraph
from .style import Justify, TextBox, TextStyle

STEPS = 200  # scales tried are multiples of 1/200, finer than the eye
AUTO_LEADING = 1.2
ELLIPSIS = "…"
_BELOW = 0.18  # em that letters hang below the last baseline, for the eye's middle of a text
_MARK_GAP = 0.04  # em between ink of neighbouring lines where marks rise above the usual


@dataclass(frozen=True, slots=True)
class Placed:
    """A cluster in its place: left edge and baseline in layer pixels, width with tracking.

    ``order`` and ``word`` count in reading order through the whole text; a space counts to the
    word before it.
    """

    cluster: Cluster
    text: str
    x: float
    y: float
    width: float
    line: int
    word: int
    order: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line, its clusters from left to right. ``baseline``, ``x``, ``width`` in pixels."""

    placed: tuple[Placed, ...]
    x: float
    width: float
    baseline: float
    rtl: bool


@dataclass(frozen=True)
class TextLayout:
    """A text set in its box.

    ``text`` is what is shown. ``scale`` is the share of the wanted size, ``size`` the size in
    pixels that results. ``overflow`` tells that text was cut off; ``torn`` that a word was cut
    between lines; ``missing`` which characters no font has.
    """

    text: str
    style: TextStyle
    box: TextBox | None
    lines: tuple[Line, ...]
    scale: float
    size: float
    overflow: bool
    torn: bool
    missing: frozenset[str]
    exact_font: bool

    @cached_property
    def placed(self) -> tuple[Placed, ...]:
        """All clusters in reading order."""
        return tuple(
            sorted(chained.from_iterable(line.placed for line in self.lines), key=lambda p: p.order)
        )

    @property
    def ok(self) -> bool:
        """Whether everything asked for is shown."""
        return not self.overflow and not self.missing


def layout(
    text: str,
    style: TextStyle,
    box: TextBox | None,
    fonts: FontBook,
    *,
    max_lines: int | None = None,
    min_scale: float = 1.0,
    max_width: float | None = None,
    direction: Direction = "auto",
) -> TextLayout:
    """Set a text. Without a box lines end only where the text says so.

    Text without a box shrinks only for ``max_width`` pixels, where that is given.

    In a box, the largest scale (from 1 down to ``min_scale``) at which whole words fill no more
    than ``max_lines`` lines within the box; failing that, the largest with long words cut between
    lines; failing that, ``min_scale``, the last line ended by an ellipsis and ``overflow`` set.
    """
    key = (text, style, box, max_lines, min_scale, max_width, direction)
    found: TextLayout | None = fonts.recall(key)
    if found is None:
        found = _Setter(
            style,
            box,
            fonts,
            max_lines=max_lines,
            min_scale=min_scale,
            max_width=max_width if box is None else box.width,
            direction=direction,
        ).set(text)
        fonts.remember(key, found)
    return found


class _Setter:
    """One run of ``layout``: the parameters, and trials at scales."""

    def __init__(
        self,
        style: TextStyle,
        box: TextBox | None,
        fonts: FontBook,
        *,
        max_lines: int | None,
        min_scale: float,
        max_width: float | None,
        direction: Direction,
    ) -> None:
        self.style = style
        self.size = max(style.size, 1e-3)
        self.box = box
        self.fonts = fonts
        self.max_lines = max_lines
        self.min_scale = min(max(min_scale, 0.01), 1.0)
        self.max_width = max_width
        self.direction = direction
        self.tracking = style.tracking / 1000.0
        leading = AUTO_LEADING if style.leading is None else style.leading / self.size
        self.leading = min(max(leading, 0.0), 100.0)

    def set(self, text: str) -> TextLayout:
        chain = self.fonts.chain(self.style.family, self.style.style, self.style.weight, text)
        shaped = self._shape(text, chain)
        if self.max_width is None and self.max_lines is None:
            return self._place(text, shaped, chain, 1.0)
        fit = self._largest(shaped, chain, torn=False) or self._largest(shaped, chain, torn=True)
        if fit is not None:
            return self._place(text, shaped, chain, fit)
        shown = self._shorten(text, chain)
        return self._place(shown, self._shape(shown, chain), chain, self.min_scale, overflow=True)

    def _shape(self, text: str, chain: Chain) -> list[Paragraph]:
        return [
            shape_paragraph(part, chain, self.direction, self.style.caps)
            for part in paragraphs(text)
        ]

    def _cuts(self, shaped: list[Paragraph], scale: float) -> list[tuple[Paragraph, Cut]]:
        limit = None
        if self.box is not None:
            limit = max(self.box.width, 0.0) / (self.size * scale)
        return [(p, cut) for p in shaped for cut in cut_lines(p, limit, self.tracking)]

    def _offsets(self, cuts: list[tuple[Paragraph, Cut]], chain: Chain) -> list[float]:
        """Return the baselines below the top of the box (em); lines with marks get headroom."""
        ascent = chain.primary.ascent if self.style.ascent is None else self.style.ascent
        inks = [_line_ink(p, cut) for p, cut in cuts]
        out: list[float] = []
        for index, (top, _, marked) in enumerate(inks):
            if index == 0:
                out.append(max(ascent, top) if marked else ascent)
                continue
            step = self.leading
            if marked or inks[index - 1][2]:
                step = max(step, inks[index - 1][1] + top + _MARK_GAP)
            out.append(out[-1] + step)
        return out

    def _fits(self, shaped: list[Paragraph], chain: Chain, scale: float, *, torn: bool) -> bool:
        cuts = self._cuts(shaped, scale)
        if self.max_lines is not None and len(cuts) > self.max_lines:
            return False
        if self.max_width is not None:
            limit = self.max_width / (self.size * scale) + 1e-6
            if any((cut.torn and not torn) or cut.width > limit for _, cut in cuts):
                return False
        if self.box is None or self.box.height <= 0:
            return True
        bottom = self._offsets(cuts, chain)[-1]
        if scale < 1.0:
            bottom += _hang(*cuts[-1])
        # A box flatter than its own first line is the designer's way of saying "one line".
        return bottom * self.size * scale <= self.box.height + 1e-3 or (
            len(cuts) == 1 and scale == 1.0
        )

    def _largest(self, shaped: list[Paragraph], chain: Chain, *, torn: bool) -> float | None:
        if self._fits(shaped, chain, 1.0, torn=torn):
            return 1.0
        if self.min_scale >= 1.0 or not self._fits(shaped, chain, self.min_scale, torn=torn):
            return None
        low, high = int(self.min_scale * STEPS), STEPS  # low fits (as min_scale), high does not
        while high - low > 1:
            middle = (low + high) // 2
            if self._fits(shaped, chain, middle / STEPS, torn=torn):
                low = middle
            else:
                high = middle
        return max(low / STEPS, self.min_scale)

    def _shorten(self, text: str, chain: Chain) -> str:
        """Return the longest beginning that fits with an ellipsis at ``min_scale``."""
        ends = [0, *(end for _, end in graphemes(text))]

        def shown(count: int) -> str:
            return text[: ends[count]].rstrip() + ELLIPSIS

        low, high = 0, len(ends) - 1
        while high - low > 1:
            middle = (low + high) // 2
            if self._fits(self._shape(shown(middle), chain), chain, self.min_scale, torn=True):
                low = middle
            else:
                high = middle
        return shown(low)

    def _place(
        self,
        text: str,
        shaped: list[Paragraph],
        chain: Chain,
        scale: float,
        *,
        overflow: bool = False,
    ) -> TextLayout:
        size = self.size * scale
        cuts = self._cuts(shaped, scale)
        offsets = self._offsets(cuts, chain)
        if self.box is not None:
            top = self.box.y + self._recentre(offsets, _hang(*cuts[-1]), scale)
        else:
            top = -offsets[0] * size  # point text: the first baseline is the origin
        shift = self.style.baseline_shift * scale
        lines: list[Line] = []
        reading = _Reading()
        for number, ((paragraph, cut), offset) in enumerate(zip(cuts, offsets, strict=True)):
            baseline = top + offset * size
            left, width, stretch = self._align(paragraph, cut, size)
            spots = positions(paragraph, cut, self.tracking, stretch)
            words = reading.line(paragraph, cut)
            placed = tuple(
                Placed(
                    paragraph.clusters[index],
                    paragraph.text[paragraph.clusters[index].start : paragraph.clusters[index].end],
                    left + x * size,
                    baseline - shift,
                    w * size,
                    number,
                    *words[index - cut.start],
                )
                for index, x, w in spots
            )
            lines.append(Line(placed, left, width, baseline, bool(paragraph.base & 1)))
        return TextLayout(
            text=text,
            style=self.style,
            box=self.box,
            lines=tuple(lines),
            scale=scale,
            size=size,
            overflow=overflow,
            torn=any(cut.torn for _, cut in cuts),
            missing=frozenset().union(*(p.missing for p in shaped)),
            exact_font=chain.exact,
        )

    def _recentre(self, offsets: list[float], hang: float, scale: float) -> float:
        if self.box is None or self.box.height <= 0:
            return 0.0
        if self.box.vertical is not None:
            ink = (offsets[-1] + _BELOW) * self.size * scale
            return (self.box.height - ink) * self.box.vertical
        if scale >= 1.0:
            return 0.0
        room = self.box.height - (offsets[-1] + hang) * self.size * scale
        lost = offsets[-1] * self.size * (1.0 - scale)
        return max(min(lost, room) / 2.0, 0.0)

    def _align(self, paragraph: Paragraph, cut: Cut, size: float) -> tuple[float, float, float]:
        """Return left edge and width (pixels) and the stretch of spaces (em) of a line."""
        justify = self.style.justify
        width = cut.width * size
        left, room = 0.0, 0.0
        if self.box is not None:
            left, room = self.box.x, self.box.width
            free = room - width
            full = justify == Justify.FULL or (justify.stretches and not cut.forced)
            spaces = inner_spaces(paragraph, cut) if full and free > 0 else 0
            if spaces:
                return left, room, free / spaces / size
        side = justify.last
        if side == Justify.FULL:
            side = Justify.RIGHT if paragraph.base & 1 else Justify.LEFT
        if side == Justify.RIGHT:
            return left + room - width, width, 0.0
        if side == Justify.CENTER:
            return left + (room - width) / 2.0, width, 0.0
        return left, width, 0.0


class _Reading:
    """Counts clusters and words in reading order."""

    def __init__(self) -> None:
        self.order = 0
        self.word = 0
        self.inside = False  # a word has begun
        self.paragraph: Paragraph | None = None

    def line(self, paragraph: Paragraph, cut: Cut) -> list[tuple[int, int]]:
        if paragraph is not self.paragraph:
            self._gap()
            self.paragraph = paragraph
        out: list[tuple[int, int]] = []
        for cluster in paragraph.clusters[cut.start : cut.end]:
            if cluster.white:
                out.append((self.word, self.order))
                self._gap()
            else:
                self.inside = True
                out.append((self.word, self.order))
            self.order += 1
        return out

    def _gap(self) -> None:
        if self.inside:
            self.word += 1
            self.inside = False


def _hang(paragraph: Paragraph, cut: Cut) -> float:
    """Return how far a line's letters hang below its baseline (em)."""
    return max((c.ink()[1] for c in paragraph.clusters[cut.start : cut.end]), default=0.0)


def _line_ink(paragraph: Paragraph, cut: Cut) -> tuple[float, float, bool]:
    """Return how far a line rises and sinks (em) where it has marks; cheap where it has none."""
    clusters = paragraph.clusters[cut.start : cut.end]
    if not any(c.marked for c in paragraph.clusters):
        # A neighbour may have marks: a typical letter's reach stands for this line.
        return 0.75, 0.3, False
    inks = [c.ink() for c in clusters]
    top = max((t for t, _ in inks), default=0.0)
    bottom = max((b for _, b in inks), default=0.0)
    return top, bottom, any(c.marked for c in clusters)
