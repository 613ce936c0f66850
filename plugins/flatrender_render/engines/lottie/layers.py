"""A layer: content, masks, effects, transform, opacity, matte, blend (Lottie "Layers").

The order is After Effects': content, masks, effects, transform, layer styles, opacity, matte,
blend. Vector layers (shapes, text) are always redrawn at their size, so their effects come after
the transform: a blur does not grow with the layer.
"""

import skia

from .blend import NORMAL
from .content import Content, ImageContent, PrecompContent, SolidContent
from .cover import cover
from .effects import Effects
from .effects.base import SoftEffect
from .geometry import (
    IDENTITY,
    Matrix,
    from_skia,
    is_similarity,
    multiply,
    scale_of,
    stretch_of,
    to_skia,
)
from .masks import Masks
from .mattes import Matte
from .raster import SOFT_SPREAD, covers, draw_soft, has_pixels, soft_share
from .shapes.content import ShapeContent
from .stillness import STILL
from .transform import Transform


class Layer:
    """One layer of a composition. Built by ``builder``; drawn by its ``Composition``."""

    __slots__ = (
        "_boxes",
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
        "motion",
        "name",
        "parent",
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
        # When the layer looks different: its own parts, its parents, its matte.
        self.motion = STILL
        self._world: tuple[float, Matrix] | None = None
        # Boxes of the latest frames: what changed is asked of this one and the one before.
        self._boxes: dict[float, skia.Rect] = {}

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
        count = canvas.save()
        if self.effects is None and self.styles is None and blend == NORMAL:
            if world != IDENTITY:
                canvas.concat(to_skia(world))
            self._draw_content(canvas, frame, alpha)
        elif not self._draw_simply(canvas, frame, world, alpha, blend):
            self._draw_filtered(canvas, frame, world, alpha, blend)
        canvas.restoreToCount(count)

    def _draw_content(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw content and masks in the layer's own space. Leaves clips and layers open."""
        content = self.content
        if content is None:
            return
        if self.masks is None or self.masks.clip(canvas, frame):
            content.draw(canvas, frame, alpha)
            return
        box = content.bounds(frame)
        canvas.saveLayer(box, skia.Paint(Alphaf=alpha))
        content.draw(canvas, frame, 1.0)
        self.masks.apply(canvas, frame, box)

    def _draw_simply(
        self,
        canvas: skia.Canvas,
        frame: float,
        world: Matrix,
        alpha: float,
        blend: skia.BlendMode,
    ) -> bool:
        """Draw a layer whose only effect is one wide blur or one drop shadow; false if it is not.

        Wide blurs are drawn small (see ``raster``), which needs the effect to be alone.
        """
        stacks = [s for s in (self.effects, self.styles) if s is not None]
        if len(stacks) != 1 or len(stacks[0].effects) != 1 or self.content is None:
            return False
        effect = stacks[0].effects[0]
        if not isinstance(effect, SoftEffect) or not has_pixels(canvas):
            return False
        # Layer styles, and the effects of vector layers, work in the composition's space.
        within = IDENTITY if self.vector or stacks[0] is self.styles else world
        soft = effect.soft(frame)
        space = multiply(from_skia(canvas.getTotalMatrix()), within)
        size = scale_of(space)
        if soft is None or not is_similarity(space) or soft_share(soft.sigma * size) < 2:
            return False
        box = self.bounds(frame)
        if alpha < 1.0 or blend != NORMAL:
            canvas.saveLayer(box, skia.Paint(Alphaf=alpha, BlendMode=blend))
        inner = to_skia(world).mapRect(self.content.bounds(frame))

        def drawer(target: skia.Canvas) -> None:
            target.concat(to_skia(world))
            self._draw_content(target, frame, 1.0)

        dx, dy = soft.shift
        shift = (space[0] * dx + space[2] * dy, space[1] * dx + space[3] * dy)
        draw_soft(canvas, inner, soft.sigma * size, drawer, tint=soft.tint, shift=shift)
        if soft.sharp:
            drawer(canvas)
        return True

    def _draw_filtered(
        self,
        canvas: skia.Canvas,
        frame: float,
        world: Matrix,
        alpha: float,
        blend: skia.BlendMode,
    ) -> None:
        """Draw through layers with image filters."""
        content = self.content
        if content is None:
            return
        outside = scale_of(from_skia(canvas.getTotalMatrix()))
        inside = outside if self.vector else outside * scale_of(world)
        effects = self.effects.filter(frame, inside) if self.effects is not None else None
        outer = self.styles.filter(frame, outside) if self.styles is not None else None
        if self.vector and effects is not None:
            outer = skia.ImageFilters.Compose(outer, effects) if outer else effects
            effects = None
        box = content.bounds(frame)
        paint = skia.Paint(Alphaf=alpha, BlendMode=blend)
        if outer is not None:
            paint.setImageFilter(outer)
        if outer is not None or effects is None:
            canvas.saveLayer(to_skia(world).mapRect(box), paint)
            paint = skia.Paint()
        if world != IDENTITY:
            canvas.concat(to_skia(world))
        if effects is not None:
            paint.setImageFilter(effects)
            canvas.saveLayer(box, paint)
        self._draw_content(canvas, frame, 1.0)

    @property
    def heavy(self) -> bool:
        """Whether drawing costs so much that a still picture of it is worth keeping."""
        return (
            self.effects is not None
            or self.styles is not None
            or self.matte is not None
            or (self.masks is not None and not self.masks.clips)
            or (self.content is not None and self.content.heavy)
        )

    def _plain(self, frame: float) -> bool:
        """Whether the content, as masks cut it, is drawn as it is over what lies below."""
        return (
            self.effects is None
            and self.styles is None
            and self.matte is None
            and self.blend == NORMAL
            and self.transform.alpha(frame) >= 1.0
        )

    def clear(self, frame: float) -> bool:
        """Whether this is a composition that is drawn as if its layers lay in the outer one."""
        content = self.content
        return (
            isinstance(content, PrecompContent)
            and content.clear
            and self.masks is None
            and self._plain(frame)
        )

    def hides(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> bool:
        """Whether nothing below shows; ``matrix`` leads from the composition to the surface."""
        content = self.content
        if not isinstance(content, SolidContent | ImageContent | PrecompContent):
            return False
        if not self._plain(frame):
            return False
        inner = skia.Matrix.Concat(matrix, to_skia(self.world(frame)))
        return (self.masks is None or self.masks.keeps(frame, inner, surface)) and content.hides(
            frame, inner, surface
        )

    def fills(self, frame: float) -> bool:
        """Whether this is an upright rectangle of one opaque colour, which may be cut anywhere."""
        a, b, c, d = self.world(frame)[:4]
        return (
            isinstance(self.content, SolidContent)
            and self.masks is None
            and self._plain(frame)
            and ((b == 0 and c == 0) or (a == 0 and d == 0))
        )

    def core(self, frame: float, matrix: skia.Matrix) -> skia.IRect | None:
        """Return pixels below which nothing shows; ``matrix`` leads to the surface."""
        content = self.content
        if not isinstance(content, SolidContent | ShapeContent) or self.masks is not None:
            return None
        rect = content.core if self._plain(frame) else None
        if rect is None:
            return None
        inner = skia.Matrix.Concat(matrix, to_skia(self.world(frame)))
        if not inner.preservesAxisAlignment():
            return None
        return inner.mapRect(rect).makeInset(1, 1).roundIn()  # its edges are soft

    @property
    def lined(self) -> bool:
        """Whether lines are all or much of what is drawn, and nothing else around them."""
        return (
            isinstance(self.content, ShapeContent)
            and self.content.lined
            and self.effects is None
            and self.styles is None
            and self.matte is None
        )

    def cover(self, frame: float, matrix: skia.Matrix, box: skia.IRect) -> skia.Region | None:
        """Return the pixels that thin lines may touch, or ``None`` where ``box`` is as good.

        ``matrix`` leads from the composition to the surface.
        """
        content = self.content
        if not isinstance(content, ShapeContent) or not self.lined:
            return None
        inner = skia.Matrix.Concat(matrix, to_skia(self.world(frame)))
        return cover(content.marks(frame), inner, box)

    def pictorial(self, frame: float) -> bool:
        """Whether drawing it costs by the pixel: a picture, or a composition drawn by itself."""
        content = self.content
        return isinstance(content, ImageContent) or (
            isinstance(content, PrecompContent) and content.heavy and not self.clear(frame)
        )

    def draw_inside(self, canvas: skia.Canvas, frame: float, region: skia.Region) -> None:
        """Draw a ``clear`` composition as far as it meets the region (pixels of the surface)."""
        content = self.content
        if not isinstance(content, PrecompContent):
            return
        world = self.world(frame)
        count = canvas.save()
        if world != IDENTITY:
            canvas.concat(to_skia(world))
        size = canvas.getBaseLayerSize()
        surface = skia.IRect.MakeWH(size.width(), size.height())
        if content.collapsed or covers(canvas.getTotalMatrix(), content.rect, surface):
            content.draw(canvas, frame, 1.0, region)
        else:  # cut by its own rectangle: a further cut would blend that one's edges differently
            content.draw(canvas, frame, 1.0)
        canvas.restoreToCount(count)

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box in the composition around all that the layer may paint; not to be changed.

        Nothing at all is painted outside of it.
        """
        found = self._boxes.get(frame)
        if found is None:
            while len(self._boxes) >= 2:
                del self._boxes[next(iter(self._boxes))]
            found = self._boxes[frame] = self._bounds(frame)
        return found

    def _bounds(self, frame: float) -> skia.Rect:
        if self.content is None:
            return skia.Rect.MakeEmpty()
        world = self.world(frame)
        rect: skia.Rect = to_skia(world).mapRect(self.content.bounds(frame))
        out = 1.0
        if self.effects is not None:
            # Those of vector layers work in the composition's space, others grow with the layer.
            size = 1.0 if self.vector else stretch_of(world)
            out += _spread(self.effects, frame) * size
        if self.styles is not None:
            out += _spread(self.styles, frame)
        rect = rect.makeOutset(out, out)
        return rect if self.matte is None else self.matte.cut(rect, frame)


def _spread(stack: Effects, frame: float) -> float:
    """Return how far effects paint, by image filters or drawn small (``raster.draw_soft``)."""
    return stack.outset(frame) * SOFT_SPREAD
