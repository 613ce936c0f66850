"""The order of letters on a line: the Unicode Bidirectional Algorithm (UAX #9).

Owns the door to levels and visual order, and the rules that depend on lines (L1, L2); those for
whole paragraphs are in ``levels``. Indices are code points. Never changes the text: ZWNJ, ZWJ and
the controls stay where they are, since joining depends on them.
"""

from collections.abc import Sequence
from typing import Literal

from flatrender_render.engines.lottie.text.levels import (
    AL,
    CLASS,
    FSI,
    LRI,
    PDI,
    REMOVED,
    RLI,
    WS,
    B,
    L,
    R,
    S,
    first_strong,
    resolve,
)

Direction = Literal["ltr", "rtl", "auto", "auto-rtl"]

_TRAILING = REMOVED | {WS, FSI, LRI, RLI, PDI}
_SEPARATORS = frozenset({B, S})


def levels(text: str, direction: Direction = "auto") -> tuple[list[int], int]:
    """Return the embedding level of every code point of one paragraph, and the paragraph's own.

    ``auto`` follows the first strong character (P2, P3). ``auto-rtl`` is for projects that are
    written from right to left: a paragraph with any letter of such a script runs that way even
    where it begins with a Latin name, as people who write Persian expect; a wholly Latin one runs
    from left to right; one of digits and marks alone from right to left.
    """
    classes = [CLASS[c] for c in text]
    if direction == "auto":
        base = first_strong(classes) or 0
    elif direction == "auto-rtl":
        kinds = set(classes)
        base = 0 if L in kinds and not kinds & {R, AL} else 1
    else:
        base = 1 if direction == "rtl" else 0
    return resolve(text, classes, base), base


def line_levels(
    text: str, resolved: Sequence[int], paragraph: int, start: int, end: int
) -> list[int]:
    """Return the levels of one line of the paragraph: rule L1.

    White space before a separator and at the line's end falls back to the paragraph's level, so
    that it stands at the end of the line as it is read.
    """
    out = list(resolved[start:end])
    trailing = True
    for index in range(end - 1, start - 1, -1):
        kind = CLASS[text[index]]
        if kind in _SEPARATORS:
            trailing = True
        elif kind not in _TRAILING:
            trailing = False
            continue
        if trailing:
            out[index - start] = paragraph
    return out


def visual_order(line: Sequence[int]) -> list[int]:
    """Return indices from left to right: rule L2, reversing runs from the highest level down."""
    order = list(range(len(line)))
    odd = [level for level in line if level & 1]
    if not odd:
        return order
    for level in range(max(line), min(odd) - 1, -1):
        start: int | None = None
        for position in range(len(order) + 1):
            # Runs of one level keep their place when deeper ones inside them are reversed.
            inside = position < len(order) and line[order[position]] >= level
            if inside and start is None:
                start = position
            elif not inside and start is not None:
                order[start:position] = order[start:position][::-1]
                start = None
    return order
