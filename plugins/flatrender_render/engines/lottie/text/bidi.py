"""The order of letters on a line: the Unicode Bidirectional Algorithm (UAX #9).

Owns levels and visual order in code points of the given text. ICU resolves the levels of a
paragraph (rules P2 to I2); the rules that depend on lines, L1 and L2, are here. Never changes the
text: ZWNJ, ZWJ and the controls stay where they are, since joining depends on them.
"""

from collections.abc import Sequence
from typing import Literal

import icu

Direction = Literal["ltr", "rtl", "auto", "auto-rtl"]

_Bidi = icu.Bidi  # type: ignore[attr-defined]  # PyICU has no stubs
_Unicode = icu.UnicodeString  # type: ignore[attr-defined]  # PyICU has no stubs
_direction = icu.Char.charDirection  # type: ignore[attr-defined]  # PyICU has no stubs

# UCharDirection values of ICU, which are stable API.
_L, _R, _B, _S, _WS, _AL, _BN = 0, 1, 7, 8, 9, 13, 18
_EMBEDDINGS = frozenset({11, 12, 14, 15, 16})  # LRE, LRO, RLE, RLO, PDF
_ISOLATES = frozenset({19, 20, 21, 22})  # FSI, LRI, RLI, PDI
_TRAILING = frozenset({_WS, _BN}) | _EMBEDDINGS | _ISOLATES
_SEPARATORS = frozenset({_B, _S})


def base_level(text: str, direction: Direction) -> int:
    """Return the paragraph level a direction asks for; ICU's "auto" value for rules P2 and P3.

    ``auto-rtl`` is for projects that are written from right to left: a paragraph with any letter
    of such a script runs that way even where it begins with a Latin name, as people who write
    Persian expect; a wholly Latin one runs from left to right; one of digits and marks alone
    from right to left.
    """
    if direction == "ltr":
        return 0
    if direction == "rtl":
        return 1
    if direction == "auto":
        return 0xFE
    classes = {_direction(c) for c in text}
    return 0 if _L in classes and not classes & {_R, _AL} else 1


def levels(text: str, direction: Direction = "auto") -> tuple[list[int], int]:
    """Return the embedding level of every code point of one paragraph, and the paragraph's own.

    Characters that rule X9 removes carry the level of their neighbourhood, so that a run with a
    control in it stays one run.
    """
    base = base_level(text, direction)
    if not text:
        return [], base & 1
    bidi = _Bidi()
    bidi.setPara(_Unicode(text), base)
    units: tuple[int, ...] = bidi.getLevels()
    paragraph: int = bidi.getParaLevel()
    if len(units) == len(text):
        return list(units), paragraph
    out: list[int] = []
    unit = 0
    for char in text:
        out.append(units[unit])
        unit += 2 if char > "\uffff" else 1
    return out, paragraph


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
        kind = _direction(text[index])
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
    if not line:
        return order
    highest = max(line)
    odd = [level for level in line if level & 1]
    if not odd:
        return order
    for level in range(highest, min(odd) - 1, -1):
        start = None
        for position in range(len(order) + 1):
            inside = position < len(order) and line[order[position]] >= level
            if inside and start is None:
                start = position
            elif not inside and start is not None:
                order[start:position] = order[start:position][::-1]
                start = None
    return order
