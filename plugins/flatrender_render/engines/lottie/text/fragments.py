"""The pieces of a set text that animators move: one cluster, or a whole word of joined letters.

Owns the split and the counts that selectors ask for, in reading order. Letters of a joining
script (Persian, Arabic) never part: what holds for their characters holds for their word.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import groupby

from .layout import Placed, TextLayout
from .selector import CHARACTERS_WITHOUT_SPACES, LINES, WORDS

BY_CHARACTER, BY_WORD, BY_LINE, BY_ALL = 1, 2, 3, 4  # Lottie "Text Grouping"


@dataclass(frozen=True, slots=True)
class Fragment:
    """Clusters that move as one. ``x`` to ``x + width`` on the baseline ``y``, in layer pixels."""

    placed: tuple[Placed, ...]
    x: float
    y: float
    width: float
    line: int
    word: int
    white: bool
    joins: bool


class Fragments:
    """All fragments of a layout in reading order, and their unit numbers."""

    def __init__(self, layout: TextLayout) -> None:
        self.layout = layout
        self.items: tuple[Fragment, ...] = tuple(_split(layout))
        chars, words, lines = -1, -1, []
        by_char: list[int] = []
        by_word: list[int] = []
        last_word: int | None = None
        for item in self.items:
            if not item.white or chars < 0:
                chars += 1
            by_char.append(max(chars, 0))
            if not item.white and item.word != last_word:
                words += 1
                last_word = item.word
            by_word.append(max(words, 0))
            lines.append(item.line)
        self._indices = {
            CHARACTERS_WITHOUT_SPACES: by_char,
            WORDS: by_word,
            LINES: lines,
        }
        self._everyone = list(range(len(self.items)))
        self._spans: dict[Hashable, tuple[float, float, float]] = {}

    def indices(self, based_on: int) -> list[int]:
        """Return the unit of every fragment; a space belongs to what comes before it."""
        return self._indices.get(based_on, self._everyone)

    def total(self, based_on: int) -> int:
        """Return how many units there are."""
        indices = self.indices(based_on)
        return indices[-1] + 1 if indices else 0

    def span(self, grouping: int, fragment: Fragment) -> tuple[float, float, float]:
        """Return left, right and baseline of the group a fragment turns with (pixels)."""
        if not self._spans:
            self._measure()
        key = _group(grouping, fragment)
        alone = (fragment.x, fragment.x + fragment.width, fragment.y)
        return alone if key is None else self._spans.get(key, alone)

    def _measure(self) -> None:
        ends = (self.items[0].y, self.items[-1].y)
        for item in self.items:
            if item.white:
                continue
            for grouping in (BY_WORD, BY_LINE, BY_ALL):
                key = _group(grouping, item)
                left, right, _ = self._spans.get(key, (item.x, item.x, 0.0))
                self._spans[key] = (
                    min(left, item.x),
                    max(right, item.x + item.width),
                    sum(ends) / 2.0 if grouping == BY_ALL else item.y,
                )


def _group(grouping: int, fragment: Fragment) -> Hashable:
    if grouping == BY_WORD:
        return (BY_WORD, fragment.line, fragment.word)
    if grouping == BY_LINE:
        return (BY_LINE, fragment.line)
    return (BY_ALL,) if grouping == BY_ALL else None


def _split(layout: TextLayout) -> Iterable[Fragment]:
    for _, group in groupby(layout.placed, key=lambda p: (p.line, p.word)):
        visible: list[Placed] = []
        for placed in group:
            if not placed.cluster.white:
                visible.append(placed)
                continue
            yield from _word(visible)
            visible = []
            if placed.width > 0:
                yield _fragment([placed])
        yield from _word(visible)


def _word(placed: list[Placed]) -> Iterable[Fragment]:
    if any(p.cluster.joins for p in placed):
        yield _fragment(placed)
    else:
        for one in placed:
            yield _fragment([one])


def _fragment(placed: list[Placed]) -> Fragment:
    left = min(p.x for p in placed)
    right = max(p.x + p.width for p in placed)
    first = placed[0]
    return Fragment(
        tuple(placed),
        left,
        first.y,
        right - left,
        first.line,
        first.word,
        all(p.cluster.white for p in placed),
        any(p.cluster.joins for p in placed),
    )
