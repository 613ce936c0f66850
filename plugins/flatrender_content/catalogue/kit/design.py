"""Stages and palettes: the measures a template is composed with.

Owns sizes per aspect, safe margins, reading direction and the WCAG contrast of palettes. Draws
nothing.
"""

from dataclasses import dataclass, field

from flatrender.template.manifest import Aspect, Preset, SharedColor, Text
from flatrender_content.catalogue.lottie_dsl.text import Align, Face
from flatrender_content.catalogue.lottie_dsl.values import Slotted, rgb

SIZES: dict[Aspect, tuple[int, int]] = {
    "16:9": (1920, 1080),
    "1:1": (1080, 1080),
    "9:16": (1080, 1920),
}


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def cx(self) -> float:
        """Horizontal middle."""
        return self.x + self.w / 2

    @property
    def cy(self) -> float:
        """Vertical middle."""
        return self.y + self.h / 2

    @property
    def middle(self) -> tuple[float, float]:
        """Both middles."""
        return (self.cx, self.cy)

    def inset(self, dx: float, dy: float) -> "Box":
        """Return a smaller box inside."""
        return Box(self.x + dx, self.y + dy, self.w - 2 * dx, self.h - 2 * dy)


@dataclass(frozen=True, slots=True)
class Stage:
    """One aspect with its direction. The shorter side is 1080, so type sizes hold everywhere."""

    aspect: Aspect
    rtl: bool

    @property
    def w(self) -> int:
        """Width in pixels."""
        return SIZES[self.aspect][0]

    @property
    def h(self) -> int:
        """Height in pixels."""
        return SIZES[self.aspect][1]

    @property
    def cx(self) -> float:
        """Horizontal middle."""
        return self.w / 2

    @property
    def cy(self) -> float:
        """Vertical middle."""
        return self.h / 2

    @property
    def wide(self) -> bool:
        """Whether text and picture stand beside each other."""
        return self.aspect == "16:9"

    @property
    def tall(self) -> bool:
        """Whether the picture is a phone's."""
        return self.aspect == "9:16"

    @property
    def margin(self) -> float:
        """Safe margin: 6 percent of the shorter side and more where players lay their buttons."""
        return 120.0 if self.wide else 76.0

    @property
    def sign(self) -> float:
        """+1 where reading goes right, -1 where it goes left."""
        return -1.0 if self.rtl else 1.0

    @property
    def start(self) -> Align:
        """The side where reading starts."""
        return "right" if self.rtl else "left"

    def side(self, from_start: float) -> float:
        """Return the x at a distance from the side where reading starts."""
        return self.w - from_start if self.rtl else from_start

    def box(self, from_start: float, y: float, w: float, h: float) -> Box:
        """Return a box measured from the side where reading starts."""
        return Box(self.w - from_start - w if self.rtl else from_start, y, w, h)

    def pick(self, wide: float, square: float, tall: float) -> float:
        """Return the measure of this aspect."""
        return wide if self.wide else tall if self.tall else square


@dataclass(frozen=True, slots=True)
class Palette:
    """Shared colours of a template, its presets, and which colour is text on which."""

    roles: tuple[tuple[str, str, str], ...]  # key, Persian name, English name
    presets: tuple[tuple[str, str, str, tuple[str, ...]], ...]  # key, fa, en, colours as roles
    text_on: tuple[tuple[str, str], ...]  # (text role, ground role)
    _first: dict[str, str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Take the first preset as default."""
        keys = [key for key, _, _ in self.roles]
        self._first.update(zip(keys, self.presets[0][3], strict=True))

    def __getitem__(self, key: str) -> Slotted:
        """Return a shared colour as a slot. Raises KeyError for a role that does not exist."""
        return Slotted(key, rgb(self._first[key]))

    def shared(self) -> list[SharedColor]:
        """Return the manifest's shared colours."""
        return [
            SharedColor(key=key, name=Text(fa=fa, en=en), default=self._first[key])
            for key, fa, en in self.roles
        ]

    def manifest_presets(self) -> list[Preset]:
        """Return the manifest's presets."""
        keys = [key for key, _, _ in self.roles]
        return [
            Preset(key=key, name=Text(fa=fa, en=en), colors=dict(zip(keys, colors, strict=True)))
            for key, fa, en, colors in self.presets
        ]


def _luminance(hexa: str) -> float:
    channels = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb(hexa)[:3]]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1..21 (WCAG 2.2, "contrast ratio")."""
    a, b = sorted((_luminance(one), _luminance(other)))
    return (b + 0.05) / (a + 0.05)


def vazirmatn(style: str) -> Face:
    """Return a weight of Vazirmatn, the Persian family."""
    return Face(f"Vazirmatn-{style}", "Vazirmatn", style)


def inter(style: str) -> Face:
    """Return a weight of Inter, the Latin family."""
    return Face(f"Inter-{style}", "Inter", style)
