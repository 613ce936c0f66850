"""Drawing by way of small or remembered pictures, where that is cheaper than drawing directly.

Owns two devices. ``Stills`` keeps pictures of layers that stand, at the canvas's own pixels.
``draw_soft`` draws what will be blurred at a fraction of its size, because a wide blur leaves no
fine detail. Both depend on nothing but the frame and the canvas's matrix, so that any range of
frames, rendered anywhere, has the same bytes.
"""

import math
from collections.abc import Callable

import numpy as np
import skia
from numpy.typing import NDArray

# A blur of this many pixels can be drawn at 1/n where n keeps the sigma at or above it.
SMALL_SIGMA = 2.0
MAX_PIXELS = 40_000_000  # of one remembered picture
MAX_SIGMA = 100_000.0  # pixels; far beyond any picture
KEPT_PIXELS = 24_000_000  # of all remembered pictures of an animation, 4 bytes each
# ``draw_soft`` reaches further than three sigmas, by two steps of its grid (a step is at most half
# a sigma) and the grid's own offset.
SOFT_SPREAD = 1.5
LINEAR = skia.SamplingOptions(skia.FilterMode.kLinear)

Pixels = NDArray[np.uint8]
Drawer = Callable[[skia.Canvas], None]
PartsDrawer = Callable[[skia.Canvas, int], None]
Variant = tuple[object, ...]


def has_pixels(canvas: skia.Canvas) -> bool:
    """Whether the canvas draws into pixels; a recording does not."""
    return bool(canvas.imageInfo().colorType() != skia.kUnknown_ColorType)


def device_clip(canvas: skia.Canvas) -> skia.Rect:
    """Return the clip in pixels of the canvas's surface."""
    return skia.Rect.Make(canvas.getDeviceClipBounds())


def device_box(matrix: skia.Matrix, box: skia.Rect) -> skia.IRect:
    """Return the pixels of the surface that something within ``box`` may touch.

    Two pixels more than the box: edges are softened, pictures are sampled beyond theirs.
    """
    found: skia.IRect = matrix.mapRect(box).roundOut()
    return found.makeOutset(2, 2)


def reaches(region: skia.Region, matrix: skia.Matrix, box: skia.Rect) -> bool:
    """Whether something within ``box`` may touch the region."""
    return bool(region.intersects(device_box(matrix, box)))


def covers(matrix: skia.Matrix, rect: skia.Rect, surface: skia.IRect) -> bool:
    """Whether a rectangle, mapped to the surface, has all of it inside and no edge on it."""
    return bool(
        matrix.preservesAxisAlignment() and matrix.mapRect(rect).contains(skia.Rect.Make(surface))
    )


def matrix_key(matrix: skia.Matrix) -> tuple[float, ...]:
    """Return the nine numbers of a matrix."""
    return tuple(matrix.get(n) for n in range(9))


def surface_like(canvas: skia.Canvas, width: int, height: int) -> tuple[skia.Surface, Pixels]:
    """Return an empty surface with the canvas's pixel order, and its pixels."""
    kind = canvas.imageInfo().colorType()
    if kind not in {skia.kBGRA_8888_ColorType, skia.kRGBA_8888_ColorType}:
        kind = skia.kBGRA_8888_ColorType
    pixels = np.zeros((height, width, 4), np.uint8)
    info = skia.ImageInfo.Make(width, height, kind, skia.kPremul_AlphaType)
    return skia.Surface.MakeRasterDirect(info, pixels), pixels


def wash(canvas: skia.Canvas, rect: skia.Rect, color: int) -> None:
    """Lay a see-through colour (32-bit ARGB, not premultiplied) over a rectangle.

    By a picture of one pixel: Skia fills with a translucent colour seven times slower (measured).
    """
    alpha = color >> 24 & 0xFF
    channels = [round((color >> shift & 0xFF) * alpha / 255) for shift in (0, 8, 16)]
    info = skia.ImageInfo.Make(1, 1, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    pixel = np.array([[[*channels, alpha]]], np.uint8)
    canvas.drawImageRect(skia.Image.MakeRasterCopy(skia.Pixmap(info, pixel, 4)), rect)


class Stills:
    """Pictures of things that look the same for a while; one store for an animation.

    The oldest are let go beyond a budget of pixels. That costs time and changes nothing else.
    """

    def __init__(self) -> None:
        self._kept: dict[object, tuple[skia.Image | None, int, int]] = {}
        self._pixels = 0

    def draw(
        self, canvas: skia.Canvas, variant: Variant, box: skia.Rect, drawer: PartsDrawer
    ) -> None:
        """Draw by the remembered picture of ``variant``, which names the parts and their state.

        ``drawer`` is told how many of the first parts are there already. A picture serves wherever
        whole pixels move it: it is always made as if the canvas had been moved by less than one,
        so that its bytes do not depend on where it was met first.
        """
        size = canvas.getBaseLayerSize()
        matrix = canvas.getTotalMatrix()
        if not has_pixels(canvas) or matrix.hasPerspective():
            drawer(canvas, 0)
            return
        place = _place(box, matrix, size)
        if place is None:
            return
        area, near, dx, dy = place
        key = (variant, matrix_key(near), size.width(), size.height())
        kept = self._kept.get(key)
        if kept is None:
            ground = self._ground(variant, key[1:], area.roundOut())
            kept = _picture(canvas, area.roundOut(), near, drawer, ground)
            self._keep(key, kept)
        image, x, y = kept
        if image is not None:
            canvas.save()
            canvas.resetMatrix()
            canvas.drawImage(image, x + dx, y + dy)
            canvas.restore()

    def hides(
        self, variant: Variant, box: skia.Rect, matrix: skia.Matrix, surface: skia.IRect
    ) -> bool:
        """Whether the picture ``draw`` would use is there, opaque, and as large as the surface."""
        size = surface.size()
        place = None if matrix.hasPerspective() else _place(box, matrix, size)
        if place is None:
            return False
        _, near, dx, dy = place
        kept = self._kept.get((variant, matrix_key(near), size.width(), size.height()))
        image, x, y = kept or (None, 0, 0)
        return (
            image is not None
            and image.isOpaque()
            and bool(image.bounds().makeOffset(x + dx, y + dy).contains(surface))
        )

    def _ground(
        self, variant: Variant, place: tuple[object, ...], area: skia.IRect
    ) -> tuple[int, skia.Image | None]:
        """Return a picture of as many first parts as is remembered, and how many they are.

        Only an opaque one for the same pixels: it is what drawing the parts again would give.
        """
        for count in range(len(variant) - 1, 0, -1):
            image, x, y = self._kept.get((variant[:count], *place), (None, 0, 0))
            if (
                image is not None
                and image.isOpaque()
                and (x, y) == (area.left(), area.top())
                and (image.width(), image.height()) == (area.width(), area.height())
            ):
                return count, image
        return 0, None

    def _keep(self, key: object, kept: tuple[skia.Image | None, int, int]) -> None:
        self._kept[key] = kept
        self._pixels += _area(kept[0])
        while self._pixels > KEPT_PIXELS and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._pixels -= _area(self._kept.pop(oldest)[0])


def _place(
    box: skia.Rect, matrix: skia.Matrix, size: skia.ISize
) -> tuple[skia.Rect, skia.Matrix, int, int] | None:
    """Return where a picture is made: its pixels, the matrix to them, and the whole pixels it is
    moved by when it is drawn. ``None`` if it does not show."""
    dx, dy = math.floor(matrix.getTranslateX()), math.floor(matrix.getTranslateY())
    near = skia.Matrix.Concat(skia.Matrix.Translate(-dx, -dy), matrix)
    area = near.mapRect(box)
    if area.width() * area.height() <= 2 * size.width() * size.height():
        return area, near, dx, dy
    # Far larger than the canvas: only what shows, and only for this place.
    area = matrix.mapRect(box)
    if not area.intersect(skia.Rect.MakeWH(size.width(), size.height())):
        return None
    return area, matrix, 0, 0


def _area(image: skia.Image | None) -> int:
    return 0 if image is None else int(image.width() * image.height())


def _picture(
    canvas: skia.Canvas,
    area: skia.IRect,
    matrix: skia.Matrix,
    drawer: PartsDrawer,
    ground: tuple[int, skia.Image | None],
) -> tuple[skia.Image | None, int, int]:
    width, height = area.width(), area.height()
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        return (None, 0, 0)
    surface, pixels = surface_like(canvas, width, height)
    inner = surface.getCanvas()
    if ground[1] is not None:
        inner.drawImage(ground[1], 0, 0)
    inner.translate(-area.left(), -area.top())
    inner.concat(matrix)
    drawer(inner, ground[0])
    kind = surface.imageInfo().colorType()
    # An opaque picture is copied instead of blended.
    alpha = skia.kOpaque_AlphaType if pixels[..., 3].min() == 255 else skia.kPremul_AlphaType
    info = skia.ImageInfo.Make(width, height, kind, alpha)
    image = skia.Image.MakeRasterCopy(skia.Pixmap(info, pixels, width * 4))
    return (image, area.left(), area.top())


def soft_share(sigma: float) -> int:
    """Return by how much a picture may be shrunk before a blur of this many pixels."""
    return max(int(sigma / SMALL_SIGMA), 1)


def draw_soft(
    canvas: skia.Canvas,
    box: skia.Rect,
    sigma: float,
    drawer: Drawer,
    *,
    tint: skia.ColorFilter | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
) -> None:
    """Draw something blurred by ``sigma`` pixels of the surface, moved by ``shift`` pixels.

    ``box`` bounds what ``drawer`` draws, in the canvas's present space; ``tint`` recolours it.
    Meant for sigmas of ``2 * SMALL_SIGMA`` and more.
    """
    sigma = min(sigma, MAX_SIGMA)
    share = soft_share(sigma)
    reach = math.ceil(3 * sigma) + 2 * share
    matrix = canvas.getTotalMatrix()
    area = matrix.mapRect(box)
    area.outset(reach, reach)
    clip = device_clip(canvas)
    clip.offset(-shift[0], -shift[1])
    clip.outset(reach, reach)
    if not area.intersect(clip):
        return
    # The grid starts at whole steps, so that it stays put while its content moves.
    left = math.floor(area.left() / share) * share
    top = math.floor(area.top() / share) * share
    width = math.ceil((area.right() - left) / share)
    height = math.ceil((area.bottom() - top) / share)
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        return
    surface, _ = surface_like(canvas, width, height)
    inner = surface.getCanvas()
    # Shrinking (a box) and enlarging again (a triangle) blur as well: 1/12 and 1/6 of a step.
    small = math.sqrt(max((sigma / share) ** 2 - (0.25 if share > 1 else 0.0), 0.01))
    # Recoloured while small: with a colour filter the enlarging would cost seven times as much.
    blur = skia.Paint(ImageFilter=skia.ImageFilters.Blur(small, small))
    if tint is not None:
        blur.setColorFilter(tint)
    inner.saveLayer(None, blur)
    inner.scale(1 / share, 1 / share)
    inner.translate(-left, -top)
    inner.concat(matrix)
    drawer(inner)
    inner.restoreToCount(1)
    image = surface.makeImageSnapshot()
    target = skia.Rect.MakeXYWH(left + shift[0], top + shift[1], width * share, height * share)
    canvas.save()
    canvas.resetMatrix()
    canvas.drawImageRect(image, target, LINEAR)
    canvas.restore()
