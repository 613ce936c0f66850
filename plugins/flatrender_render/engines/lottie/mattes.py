"""Track mattes: one layer cut by another (Lottie "Mattes", members ``tt``, ``tp``, ``td``).

Modes: 1 alpha, 2 inverted alpha, 3 luma, 4 inverted luma. Luma is the lightness of the matte's
colour times its alpha.
"""

from typing import TYPE_CHECKING

import skia

from .blend import NORMAL
from .effects.base import LUMA
from .reader import Obj

if TYPE_CHECKING:
    from .layers import Layer

LUMA_TO_ALPHA = skia.RuntimeEffect.MakeForColorFilter(
    # Premultiplied in, premultiplied out: the lightness already carries the alpha.
    "half4 main(half4 c) {"
    f" return half4(0, 0, 0, dot(c.rgb, half3({LUMA[0]}, {LUMA[1]}, {LUMA[2]})));"
    "}"
).makeColorFilter(skia.Data(b""))


class Matte:
    """How a layer is cut, and by which."""

    __slots__ = ("inverted", "luma", "source")

    def __init__(self, source: "Layer", mode: int) -> None:
        self.source = source
        self.inverted = mode in {2, 4}
        self.luma = mode in {3, 4}

    def cut(self, box: skia.Rect, frame: float) -> skia.Rect:
        """Return what may be left of a box."""
        if self.inverted:
            return box
        left = self.source.bounds(frame).makeOutset(0.0, 0.0)  # a copy: intersecting changes it
        return left if left.intersect(box) else skia.Rect.MakeEmpty()

    def draw(self, layer: "Layer", canvas: skia.Canvas, frame: float) -> None:
        """Draw a layer, then keep of it what the matte covers (or what it does not)."""
        box = layer.bounds(frame)
        if box.isEmpty():
            return
        count = canvas.saveLayer(box, skia.Paint(BlendMode=layer.blend))
        layer.draw_bare(canvas, frame, NORMAL)
        cut = skia.BlendMode.kDstOut if self.inverted else skia.BlendMode.kDstIn
        paint = skia.Paint(BlendMode=cut)
        if self.luma:
            paint.setColorFilter(LUMA_TO_ALPHA)
        # The same box as the layer's: outside of the matte nothing may be left standing.
        canvas.saveLayer(box, paint)
        self.source.draw(canvas, frame)
        canvas.restoreToCount(count)


def matte_mode(layer: Obj) -> int:
    """Read ``tt``; 0 is none."""
    mode = layer.int("tt")
    if mode not in {0, 1, 2, 3, 4}:
        layer.report(f"matte mode {mode}")
        return 0
    return mode
