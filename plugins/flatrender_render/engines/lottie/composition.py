"""A composition: layers drawn from the last to the first (Lottie "Composition")."""

from collections.abc import Sequence

import skia

from .blend import NORMAL
from .layers import Layer
from .limits import Deadline
from .raster import Stills
from .stillness import Span, together

WORTH_FRAMES = 8  # a still picture pays from this many frames on
MANY_LAYERS = 20  # plain layers that together are worth a picture


class Composition:
    """The main composition, or a precomposition. Layers come in the file's order, first on top."""

    __slots__ = ("_deadline", "_stills", "blends", "drawn", "height", "layers", "motion", "width")

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
        self._deadline = deadline

    def draw(self, canvas: skia.Canvas, frame: float, *, cut: bool = True) -> None:
        """Draw all visible layers at a frame of this composition.

        Neighbouring layers that stand still for a while are drawn by one remembered picture.
        ``cut`` tells that the canvas shows nothing outside of the composition's rectangle.
        """
        run: list[Layer] = []
        gaps: list[Span] = []
        for layer in self.drawn:
            if not layer.first <= frame < layer.last:
                continue
            self._deadline.check()
            gap = layer.motion.gap(frame) if layer.blend == NORMAL else None
            if gap is not None and gap[1] - gap[0] >= WORTH_FRAMES:
                run.append(layer)
                gaps.append(gap)
                continue
            if run:
                self._draw_run(canvas, frame, run, gaps, cut)
                run, gaps = [], []
            layer.draw(canvas, frame)
        if run:
            self._draw_run(canvas, frame, run, gaps, cut)

    def _draw_run(
        self,
        canvas: skia.Canvas,
        frame: float,
        run: Sequence[Layer],
        gaps: Sequence[Span],
        cut: bool,
    ) -> None:
        lasting = min(g[1] for g in gaps) - max(g[0] for g in gaps)
        worth = len(run) > MANY_LAYERS or any(layer.heavy for layer in run)
        if lasting < WORTH_FRAMES or not worth:
            for layer in run:
                layer.draw(canvas, frame)
            return
        box = skia.Rect.MakeEmpty()
        for layer in run:
            box.join(layer.bounds(frame))
        if cut and not box.intersect(skia.Rect.MakeWH(self.width, self.height)):
            return

        def drawer(target: skia.Canvas) -> None:
            for layer in run:
                layer.draw(target, frame)

        # A layer looks the same throughout a gap of its motion.
        variant = tuple([(id(layer), gap[0]) for layer, gap in zip(run, gaps, strict=True)])
        self._stills.draw(canvas, variant, box, drawer)

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box around all visible layers."""
        rect = skia.Rect.MakeEmpty()
        for layer in self.drawn:
            if layer.visible(frame):
                rect.join(layer.bounds(frame))
        return rect
