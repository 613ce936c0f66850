"""What differs between two frames of an animation, as pixels; so that only those are drawn anew.

Owns the region of change and its rules. A frame's bytes must never depend on what was drawn before
it, so:

- Everything that looks different, or is drawn in another way, lies wholly in the region, at both
  frames.
- Nothing but fills and copies is ever cut to the region: Skia blends the soft edge of an outline
  and samples a picture by other arithmetic where a clip cuts it (a step of 1/255 here and there).
  What reaches beyond the region is drawn uncut, on a surface aside (``Region.crossed``).
"""

from collections.abc import Iterator, Set

import skia

from flatrender_render.engines import Box

from .composition import Composition, Part
from .content import PrecompContent
from .geometry import to_skia
from .layers import Layer
from .raster import covers

WHOLE = 0.7  # above this share of the surface, drawing all of it is cheaper
SMALL = 0.04  # growing the region by this share of the surface is cheaper than a surface aside


class Region:
    """Pixels of a surface that are to be drawn anew.

    ``crossed`` tells that something to be drawn lies only partly in it, ``full`` that it is the
    surface: nothing more needs to be found out then.
    """

    def __init__(self, width: int, height: int) -> None:
        self.surface = skia.IRect.MakeWH(width, height)
        self.skia = skia.Region()
        self.crossed = False
        self.full = False
        self._boxes: list[Box] | None = None

    def add(self, pixels: skia.IRect | skia.Region) -> None:
        """Add pixels, as far as the surface has them."""
        within = skia.Region(self.surface)
        if within.op(pixels, skia.Region.kIntersect_Op):
            self.full = self.full or within.contains(self.surface)
            self.skia.op(within, skia.Region.kUnion_Op)
            self._boxes = None

    def replace(self, pixels: skia.Region) -> None:
        """Be these pixels."""
        self.skia, self._boxes = pixels, None

    def boxes(self) -> list[Box]:
        """Return the region as boxes that do not overlap."""
        if self._boxes is None:
            self._boxes = [(r.left(), r.top(), r.right(), r.bottom()) for r in self.skia.iterator()]
        return self._boxes

    @property
    def share(self) -> float:
        """The region's part of the surface."""
        covered = sum((r - x) * (b - y) for x, y, r, b in self.boxes())
        return covered / float(self.surface.width() * self.surface.height())


def compare(
    inside: Composition, before: float, after: float, matrix: skia.Matrix, region: Region
) -> None:
    """Add what looks different at ``after`` from ``before``; ``matrix`` leads to the surface."""
    old, new = inside.parts(before), inside.parts(after)
    kept = {part.key for part in old} & {part.key for part in new}
    layers = {id(part.layers[0]) for part in old if part.variant is None}
    entered: set[int] = set()
    for part in _apart(new, kept):
        if region.full:
            return
        layer = part.layers[0]
        content = layer.content
        if (
            part.variant is None
            and id(layer) in layers
            and isinstance(content, PrecompContent)
            and _alike(layer, before, after)
        ):
            entered.add(id(layer))
            compare(
                content.inside,
                content.inner_frame(before),
                content.inner_frame(after),
                skia.Matrix.Concat(matrix, to_skia(layer.world(after))),
                region,
            )
        else:
            region.add(part.pixels(matrix))
    for part in _apart(old, kept):
        if part.variant is not None or id(part.layers[0]) not in entered:
            region.add(part.pixels(matrix))


def _apart(parts: list[Part], kept: Set[object]) -> Iterator[Part]:
    return (part for part in parts if part.key not in kept)


def _alike(layer: Layer, before: float, after: float) -> bool:
    """Whether only the inside of a composition differs, which is drawn as if it lay outside."""
    return layer.clear(before) and layer.clear(after) and layer.world(before) == layer.world(after)


def settle(inside: Composition, frame: float, matrix: skia.Matrix, region: Region) -> None:
    """Grow the region by what it cuts, where that is little; otherwise mark it as crossed.

    May leave a region that is to be drawn whole as it is.
    """
    share = region.share
    if region.skia.isEmpty() or share > WHOLE:  # nothing is drawn, or all
        return
    asked = skia.Region(region.skia)
    most = share + SMALL
    while cut := list(_cut(inside, frame, matrix, region)):
        for pixels in cut:
            region.add(pixels)
        if region.share > most:
            region.replace(asked)
            region.crossed = True
            return


def _cut(
    inside: Composition, frame: float, matrix: skia.Matrix, region: Region
) -> Iterator[skia.Region]:
    """Yield the pixels of what is drawn directly and lies partly in the region."""
    for part in inside.parts(frame):
        if part.divisible:
            continue
        pixels = skia.Region(region.surface)
        pixels.op(part.pixels(matrix), skia.Region.kIntersect_Op)
        if not region.skia.intersects(pixels):
            continue
        layer = part.layers[0]
        content = layer.content
        if isinstance(content, PrecompContent) and layer.clear(frame):
            within = skia.Matrix.Concat(matrix, to_skia(layer.world(frame)))
            if content.collapsed or covers(within, content.rect, region.surface):
                yield from _cut(content.inside, content.inner_frame(frame), within, region)
                continue
        if not region.skia.contains(pixels):
            yield pixels
