"""Gaussian blur (Lottie "Gaussian Blur Effect", type 29) and its like."""

import skia

from flatrender_render.engines.lottie.reader import Obj

from .base import Soft, Values, all_static, sigma


class GaussianBlur:
    """Values: blurriness, dimensions (1 both, 2 horizontal, 3 vertical), repeat edge pixels."""

    def __init__(self, obj: Obj) -> None:
        values = Values(obj)
        self.size = values.number(0)
        self.dimensions = values.number(1, 1.0)
        self.wrap = values.number(2)
        self.static = all_static(self.size, self.dimensions, self.wrap)

    def filter(
        self, frame: float, below: skia.ImageFilter | None, reach: float
    ) -> skia.ImageFilter | None:
        """Blur what lies below."""
        s = min(sigma(self.size.at(frame)), reach / 3)
        if s < 0.01:
            return below
        dimensions = round(self.dimensions.at(frame))
        mode = skia.TileMode.kClamp if self.wrap.at(frame) else skia.TileMode.kDecal
        return skia.ImageFilters.Blur(
            0.0 if dimensions == 3 else s, 0.0 if dimensions == 2 else s, mode, below
        )

    def outset(self, frame: float) -> float:
        """Return three sigmas."""
        return 3 * sigma(self.size.at(frame)) + 1

    def soft(self, frame: float) -> Soft | None:
        """Return the blur where it goes both ways and fades at its edges."""
        if round(self.dimensions.at(frame)) in {2, 3} or self.wrap.at(frame):
            return None
        return Soft(sigma(self.size.at(frame)), None, (0.0, 0.0), sharp=False)
