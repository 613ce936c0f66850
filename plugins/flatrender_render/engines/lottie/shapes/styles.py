"""What paints outlines: fills and strokes, plain or with a gradient.

Lottie "Fill" (``fl``), "Stroke" (``st``), "Gradient Fill" (``gf``), "Gradient Stroke" (``gs``),
"Stroke Dashes".
"""

import skia

from flatrender_render.engines.lottie.blend import NORMAL, blend_mode
from flatrender_render.engines.lottie.properties import Property, Static, color, scalar
from flatrender_render.engines.lottie.reader import Obj

from .gradients import Gradient

CAPS = {1: skia.Paint.kButt_Cap, 2: skia.Paint.kRound_Cap, 3: skia.Paint.kSquare_Cap}
LARGE = 40_000  # square pixels of the group's space
JOINS = {1: skia.Paint.kMiter_Join, 2: skia.Paint.kRound_Join, 3: skia.Paint.kBevel_Join}


class Style:
    """Common to all four: colour or gradient, opacity, blend mode."""

    stroke = False
    even_odd = False

    def __init__(self, obj: Obj, *, gradient: bool) -> None:
        self.opacity = scalar(obj, "o", 100.0)
        self.blend = blend_mode(obj)
        self.deadline = obj.doc.deadline
        self.gradient = Gradient(obj) if gradient else None
        self.color = Static((0.0, 0.0, 0.0, 1.0)) if gradient else color(obj, "c")
        source = self.gradient or self.color
        self.static = self.opacity.static and source.static
        self.paint = skia.Paint(AntiAlias=True)
        if self.blend != NORMAL:
            self.paint.setBlendMode(self.blend)
        # Dithered, a gradient shows no bands after encoding; it is drawn three times faster, too.
        self.paint.setDither(gradient)

    def prepare(self, frame: float, alpha: float) -> skia.Paint | None:
        """Return the paint at a frame, or ``None`` where nothing would show."""
        self.deadline.check()
        alpha *= min(max(self.opacity.at(frame) / 100.0, 0.0), 1.0)
        if alpha <= 0.0:
            return None
        paint = self.paint
        if self.gradient is not None:
            paint.setShader(self.gradient.shader(frame))
            paint.setAlphaf(alpha)
        else:
            # Alpha is below 1 only where a slot was given #rrggbbaa.
            r, g, b, a = self.color.at(frame)[:4]
            paint.setColor4f(skia.Color4f(r, g, b, alpha * a))
        return paint

    def _large(self, path: skia.Path, paint: skia.Paint) -> skia.Paint:
        """Return a paint that gives the same picture faster where much is filled.

        Skia's own way to fill with a translucent colour takes 2.5 times as long as a shader of
        that colour (measured), but has less to set up.
        """
        if self.gradient is not None or paint.getAlphaf() >= 1.0:
            return paint
        box = path.getBounds()
        if box.width() * box.height() < LARGE:
            return paint
        shaded = skia.Paint(paint)
        shaded.setShader(skia.Shaders.Color(paint.getColor4f()))
        shaded.setAlphaf(1.0)
        return shaded

    def opaque(self, frame: float) -> bool:
        """Whether nothing shows through what is painted inside of a path."""
        del frame
        return False

    def outset(self, frame: float) -> float:
        """Return how far the style paints beyond its path."""
        del frame
        return 0.0

    def draw(self, canvas: skia.Canvas, path: skia.Path, frame: float, alpha: float) -> None:
        """Paint a path in the canvas's present space."""
        paint = self.prepare(frame, alpha)
        if paint is not None:
            canvas.drawPath(path, self._large(path, paint))


class Fill(Style):
    """Fills by nonzero (``r: 1``) or even-odd (``r: 2``) winding."""

    def __init__(self, obj: Obj, *, gradient: bool) -> None:
        super().__init__(obj, gradient=gradient)
        self.even_odd = obj.int("r", 1) == 2

    def opaque(self, frame: float) -> bool:
        """See ``Style.opaque``."""
        return (
            self.gradient is None
            and self.blend == NORMAL
            and self.opacity.at(frame) >= 100.0
            and self.color.at(frame)[3] >= 1.0
        )


class Stroke(Style):
    """Strokes with width, cap, join, miter limit and dashes."""

    stroke = True

    def __init__(self, obj: Obj, *, gradient: bool) -> None:
        super().__init__(obj, gradient=gradient)
        self.width = scalar(obj, "w", 1.0)
        self.miter = scalar(obj, "ml2") if obj.has("ml2") else Static(obj.num("ml", 4.0))
        self.paint.setStyle(skia.Paint.kStroke_Style)
        self.paint.setStrokeCap(CAPS.get(obj.int("lc", 2), skia.Paint.kRound_Cap))
        self.join = JOINS.get(obj.int("lj", 2), skia.Paint.kRound_Join)
        self.paint.setStrokeJoin(self.join)
        self.limit = obj.doc.limits.dashes
        self.intervals: list[Property[float]] = []
        self.phase: Property[float] = Static(0.0)
        for dash in list(obj.objects("d"))[:64]:
            if dash.text("n", "d") == "o":
                self.phase = scalar(dash, "v")
            else:
                self.intervals.append(scalar(dash, "v"))
        moving = (self.width, self.miter, self.phase, *self.intervals)
        self.static = self.static and all(p.static for p in moving)

    def outset(self, frame: float) -> float:
        """Return half the width, more where mitres or square caps stick out."""
        half = max(self.width.at(frame), 0.0) / 2
        return half * max(self.miter.at(frame), 1.5) if self.join == 0 else half * 1.5

    def draw(self, canvas: skia.Canvas, path: skia.Path, frame: float, alpha: float) -> None:
        """Stroke a path."""
        width = self.width.at(frame)
        if width <= 0:  # Skia would draw a hairline
            return
        paint = self.prepare(frame, alpha)
        if paint is None:
            return
        paint.setStrokeWidth(width)
        paint.setStrokeMiter(max(self.miter.at(frame), 1.0))
        dashes = self._dashes(path, frame) if self.intervals else None
        if dashes is not None:
            # On a copy: the binding cannot take a path effect off a paint again.
            paint = skia.Paint(paint)
            paint.setPathEffect(dashes)
        canvas.drawPath(path, paint)

    def _dashes(self, path: skia.Path, frame: float) -> skia.PathEffect | None:
        intervals = [max(p.at(frame), 0.0) for p in self.intervals]
        if len(intervals) % 2:
            intervals += intervals
        total = sum(intervals)
        if total < 1e-3:
            return None
        # Zero-length dashes still make dots with round caps; zero gaps make a solid line.
        if sum(intervals[1::2]) <= 0 or _length(path) / total > self.limit:
            return None
        return skia.DashPathEffect.Make(intervals, self.phase.at(frame) % total)


def _length(path: skia.Path) -> float:
    measure = skia.PathMeasure(path, False)
    total: float = measure.getLength()
    while measure.nextContour():
        total += measure.getLength()
    return total


def parse_style(obj: Obj, kind: str) -> Style:
    """Read one of ``fl st gf gs``."""
    if kind in {"fl", "gf"}:
        return Fill(obj, gradient=kind == "gf")
    return Stroke(obj, gradient=kind == "gs")
