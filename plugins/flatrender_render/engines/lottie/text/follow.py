"""Text along a path: a mask of the layer carries the line (Lottie "Text Follow Path").

Owns finding the path and a fragment's place on it. Each fragment stands straight on the path's
tangent at its middle; words of joined letters keep their shape.
"""

import math

import skia

from flatrender_render.engines.lottie.bezier import Bezier
from flatrender_render.engines.lottie.outline import add_contour
from flatrender_render.engines.lottie.properties import Property, bezier, scalar
from flatrender_render.engines.lottie.reader import Obj

from .fragments import Fragment
from .layout import TextLayout
from .style import Justify


class Follow:
    """The path options of a text layer (``t.p``)."""

    def __init__(self, options: Obj, path: Property[Bezier]) -> None:
        self.path = path
        self.first: Property[float] = scalar(options, "f", 0.0)
        self.last: Property[float] = scalar(options, "l", 0.0)
        self.reverse: Property[float] = scalar(options, "r", 0.0)
        self.perpendicular: Property[float] = scalar(options, "p", 1.0)
        self.force: Property[float] = scalar(options, "a", 0.0)
        parts = (self.first, self.last, self.reverse, self.perpendicular, self.force)
        self.static = path.static and all(p.static for p in parts)
        self._measured: tuple[float, skia.PathMeasure, skia.Path] | None = None

    @classmethod
    def read(cls, text: Obj) -> "Follow | None":
        """Read the options; ``None`` where the text follows no path."""
        options = text.child("p")
        if options is None or not options.has("m") or text.parent is None:
            return None
        number = options.int("m")
        masks = list(text.parent.objects("masksProperties"))
        if not 0 <= number < len(masks):
            return None
        return cls(options, bezier(masks[number], "pt"))

    def place(
        self, layout: TextLayout, fragment: Fragment, shift: list[float], frame: float
    ) -> tuple[float, float, float] | None:
        """Return where a fragment's middle stands, and its turn in degrees.

        ``shift`` moves along and off the path, as a position animator does.
        """
        measure = self._measure(frame)
        length = measure.getLength()
        if length <= 0:
            return None
        line = layout.lines[fragment.line]
        start, end = self.first.at(frame), length + self.last.at(frame)
        middle = fragment.x - line.x + fragment.width / 2.0
        if self.force.at(frame) and line.width > 0:
            at = start + middle * (end - start) / line.width
        else:
            justify = layout.style.justify.last
            if justify == Justify.RIGHT:
                start = end - line.width
            elif justify == Justify.CENTER:
                start = (start + end - line.width) / 2.0
            at = start + middle
        at += shift[0]
        x, y, dx, dy = _on(measure, length, at)
        off = fragment.y - layout.lines[0].baseline + shift[1]
        x, y = x - dy * off, y + dx * off
        turn = math.degrees(math.atan2(dy, dx)) if self.perpendicular.at(frame) else 0.0
        return x, y, turn

    def _measure(self, frame: float) -> skia.PathMeasure:
        found = self._measured
        if found is not None and (self.static or found[0] == frame):
            return found[1]
        path = skia.Path()
        add_contour(path, self.path.at(frame))
        if self.reverse.at(frame):
            backward = skia.Path()
            backward.reverseAddPath(path)
            path = backward
        measure = skia.PathMeasure(path, False)
        self._measured = (frame, measure, path)
        return measure


def _on(measure: skia.PathMeasure, length: float, at: float) -> tuple[float, float, float, float]:
    """Return point and tangent; beyond the ends the path goes on straight (a closed one around)."""
    inside = at % length if measure.isClosed() else min(max(at, 0.0), length)
    point, tangent = measure.getPosTan(inside)
    beyond = 0.0 if measure.isClosed() else at - inside
    return (
        point.x() + tangent.x() * beyond,
        point.y() + tangent.y() * beyond,
        tangent.x(),
        tangent.y(),
    )
