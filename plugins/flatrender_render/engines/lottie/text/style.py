"""How text is set: the values of a text document that decide layout, and the box it is set in."""

from dataclasses import dataclass
from enum import IntEnum


class Justify(IntEnum):
    """Lottie "Text Justify". Left and right are sides of the picture, whatever the direction."""

    LEFT = 0
    RIGHT = 1
    CENTER = 2
    LAST_LEFT = 3
    LAST_RIGHT = 4
    LAST_CENTER = 5
    FULL = 6

    @property
    def stretches(self) -> bool:
        """Whether lines are stretched to the box."""
        return self >= Justify.LAST_LEFT

    @property
    def last(self) -> "Justify":
        """How a line that is not stretched is set."""
        if self == Justify.FULL or not self.stretches:
            return self
        return Justify(self - 3)


class Caps(IntEnum):
    """Lottie "Text Caps"."""

    REGULAR = 0
    ALL = 1
    SMALL = 2


@dataclass(frozen=True, slots=True)
class TextStyle:
    """Size and ``leading`` (line to line) in pixels, ``tracking`` in 1/1000 em.

    ``weight`` as in CSS, number or text; empty to take it from ``style``. ``leading`` None is
    After Effects' automatic 120 %. ``baseline_shift`` raises, in pixels. ``ascent`` (em) is the
    first baseline's distance from the top of the box; None measures the font.
    """

    family: str
    style: str = "Regular"
    weight: str | int = ""
    size: float = 48.0
    leading: float | None = None
    tracking: float = 0.0
    baseline_shift: float = 0.0
    caps: Caps = Caps.REGULAR
    justify: Justify = Justify.LEFT
    ascent: float | None = None


@dataclass(frozen=True, slots=True)
class TextBox:
    """The paragraph box in layer pixels, from Lottie ``ps`` and ``sz``.

    ``vertical`` says where the lines stand in the box: 0 top, 0.5 middle, 1 bottom (Lottie ``vj``);
    None is After Effects' convention of the first baseline.
    """

    x: float
    y: float
    width: float
    height: float
    vertical: float | None = None
