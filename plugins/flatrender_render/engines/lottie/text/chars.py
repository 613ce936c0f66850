"""Glyphs that the animation itself carries as shapes (Lottie "Characters", member ``chars``).

Owns reading them into something that answers like a font. They stand for single characters drawn
apart, so they never serve scripts whose letters join.
"""

from collections.abc import Iterable, Mapping

import skia

from flatrender_render.engines.lottie.outline import add_contour
from flatrender_render.engines.lottie.properties import bezier
from flatrender_render.engines.lottie.reader import Obj

from .face import ColorLayer, Glyph
from .segment import JOINING, script_of

_SIZE = 100.0  # Bodymovin exports every character at this font size


class CharsFace:
    """The characters of one family and style."""

    colored = False
    descent = 0.25

    def __init__(
        self, name: str, weight: int, glyphs: Mapping[str, tuple[float, skia.Path]]
    ) -> None:
        self.name = name
        self.family = name
        self.weight = weight
        self._glyphs = list(glyphs.values())
        self._index = {char: n for n, char in enumerate(glyphs)}
        self.coverage = frozenset(ord(c) for c in self._index)
        tall = self._index.get("d")
        top = -self._glyphs[tall][1].getBounds().top() if tall is not None else 0.0
        self.ascent = top if top > 0 else 0.75

    def covers(self, char: str) -> bool:
        """Whether the animation carries the character."""
        return char in self._index

    def shape(
        self, text: list[int], start: int, end: int, *, rtl: bool, script: str
    ) -> list[Glyph]:
        """Set the characters side by side, from left to right."""
        del script
        out = []
        for index in range(start, end):
            gid = self._index.get(chr(text[index]), -1)
            out.append(Glyph(gid, index, self._glyphs[gid][0] if gid >= 0 else 0.0, 0.0, 0.0))
        return out[::-1] if rtl else out

    def outline(self, gid: int) -> skia.Path:
        """Return the outline for one em."""
        return self._glyphs[gid][1] if gid >= 0 else skia.Path()

    def color_layers(self, gid: int) -> tuple[ColorLayer, ...] | None:
        """Return ``None``: the text's fill paints them."""
        del gid
        return None


def read_chars(root: Obj) -> dict[tuple[str, str], dict[str, tuple[float, skia.Path]]]:
    """Read ``chars`` of an animation: by family and style, the advance and outline (em) of each."""
    out: dict[tuple[str, str], dict[str, tuple[float, skia.Path]]] = {}
    for item in root.objects("chars"):
        char = item.text("ch")
        if len(char) != 1 or script_of(char) in JOINING:
            continue
        path = skia.Path()
        data = item.child("data")
        if data is not None:
            _collect(data.objects("shapes"), path, 0)
        unit = skia.Matrix.Scale(1 / _SIZE, 1 / _SIZE)
        path.transform(unit)
        key = (item.text("fFamily"), item.text("style"))
        out.setdefault(key, {})[char] = (item.num("w") / _SIZE, path)
    return out


def _collect(shapes: Iterable[Obj], path: skia.Path, depth: int) -> None:
    for shape in shapes:
        kind = shape.text("ty")
        if kind == "gr" and depth < 8:
            _collect(shape.objects("it"), path, depth + 1)
        elif kind == "sh":
            add_contour(path, bezier(shape, "ks").at(0.0))
