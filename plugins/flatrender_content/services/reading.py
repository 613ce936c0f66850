"""Reading a package for an import: everything that blocks, for a thread of its own.

Owns what is taken out of a package (music, fonts, facts of animations). Knows no database.
"""

import hashlib
import io
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from msgspec import Struct

from flatrender.template.animations import NotAnAnimation, read_facts
from flatrender.template.manifest import Font, MusicTrack, TemplateManifest
from flatrender.template.package import PackageProblem, TemplatePackage

CONTENT_TYPES = {
    "flac": "audio/flac",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "otf": "font/otf",
    "png": "image/png",
    "ttc": "font/collection",
    "ttf": "font/ttf",
    "wav": "audio/wav",
}
# A letter that only fonts made for the script have.
_SCRIPTS = {"Arab": 0x0628, "Hebr": 0x05D0, "Latn": 0x0041}


class Stored(Struct, frozen=True, kw_only=True):
    """Bytes of a package that are also stored apart from it, by their hash."""

    object_key: str
    sha256: str
    data: bytes
    content_type: str

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)


class ReadMusic(Struct, frozen=True, kw_only=True):
    """A track and its bytes."""

    track: MusicTrack
    file: Stored


class ReadFont(Struct, frozen=True, kw_only=True):
    """A font and its bytes; ``scripts`` are ISO 15924 codes."""

    font: Font
    file: Stored
    scripts: list[str]


class ReadPackage(Struct, frozen=True, kw_only=True):
    """What an import needs of a package. ``used_colors`` by animation."""

    manifest: TemplateManifest
    sha256: str
    size: int
    warnings: tuple[PackageProblem, ...]
    music: list[ReadMusic]
    fonts: list[ReadFont]
    used_colors: dict[str, frozenset[str]]


def sha256_of(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_package(path: Path) -> ReadPackage:
    """Open, check and read a package. Raises ``PackageRefused``."""
    with TemplatePackage.open(path) as package:
        manifest = package.manifest
        shared = frozenset(color.key for color in manifest.shared_colors)
        names = {scene.animation for v in manifest.variants for scene in v.scenes}
        fonts = [(font, stored("fonts", font.path, data)) for font, data in package.fonts()]
        return ReadPackage(
            manifest=manifest,
            sha256=package.sha256,
            size=package.size,
            warnings=package.warnings,
            music=[
                ReadMusic(track=t, file=stored("music", t.path, package.read(t.path)))
                for t in manifest.music
            ],
            fonts=[ReadFont(font=f, file=s, scripts=scripts_of(s.data)) for f, s in fonts],
            used_colors={name: _slots(package.animation(name)) & shared for name in sorted(names)},
        )


def stored(folder: str, name: str, data: bytes) -> Stored:
    """Return where bytes lie by their content: the same bytes are stored once."""
    extension = name.rpartition(".")[2].lower()
    digest = hashlib.sha256(data).hexdigest()
    return Stored(
        object_key=f"{folder}/{digest}.{extension}",
        sha256=digest,
        data=data,
        content_type=CONTENT_TYPES.get(extension, "application/octet-stream"),
    )


def scripts_of(data: bytes) -> list[str]:
    """Return the scripts a font has letters of; none when it cannot be read."""
    try:
        with TTFont(io.BytesIO(data), lazy=True) as font:
            known = font.getBestCmap() or {}
    except (TTLibError, OSError, ValueError, KeyError, AssertionError):
        return []
    return [script for script, letter in _SCRIPTS.items() if letter in known]


def _slots(animation: bytes) -> frozenset[str]:
    try:
        return frozenset(read_facts(animation).slots)
    except NotAnAnimation:  # the package's own check refuses such a one before
        return frozenset()
