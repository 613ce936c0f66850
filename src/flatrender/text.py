"""What a line of text that one person writes and others read may hold.

Names and titles stand in lists, mails and file names beside other words: a control character or a
direction that is never closed changes those too (Unicode TR 36 section 2.8, TR 55). Never alters a
text: what does not fit is refused. ZWNJ, ZWJ and the marks LRM, RLM, ALM belong to writing.
"""

import unicodedata
from collections.abc import Iterable

from flatrender.errors import FieldInvalid

#: For ``str.translate``: a number as Persian writes it.
PERSIAN_NUMERALS = str.maketrans("0123456789,.", "۰۱۲۳۴۵۶۷۸۹٬٫")

_OVERRIDES = frozenset("\u202d\u202e")
_OPENING = {"\u202a": "\u202c", "\u202b": "\u202c"} | dict.fromkeys("\u2066\u2067\u2068", "\u2069")
_CLOSING = frozenset("\u202c\u2069")
_CONTROLS = frozenset({"Cc", "Zl", "Zp", "Cs"})
_WORDS = {
    "control_character": (
        "نویسهٔ کنترلی پذیرفته نمی‌شود",
        "Control characters and line breaks are not accepted",
    ),
    "bidi_control": (
        "نویسهٔ تغییر جهت باید بسته شود و وارونه‌سازی پذیرفته نمی‌شود",
        "A direction that is opened must be closed, and overrides are not accepted",
    ),
}


def line_fault(text: str, *, breaks: bool = False) -> str | None:
    """Return the code of what is wrong with a line, None when nothing is.

    ``control_character``: C0, DEL, C1, line and paragraph separators, lone surrogates; with
    ``breaks`` line feeds may stand. ``bidi_control``: an override (LRO, RLO), or embeddings and
    isolates that are not closed in the order they were opened (UAX #9).
    """
    if text.isascii() and text.isprintable():
        return None
    due: list[str] = []
    for character in text:
        if breaks and character == "\n":
            continue
        if unicodedata.category(character) in _CONTROLS:
            return "control_character"
        if character in _OVERRIDES:
            return "bidi_control"
        if character in _OPENING:
            due.append(_OPENING[character])
        elif character in _CLOSING and (not due or due.pop() != character):
            return "bidi_control"
    return "bidi_control" if due else None


def check_lines(struct: object, names: Iterable[str], *, breaks: bool = False) -> None:
    """Check fields of a request in its ``__post_init__``; what is no text is passed over.

    Raises :class:`flatrender.errors.FieldInvalid`.
    """
    for name in names:
        value = getattr(struct, name)
        lines = value if isinstance(value, list | tuple) else [value]
        for number, line in enumerate(lines):
            if isinstance(line, str) and (code := line_fault(line, breaks=breaks)):
                fa, en = _WORDS[code]
                at = name if lines is not value else f"{name}/{number}"
                raise FieldInvalid(code, fa=fa, en=en, at=at)
