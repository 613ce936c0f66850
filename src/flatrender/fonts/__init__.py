"""The fonts that come with FlatRender: what exists and under which licence.

Owns the font files and their catalogue, nothing else; matching and shaping belong to the engines.
Every family lies in a folder of its own beside its licence text. The last families are fallbacks:
they are drawn only where nothing before them has the character.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BundledFont:
    """One font file. ``weight`` is CSS (100..900); ``style`` the English name, as in ``Bold``."""

    family: str
    style: str
    weight: int
    path: Path
    licence: Path


WEIGHTS = {
    "Thin": 100,
    "ExtraLight": 200,
    "Light": 300,
    "Regular": 400,
    "Medium": 500,
    "SemiBold": 600,
    "Bold": 700,
    "ExtraBold": 800,
    "Black": 900,
}

# Family, file stem, licence file, in the order in which fallback tries them.
_FAMILIES = (
    ("Inter", "inter/Inter", "OFL.txt"),
    ("Vazirmatn", "vazirmatn/Vazirmatn", "OFL.txt"),
    ("Noto Sans Arabic", "noto-sans-arabic/NotoSansArabic", "OFL.txt"),
    ("Noto Sans Hebrew", "noto-sans-hebrew/NotoSansHebrew", "OFL.txt"),
    ("Twemoji", "twemoji/Twemoji", "LICENSE.txt"),  # in colour
    ("Noto Emoji", "noto-emoji/NotoEmoji", "OFL.txt"),  # outlines: newer symbols, text style
)


@cache
def catalogue() -> tuple[BundledFont, ...]:
    """Return every bundled font, families in fallback order, weights ascending."""
    here = Path(__file__).parent
    return tuple(
        BundledFont(family, style, weight, path, path.parent / licence)
        for family, stem, licence in _FAMILIES
        for style, weight in WEIGHTS.items()
        if (path := here / f"{stem}-{style}.ttf").is_file()
    )
