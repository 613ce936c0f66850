"""A text layer: documents over time, set in their box, drawn with animators (Lottie "Text Data").

Owns the content of a layer of type 5; answers like every other content (``static``, ``draw``,
``bounds``). Lines and outlines are made once per document; a frame without active animators
draws one path.
"""

from dataclasses import dataclass

import skia

from flatrender_render.engines.lottie.geometry import IDENTITY, Box, Matrix, map_box, to_skia
from flatrender_render.engines.lottie.properties import Property, Vector, vector
from flatrender_render.engines.lottie.reader import Obj
from flatrender_render.engines.lottie.transform import compose

from .animator import Animator, Look
from .document import Fit, TextContext, TextDocument, read_documents, read_fit
from .follow import Follow
from .fragments import BY_CHARACTER, Fragment, Fragments
from .layout import TextLayout, layout
from .picture import Ink, fragment_ink, whole_ink

_MAX_ANIMATORS = 32
_BLUR_SIGMA = 0.3  # share of After Effects' blur amount that is the Gaussian's deviation
_GROUP_HEIGHT = 1.2 * 0.714  # em that 100 % of vertical grouping alignment is, as players have it


@dataclass(frozen=True, slots=True)
class _Set:
    """A document as set: everything about it that does not change."""

    document: TextDocument
    layout: TextLayout
    fragments: Fragments
    inks: tuple[Ink, ...]
    whole: Ink
    bounds: skia.Rect
    boxes: tuple[Box | None, ...]  # of the inks


class TextLayer:
    """The drawable inside of a text layer. Built by ``parse``."""

    def __init__(self, text: Obj, context: TextContext) -> None:
        self._context = context
        self._documents = read_documents(text, context)
        self._fit: Fit = read_fit(text, context)
        self._animators = [
            Animator(a, n) for n, a in enumerate(text.objects("a")) if n < _MAX_ANIMATORS
        ]
        more = text.child("m")
        self._grouping = more.int("g", BY_CHARACTER) if more is not None else BY_CHARACTER
        self._alignment: Property[Vector] | None = (
            vector(more, "a", (0.0, 0.0)) if more is not None else None
        )
        self._follow = Follow.read(text)
        self._sets: dict[int, _Set] = {}
        self._looks: tuple[float, list[Look] | Look] | None = None
        self._matrices: tuple[float, list[Matrix]] | None = None
        self.static: bool = (
            len(self._documents.documents) == 1
            and all(a.static for a in self._animators)
            and (self._alignment is None or self._alignment.static)
            and (self._follow is None or self._follow.static)
        )

    @classmethod
    def parse(cls, text: Obj, context: TextContext) -> "TextLayer":
        """Read the ``t`` of a text layer. ``text.parent`` is the layer, for its masks.

        Raises ``InvalidLottieError`` and ``LottieLimitError``; what is not drawn is reported.
        """
        return cls(text, context)

    def layout_at(self, frame: float) -> TextLayout:
        """Return how the text is set at a frame; ``overflow`` and ``missing`` are for warnings."""
        return self._set(frame).layout

    def layouts(self) -> list[TextLayout]:
        """Return every document's layout."""
        return [self._set_number(n).layout for n in range(len(self._documents.documents))]

    def draw(self, canvas: skia.Canvas, frame: float, alpha: float = 1.0) -> None:
        """Draw at a frame of the layer's composition, faded as one picture by ``alpha``."""
        current = self._set(frame)
        document = current.document
        looks = self._look(frame)
        if isinstance(looks, Look):
            if looks.opacity <= 0.0:
                return
            stroked = document.stroke is not None and document.stroke_width > 0
            grouped = alpha < 1.0 and (stroked or bool(current.whole.colored))
            if grouped:
                canvas.saveLayer(current.bounds, skia.Paint(Alphaf=alpha))
            _paint(canvas, current.whole, document, looks, 1.0 if grouped else alpha)
            if grouped:
                canvas.restore()
            return
        if alpha < 1.0:
            canvas.saveLayer(self.bounds(frame), skia.Paint(Alphaf=alpha))
        matrices = self._places(frame, current, looks)
        for fragment, ink, look, matrix in zip(
            current.fragments.items, current.inks, looks, matrices, strict=True
        ):
            if look.opacity > 0.0 and not fragment.white:
                canvas.save()
                canvas.concat(to_skia(matrix))
                self._fragment(canvas, document, ink, look)
                canvas.restore()
        if alpha < 1.0:
            canvas.restore()

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box in layer pixels around all that is drawn."""
        current = self._set(frame)
        looks = self._look(frame)
        if isinstance(looks, Look):
            return current.bounds if looks.opacity > 0.0 else skia.Rect.MakeEmpty()
        # Plain numbers: asked for every frame and letter, and Skia's objects are slow to make.
        found: list[Box] = []
        matrices = self._places(frame, current, looks)
        for fragment, box, look, matrix in zip(
            current.fragments.items, current.boxes, looks, matrices, strict=True
        ):
            if fragment.white or look.opacity <= 0.0 or box is None:
                continue
            margin = self._margin(current.document, look)
            left, top, right, bottom = box
            grown = (left - margin, top - margin, right + margin, bottom + margin)
            found.append(map_box(matrix, grown))
        if not found:
            return skia.Rect.MakeEmpty()
        lefts, tops, rights, bottoms = zip(*found, strict=True)
        return skia.Rect.MakeLTRB(min(lefts), min(tops), max(rights), max(bottoms))

    # --- setting ----------------------------------------------------------------------------

    def _set(self, frame: float) -> _Set:
        return self._set_number(self._documents.index(frame))

    def _set_number(self, number: int) -> _Set:
        found = self._sets.get(number)
        if found is None:
            found = self._sets[number] = self._make(self._documents.documents[number])
        return found

    def _make(self, document: TextDocument) -> _Set:
        result = layout(
            document.text,
            document.style,
            document.box,
            self._context.book,
            max_lines=self._fit.max_lines,
            min_scale=self._fit.min_scale,
            max_width=self._fit.max_width,
            direction=self._context.direction,
        )
        fragments = Fragments(result)
        stroked = (document.stroke is not None and document.stroke_width > 0) or any(
            "sw" in a.scalars for a in self._animators
        )
        inks = tuple(fragment_ink(f, result.size, stroked=stroked) for f in fragments.items)
        whole = whole_ink(inks)
        margin = document.stroke_width / 2.0 + 1.0
        bounds = whole.bounds()
        if not bounds.isEmpty():
            bounds = bounds.makeOutset(margin, margin)
        boxes = tuple([_box(ink.bounds()) for ink in inks])
        return _Set(document, result, fragments, inks, whole, bounds, boxes)

    # --- animators --------------------------------------------------------------------------

    def _look(self, frame: float) -> list[Look] | Look:
        """Return every fragment's look at a frame, or one for all.

        There is one for all where it hides them, or leaves each in its place with its outline.
        """
        if not self._animators and self._follow is None:
            return _STILL
        memo = self._looks
        if memo is not None and memo[0] == frame:
            return memo[1]
        current = self._set(frame)
        document = current.document
        reaches = [animator.reach(current.fragments, frame) for animator in self._animators]
        found: list[Look] | Look | None = self._alike(document, reaches, frame)
        if found is None:
            found = looks = [Look() for _ in current.fragments.items]
            for animator, reach in zip(self._animators, reaches, strict=True):
                animator.apply(looks, reach, frame, document.fill, document.stroke)
            _spread(looks, current)
        self._looks = (frame, found)
        return found

    def _alike(
        self, document: TextDocument, reaches: list[list[float]], frame: float
    ) -> Look | None:
        """Return the look of all fragments if animators reach them alike and move none."""
        if self._follow is not None or any(len(set(reach)) > 1 for reach in reaches):
            return None
        one = Look()
        for animator, reach in zip(self._animators, reaches, strict=True):
            animator.apply([one], reach[:1] or [0.0], frame, document.fill, document.stroke)
        if one.opacity <= 0.0 or one.still:
            return one
        stroked = document.stroke is not None and document.stroke_width > 0
        return one if one.flat and not stroked else None

    def _places(self, frame: float, current: _Set, looks: list[Look]) -> list[Matrix]:
        """Return every fragment's matrix; a frame's bounds and its drawing both ask for them.

        What does not show has none.
        """
        memo = self._matrices
        if memo is None or memo[0] != frame:
            items = zip(current.fragments.items, looks, strict=True)
            matrices = [
                IDENTITY
                if item.white or look.opacity <= 0.0
                else self._matrix(frame, current, item, look)
                for item, look in items
            ]
            memo = self._matrices = (frame, matrices)
        return memo[1]

    def _matrix(self, frame: float, current: _Set, fragment: Fragment, look: Look) -> Matrix:
        x, y = self._pivot(frame, current, fragment)
        at = (x + look.position[0], y + look.position[1])
        turn = look.rotation
        if self._follow is not None:
            spot = self._follow.place(current.layout, fragment, look.position, frame)
            if spot is not None:
                x = fragment.x + fragment.width / 2.0
                y = fragment.y
                at, along = (spot[0], spot[1]), spot[2]
                turn += along
        return compose(
            (x + look.anchor[0], y + look.anchor[1]),
            at,
            (look.scale[0] * 100.0, look.scale[1] * 100.0),
            turn,
            look.skew,
            look.skew_axis,
        )

    def _pivot(self, frame: float, current: _Set, fragment: Fragment) -> tuple[float, float]:
        """Return the point that a fragment turns and grows around (anchor point grouping)."""
        left, right, y = current.fragments.span(self._grouping, fragment)
        x = (left + right) / 2.0
        if self._alignment is not None:
            dx, dy = self._alignment.at(frame)[:2]
            x += dx / 100.0 * (right - left) / 2.0
            y += dy / 100.0 * _GROUP_HEIGHT * current.layout.size
        return x, y

    def _margin(self, document: TextDocument, look: Look) -> float:
        width = max(document.stroke_width + look.stroke_width, 0.0)
        return width / 2.0 + 1.0 + 3.0 * _BLUR_SIGMA * max(*look.blur, 0.0)

    def _fragment(
        self,
        canvas: skia.Canvas,
        document: TextDocument,
        ink: Ink,
        look: Look,
    ) -> None:
        sx, sy = (max(v * _BLUR_SIGMA, 0.0) for v in look.blur)
        blurred = max(sx, sy) > 0.05
        stroked = (look.stroke or document.stroke) is not None and (
            document.stroke_width + look.stroke_width > 0
        )
        several = stroked or bool(ink.colored)
        alpha = look.opacity
        if blurred and sx == sy and not several:
            # One flat shape: blurring its coverage is the same picture for a fraction of the work.
            mask = skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, sx)
            _paint(canvas, ink, document, look, alpha, mask)
            return
        grouped = blurred or (look.opacity < 1.0 and several)
        if grouped:
            paint = skia.Paint(Alphaf=alpha)
            if blurred:
                paint.setImageFilter(skia.ImageFilters.Blur(sx, sy))
            margin = self._margin(document, look)
            canvas.saveLayer(ink.bounds().makeOutset(margin, margin), paint)
            alpha = 1.0
        _paint(canvas, ink, document, look, alpha)
        if grouped:
            canvas.restore()


_STILL = Look()


def _box(rect: skia.Rect) -> Box | None:
    if rect.isEmpty():
        return None
    return (rect.left(), rect.top(), rect.right(), rect.bottom())


def _spread(looks: list[Look], current: _Set) -> None:
    """Move fragments by what tracking and line spacing animators open up.

    Tracking opens the space after each letter from left to right; the line keeps its alignment.
    Joined letters take none.
    """
    if any(look.tracking for look in looks):
        align = {1: 1.0, 2: 0.5, 4: 1.0, 5: 0.5}.get(current.document.style.justify, 0.0)
        lines: dict[int, list[tuple[float, int]]] = {}
        for n, item in enumerate(current.fragments.items):
            lines.setdefault(item.line, []).append((item.x, n))
        for members in lines.values():
            opened = before = 0.0
            shifts: list[tuple[int, float]] = []
            for _, n in sorted(members):
                shifts.append((n, opened))
                before = opened
                if not current.fragments.items[n].joins:
                    opened += looks[n].tracking
            for n, shift in shifts:  # what opens after the last letter moves nothing
                looks[n].position[0] += shift - before * align
    if any(any(look.line_spacing) for look in looks):
        totals: dict[int, list[float]] = {}
        for look, item in zip(looks, current.fragments.items, strict=True):
            entry = totals.setdefault(item.line, [0.0, 0.0, 0.0])
            entry[0] += look.line_spacing[0]
            entry[1] += look.line_spacing[1]
            entry[2] += 1.0
        moved = {}
        x = y = 0.0
        for line in sorted(totals):
            sx, sy, count = totals[line]
            if line > 0:
                x, y = x + sx / count, y + sy / count
            moved[line] = (x, y)
        for look, item in zip(looks, current.fragments.items, strict=True):
            look.position[0] += moved[item.line][0]
            look.position[1] += moved[item.line][1]


def _paint(  # noqa: PLR0917 - all that one drawing needs
    canvas: skia.Canvas,
    ink: Ink,
    document: TextDocument,
    look: Look,
    alpha: float,
    mask: skia.MaskFilter | None = None,
) -> None:
    fill = look.fill or document.fill
    stroke = look.stroke or document.stroke
    width = document.stroke_width + look.stroke_width
    line: skia.Paint | None = None
    if stroke is not None and width > 0:
        line = skia.Paint(
            AntiAlias=True,
            Style=skia.Paint.kStroke_Style,
            StrokeWidth=width,
            StrokeJoin=skia.Paint.kRound_Join,
            Color4f=skia.Color4f(*stroke[:3], alpha * look.stroke_opacity),
        )
    if line is not None and not document.stroke_over:
        canvas.drawPath(ink.path, line)
    if fill is not None:
        color = skia.Color4f(*fill[:3], alpha * look.fill_opacity)
        paint = skia.Paint(AntiAlias=True, Color4f=color)
        if mask is not None:
            paint.setMaskFilter(mask)
        canvas.drawPath(ink.path, paint)
    if line is not None and document.stroke_over:
        canvas.drawPath(ink.path, line)
    for path, own in ink.colored:
        r, g, b, a = own or (*(fill or (0.0, 0.0, 0.0))[:3], 1.0)
        color = skia.Color4f(r, g, b, a * alpha * look.fill_opacity)
        canvas.drawPath(path, skia.Paint(AntiAlias=True, Color4f=color))
