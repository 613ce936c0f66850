"""Which fonts of a project this machine lacks, told before anything is rendered.

Owns the names in font files of the system's folders. After Effects replaces a missing font
without a word that matters: the video would be wrong, not late.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fontTools.ttLib import TTFont, TTLibError
from fontTools.ttLib.ttCollection import TTCollection

from flatrender.template.after_effects import AepFont
from flatrender_render.engines.aerender.settings import AerenderSettings

_SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}
_FAMILY, _STYLE, _POSTSCRIPT, _TYPO_FAMILY, _TYPO_STYLE = 1, 2, 6, 16, 17  # OpenType, "name"


class Names(NamedTuple):
    """A face by the names in its file ("name" of OpenType 1.9)."""

    family: str
    style: str
    postscript: str


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


def own_folder(settings: AerenderSettings, platform: str = sys.platform) -> Path:
    """Return where this node installs fonts: the first of its own folders, else the user's."""
    if settings.font_folders:
        return Path(settings.font_folders[0])
    home = Path.home()
    if platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return local / "Microsoft" / "Windows" / "Fonts"
    return home / "Library" / "Fonts" if platform == "darwin" else home / ".fonts"


def all_folders(settings: AerenderSettings) -> list[Path]:
    """Return every folder that After Effects takes fonts from on this machine."""
    return [*map(Path, settings.font_folders), *system_folders()]


def installed_names(folders: Iterable[Path]) -> set[Names]:
    """Return the names of every face in ``folders``. Reads each file once in its life."""
    found: set[Names] = set()
    for folder in folders:
        for path in _files(folder):
            with contextlib.suppress(OSError):  # removed meanwhile
                found.update(_names(str(path), path.stat().st_mtime_ns))
    return found


def missing_fonts(wanted: Iterable[AepFont], folders: Iterable[Path]) -> list[str]:
    """Return the fonts that no file of ``folders`` holds, by the names a person knows."""
    wanted = list(wanted)
    if not wanted:
        return []
    names = installed_names(folders)
    known = {name.postscript.casefold() for name in names}
    known |= {f"{name.family} {name.style}".casefold() for name in names}
    known.discard("")
    return [
        f"{font.family} {font.style}"
        for font in wanted
        if not known & {font.postscript.casefold(), f"{font.family} {font.style}".casefold()}
    ]


def names_in(path: Path) -> frozenset[Names]:
    """Return the names of the faces in a file; none when it is no font that can be read."""
    return _names(str(path), path.stat().st_mtime_ns)


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES)


@lru_cache(maxsize=8192)
def _names(path: str, _modified: int) -> frozenset[Names]:
    found: list[Names] = []
    try:
        with Path(path).open("rb") as file:  # ours to close, also when it is no font
            if Path(path).suffix.lower() in {".ttc", ".otc"}:
                for font in TTCollection(file, lazy=True).fonts:  # type: ignore[no-untyped-call]  # none there
                    found += _names_of(font)
            else:
                found = _names_of(TTFont(file, lazy=True))
    except (TTLibError, OSError, KeyError, ValueError, AssertionError):
        return frozenset()
    return frozenset(found)


def _names_of(font: TTFont) -> list[Names]:
    names = font["name"]

    def text(number: int) -> str:
        return str(names.getDebugName(number) or "")

    postscript = text(_POSTSCRIPT)
    found = [
        Names(text(family), text(style) or "Regular", postscript)
        for family, style in ((_TYPO_FAMILY, _TYPO_STYLE), (_FAMILY, _STYLE))
    ]
    return [name for name in dict.fromkeys(found) if name.family]
