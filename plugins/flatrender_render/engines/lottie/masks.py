"""Layer masks (Lottie "Mask", member ``masksProperties``).

Hard-edged masks clip. The rest are combined as opaque greys (white shows, black hides), where the
Boolean modes are plain blend modes: add is screen, intersect multiply, lighten, darken, difference
their namesakes; the result then becomes the layer's alpha.
"""

import skia

from .modifiers.offset import grow
from .outline import Outline
from .properties import bezier, scalar, vector
from .raster import covers
from .reader import Obj

# After Effects' blur sizes are full widths; this share is the Gaussian's sigma.
SIZE_TO_SIGMA = 0.3
MAX_SIGMA = 300.0

MODES = {
    "a": skia.BlendMode.kScreen,
    "s": skia.BlendMode.kMultiply,
    "i": skia.BlendMode.kMultiply,
    "l": skia.BlendMode.kLighten,
    "d": skia.BlendMode.kDarken,
    "f": skia.BlendMode.kDifference,
}

# Red of an opaque grey is its value; alpha becomes that.
GREY_TO_ALPHA = skia.ColorFilters.Matrix(
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
)


class Mask:
    """One mask."""

    def __init__(self, obj: Obj) -> None:
        self.mode = obj.text("mode", "a")
        self.inverted = obj.flag("inv")
        self.shape = bezier(obj, "pt") if obj.has("pt") else bezier(obj, "ks")
        self.opacity = scalar(obj, "o", 100.0)
        self.expansion = scalar(obj, "x")
        self.feather = vector(obj, "f", (0.0, 0.0))
        parts = (self.shape, self.opacity, self.expansion, self.feather)
        self.static = all(p.static for p in parts)
        self._memo: tuple[object, skia.Path] | None = None

    def path(self, frame: float) -> skia.Path:
        """Return the outline with its expansion; the same object while nothing changes."""
        shape, expansion = self.shape.at(frame), self.expansion.at(frame)
        memo = self._memo
        if memo is not None and memo[0] == (shape, expansion):
            return memo[1]
        path = Outline((shape,)).path
        if expansion:
            path = grow(path, expansion, skia.Paint.kRound_Join)
        self._memo = ((shape, expansion), path)
        return path

    def alpha(self, frame: float) -> float:
        """Return the opacity, 0..1."""
        return min(max(self.opacity.at(frame) / 100.0, 0.0), 1.0)

    def hard(self, frame: float) -> bool:
        """Whether the mask only cuts."""
        return self.alpha(frame) >= 1.0 and not any(self.feather.at(frame))

    def draw(
        self, canvas: skia.Canvas, frame: float, bounds: skia.Rect, blend: skia.BlendMode
    ) -> None:
        """Paint the mask as a grey picture into the mask so far."""
        alpha = self.alpha(frame)
        inside, outside = (0.0, alpha) if self.inverted else (alpha, 0.0)
        if self.mode == "s":
            inside, outside = 1.0 - inside, 1.0 - outside
        layer = canvas.saveLayer(bounds, skia.Paint(BlendMode=blend))
        canvas.drawColor(_grey(outside))
        paint = skia.Paint(AntiAlias=True, Color=_grey(inside))
        fx, fy = [min(max(v, 0.0) * SIZE_TO_SIGMA, MAX_SIGMA) for v in self.feather.at(frame)[:2]]
        if fx > 0 or fy > 0:
            if abs(fx - fy) < 1e-6:
                paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, fx))
            else:
                paint.setImageFilter(skia.ImageFilters.Blur(fx, fy))
        canvas.drawPath(self.path(frame), paint)
        canvas.restoreToCount(layer)


def _grey(value: float) -> int:
    level = min(max(round(value * 255), 0), 255)
    return 0xFF000000 | level << 16 | level << 8 | level


class Masks:
    """All masks of one layer, in its own space."""

    def __init__(self, masks: list[Mask]) -> None:
        self.masks = masks
        self.static = all(m.static for m in masks)
        # Meaningful for masks that do not move: whether they only cut.
        self.clips = all(m.hard(0.0) for m in masks)

    def clip(self, canvas: skia.Canvas, frame: float) -> bool:
        """Clip the canvas if the masks only cut; otherwise return false and do nothing.

        Only cutting are a first mask of any starting mode followed by intersections and
        subtractions.
        """
        steps: list[tuple[skia.Path, skia.ClipOp]] = []
        for index, mask in enumerate(self.masks):
            if not mask.hard(frame):
                return False
            keep = mask.mode in {"i", "d"} or (index == 0 and mask.mode in {"a", "l", "f"})
            if not keep and mask.mode != "s":
                return False
            if mask.inverted:
                keep = not keep
            operation = skia.ClipOp.kIntersect if keep else skia.ClipOp.kDifference
            steps.append((mask.path(frame), operation))
        for path, operation in steps:
            canvas.clipPath(path, operation, True)
        return True

    def keeps(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> bool:
        """Whether nothing of the surface is cut, as where a wipe has come to its end.

        ``matrix`` leads from the layer to the surface. Only rectangles are looked at.
        """
        box = skia.Rect()
        return all(
            mask.mode in {"a", "i", "d", "l"}
            and not mask.inverted
            and mask.hard(frame)
            and mask.path(frame).isRect(box)
            and covers(matrix, box, surface)
            for mask in self.masks
        )

    def apply(self, canvas: skia.Canvas, frame: float, bounds: skia.Rect) -> None:
        """Multiply the alpha of the layer being drawn by the masks."""
        paint = skia.Paint(BlendMode=skia.BlendMode.kDstIn, ColorFilter=GREY_TO_ALPHA)
        layer = canvas.saveLayer(bounds, paint)
        # Adding starts from nothing, taking away from the whole layer.
        canvas.drawColor(_grey(0.0 if self.masks[0].mode in {"a", "l", "f"} else 1.0))
        for mask in self.masks:
            mask.draw(canvas, frame, bounds, MODES[mask.mode])
        canvas.restoreToCount(layer)


def parse_masks(layer: Obj) -> Masks | None:
    """Read the masks of a layer; those of mode none count for nothing."""
    masks = [Mask(m) for m in layer.objects("masksProperties")]
    for mask, obj in zip(masks, layer.objects("masksProperties"), strict=True):
        if mask.mode not in MODES and mask.mode != "n":
            obj.report(f"mask mode {mask.mode!r}")
    masks = [m for m in masks if m.mode in MODES]
    return Masks(masks) if masks else None
