"""A composition: layers drawn from the last to the first (Lottie "Composition")."""

import skia

from .blend import NORMAL
from .layers import Layer


class Composition:
    """The main composition, or a precomposition. Layers come in the file's order, first on top."""

    __slots__ = ("blends", "drawn", "height", "layers", "width")

    def __init__(self, layers: list[Layer], width: float, height: float) -> None:
        self.layers = layers
        self.width = width
        self.height = height
        self.drawn = [layer for layer in reversed(layers) if not layer.hidden and layer.content]
        self.blends = any(layer.blend != NORMAL for layer in self.drawn)

    def static_over(self, first: float, last: float) -> bool:
        """Whether every frame from first to last looks the same."""
        return all(
            layer.static
            and (layer.matte is None or layer.matte.source.static)
            and not any(first < edge <= last for edge in (layer.first, layer.last))
            for layer in self.layers
        )

    def draw(self, canvas: skia.Canvas, frame: float) -> None:
        """Draw all visible layers at a frame of this composition."""
        for layer in self.drawn:
            if layer.first <= frame < layer.last:
                layer.draw(canvas, frame)

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box around all visible layers."""
        rect = skia.Rect.MakeEmpty()
        for layer in self.drawn:
            if layer.visible(frame):
                rect.join(layer.bounds(frame))
        return rect
