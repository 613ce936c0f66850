"""A layer: content, masks, effects, transform, opacity, matte, blend (Lottie "Layers").

The order is After Effects': content, masks, effects, transform, layer styles, opacity, matte,
blend. Vector layers (shapes, text) are always redrawn at their size, so their effects come after
the transform: a blur does not grow with the layer.
"""

import skia

from .blend import NORMAL
from .content import Content
from .effects import Effects
from .geometry import IDENTITY, Matrix, multiply, to_skia
from .masks import Masks
from .mattes import Matte
from .transform import Transform


class Layer:
    """One layer of a composition. Built by ``builder``; drawn by its ``Composition``."""

    __slots__ = (
        "_world",
        "blend",
        "content",
        "effects",
        "first",
        "hidden",
        "index",
        "last",
        "masks",
        "matte",
        "name",
        "parent",
        "static",
        "styles",
        "transform",
        "vector",
    )

    def __init__(self, name: str, index: int | None, transform: Transform) -> None:
        self.name = name
        self.index = index
        self.transform = transform
        self.parent: Layer | None = None
        self.first = 0.0
        self.last = 0.0
        self.hidden = False
        self.vector = False
        self.content: Content | None = None
        self.masks: Masks | None = None
        self.effects: Effects | None = None
        self.styles: Effects | None = None
        self.matte: Matte | None = None
        self.blend = NORMAL
        self.static = False
        self._world: tuple[float, Matrix] | None = None

    def settle(self) -> None:
        """Note whether anything moves; called once when parents and mattes are known."""
        parts = (self.content, self.masks, self.effects, self.styles)
        self.static = (
            self.world_static
            and self.transform.opacity.static
            and all(p is None or p.static for p in parts)
        )

    @property
    def world_static(self) -> bool:
        """Whether the layer and its parents stand still."""
        layer: Layer | None = self
        while layer is not None:
            if not layer.transform.static:
                return False
            layer = layer.parent
        return True

    def visible(self, frame: float) -> bool:
        """Whether the layer is on at a frame."""
        return self.first <= frame < self.last

    def world(self, frame: float) -> Matrix:
        """Return the matrix to the composition, through all parents."""
        memo = self._world
        if memo is not None and memo[0] == frame:
            return memo[1]
        # Up to the nearest ancestor that knows its matrix, then down again.
        chain = [self]
        matrix = IDENTITY
        parent = self.parent
        while parent is not None:
            known = parent._world
            if known is not None and known[0] == frame:
                matrix = known[1]
                break
            chain.append(parent)
            parent = parent.parent
        for layer in reversed(chain):
            matrix = multiply(matrix, layer.transform.matrix(frame))
            layer._world = (frame, matrix)
        return matrix

    def draw(self, canvas: skia.Canvas, frame: float) -> None:
        """Draw the layer with its matte at a frame of its composition."""
        if self.content is None or not self.visible(frame):
            return
        if self.matte is not None:
            self.matte.draw(self, canvas, frame)
        else:
            self.draw_bare(canvas, frame, self.blend)

    def draw_bare(self, canvas: skia.Canvas, frame: float, blend: skia.BlendMode) -> None:
        """Draw the layer without its matte."""
        content = self.content
        alpha = self.transform.alpha(frame)
        if content is None or alpha <= 0.0 or not self.visible(frame):
            return
        world = self.world(frame)
        effects = self.effects.filter(frame) if self.effects is not None else None
        styles = self.styles.filter(frame) if self.styles is not None else None
        count = canvas.save()
        if effects is None and styles is None and blend == NORMAL:
            if world != IDENTITY:
                canvas.concat(to_skia(world))
            if self.masks is None or self.masks.clip(canvas, frame):
                content.draw(canvas, frame, alpha)
            else:
                box = content.bounds(frame)
                canvas.saveLayer(box, skia.Paint(Alphaf=alpha))
                content.draw(canvas, frame, 1.0)
                self.masks.apply(canvas, frame, box)
            canvas.restoreToCount(count)
            return
        # Layer styles, and the effects of vector layers, work in the composition's space.
        outer = styles
        if self.vector and effects is not None:
            outer = skia.ImageFilters.Compose(styles, effects) if styles else effects
            effects = None
        box = content.bounds(frame)
        mapped = to_skia(world).mapRect(box)
        paint = skia.Paint(Alphaf=alpha, BlendMode=blend)
        if outer is not None:
            paint.setImageFilter(outer)
        if outer is not None or effects is None:
            canvas.saveLayer(mapped, paint)
            paint = skia.Paint()
        if world != IDENTITY:
            canvas.concat(to_skia(world))
        if effects is not None:
            paint.setImageFilter(effects)
            canvas.saveLayer(box, paint)
        if self.masks is not None and not self.masks.clip(canvas, frame):
            canvas.saveLayer(box)
            content.draw(canvas, frame, 1.0)
            self.masks.apply(canvas, frame, box)
        else:
            content.draw(canvas, frame, 1.0)
        canvas.restoreToCount(count)

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box in the composition around all that the layer may paint."""
        if self.content is None:
            return skia.Rect.MakeEmpty()
        rect: skia.Rect = to_skia(self.world(frame)).mapRect(self.content.bounds(frame))
        out = 1.0
        for stack in (self.effects, self.styles):
            if stack is not None:
                out += stack.outset(frame)
        return rect.makeOutset(out, out)
