"""Drawing by way of small or remembered pictures, where that is cheaper than drawing directly.

Owns two devices. ``Stills`` keeps pictures of layers that stand, at the canvas's own pixels.
``draw_soft`` draws what will be blurred at a fraction of its size, because a wide blur leaves no
fine detail. Both depend on nothing but the frame and the canvas's matrix, so that any range of
frames, rendered anywhere, has the same bytes.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

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
# A remembered picture is kept without its empty parts: rows and columns of the grid that tells
# them, and how many empty columns of it are worth a piece more.
GRID_ROWS, GRID_COLUMNS = 32, 64
GAP_COLUMNS = 3

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


class Piece(NamedTuple):
    """A rectangle of a remembered picture and its place on the surface it was made for."""

    image: skia.Image
    x: int
    y: int
    memory: Pixels  # the image's pixels: it does not keep them alive itself

    @property
    def place(self) -> skia.IRect:
        """The pixels of the surface."""
        return skia.IRect.MakeXYWH(self.x, self.y, self.image.width(), self.image.height())


class Stills:
    """Pictures of things that look the same for a while; one store for an animation.

    The oldest are let go beyond a budget of pixels. That costs time and changes nothing else.
    """

    def __init__(self) -> None:
        self._kept: dict[object, list[Piece]] = {}
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
        if kept:
            canvas.save()
            canvas.resetMatrix()
            for piece in kept:
                canvas.drawImage(piece.image, piece.x + dx, piece.y + dy)
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
        kept = self._kept.get((variant, matrix_key(near), size.width(), size.height()), [])
        return any(
            piece.image.isOpaque() and piece.place.makeOffset(dx, dy).contains(surface)
            for piece in kept
        )

    def _ground(
        self, variant: Variant, place: tuple[object, ...], area: skia.IRect
    ) -> tuple[int, skia.Image | None]:
        """Return a picture of as many first parts as is remembered, and how many they are.

        Only an opaque one for the same pixels: it is what drawing the parts again would give.
        """
        for count in range(len(variant) - 1, 0, -1):
            for piece in self._kept.get((variant[:count], *place), []):
                if piece.image.isOpaque() and piece.place == area:
                    return count, piece.image
        return 0, None

    def _keep(self, key: object, kept: list[Piece]) -> None:
        self._kept[key] = kept
        self._pixels += _area(kept)
        while self._pixels > KEPT_PIXELS and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._pixels -= _area(self._kept.pop(oldest))


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


def _area(pieces: list[Piece]) -> int:
    return sum(piece.image.width() * piece.image.height() for piece in pieces)


def _picture(
    canvas: skia.Canvas,
    area: skia.IRect,
    matrix: skia.Matrix,
    drawer: PartsDrawer,
    ground: tuple[int, skia.Image | None],
) -> list[Piece]:
    width, height = area.width(), area.height()
    if width <= 0 or height <= 0 or width * height > MAX_PIXELS:
        return []
    surface, pixels = surface_like(canvas, width, height)
    inner = surface.getCanvas()
    if ground[1] is not None:
        inner.drawImage(ground[1], 0, 0)
    inner.translate(-area.left(), -area.top())
    inner.concat(matrix)
    drawer(inner, ground[0])
    kind = surface.imageInfo().colorType()
    if _opaque(pixels):
        return [_piece(pixels, area.left(), area.top(), kind)]
    # What is empty is left out: laying it over a frame costs as much as what is not.
    boxes = list(_filled(pixels))
    return [
        _piece(pixels[y:b, x:r].copy(), area.left() + x, area.top() + y, kind)
        for x, y, r, b in boxes
    ]


def _piece(pixels: Pixels, x: int, y: int, kind: skia.ColorType) -> Piece:
    # An opaque picture is copied instead of blended.
    alpha = skia.kOpaque_AlphaType if _opaque(pixels) else skia.kPremul_AlphaType
    return Piece(skia.Image.fromarray(pixels, kind, alpha, copy=False), x, y, pixels)


def _words(pixels: Pixels) -> NDArray[np.uint32]:
    """Return pixels as one number each, alpha its highest byte."""
    words: NDArray[np.uint32] = pixels.view("<u4")[..., 0]
    return words


def _opaque(pixels: Pixels) -> bool:
    return bool(np.bitwise_and.reduce(_words(pixels).reshape(-1)) >> 24 == 255)


def _filled(pixels: Pixels) -> Iterator[tuple[int, int, int, int]]:
    """Yield boxes (left, top, right, bottom) that hold all pixels that are not empty."""
    height, width = pixels.shape[:2]
    rows, columns = np.arange(0, height, GRID_ROWS), np.arange(0, width, GRID_COLUMNS)
    cells = np.bitwise_or.reduceat(_words(pixels), rows, axis=0)
    shown = np.bitwise_or.reduceat(cells, columns, axis=1) != 0
    above: list[tuple[int, int]] = []
    top = 0
    for number, row in enumerate(shown):
        spans = _spans(np.flatnonzero(row).tolist())
        if spans != above:
            for left, right in above:
                yield left, top, min(right, width), number * GRID_ROWS
            above, top = spans, number * GRID_ROWS
    for left, right in above:
        yield left, top, min(right, width), height


def _spans(cells: list[int]) -> list[tuple[int, int]]:
    """Return the first and the end column of pixels of each run of cells, over small gaps."""
    spans: list[tuple[int, int]] = []
    for cell in cells:
        left, right = cell * GRID_COLUMNS, (cell + 1) * GRID_COLUMNS
        if spans and left - spans[-1][1] < GAP_COLUMNS * GRID_COLUMNS:
            left = spans.pop()[0]
        spans.append((left, right))
    return spans


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
