"""Which fonts of a project this machine lacks, told before anything is rendered.

Owns the names in font files of the system's folders. After Effects replaces a missing font
without a word that matters: the video would be wrong, not late.
"""

import os
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from fontTools.ttLib.ttCollection import TTCollection

from flatrender.template.after_effects import AepFont

_SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}
_FAMILY, _STYLE, _POSTSCRIPT, _TYPO_FAMILY, _TYPO_STYLE = 1, 2, 6, 16, 17  # OpenType, "name"


def system_folders(platform: str = sys.platform) -> list[Path]:
    """Return where this system and After Effects look for fonts."""
    home = Path.home()
    if platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        windows = Path(os.environ.get("WINDIR", r"C:\Windows"))
        common = Path(os.environ.get("COMMONPROGRAMFILES", r"C:\Program Files\Common Files"))
        return [
            windows / "Fonts",
            local / "Microsoft" / "Windows" / "Fonts",
            common / "Adobe" / "Fonts",
        ]
    if platform == "darwin":
        return [
            Path("/System/Library/Fonts"),
            Path("/Library/Fonts"),
            home / "Library" / "Fonts",
            Path("/Library/Application Support/Adobe/Fonts"),
        ]
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".fonts"]


def missing_fonts(wanted: Iterable[AepFont], folders: Iterable[Path]) -> list[str]:
    """Return the fonts that no file of ``folders`` holds, by the names a person knows."""
    wanted = list(wanted)
    if not wanted:
        return []
    known: set[str] = set()
    for folder in folders:
        for path in _files(folder):
            known |= _names(str(path), path.stat().st_mtime_ns)
    return [
        f"{font.family} {font.style}"
        for font in wanted
        if not known & {font.postscript.casefold(), f"{font.family} {font.style}".casefold()}
    ]


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES)


@lru_cache(maxsize=8192)
def _names(path: str, _modified: int) -> frozenset[str]:
    """Return PostScript names and ``family style`` of a file's fonts, folded; none when broken."""
    found: set[str] = set()
    try:
        if Path(path).suffix.lower() in {".ttc", ".otc"}:
            with TTCollection(path, lazy=True) as collection:  # type: ignore[no-untyped-call]  # none there
                for font in collection.fonts:
                    found |= _names_of(font)
        else:
            with TTFont(path, lazy=True) as font:
                found = _names_of(font)
    except (TTLibError, OSError, KeyError, ValueError, AssertionError):
        return frozenset()
    return frozenset(found)


def _names_of(font: TTFont) -> set[str]:
    names = font["name"]

    def text(number: int) -> str:
        return str(names.getDebugName(number) or "")

    return {
        text(_POSTSCRIPT).casefold(),
        f"{text(_FAMILY)} {text(_STYLE) or 'Regular'}".casefold(),
        f"{text(_TYPO_FAMILY)} {text(_TYPO_STYLE) or 'Regular'}".casefold(),
    } - {""}
