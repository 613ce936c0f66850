"""Text documents over time, and the fonts they name (Lottie "Text Document", "Font List").

Owns reading; ``layout`` sets what is read here. A document holds until the next keyframe: After
Effects does not interpolate text.
"""

from bisect import bisect_right
from dataclasses import dataclass

from flatrender_render.engines.lottie.properties import Vector, hex_color, vector
from flatrender_render.engines.lottie.reader import Obj, numbers

from .bidi import Direction
from .book import FontBook, parse_style
from .chars import CharsFace, read_chars
from .style import Caps, Justify, TextBox, TextStyle

# The member that text slots add to a text layer's ``t``; see ``slots``.
EXTENSION = "flatrender"
# A designer's own text fits its box in After Effects; where fonts differ it may shrink a little.
DESIGN_SCALE = 0.5
SLOT_SCALE = 0.4  # as ``TextSlot.min_scale``
POINT_SHARE = 0.92  # of the composition's width, for a customer's text without a box
_MAX_SIZE = 10_000.0


@dataclass(frozen=True, slots=True)
class FontRef:
    """One entry of ``fonts.list``."""

    family: str
    style: str
    weight: str
    ascent: float | None


class TextContext:
    """What text layers of one animation share: fonts, their names, direction of the project.

    ``direction`` is the project's: ``rtl`` lets a line that begins with a Latin name and holds
    Persian run from right to left.
    """

    def __init__(self, root: Obj, book: FontBook, direction: str = "ltr") -> None:
        self.book = book
        self.width = max(root.num("w"), 0.0)
        self.direction: Direction = "auto-rtl" if direction == "rtl" else "auto"
        self.fonts: dict[str, FontRef] = {}
        listed = root.child("fonts")
        if listed is not None:
            for item in listed.objects("list"):
                ascent = item.num("ascent") / 100.0
                self.fonts[item.text("fName")] = FontRef(
                    item.text("fFamily"),
                    item.text("fStyle", "Regular"),
                    item.text("fWeight"),
                    ascent if 0.0 < ascent <= 2.0 else None,
                )
        chars = read_chars(root)
        if chars:
            self.book = FontBook(book)
            for (family, style), glyphs in chars.items():
                if not book.match(family, style).exact:
                    weight, italic = parse_style(style)
                    face = CharsFace(f"{family}-{style}", weight, glyphs)
                    self.book.add(face, family, weight, italic=italic)

    def font(self, name: str) -> FontRef:
        """Return the font of a name; an unlisted one is taken for a PostScript name."""
        found = self.fonts.get(name)
        if found is not None:
            return found
        family, _, style = name.rpartition("-")
        return FontRef(family or name, style if family else "Regular", "", None)


@dataclass(frozen=True, slots=True)
class TextDocument:
    """One text with everything that is said about it. Colours are r, g, b in 0..1."""

    text: str
    style: TextStyle
    box: TextBox | None
    fill: Vector | None
    stroke: Vector | None
    stroke_width: float
    stroke_over: bool


@dataclass(frozen=True, slots=True)
class Documents:
    """A text layer's documents by time."""

    times: tuple[float, ...]
    documents: tuple[TextDocument, ...]

    def index(self, frame: float) -> int:
        """Return which document shows at a frame."""
        return max(bisect_right(self.times, frame) - 1, 0)


def read_documents(text: Obj, context: TextContext) -> Documents:
    """Read ``t.d`` of a text layer."""
    data = text.need("d")
    if isinstance(data.raw.get("x"), str):
        data.report("expression")
    found = sorted(
        (
            (key.num("t"), _document(key.need("s"), context))
            for key in data.objects("k")
            if key.has("s")
        ),
        key=lambda pair: pair[0],
    )
    if not found:
        raise data.fail("k", "a text layer needs a text document")
    return Documents(tuple(t for t, _ in found), tuple(d for _, d in found))


def _document(obj: Obj, context: TextContext) -> TextDocument:
    text = obj.text("t")
    obj.doc.count("characters of text", len(text), obj.doc.limits.text_length, obj)
    name = obj.text("f")
    font = context.font(name)
    caps, justify = obj.int("ca"), obj.int("j")
    leading = obj.num("lh") if obj.has("lh") else None
    size = min(max(obj.num("s", 12.0), 0.0), _MAX_SIZE)
    style = TextStyle(
        family=font.family or name,
        style=font.style,
        weight=font.weight,
        size=size,
        leading=leading if leading is None or leading > 0 else None,
        tracking=min(max(obj.num("tr"), -1000.0), 10_000.0),
        baseline_shift=obj.num("ls"),
        caps=Caps(caps) if caps in {1, 2} else Caps.REGULAR,
        justify=Justify(justify) if 0 <= justify <= 6 else Justify.LEFT,
        ascent=font.ascent,
    )
    if not context.book.match(style.family, style.style, style.weight).exact:
        obj.report(f"font {style.family!r} is not in the package")
    return TextDocument(
        text=text,
        style=style,
        box=_box(obj),
        fill=_color(obj, "fc"),
        stroke=_color(obj, "sc"),
        stroke_width=max(obj.num("sw"), 0.0),
        stroke_over=obj.flag("of", True),
    )


def _box(obj: Obj) -> TextBox | None:
    size = numbers(obj, "sz", obj.raw["sz"]) if obj.has("sz") else ()
    if len(size) < 2 or size[0] <= 0:
        return None
    at = numbers(obj, "ps", obj.raw["ps"]) if obj.has("ps") else ()
    x, y = at[:2] if len(at) >= 2 else (0.0, 0.0)
    vertical = {0: 0.0, 1: 0.5, 2: 1.0}.get(obj.int("vj", -1))
    return TextBox(x, y, size[0], max(size[1], 0.0), vertical)


def _color(obj: Obj, key: str) -> Vector | None:
    if not obj.has(key):
        return None
    raw = obj.raw[key]
    if isinstance(raw, str):
        return hex_color(obj, key, raw)[:3]
    values = numbers(obj, key, raw)[:3]
    if len(values) < 3:
        return None
    return tuple(min(max(v, 0.0), 1.0) for v in values)


@dataclass(frozen=True, slots=True)
class Fit:
    """How a layer's text may be made to fit. ``max_width`` is for text without a box, pixels."""

    max_lines: int | None
    min_scale: float
    max_width: float | None = None


def read_fit(text: Obj, context: TextContext) -> Fit:
    """Read what the slot allows (``slots.fill_text`` wrote it), or what is usual.

    The member is looked for in ``t`` and in ``t.d``. A customer's text in a layer without a box
    must not run out of the picture: it is held to most of the composition's width, as far as a
    still scale of the layer tells how wide that is.
    """
    data = text.need("d")
    told = text.child(EXTENSION) or data.child(EXTENSION)
    if told is None:
        return Fit(None, SLOT_SCALE if data.has("sid") else DESIGN_SCALE)
    lines = told.int("max_lines")
    scale = told.num("min_scale", DESIGN_SCALE)
    return Fit(lines if lines > 0 else None, min(max(scale, 0.01), 1.0), _room(text, context.width))


def _room(text: Obj, width: float) -> float | None:
    """Return how wide a text without a box may be, in layer pixels."""
    transform = text.parent.child("ks") if text.parent is not None else None
    scale = vector(transform, "s", (100.0, 100.0)) if transform is not None else None
    factor = abs(scale.at(0.0)[0]) / 100.0 if scale is not None and scale.static else 1.0
    return width * POINT_SHARE / factor if width > 0 and factor > 0.01 else None
