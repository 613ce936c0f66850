"""Which language an answer speaks: Persian first, English when the caller prefers it.

Reads Accept-Language (RFC 9110 section 12.5.4). It never looks at the user, the tenant or the
address.
"""

from functools import lru_cache
from typing import Literal

Language = Literal["fa", "en"]

DEFAULT_LANGUAGE: Language = "fa"
_MAX_HEADER = 512
_MAX_RANGES = 32
_SPOKEN: dict[str, Language] = {"fa": "fa", "prs": "fa", "en": "en"}  # prs: Dari, written alike


@lru_cache(maxsize=1024)
def preferred_language(header: str | None) -> Language:
    """Return ``fa`` or ``en`` for an Accept-Language value.

    Absent, empty, ``*`` or unreadable: Persian. The highest quality wins, among equals the first
    named. A caller who names only languages that we do not speak gets English.
    """
    if not header or len(header) > _MAX_HEADER:
        return DEFAULT_LANGUAGE
    named: dict[Language, float] = {}  # insertion order is the order of mention
    rest: float | None = None
    others = False
    for part in header.split(",")[:_MAX_RANGES]:
        tag, quality = _range(part)
        language = _SPOKEN.get(tag.partition("-")[0])
        if tag == "*":
            rest = quality
        elif language is not None:
            named[language] = max(quality, named.get(language, 0.0))
        elif tag:
            others = True
    if rest is not None:
        named.setdefault("fa", rest)
        named.setdefault("en", rest)
    wanted = [language for language, quality in named.items() if quality > 0]
    if wanted:
        return max(wanted, key=lambda language: named[language])  # max keeps the first of equals
    if "fa" in named:  # refused by name
        return "en"
    return "en" if others and "en" not in named else DEFAULT_LANGUAGE


def _range(part: str) -> tuple[str, float]:
    """Split ``en-GB;q=0.8`` into its tag and quality; an unreadable quality counts as 0."""
    tag, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = float(parameter[2:])
            except ValueError:
                quality = 0.0
    return tag, quality if 0.0 <= quality <= 1.0 else 0.0
