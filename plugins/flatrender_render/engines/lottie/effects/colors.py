"""Effects that change each pixel's colour by itself, as colour filters.

Tint (20), fill (21), tritone (23), levels (24, "ADBE Easy Levels2"), invert, brightness and
contrast, black and white.
"""

import math
from collections.abc import Sequence

import skia

from flatrender_render.engines.lottie.properties import Property, Vector
from flatrender_render.engines.lottie.reader import Obj
from flatrender_render.engines.lottie.shapes.gradients import argb

from .base import LUMA, Values


class ColorEffect:
    """An effect that is a colour filter. Subclasses make it from their values."""

    def __init__(self, parts: Sequence[Property[float] | Property[Vector]]) -> None:
        self.parts = tuple(parts)
        self.static = all(p.static for p in self.parts)
        self._memo: tuple[object, skia.ColorFilter | None] | None = None

    def filter(
        self, frame: float, below: skia.ImageFilter | None, reach: float
    ) -> skia.ImageFilter | None:
        """Recolour what lies below."""
        del reach
        values = tuple([p.at(frame) for p in self.parts])
        memo = self._memo
        if memo is None or memo[0] != values:
            memo = (values, self.make(frame))
            self._memo = memo
        return below if memo[1] is None else skia.ImageFilters.ColorFilter(memo[1], below)

    def outset(self, frame: float) -> float:
        """Return nothing: pixels stay where they are."""
        del frame
        return 0.0

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Make the colour filter of a frame."""
        raise NotImplementedError


class Fill(ColorEffect):
    """All opaque areas in one colour (values: 2 colour, 6 opacity 0..1)."""

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.color, self.opacity = values.color(2), values.number(6, 1.0)
        super().__init__((self.color, self.opacity))

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Replace the colour, fade the alpha."""
        r, g, b = self.color.at(frame)[:3]
        alpha = min(max(self.opacity.at(frame), 0.0), 1.0)
        return skia.ColorFilters.Blend(argb(r, g, b, alpha), skia.BlendMode.kSrcIn)


class Tint(ColorEffect):
    """Lightness mapped to the way between two colours (0 black, 1 white, 2 amount in percent)."""

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.black = values.color(0)
        self.white = values.color(1, (1.0, 1.0, 1.0, 1.0))
        self.amount = values.number(2, 100.0)
        super().__init__((self.black, self.white, self.amount))

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Mix the mapped colour with the original one."""
        part = min(max(self.amount.at(frame) / 100.0, 0.0), 1.0)
        if part <= 0:
            return None
        rows: list[float] = []
        black, white = self.black.at(frame), self.white.at(frame)
        for channel in range(3):
            span = (white[channel] - black[channel]) * part
            row = [span * w for w in LUMA]
            row[channel] += 1 - part
            rows += [*row, 0.0, black[channel] * part]
        return skia.ColorFilters.Matrix([*rows, 0.0, 0.0, 0.0, 1.0, 0.0])


GREY = skia.ColorFilters.Matrix([*([*LUMA, 0.0, 0.0] * 3), 0.0, 0.0, 0.0, 1.0, 0.0])


def table_filter(tables: Sequence[Sequence[float]]) -> skia.ColorFilter:
    """Return a filter of one curve for each of r, g, b (256 values 0..1)."""
    rows = [[min(max(round(v * 255), 0), 255) for v in table] for table in tables]
    return skia.TableColorFilter.MakeARGB(list(range(256)), *rows)


class Tritone(ColorEffect):
    """Lightness mapped over three colours (0 bright, 1 middle, 2 dark, 3 share of the original)."""

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.bright = values.color(0, (1.0, 1.0, 1.0, 1.0))
        self.middle = values.color(1, (0.5, 0.5, 0.5, 1.0))
        self.dark = values.color(2)
        self.original = values.number(3)
        super().__init__((self.bright, self.middle, self.dark, self.original))

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Grey first, then a curve for each channel."""
        dark, middle, bright = (p.at(frame) for p in (self.dark, self.middle, self.bright))
        tables = [
            [
                dark[c] + (middle[c] - dark[c]) * v / 127.5
                if v < 128
                else middle[c] + (bright[c] - middle[c]) * (v - 127.5) / 127.5
                for v in range(256)
            ]
            for c in range(3)
        ]
        toned = skia.ColorFilters.Compose(table_filter(tables), GREY)
        keep = min(max(self.original.at(frame) / 100.0, 0.0), 1.0)
        if keep <= 0:
            return toned
        same = skia.ColorFilters.Matrix(
            [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]
        )
        return skia.ColorFilters.Lerp(keep, toned, same)


def levels_curve(values: Sequence[float]) -> list[float]:
    """Return the 256 values of a levels curve: in black, in white, gamma, out black, out white."""
    in_black, in_white, gamma, out_black, out_white = values
    span = in_white - in_black
    power = 1.0 / min(max(gamma, 0.01), 100.0)
    curve: list[float] = []
    for n in range(256):
        x = (n / 255 - in_black) / span if abs(span) > 1e-6 else float(n / 255 >= in_black)
        x = math.pow(min(max(x, 0.0), 1.0), power)
        curve.append(out_black + (out_white - out_black) * x)
    return curve


LEVELS = (0.0, 1.0, 1.0, 0.0, 1.0)


class Levels(ColorEffect):
    """Levels. ``starts`` are the places of each group of five values: all, red, green, blue."""

    def __init__(self, obj: Obj, starts: Sequence[int]) -> None:
        values = Values(obj)
        self.groups = [[values.number(start + n, LEVELS[n]) for n in range(5)] for start in starts]
        super().__init__([p for group in self.groups for p in group])

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Apply each channel's own curve, then the common one."""
        curves = [levels_curve([p.at(frame) for p in group]) for group in self.groups]
        common = curves[0]
        own = curves[1:] or [[n / 255 for n in range(256)]] * 3
        return table_filter(
            [[common[min(max(round(v * 255), 0), 255)] for v in curve] for curve in own]
        )


class Invert(ColorEffect):
    """Colours turned to their opposite (values: 0 channel, 1 share of the original)."""

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.keep = values.number(1)
        if values.number(0, 1.0).at(0.0) != 1:
            obj.report("invert of one channel")
        super().__init__((self.keep,))

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Mix the opposite with the original."""
        part = 1 - min(max(self.keep.at(frame) / 100.0, 0.0), 1.0)
        k = 1 - 2 * part
        return skia.ColorFilters.Matrix(
            [k, 0, 0, 0, part, 0, k, 0, 0, part, 0, 0, k, 0, part, 0, 0, 0, 1, 0]
        )


class BrightnessContrast(ColorEffect):
    """Brightness and contrast (values 0 and 1)."""

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.brightness, self.contrast = values.number(0), values.number(1)
        super().__init__((self.brightness, self.contrast))

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Shift by brightness, stretch around the middle by contrast."""
        shift = min(max(self.brightness.at(frame), -150.0), 150.0) / 255.0
        k = 1 + min(max(self.contrast.at(frame), -100.0), 100.0) / 100.0
        bias = shift * k + 0.5 * (1 - k)
        return skia.ColorFilters.Matrix(
            [k, 0, 0, 0, bias, 0, k, 0, 0, bias, 0, 0, k, 0, bias, 0, 0, 0, 1, 0]
        )


class BlackAndWhite(ColorEffect):
    """Colours to greys."""

    def __init__(self, obj: Obj) -> None:
        del obj
        super().__init__(())

    def make(self, frame: float) -> skia.ColorFilter | None:
        """Return lightness."""
        del frame
        return GREY
