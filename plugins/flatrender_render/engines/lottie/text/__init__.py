"""Text of the Lottie engine: fonts, direction, shaping, layout, animators.

What the rest of the engine uses::

    book = FontBook()                                    # bundled fonts; one per template package
    book.register(data, "Family", "Bold")                # package fonts; raises BadFontError
    context = TextContext(root, book, direction="rtl")   # once per animation (fonts, chars)
    content = TextLayer.parse(layer.need("t"), context)  # a layer of type 5
    content.static; content.bounds(frame); content.draw(canvas, frame, alpha)
    [l.overflow for l in content.layouts()]              # for warnings: overflow, torn, missing

    fill_text(t, "متن", max_lines=2, min_scale=0.4)      # a slot's value into a layer's raw ``t``

    layout(text, style, box, book, max_lines=, min_scale=, max_width=, direction=) -> TextLayout

Guarantees: letters of joining scripts are never drawn apart, whatever animates them; text in a
box is inside the box or reported as overflow; hostile fonts end in ``BadFontError``; the same
input gives the same picture. Fonts of the system are never used.

Modules: ``bidi`` (UAX #9), ``segment`` (UAX #14, #24, #29), ``face`` (one font), ``chars`` (glyphs
in the file), ``book`` (families, fallback), ``shaping``, ``lines``, ``layout``, ``document``
(reading), ``fragments``, ``selector``, ``animator``, ``follow`` (text on a path), ``picture``
(outlines), ``layer`` (drawing), ``slots``.
"""

from .bidi import Direction
from .book import FontBook, Match
from .document import TextContext
from .errors import BadFontError
from .layer import TextLayer
from .layout import Line, Placed, TextLayout, layout
from .slots import fill_text
from .style import Caps, Justify, TextBox, TextStyle

__all__ = [
    "BadFontError",
    "Caps",
    "Direction",
    "FontBook",
    "Justify",
    "Line",
    "Match",
    "Placed",
    "TextBox",
    "TextContext",
    "TextLayer",
    "TextLayout",
    "TextStyle",
    "fill_text",
    "layout",
]
