"""Which part of a text an animator reaches, and how strongly (Lottie "Text Range Selector").

Owns ranges, shapes, easing, smoothness and modes; the units it counts come from ``fragments``.
"""

import hashlib
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from flatrender_render.engines.lottie.easing import easing
from flatrender_render.engines.lottie.properties import Property, scalar
from flatrender_render.engines.lottie.reader import Obj

CHARACTERS, CHARACTERS_WITHOUT_SPACES, WORDS, LINES = 1, 2, 3, 4
_SQUARE, _RAMP_UP, _RAMP_DOWN, _TRIANGLE, _ROUND, _SMOOTH = 1, 2, 3, 4, 5, 6
_ADD, _SUBTRACT, _INTERSECT, _MINIMUM, _MAXIMUM, _DIFFERENCE = 1, 2, 3, 4, 5, 6


class Units(Protocol):
    """Counts of a text: how many units, and which unit each fragment belongs to."""

    def total(self, based_on: int) -> int:
        """Return how many units there are."""
        ...

    def indices(self, based_on: int) -> list[int]:
        """Return the unit of every fragment."""
        ...


class Selector:
    """One range selector."""

    def __init__(self, obj: Obj, number: int) -> None:
        self.number = number
        self.start: Property[float] = scalar(obj, "s", 0.0)
        index_units = obj.int("r", 1) == 2
        self.end: Property[float] | None = (
            scalar(obj, "e", 100.0) if obj.has("e") or not index_units else None
        )
        self.offset: Property[float] = scalar(obj, "o", 0.0)
        self.amount: Property[float] = scalar(obj, "a", 100.0)
        self.ease_low: Property[float] = scalar(obj, "ne", 0.0)
        self.ease_high: Property[float] = scalar(obj, "xe", 0.0)
        self.smoothness: Property[float] = scalar(obj, "sm", 100.0)
        self.index_units = index_units
        self.based_on = obj.int("b", CHARACTERS)
        self.shape = obj.int("sh", _SQUARE)
        self.mode = obj.int("m", _ADD)
        self.random = obj.flag("rn")
        if obj.int("t") == 1 or obj.has("x"):
            obj.report("expression selector")
        parts = (
            self.start,
            self.offset,
            self.amount,
            self.ease_low,
            self.ease_high,
            self.smoothness,
        )
        self.static = all(p.static for p in parts) and (self.end is None or self.end.static)

    def coverage(self, units: Units, frame: float) -> list[float]:
        """Return how strongly every fragment is reached, times the amount (1 = fully)."""
        total = units.total(self.based_on)
        scale = 1.0 if self.index_units else total / 100.0
        offset = self.offset.at(frame) * scale
        start = self.start.at(frame) * scale + offset
        end = (total if self.end is None else self.end.at(frame) * scale) + offset
        if end < start:
            start, end = end, start
        amount = self.amount.at(frame) / 100.0
        reach = _Reach(
            self.shape,
            start,
            end,
            self.ease_low.at(frame),
            self.ease_high.at(frame),
            self.smoothness.at(frame),
        )
        table = [reach.of(n) * amount for n in range(total)]
        if self.random:
            order = shuffled(total, self.number)
            table = [table[order[n]] for n in range(total)]
        return [table[n] if n < total else 0.0 for n in units.indices(self.based_on)]


@lru_cache(maxsize=256)
def shuffled(count: int, seed: int) -> tuple[int, ...]:
    """Return a permutation that is the same on every machine and in every process."""
    return tuple(
        sorted(range(count), key=lambda n: hashlib.blake2b(f"{seed}/{n}".encode()).digest())
    )


@dataclass(frozen=True, slots=True)
class _Reach:
    """The shape of a selector between ``start`` and ``end``, in units."""

    shape: int
    start: float
    end: float
    low: float
    high: float
    smoothness: float

    def of(self, index: int) -> float:
        """Return the coverage of one unit, which spans ``index`` to ``index + 1``."""
        length = self.end - self.start
        middle = index + 0.5 - self.start
        if self.shape == _SQUARE or not _RAMP_UP <= self.shape <= _SMOOTH:
            return self._square(index)
        if length <= 0:
            before = index < self.start
            flat = {_RAMP_UP: not before, _RAMP_DOWN: before}.get(self.shape, False)
            return self._ease(1.0 if flat else 0.0)
        x = min(max(middle / length, 0.0), 1.0)
        if self.shape == _RAMP_UP:
            value = x
        elif self.shape == _RAMP_DOWN:
            value = 1.0 - x
        elif self.shape == _TRIANGLE:
            value = 1.0 - abs(2.0 * x - 1.0)
        elif self.shape == _ROUND:
            value = math.sqrt(max(1.0 - (2.0 * x - 1.0) ** 2, 0.0))
        else:
            value = (1.0 - math.cos(2.0 * math.pi * x)) / 2.0
        return self._ease(value)

    def _square(self, index: int) -> float:
        # The share of the unit that lies within the range; smoothness steepens the share.
        share = min(self.end, index + 1.0) - max(self.start, float(index))
        value = self._ease(min(max(share, 0.0), 1.0))
        smooth = min(max(self.smoothness / 100.0, 0.0), 1.0)
        if smooth >= 1.0:
            return value
        threshold = 0.5 - smooth / 2.0
        return min(max((value - threshold) / max(smooth, 1e-8), 0.0), 1.0)

    def _ease(self, value: float) -> float:
        low, high = (min(max(v / 100.0, -1.0), 1.0) for v in (self.low, self.high))
        if not low and not high:
            return value
        x1, y1 = (low, 0.0) if low > 0 else (0.0, -low)
        x2, y2 = (1.0 - high, 1.0) if high > 0 else (1.0, 1.0 + high)
        return easing(x1, y1, x2, y2)(value)


def combined(selectors: list[Selector], units: Units, count: int, frame: float) -> list[float]:
    """Return the coverage of every fragment by all selectors of one animator, in -1..1.

    Without a selector an animator reaches everything. The first one adds to nothing, or takes
    from everything where its mode takes away.
    """
    if not selectors:
        return [1.0] * count
    out = [0.0 if selectors[0].mode in {_ADD, _MAXIMUM} else 1.0] * count
    for selector in selectors:
        reach = selector.coverage(units, frame)
        out = [_combine(selector.mode, a, b) for a, b in zip(out, reach, strict=True)]
    return [min(max(v, -1.0), 1.0) for v in out]


def _combine(mode: int, below: float, above: float) -> float:
    if mode == _SUBTRACT:
        return below - above
    if mode == _INTERSECT:
        return below * above
    if mode == _MINIMUM:
        return min(below, above)
    if mode == _MAXIMUM:
        return max(below, above)
    if mode == _DIFFERENCE:
        return abs(below - above)
    return below + above
