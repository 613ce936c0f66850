"""Outlines of set text, ready to paint: made once per text, drawn every frame.

Owns gathering glyph outlines of placed clusters in layer pixels. Knows no time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import skia

from .face import Color
from .fragments import Fragment
from .layout import Placed


@dataclass(frozen=True, slots=True)
class Ink:
    """What a piece of text paints: one outline for the text's colours, and coloured pieces."""

    path: skia.Path
    colored: tuple[tuple[skia.Path, Color | None], ...]

    def bounds(self) -> skia.Rect:
        """Return a box around everything."""
        rect = self.path.getBounds().makeOutset(0.0, 0.0)  # a copy: join changes it
        for path, _ in self.colored:
            rect.join(path.getBounds())
        return rect


def ink_of(placed: Iterable[Placed], size: float) -> Ink:
    """Gather the outlines of clusters at a size in pixels."""
    path = skia.Path()
    colored: list[tuple[skia.Path, Color | None]] = []
    for item in placed:
        cluster = item.cluster
        scale = size * cluster.scale
        for gid, x, y in cluster.glyphs:
            place = skia.Matrix.MakeAll(
                scale, 0, item.x + x * size, 0, scale, item.y + y * size, 0, 0, 1
            )
            layers = cluster.face.color_layers(gid)
            if layers is None:
                path.addPath(cluster.face.outline(gid), place)
            else:
                for layer in layers:
                    moved = skia.Path()
                    layer.path.transform(place, moved)
                    colored.append((moved, layer.color))
    return Ink(path, tuple(colored))


def fragment_ink(fragment: Fragment, size: float, *, stroked: bool) -> Ink:
    """Gather a fragment's outlines; joined letters become one shape where a stroke runs around.

    Persian letters overlap where they join: stroked apart, their seams would show.
    """
    ink = ink_of(fragment.placed, size)
    if stroked and fragment.joins:
        try:
            return Ink(skia.Simplify(ink.path), ink.colored)
        except RuntimeError:  # Skia gives up on rare outlines; seams are better than nothing
            return ink
    return ink


def whole_ink(inks: Iterable[Ink]) -> Ink:
    """Join the inks of all fragments."""
    path = skia.Path()
    colored: list[tuple[skia.Path, Color | None]] = []
    for ink in inks:
        if ink.path.getFillType() != path.getFillType():
            simple = skia.Path(ink.path)
            try:
                simple = skia.AsWinding(simple)
            except RuntimeError:
                simple.setFillType(skia.PathFillType.kWinding)
            path.addPath(simple)
        else:
            path.addPath(ink.path)
        colored += ink.colored
    return Ink(path, tuple(colored))
