"""Keyframe easing: a cubic Bezier from (0, 0) to (1, 1) through the two handles.

Spec: Lottie "Easing handles". Pure arithmetic; owns no state but a cache of solved curves.
"""

from functools import lru_cache


class Easing:
    """Maps the fraction of time between two keyframes to the fraction of change."""

    __slots__ = ("ax", "ay", "bx", "by", "cx", "cy", "linear")

    def __init__(self, x1: float, y1: float, x2: float, y2: float) -> None:
        # Time cannot run backwards: x is held to 0..1 (spec). y may overshoot.
        x1 = min(max(x1, 0.0), 1.0)
        x2 = min(max(x2, 0.0), 1.0)
        y1 = min(max(y1, -100.0), 100.0)
        y2 = min(max(y2, -100.0), 100.0)
        self.linear = abs(x1 - y1) < 1e-6 and abs(x2 - y2) < 1e-6
        self.cx = 3 * x1
        self.bx = 3 * (x2 - x1) - self.cx
        self.ax = 1 - self.cx - self.bx
        self.cy = 3 * y1
        self.by = 3 * (y2 - y1) - self.cy
        self.ay = 1 - self.cy - self.by

    def __call__(self, x: float) -> float:
        """Return the eased fraction at ``x`` in 0..1."""
        if self.linear or x <= 0.0 or x >= 1.0:
            return min(max(x, 0.0), 1.0)
        t = self._solve(x)
        return ((self.ay * t + self.by) * t + self.cy) * t

    def _solve(self, x: float) -> float:
        ax, bx, cx = self.ax, self.bx, self.cx
        t = x
        for _ in range(8):  # Newton; four steps suffice for nearly all curves
            error = ((ax * t + bx) * t + cx) * t - x
            if abs(error) < 1e-9:
                return t
            slope = (3 * ax * t + 2 * bx) * t + cx
            if abs(slope) < 1e-6:
                break
            t -= error / slope
            if not 0.0 <= t <= 1.0:
                break
        low, high = 0.0, 1.0
        for _ in range(48):  # bisection where Newton runs away
            t = (low + high) / 2
            if ((ax * t + bx) * t + cx) * t < x:
                low = t
            else:
                high = t
        return t


LINEAR = Easing(0.0, 0.0, 1.0, 1.0)


@lru_cache(maxsize=4096)
def easing(x1: float, y1: float, x2: float, y2: float) -> Easing:
    """Return the (shared) curve of these handles; files repeat a few curves many times."""
    return Easing(x1, y1, x2, y2)
