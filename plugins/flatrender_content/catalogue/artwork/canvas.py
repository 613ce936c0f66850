"""A painter's bench over Skia: size-free coordinates, gradients, grain, encoding.

Coordinates are 0..1000 along the shorter side, so that a picture is drawn once for any size. Owns
nothing that is specific to one picture.
"""

import io
from collections.abc import Sequence

import numpy as np
import skia
from numpy.typing import NDArray
from PIL import Image

Point = tuple[float, float]


def color(hexa: str, alpha: float = 1.0) -> int:
    """Return Skia's colour of ``#rrggbb``."""
    r, g, b = (int(hexa[i : i + 2], 16) for i in (1, 3, 5))
    return int(skia.Color(r, g, b, round(alpha * 255)))


class Easel:
    """One picture in the making."""

    def __init__(self, width: int, height: int, *, opaque: bool = True) -> None:
        self.pixels: NDArray[np.uint8] = np.zeros((height, width, 4), np.uint8)
        info = skia.ImageInfo.Make(width, height, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
        self.surface = skia.Surface.MakeRasterDirect(info, self.pixels)
        self.canvas = self.surface.getCanvas()
        unit = min(width, height) / 1000
        self.width, self.height = width / unit, height / unit
        self.opaque = opaque
        self.canvas.scale(unit, unit)

    def paint(
        self, fill: str | None = None, alpha: float = 1.0, blur: float = 0.0, stroke: float = 0.0
    ) -> skia.Paint:
        """Return a paint; ``blur`` is the sigma of a soft edge, ``stroke`` a line's width."""
        paint = skia.Paint(AntiAlias=True)
        if fill:
            paint.setColor(color(fill, alpha))
        if blur:
            paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
        if stroke:
            paint.setStyle(skia.Paint.kStroke_Style)
            paint.setStrokeWidth(stroke)
            paint.setStrokeCap(skia.Paint.kRound_Cap)
        return paint

    def linear(
        self,
        start: Point,
        end: Point,
        stops: Sequence[tuple[float, str, float]],
        blur: float = 0.0,
    ) -> skia.Paint:
        """Return a paint of a linear gradient; stops are (at, colour, alpha)."""
        paint = self.paint(blur=blur)
        paint.setShader(
            skia.GradientShader.MakeLinear(
                [skia.Point(*start), skia.Point(*end)],
                [color(c, a) for _, c, a in stops],
                [at for at, _, _ in stops],
            )
        )
        return paint

    def radial(
        self, centre: Point, radius: float, stops: Sequence[tuple[float, str, float]]
    ) -> skia.Paint:
        """Return a paint of a radial gradient."""
        paint = self.paint()
        paint.setShader(
            skia.GradientShader.MakeRadial(
                skia.Point(*centre),
                radius,
                [color(c, a) for _, c, a in stops],
                [at for at, _, _ in stops],
            )
        )
        return paint

    def backdrop(self, paint: skia.Paint) -> None:
        """Cover the whole picture."""
        self.canvas.drawRect(skia.Rect.MakeWH(self.width, self.height), paint)

    def polygon(self, points: Sequence[Point], paint: skia.Paint) -> None:
        """Draw a closed polygon."""
        self.canvas.drawPath(skia.Path.Polygon([skia.Point(*p) for p in points], True), paint)

    def disc(self, centre: Point, radius: float, paint: skia.Paint) -> None:
        """Draw a circle."""
        self.canvas.drawCircle(*centre, radius, paint)

    def block(  # noqa: PLR0917 - x, y, w, h is one rectangle, as every drawing library spells it
        self, x: float, y: float, w: float, h: float, paint: skia.Paint, radius: float = 0.0
    ) -> None:
        """Draw a rectangle with round corners."""
        self.canvas.drawRoundRect(skia.Rect.MakeXYWH(x, y, w, h), radius, radius, paint)

    def arch(self, x: float, y: float, w: float, h: float, paint: skia.Paint) -> None:
        """Draw a pointed Persian arch: ``y`` is the tip, sides stand on ``y + h``."""
        path = skia.Path()
        shoulder = y + w * 0.52
        path.moveTo(x, y + h)
        path.lineTo(x, shoulder)
        path.cubicTo(x, y + w * 0.2, x + w * 0.3, y + w * 0.16, x + w / 2, y)
        path.cubicTo(x + w * 0.7, y + w * 0.16, x + w, y + w * 0.2, x + w, shoulder)
        path.lineTo(x + w, y + h)
        path.close()
        self.canvas.drawPath(path, paint)

    def ridge(self, base: float, height: float, seed: int, paint: skia.Paint) -> None:
        """Draw a range of hills down to the lower edge; ``seed`` shapes it."""
        rng = np.random.Generator(np.random.PCG64(seed))
        x = np.linspace(0, self.width, 160)
        y = np.zeros_like(x)
        for octave in range(1, 6):
            phase, turn = rng.random() * 6.28, rng.uniform(0.7, 1.3)
            y += np.sin(x / self.width * 6.28 * turn * octave * 0.8 + phase) / octave**1.35
        y = base - (y - y.min()) / (y.max() - y.min()) * height
        points = [(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        self.polygon([(0, self.height), *points, (self.width, self.height)], paint)

    def grain(self, strength: float = 5.0, seed: int = 1) -> None:
        """Lay film grain over opaque pictures, so that gradients never band."""
        self.surface.flushAndSubmit()
        rng = np.random.Generator(np.random.PCG64(seed))
        h, w = self.pixels.shape[:2]
        noise = rng.standard_normal((h, w, 1), dtype=np.float32) * strength
        mixed = self.pixels[..., :3].astype(np.float32) + noise
        self.pixels[..., :3] = np.clip(mixed, 0, 255).astype(np.uint8)

    def jpeg(self, quality: int = 86) -> bytes:
        """Encode an opaque picture."""
        self.surface.flushAndSubmit()
        out = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(self.pixels[..., :3])).save(
            out, "JPEG", quality=quality, optimize=False
        )
        return out.getvalue()

    def png(self) -> bytes:
        """Encode a picture with transparency (straight alpha, as PNG wants it)."""
        self.surface.flushAndSubmit()
        rgba = self.pixels.astype(np.float32)
        alpha = np.maximum(rgba[..., 3:], 1.0)
        rgba[..., :3] = np.clip(rgba[..., :3] * 255.0 / alpha, 0, 255)
        out = io.BytesIO()
        Image.fromarray(np.round(rgba).astype(np.uint8)).save(out, "PNG", compress_level=6)
        return out.getvalue()
