"""Which font draws what: families by name, and what stands in for characters they lack.

Owns the order package fonts, bundled fonts, fallback. Never downloads and never asks the system
for fonts: the same package gives the same picture on every machine.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flatrender.fonts import WEIGHTS, BundledFont, catalogue

from .chars import CharsFace
from .face import Face
from .segment import JOINING, ignorable, is_emoji, script_of

AnyFace = Face | CharsFace

_EMOJI_FAMILIES = ("twemoji", "notoemoji")
_CACHE = 512  # paragraphs and layouts remembered; a template shows tens
_STYLE_WORDS = {
    "hairline": 100,
    "thin": 100,
    "extralight": 200,
    "ultralight": 200,
    "light": 300,
    "book": 400,
    "regular": 400,
    "normal": 400,
    "roman": 400,
    "medium": 500,
    "semibold": 600,
    "demibold": 600,
    "demi": 600,
    "extrabold": 800,
    "ultrabold": 800,
    "heavy": 900,
    "black": 900,
    "bold": 700,
}
_ITALIC = re.compile("italic|oblique|slanted", re.IGNORECASE)


def key_of(name: str) -> str:
    """Return a family name as it is compared: without case, spaces and punctuation."""
    return "".join(c for c in name.casefold() if c.isalnum())


def parse_style(style: str, weight: str | float = "") -> tuple[int, bool]:
    """Return CSS weight and whether italic, from names like ``SemiBold Italic``.

    A weight of its own (number or text, as Lottie's ``fWeight``) wins where it is one.
    """
    italic = bool(_ITALIC.search(style))
    text = str(weight).strip()
    if text.replace(".", "", 1).isdigit() and 1 <= float(text) <= 1000:
        return int(float(text)), italic
    plain = key_of(_ITALIC.sub("", style))
    if plain.isdigit() and 1 <= int(plain[:4]) <= 1000:
        return int(plain[:4]), italic
    for word in sorted(_STYLE_WORDS, key=len, reverse=True):
        if word in plain:
            return _STYLE_WORDS[word], italic
    return 400, italic


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered font."""

    weight: int
    italic: bool
    face: AnyFace


@dataclass(frozen=True, slots=True)
class Match:
    """The face for a request; ``exact`` tells that the family itself was found."""

    face: AnyFace
    exact: bool


@lru_cache(maxsize=64)
def bundled_face(font: BundledFont) -> Face:
    """Return a bundled font, read once per process."""
    return Face.from_file(font.path, font.family, font.weight)


class FontBook:
    """The fonts of one template package over the bundled ones.

    ``parent`` is asked after this book's own fonts and before the bundled ones.
    """

    def __init__(self, parent: "FontBook | None" = None) -> None:
        self._parent = parent
        self._families: dict[str, list[Entry]] = {}
        self._chains: dict[Hashable, Chain] = {}
        self._cache: OrderedDict[Hashable, Any] = OrderedDict()

    def register(
        self, data: bytes, family: str, style: str = "Regular", weight: int | None = None
    ) -> Face:
        """Add a font file. Raises ``BadFontError`` for data that is no usable font."""
        parsed, italic = parse_style(style, "" if weight is None else weight)
        face = Face(data, f"{family}-{style}", family, parsed)
        self.add(face, family, parsed, italic=italic)
        return face

    def add(self, face: AnyFace, family: str, weight: int, *, italic: bool = False) -> None:
        """Add a face that is already made."""
        self._families.setdefault(key_of(family), []).append(Entry(weight, italic, face))
        self._chains.clear()
        self._cache.clear()

    def match(
        self, family: str, style: str = "Regular", weight: str | float = "", text: str = ""
    ) -> Match:
        """Return the best face for a family; where it is unknown, a stand-in that suits ``text``.

        ``family`` may also be a PostScript name such as ``Vazirmatn-Bold``.
        """
        wanted, italic = parse_style(style, weight)
        face = self._find(family, wanted, italic)
        if face is None and "-" in family:
            stem, _, rest = family.rpartition("-")
            wanted, italic = parse_style(rest, weight)
            face = self._find(stem, wanted, italic)
        if face is not None:
            return Match(face, exact=True)
        joined = any(script_of(c) in JOINING for c in text)
        stand_in = self._find("Vazirmatn" if joined else "Inter", wanted, italic)
        assert stand_in is not None  # noqa: S101 - both are bundled, and packaging tests see to it
        return Match(stand_in, exact=False)

    def chain(
        self, family: str, style: str = "Regular", weight: str | float = "", text: str = ""
    ) -> "Chain":
        """Return the face for a request followed by what stands in for characters it lacks."""
        match = self.match(family, style, weight, text)
        wanted, italic = parse_style(style, weight)
        key = (id(match.face), wanted, italic, match.exact)
        found = self._chains.get(key)
        if found is None:
            found = Chain(match, self._fallbacks(wanted, italic))
            self._chains[key] = found
        return found

    def remember(self, key: Hashable, value: Any) -> None:
        """Keep a value made with these fonts; the oldest gives way."""
        self._cache[key] = value
        if len(self._cache) > _CACHE:
            self._cache.popitem(last=False)

    def recall(self, key: Hashable) -> Any:
        """Return a kept value, or ``None``."""
        value = self._cache.get(key)
        if value is not None:
            self._cache.move_to_end(key)
        return value

    def _find(self, family: str, weight: int, italic: bool) -> AnyFace | None:
        key = key_of(family)
        entries = self._families.get(key)
        if entries:
            best = min(entries, key=lambda e: (e.italic != italic, *_distance(e.weight, weight)))
            return best.face
        if self._parent is not None:
            return self._parent._find(family, weight, italic)
        fonts = [f for f in catalogue() if key_of(f.family) == key]
        if not fonts:
            return None
        return bundled_face(min(fonts, key=lambda f: _distance(f.weight, weight)))

    def _fallbacks(self, weight: int, italic: bool) -> list[AnyFace]:
        names = dict.fromkeys(f.family for f in catalogue())
        found = (self._find(name, weight, italic) for name in names)
        return [face for face in found if face is not None]


def _distance(weight: int, wanted: int) -> tuple[int, int]:
    """Order weights by nearness; between equals, heavier for heavy requests (CSS Fonts 5.2)."""
    away = abs(weight - wanted)
    return away, (wanted - weight if wanted > 450 else weight - wanted)


class Chain:
    """A requested face and its stand-ins, asked for one grapheme at a time."""

    __slots__ = ("emoji", "exact", "faces", "primary")

    def __init__(self, match: Match, fallbacks: Iterable[AnyFace]) -> None:
        self.primary = match.face
        self.exact = match.exact
        rest = [f for f in fallbacks if f is not match.face]
        self.emoji = [f for f in rest if key_of(f.family) in _EMOJI_FAMILIES]
        # A symbol without a wish for the emoji style is drawn in the text's own colour.
        self.faces = [self.primary, *sorted(rest, key=lambda f: f.colored)]

    def face_for(self, grapheme: str, near: AnyFace | None = None) -> AnyFace | None:
        """Return the face for a grapheme, or ``None`` where no font has it.

        ``near`` is the face of the letters around a mark or space: it is asked before the others,
        so that brackets and digits match the words that they stand with.
        """
        needed = [c for c in grapheme if not ignorable(c)]
        if not needed:
            return near or self.primary
        order = [near, *self.faces] if near is not None else self.faces
        if is_emoji(grapheme):
            order = [*self.emoji, *self.faces]
        for face in order:
            if all(face.covers(c) for c in needed):
                return face
        # A letter with an accent that no font has is better than no letter.
        if len(needed) > 1:
            return self.face_for(needed[0], near)
        return None


__all__ = ["WEIGHTS", "AnyFace", "Chain", "FontBook", "Match", "bundled_face", "parse_style"]
