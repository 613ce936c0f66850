"""A composition: layers drawn from the last to the first (Lottie "Composition")."""

from collections.abc import Sequence

import skia

from .blend import NORMAL
from .layers import Layer
from .limits import Deadline
from .raster import Stills
from .stillness import Span, together

WORTH_FRAMES = 8  # a still picture pays from this many frames on
MANY_BOXES = 200  # remembered boxes of standing layers, of one composition
MANY_LAYERS = 20  # plain layers that together are worth a picture


class Composition:
    """The main composition, or a precomposition. Layers come in the file's order, first on top."""

    __slots__ = (
        "_boxes",
        "_deadline",
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
        # A layer looks the same throughout a gap of its motion.
        variant = tuple([(id(layer), gap[0]) for layer, gap in zip(run, gaps, strict=True)])
        box = self._run_box((variant, cut), run, frame)
        if box is None:
            return

        def drawer(target: skia.Canvas, drawn: int) -> None:
            for layer in run[drawn:]:
                layer.draw(target, frame)

        self._stills.draw(canvas, variant, box, drawer)

    def _run_box(
        self, key: tuple[object, bool], run: Sequence[Layer], frame: float
    ) -> skia.Rect | None:
        """Return a box around layers that stand still, or ``None`` if all of it is cut off."""
        if key in self._boxes:
            return self._boxes[key]
        box = skia.Rect.MakeEmpty()
        for layer in run:
            box.join(layer.bounds(frame))
        seen = not key[1] or box.intersect(skia.Rect.MakeWH(self.width, self.height))
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
