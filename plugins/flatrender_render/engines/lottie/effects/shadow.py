"""Drop shadows: the effect (type 25) and the layer style (style type 1)."""

import math

import skia

from flatrender_render.engines.lottie.blend import NORMAL, blend_mode
from flatrender_render.engines.lottie.properties import Mapped, Property, Vector, color, scalar
from flatrender_render.engines.lottie.reader import Obj
from flatrender_render.engines.lottie.shapes.gradients import argb

from .base import Soft, Values, all_static, sigma


class DropShadow:
    """A blurred, shifted, coloured copy of the layer's alpha below it.

    Effect values: colour, opacity (0..255), direction (degrees, 0 up, clockwise), distance,
    softness, shadow only.
    """

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.color: Property[Vector] = values.color(0)
        self.opacity: Property[float] = Mapped(values.number(1, 127.5), lambda v: v / 255.0)
        self.angle: Property[float] = values.number(2)
        self.distance: Property[float] = values.number(3)
        self.softness: Property[float] = values.number(4)
        self.only: Property[float] = values.number(5)
        self.static = all_static(
            self.color, self.opacity, self.angle, self.distance, self.softness, self.only
        )

    def _shift(self, frame: float) -> tuple[float, float]:
        angle, distance = math.radians(self.angle.at(frame)), self.distance.at(frame)
        return (math.sin(angle) * distance, -math.cos(angle) * distance)

    def _tint(self, frame: float) -> int:
        r, g, b = self.color.at(frame)[:3]
        return argb(r, g, b, min(max(self.opacity.at(frame), 0.0), 1.0))

    def soft(self, frame: float) -> Soft | None:
        """Return the shadow as one blur."""
        tint = skia.ColorFilters.Blend(self._tint(frame), skia.BlendMode.kSrcIn)
        return Soft(
            sigma(self.softness.at(frame)),
            tint,
            self._shift(frame),
            sharp=self.only.at(frame) == 0,
        )

    def filter(
        self, frame: float, below: skia.ImageFilter | None, reach: float
    ) -> skia.ImageFilter | None:
        """Put the shadow under what lies below."""
        alpha = min(max(self.opacity.at(frame), 0.0), 1.0)
        only = self.only.at(frame) != 0
        if alpha <= 0 and not only:
            return below
        dx, dy = (min(max(v, -reach / 2), reach / 2) for v in self._shift(frame))
        s = min(sigma(self.softness.at(frame)), reach / 6)
        make = skia.ImageFilters.DropShadowOnly if only else skia.ImageFilters.DropShadow
        return make(dx, dy, s, s, self._tint(frame), below)

    def outset(self, frame: float) -> float:
        """Return distance and three sigmas."""
        return abs(self.distance.at(frame)) + 3 * sigma(self.softness.at(frame)) + 1


class DropShadowStyle(DropShadow):
    """The layer style: colour ``c``, opacity ``o`` in percent, angle of the light, size, spread."""

    def __init__(self, obj: Obj) -> None:
        self.color = color(obj, "c")
        self.opacity = Mapped(scalar(obj, "o", 75.0), lambda v: v / 100.0)
        # The style's angle is where light comes from, 0 right, counter-clockwise: the shadow
        # falls the other way.
        self.angle = Mapped(scalar(obj, "a", 120.0), lambda v: 270.0 - v)
        self.distance = scalar(obj, "d", 5.0)
        self.softness = scalar(obj, "s", 5.0)
        self.only = Mapped(scalar(obj, "ignored"), lambda _: 0.0)
        if blend_mode(obj) not in {NORMAL, skia.BlendMode.kMultiply}:
            obj.report("blend mode of a layer style")
        if obj.has("ch") and scalar(obj, "ch").at(0.0) != 0:
            obj.report("spread of a layer style's shadow")
        self.static = all_static(self.color, self.opacity, self.angle, self.distance, self.softness)
