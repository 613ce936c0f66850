"""What layer effects share: reading their values, and the protocol of a filter."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import skia

from flatrender_render.engines.lottie.properties import (
    Property,
    Static,
    Vector,
    color,
    scalar,
    vector,
)
from flatrender_render.engines.lottie.reader import Obj

# After Effects' blur sizes are full widths; this share is the Gaussian's sigma.
SIZE_TO_SIGMA = 0.3
# How far all effects of a layer together may spread a pixel, in pixels of the surface: what lies
# that far outside of the picture has to be drawn as well.
MAX_REACH = 2_400.0

# Weights of red, green and blue in lightness (Rec. 601, as After Effects uses them).
LUMA = (0.299, 0.587, 0.114)


class Effect(Protocol):
    """One effect or layer style: an image filter over time."""

    static: bool

    def filter(
        self, frame: float, below: skia.ImageFilter | None, reach: float
    ) -> skia.ImageFilter | None:
        """Return the filter on top of ``below``; ``below`` itself where nothing happens.

        ``reach`` bounds how far a pixel may spread, in the effect's units.
        """
        ...

    def outset(self, frame: float) -> float:
        """Return how far the effect paints beyond its input."""
        ...


@dataclass(slots=True)
class Soft:
    """An effect that is one wide blur: its sigma, its colour, where it falls.

    ``sharp`` tells whether the layer itself is drawn on top. Lengths are of the effect's space.
    """

    sigma: float
    tint: skia.ColorFilter | None
    shift: tuple[float, float]
    sharp: bool


@runtime_checkable
class SoftEffect(Protocol):
    """An effect that may be drawn as one blur, without an image filter."""

    def soft(self, frame: float) -> Soft | None:
        """Return the blur of a frame, or ``None`` where the filter has to be used."""
        ...


class Values:
    """The values of one effect, by their place in the list (Lottie "Effect Values")."""

    def __init__(self, effect: Obj) -> None:
        self.items = list(effect.objects("ef"))
        self.properties: list[Property[object]] = []

    def _item(self, index: int) -> Obj | None:
        return self.items[index] if index < len(self.items) else None

    def number(self, index: int, default: float = 0.0) -> Property[float]:
        """Return a slider, angle, checkbox or choice."""
        item = self._item(index)
        return Static(default) if item is None else scalar(item, "v", default)

    def color(self, index: int, default: Vector = (0.0, 0.0, 0.0, 1.0)) -> Property[Vector]:
        """Return a colour."""
        item = self._item(index)
        return Static(default) if item is None else color(item, "v", default)

    def point(self, index: int, default: Vector = (0.0, 0.0)) -> Property[Vector]:
        """Return a point."""
        item = self._item(index)
        return Static(default) if item is None else vector(item, "v", default)


def all_static(*parts: Property[float] | Property[Vector]) -> bool:
    """Whether none of the properties moves."""
    return all(p.static for p in parts)


def sigma(size: float) -> float:
    """Return the Gaussian's sigma of a blur size."""
    return max(size, 0.0) * SIZE_TO_SIGMA
