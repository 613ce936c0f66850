"""A composition: layers drawn from the last to the first (Lottie "Composition")."""

from collections.abc import Sequence

import skia

from .blend import NORMAL
from .cover import few
from .layers import Layer
from .limits import Deadline
from .raster import Stills, Variant, device_box, has_pixels, matrix_key
from .stillness import Span, together

WORTH_FRAMES = 8  # a still picture pays from this many frames on
MANY_BOXES = 200  # remembered boxes of standing layers, of one composition
MANY_LAYERS = 20  # plain layers that together are worth a picture
LITTLE = 20_000  # pixels that are not worth cutting out
MANY_CUTS = 4
LATEST = 2  # frames whose parts are remembered: this one and the one before


class Part:
    """What is drawn in one go at a frame: a layer, or several that stand, by their picture.

    Parts of equal ``key`` look the same, whatever the frames.
    """

    __slots__ = ("_box", "_cover", "frame", "key", "layers", "variant")

    def __init__(
        self, layers: Sequence[Layer], key: Variant, frame: float, variant: Variant | None = None
    ) -> None:
        self.layers = layers
        self.key = key
        self.frame = frame
        self.variant = variant  # the picture's, for standing layers drawn by one
        self._box: skia.Rect | None = None
        self._cover: tuple[tuple[float, ...], skia.IRect | skia.Region] | None = None

    @property
    def box(self) -> skia.Rect:
        """A box around all that is drawn."""
        if self._box is None:
            self._box = skia.Rect.MakeEmpty()
            for layer in self.layers:
                self._box.join(layer.bounds(self.frame))
        return self._box

    def pixels(self, matrix: skia.Matrix) -> skia.IRect | skia.Region:
        """Return pixels, all that may be touched are among them; ``matrix`` leads to the surface.

        Not to be changed.
        """
        box = device_box(matrix, self.box)
        if self.variant is not None or not self.layers[0].lined or few(box):
            return box
        key = matrix_key(matrix)
        if self._cover is None or self._cover[0] != key:
            self._cover = (key, self.layers[0].cover(self.frame, matrix, box) or box)
        return self._cover[1]

    @property
    def moves(self) -> bool:
        """Whether it is a layer that looks different at every frame."""
        return self.variant is None and self.key[1] == self.frame

    @property
    def divisible(self) -> bool:
        """Whether every pixel is the same however little of it is drawn."""
        return self.variant is not None or self.layers[0].fills(self.frame)


def hidden_pixels(box: skia.IRect, above: Sequence[Part], matrix: skia.Matrix) -> list[skia.IRect]:
    """Return which pixels of a box opaque layers above hide; ``matrix`` leads to the surface."""
    found: list[skia.IRect] = []
    if box.width() * box.height() < LITTLE:
        return found
    for part in above:
        for layer in part.layers:
            pixels = layer.core(part.frame, matrix)
            if pixels is None or not pixels.intersect(box):
                continue
            if pixels.width() * pixels.height() >= LITTLE and len(found) < MANY_CUTS:
                found.append(pixels)
    return found


class Composition:
    """The main composition, or a precomposition. Layers come in the file's order, first on top."""

    __slots__ = (
        "_boxes",
        "_deadline",
        "_parts",
        "_stills",
        "blends",
        "drawn",
        "height",
        "layers",
        "motion",
        "width",
    )

    def __init__(
        self,
        layers: list[Layer],
        size: tuple[float, float],
        stills: Stills,
        deadline: Deadline,
    ) -> None:
        self.layers = layers
        self.width, self.height = size
        self.drawn = [layer for layer in reversed(layers) if not layer.hidden and layer.content]
        self.blends = any(layer.blend != NORMAL for layer in self.drawn)
        self.motion = together(layer.motion for layer in self.drawn)
        self._stills = stills
        self._boxes: dict[object, skia.Rect | None] = {}
        self._parts: dict[float, list[Part]] = {}
        self._deadline = deadline

    def draw(
        self,
        canvas: skia.Canvas,
        frame: float,
        *,
        cut: bool = True,
        region: skia.Region | None = None,
        first: int = 0,
    ) -> None:
        """Draw all visible layers at a frame of this composition.

        Neighbouring layers that stand still for a while are drawn by one remembered picture.
        ``cut`` tells that the canvas shows nothing outside of the composition's rectangle;
        ``region``, that only these pixels of the surface matter. Others may be drawn on.
        ``first`` parts are left out: they are hidden (see ``ground``).
        """
        parts = self.parts(frame)
        for index in range(first, len(parts)):
            part = parts[index]
            self._deadline.check()
            if region is not None and not region.intersects(part.pixels(canvas.getTotalMatrix())):
                continue
            if part.moves and part.layers[0].pictorial(frame):
                self._draw_seen(canvas, part, parts[index + 1 :], cut)
            elif region is not None and part.divisible:
                canvas.save()
                canvas.clipRegion(region)
                self._draw_part(canvas, part, cut)
                canvas.restore()
            elif region is not None and part.layers[0].clear(frame):
                part.layers[0].draw_inside(canvas, frame, region)
            else:
                self._draw_part(canvas, part, cut)

    def _draw_seen(
        self,
        canvas: skia.Canvas,
        part: Part,
        above: Sequence[Part],
        cut: bool,
    ) -> None:
        """Draw a moving picture where no opaque card lies on it: it costs by the pixel.

        Moving, because pixels near a cut may be a shade different, and only what moves is drawn
        anew whatever lies on it.
        """
        matrix = canvas.getTotalMatrix()
        box = device_box(matrix, part.box)
        hidden = hidden_pixels(box, above, matrix) if has_pixels(canvas) else []
        count = canvas.save()
        if hidden:
            canvas.resetMatrix()
            for pixels in hidden:
                canvas.clipRect(skia.Rect.Make(pixels), skia.ClipOp.kDifference)
            canvas.setMatrix(matrix)
        self._draw_part(canvas, part, cut)
        canvas.restoreToCount(count)

    def _draw_part(self, canvas: skia.Canvas, part: Part, cut: bool) -> None:
        if part.variant is not None:
            self._draw_run(canvas, part, part.variant, cut)
        else:
            part.layers[0].draw(canvas, part.frame)

    def parts(self, frame: float) -> list[Part]:
        """Return what is drawn at a frame, the lowest first; it depends on the frame alone."""
        found = self._parts.get(frame)
        if found is None:
            while len(self._parts) >= LATEST:
                del self._parts[next(iter(self._parts))]
            found = self._parts[frame] = self._split(frame)
        return found

    def ground(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> int:
        """Return the uppermost part that hides all below it, or -1.

        ``matrix`` leads to the surface. Leaving out what is hidden changes no byte, so it does not
        matter that a remembered picture is only known to hide once it is there.
        """
        parts = self.parts(frame)
        for index in range(len(parts) - 1, -1, -1):
            part = parts[index]
            if part.variant is None:
                hidden = part.layers[0].hides(frame, matrix, surface)
            else:
                box = self._run_box(part, cut=True)
                hidden = box is not None and self._stills.hides(part.variant, box, matrix, surface)
            if hidden:
                return index
        return -1

    def _split(self, frame: float) -> list[Part]:
        parts: list[Part] = []
        run: list[Layer] = []
        gaps: list[Span] = []
        for layer in self.drawn:
            if not layer.first <= frame < layer.last:
                continue
            self._deadline.check()
            gap = layer.motion.gap(frame)
            if gap is not None and layer.blend == NORMAL and gap[1] - gap[0] >= WORTH_FRAMES:
                run.append(layer)
                gaps.append(gap)
                continue
            parts += _parts_of(run, gaps, frame)
            run, gaps = [], []
            key = (id(layer), frame if gap is None else gap)
            parts.append(Part((layer,), key, frame))
        parts += _parts_of(run, gaps, frame)
        return parts

    def _draw_run(self, canvas: skia.Canvas, part: Part, variant: Variant, cut: bool) -> None:
        box = self._run_box(part, cut)
        if box is None:
            return

        def drawer(target: skia.Canvas, drawn: int) -> None:
            for layer in part.layers[drawn:]:
                layer.draw(target, part.frame)

        self._stills.draw(canvas, variant, box, drawer)

    def _run_box(self, part: Part, cut: bool) -> skia.Rect | None:
        """Return a box around layers that stand still, or ``None`` if all of it is cut off."""
        key = (part.key, cut)
        if key in self._boxes:
            return self._boxes[key]
        box = part.box.makeOutset(0.0, 0.0)  # a copy: intersecting changes it
        seen = not cut or box.intersect(skia.Rect.MakeWH(self.width, self.height))
        if len(self._boxes) >= MANY_BOXES:
            self._boxes.clear()
        self._boxes[key] = box if seen else None
        return self._boxes[key]

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box around all visible layers."""
        rect = skia.Rect.MakeEmpty()
        for layer in self.drawn:
            if layer.visible(frame):
                rect.join(layer.bounds(frame))
        return rect


def _parts_of(run: list[Layer], gaps: list[Span], frame: float) -> list[Part]:
    """Return neighbouring layers that stand: as one part where a picture of them pays."""
    if not run:
        return []
    lasting = min(g[1] for g in gaps) - max(g[0] for g in gaps)
    worth = len(run) > MANY_LAYERS or any(layer.heavy for layer in run)
    # A layer looks the same throughout a gap of its motion.
    variant = tuple([(id(layer), gap[0]) for layer, gap in zip(run, gaps, strict=True)])
    if lasting < WORTH_FRAMES or not worth:
        return [
            Part((layer,), (id(layer), gap), frame) for layer, gap in zip(run, gaps, strict=True)
        ]
    return [Part(run, ("picture", variant), frame, variant)]
