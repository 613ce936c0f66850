"""What a layer shows in its own space: solids, pictures, precompositions.

Shapes and text have packages of their own. Each content answers the same three questions: does it
change, what box does it fill, and draw yourself (``Content``).
"""

from typing import TYPE_CHECKING, Protocol

import skia

from .assets import Picture
from .properties import Property, hex_color
from .raster import covers
from .reader import Obj
from .stillness import STILL, Stillness
from .text import TextLayer

if TYPE_CHECKING:
    from .composition import Composition


UPRIGHT = skia.SamplingOptions(skia.FilterMode.kLinear)
SMALL = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kNearest)
TURNED = skia.SamplingOptions(skia.FilterMode.kLinear, skia.MipmapMode.kLinear)


class Content(Protocol):
    """The drawable inside of a layer."""

    @property
    def static(self) -> bool:
        """Whether every frame looks the same."""
        ...

    @property
    def heavy(self) -> bool:
        """Whether drawing costs so much that a still picture of it is worth keeping."""
        ...

    def draw(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw at a frame of the layer's composition, faded as one picture by ``alpha``."""
        ...

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box around what is drawn."""
        ...


class SolidContent:
    """A rectangle of one colour (Lottie "Solid Layer")."""

    static = True
    heavy = False

    def __init__(self, layer: Obj) -> None:
        self.rect = skia.Rect.MakeWH(max(layer.num("sw"), 0.0), max(layer.num("sh"), 0.0))
        color = layer.text("sc", "#000000")
        self.color = skia.Color4f(*hex_color(layer, "sc", color)[:3], 1.0)
        self.paint = skia.Paint(AntiAlias=True)

    def draw(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Fill the rectangle."""
        del frame
        self.color.fA = alpha
        self.paint.setColor4f(self.color)
        canvas.drawRect(self.rect, self.paint)

    def bounds(self, frame: float) -> skia.Rect:
        """Return the rectangle."""
        del frame
        return self.rect

    @property
    def core(self) -> skia.Rect:
        """A rectangle that is opaque all over."""
        return self.rect

    def hides(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> bool:
        """Whether it is opaque all over the surface, to which ``matrix`` leads from the layer."""
        del frame
        return covers(matrix, self.rect, surface)


class ImageContent:
    """A picture (Lottie "Image Layer", "Image" asset)."""

    static = True
    heavy = True

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.rect = skia.Rect.MakeWH(max(picture.width, 0.0), max(picture.height, 0.0))
        self.enlarged = picture.target.width() / max(picture.source.width(), 1.0)
        self.paint = skia.Paint(AntiAlias=True)

    def draw(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw the shown part of the picture into its place in the box."""
        del frame
        if self.picture.image is None:
            return
        self.paint.setAlphaf(alpha)
        canvas.drawImageRect(
            self.picture.image,
            self.picture.source,
            self.picture.target,
            self._sampling(canvas.getTotalMatrix()),
            self.paint,
            skia.Canvas.kFast_SrcRectConstraint,
        )

    def _sampling(self, matrix: skia.Matrix) -> skia.SamplingOptions:
        """Choose the sampling that looks well; Skia's costs differ up to tenfold (measured).

        Upright, plain bilinear is by far the fastest and good down to half size; turned, the way
        by mipmaps is twice as fast as the plain one and gives the same picture.
        """
        if abs(matrix.getSkewX()) > 1e-5 or abs(matrix.getSkewY()) > 1e-5:
            return TURNED
        scale = abs(matrix.getScaleX()) * self.enlarged
        return UPRIGHT if scale > 0.55 else SMALL

    def bounds(self, frame: float) -> skia.Rect:
        """Return the asset's box."""
        del frame
        return self.rect

    def hides(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> bool:
        """See ``SolidContent.hides``."""
        del frame
        image = self.picture.image
        return (
            image is not None
            and image.isOpaque()
            and covers(matrix, self.picture.target, surface.makeOutset(1, 1))  # edges are soft
        )


class TextContent:
    """Text (Lottie "Text Layer"); the setting of it is ``text``'s."""

    heavy = True

    def __init__(self, layer: TextLayer) -> None:
        self.layer = layer
        self.static = layer.static

    def draw(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw the text."""
        self.layer.draw(canvas, frame, alpha)

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box around the text."""
        return self.layer.bounds(frame)


class PrecompContent:
    """A composition within a composition (Lottie "Precomposition Layer").

    Its time is the layer's minus the start time, divided by the stretch; or, with time remapping
    (``tm``, seconds), what that says.
    """

    def __init__(
        self,
        layer: Obj,
        inside: "Composition",
        remap: Property[float] | None,
        remap_motion: Stillness = STILL,
    ) -> None:
        self.inside = inside
        self.remap = remap
        self.fps = layer.doc.fps
        self.start = layer.num("st")
        self.stretch = layer.num("sr", 1.0) or 1.0
        self.rect = skia.Rect.MakeWH(
            max(layer.num("w", inside.width), 0.0), max(layer.num("h", inside.height), 0.0)
        )
        # Collapsed transformations draw straight into the outer composition, uncut.
        self.collapsed = layer.flag("ct")
        self.cut = (
            not self.collapsed
            and self.rect.width() <= inside.width
            and self.rect.height() <= inside.height
        )
        self.heavy = any(part.heavy for part in inside.drawn)
        self.static = not self.motion(remap_motion).spans

    def motion(self, remap: Stillness) -> Stillness:
        """Return when the picture changes, in the layer's time."""
        if self.remap is not None:  # while the remapped time stands, so does all inside
            return remap
        return self.inside.motion.mapped(self.stretch, self.start)

    def inner_frame(self, frame: float) -> float:
        """Return the frame of the inner composition."""
        if self.remap is not None:
            return self.remap.at(frame) * self.fps
        return (frame - self.start) / self.stretch

    @property
    def clear(self) -> bool:
        """Whether an opaque layer of this is drawn without a picture of its own in between."""
        return self.collapsed or not self.inside.blends

    def draw(
        self,
        canvas: skia.Canvas,
        frame: float,
        alpha: float,
        region: skia.Region | None = None,
    ) -> None:
        """Draw the inner composition, cut to its size; see ``Composition.draw``."""
        count = canvas.save()
        if not self.collapsed:
            canvas.clipRect(self.rect, True)
        inner = self.inner_frame(frame)
        if alpha < 1.0 or (self.inside.blends and not self.collapsed):
            canvas.saveLayer(self.bounds(frame), skia.Paint(Alphaf=alpha))
        self.inside.draw(canvas, inner, cut=self.cut, region=region)
        canvas.restoreToCount(count)

    def bounds(self, frame: float) -> skia.Rect:
        """Return what is drawn, cut to the composition's rectangle where that cuts."""
        box = self.inside.bounds(self.inner_frame(frame))
        if not self.collapsed and not box.intersect(self.rect):
            return skia.Rect.MakeEmpty()
        return box

    def hides(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> bool:
        """See ``SolidContent.hides``."""
        if not (self.collapsed or covers(matrix, self.rect, surface)):
            return False
        return self.inside.ground(self.inner_frame(frame), matrix, surface) >= 0
