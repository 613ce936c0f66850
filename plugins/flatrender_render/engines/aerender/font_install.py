"""Putting a font file where After Effects finds it.

Owns the file and, on Windows, its line in the user's own registry, without which a font in the
user's folder is not seen. Needs no rights of an administrator; never touches a file that it did
not put there.
"""

import hashlib
import os
import sys
from pathlib import Path

from flatrender.clock import random_token
from flatrender_render.engines.aerender.fonts import Names, names_in

_PREFIX = "flatrender-"
_FONTS_KEY = r"Software\Microsoft\Windows NT\CurrentVersion\Fonts"


class FontRefused(Exception):
    """The file is not what was to come, or no font; the message says which."""


def place_of(folder: Path, sha256: str, suffix: str) -> Path:
    """Return where a font file lies: by its content, so two of one name do not meet."""
    return folder / f"{_PREFIX}{sha256[:32]}.{suffix}"


def is_there(path: Path, sha256: str) -> bool:
    """Whether the file is there and whole."""
    return path.is_file() and _digest(path) == sha256


def fresh(path: Path) -> Path:
    """Return a path beside ``path`` to write to first; no program takes it for a font."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.{random_token(6)}.part")


def settle(source: Path, path: Path, sha256: str) -> list[Names]:
    """Move a file that has come to its place, whole or not at all; returns its faces.

    Raises :class:`FontRefused`.
    """
    if _digest(source) != sha256:
        raise FontRefused("the file is not the one that was to come (sha256)")
    named = source.with_name(f"{source.name}{path.suffix}")  # its suffix says how it is read
    source.replace(named)
    try:
        names = sorted(names_in(named))
        if not names:
            raise FontRefused("the file is no font that can be read")
        with named.open("rb") as file:
            os.fsync(file.fileno())
        named.replace(path)
    finally:
        named.unlink(missing_ok=True)
    if sys.platform == "win32":
        _register(path, names[0])
    return names


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if sys.platform == "win32":

    def _register(path: Path, name: Names) -> None:
        """Tell Windows of a font in the user's folder (from 10, version 1809, on)."""
        import winreg

        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, _FONTS_KEY) as key:
            title = f"{name.family} {name.style} (TrueType)"
            winreg.SetValueEx(key, title, 0, winreg.REG_SZ, str(path))
