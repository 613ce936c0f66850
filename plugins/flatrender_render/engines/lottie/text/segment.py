"""Where text may be cut: graphemes (UAX #29), line breaks (UAX #14), scripts (UAX #24).

Owns the questions about characters that shaping and layout ask; indices are code points. Never
measures and never draws. ICU's break iterators count UTF-16 units, which are mapped here.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from typing import Any

import icu

_icu: Any = icu  # PyICU has no stubs
_root = _icu.Locale.getRoot()
_property = _icu.Char.hasBinaryProperty
_IGNORABLE = _icu.UProperty.DEFAULT_IGNORABLE_CODE_POINT
_EMOJI = _icu.UProperty.EMOJI
_EMOJI_PRESENTATION = _icu.UProperty.EMOJI_PRESENTATION

SOFT_BREAK = "\u2028"
_SOFT = re.compile("[\u0003\u000b\u2028]")
_HARD = re.compile("\r\n|[\r\n\u000c\u0085\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")

# Letters of these scripts touch: no tracking between them, and no letter moves alone.
JOINING = frozenset(
    {"Arab", "Syrc", "Mong", "Phag", "Nkoo", "Mand", "Mani", "Phlp", "Adlm", "Rohg", "Sogd"}
    | {"Chrs", "Ougr"}
)
_OPENING = dict(zip("([{⟨«‹", ")]}⟩»›", strict=True))


def paragraphs(text: str) -> list[str]:
    """Split into paragraphs without their ends; a forced line end within one is ``SOFT_BREAK``.

    After Effects ends a paragraph with U+000D and a line (Shift+Enter) with U+0003. Lone
    surrogates become U+FFFD, other control characters disappear, a tab is a space.
    """
    text = _SURROGATES.sub("\ufffd", text)
    return [
        "".join(
            " " if c == "\t" else c
            for c in _SOFT.sub(SOFT_BREAK, part)
            if c == "\t" or unicodedata.category(c) != "Cc"
        )
        for part in _HARD.split(text)
    ]


def _boundaries(iterator: Any, text: str) -> list[int]:
    """Return the boundaries after position 0, in code points."""
    iterator.setText(_icu.UnicodeString(text))
    found = list(iterator)
    if not found or found[-1] == len(text):
        return found
    index_of: dict[int, int] = {}
    unit = 0
    for index, char in enumerate(text):
        index_of[unit] = index
        unit += 2 if char > "\uffff" else 1
    index_of[unit] = len(text)
    return [index_of[b] for b in found if b in index_of]


def graphemes(text: str) -> list[tuple[int, int]]:
    """Return the extended grapheme clusters as ranges."""
    ends = _boundaries(_icu.BreakIterator.createCharacterInstance(_root), text)
    return list(pairwise([0, *ends]))


def line_breaks(text: str) -> set[int]:
    """Return the positions where a line may end (the end of the text is one)."""
    return set(_boundaries(_icu.BreakIterator.createLineInstance(_root), text))


@lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """Return the ISO 15924 code: ``Arab``, ``Latn``, ``Zyyy`` (common), ``Zinh`` (inherited)."""
    name: str = _icu.Script.getScript(char).getShortName()
    return name


@lru_cache(maxsize=4096)
def ignorable(char: str) -> bool:
    """Whether a font need not have the character (joiners, controls, variation selectors)."""
    return bool(_property(ord(char), _IGNORABLE))


def scripts(text: str) -> list[str]:
    """Return the script of every character; common ones take that of what they belong to.

    A closing bracket takes its opening one's; anything else the character before it, at the
    start the first that has a script.
    """
    out = [script_of(c) for c in text]
    first = next((s for s in out if s not in {"Zyyy", "Zinh"}), "Zyyy")
    current = first
    stack: list[tuple[str, str]] = []
    for index, char in enumerate(text):
        if out[index] not in {"Zyyy", "Zinh"}:
            current = out[index]
            continue
        if stack and any(close == char for close, _ in stack):
            while stack:
                close, script = stack.pop()
                if close == char:
                    current = script
                    break
        elif char in _OPENING and len(stack) < 63:
            stack.append((_OPENING[char], current))
        out[index] = current
    return out


def is_emoji(grapheme: str) -> bool:
    """Whether a grapheme asks for the emoji style (UTS #51 section 2.8)."""
    if "\ufe0e" in grapheme:
        return False
    first = ord(grapheme[0])
    if first < 0x200:  # digits and marks are emoji only as keycaps, (c) and (r) only with FE0F
        return "\u20e3" in grapheme or ("\ufe0f" in grapheme and first >= 0xA0)
    if bool(_property(first, _EMOJI_PRESENTATION)):
        return True
    return ("\ufe0f" in grapheme or "\u200d" in grapheme) and bool(_property(first, _EMOJI))


def upper(text: str) -> str:
    """Return the text in capitals, by the rules of no particular language."""
    return str(_icu.UnicodeString(text).toUpper(_root))
