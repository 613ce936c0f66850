"""Looking into an uploaded file: hash, type, size of a picture, length of a sound.

Blocking work for a thread. Nothing is decoded here: pictures, sounds, videos and fonts are opened
in a process of their own with a bound on memory and time (:mod:`flatrender_files.probe_media`).
"""

import hashlib
import subprocess
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from flatrender_files.domain import M4A, MP4, OTF, PIXEL_CAP, SIDE_CAP, SVG, TTF, Kind, sniff
from flatrender_files.errors import ImageTooLarge, MediaUnreadable

_PROBE = Path(__file__).with_name("probe_media.py")
#: The process ends itself after 20 s of work; this is for one that waits instead.
_PROBE_SECONDS = 30


class Facts(Struct, frozen=True, kw_only=True):
    """What a file turned out to be; sizes in pixels, duration in seconds."""

    kind: Kind
    sha256: str
    size: int
    width: int | None = None
    height: int | None = None
    has_alpha: bool | None = None
    duration: float | None = None


class _Found(Struct, frozen=True):
    """What the probe prints."""

    too_large: bool = False
    width: int | None = None
    height: int | None = None
    alpha: bool | None = None
    duration: float | None = None
    video: bool = False


def examine(path: Path) -> Facts:
    """Return the facts of a local file.

    Raises :class:`ImageTooLarge` and :class:`MediaUnreadable`.
    """
    with path.open("rb") as stream:
        kind = sniff(stream.read(512))
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    found = _Found()
    if kind.content_type.startswith("image/") and kind != SVG:
        found = _probe("picture", path)
        if found.too_large:
            raise ImageTooLarge(width=found.width, height=found.height)
    elif kind.content_type.startswith(("audio/", "video/")):
        found = _probe("sound", path)
        if kind == MP4 and not found.video:
            kind = M4A
    elif kind in (TTF, OTF):
        _probe("font", path)
    return Facts(
        kind=kind,
        sha256=digest,
        size=path.stat().st_size,
        width=found.width,
        height=found.height,
        has_alpha=found.alpha,
        duration=found.duration,
    )


def _probe(kind: str, path: Path) -> _Found:
    command = [sys.executable, "-I", str(_PROBE), kind, str(path), str(PIXEL_CAP), str(SIDE_CAP)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=True)
        return msgspec.json.decode(done.stdout, type=_Found)
    except (subprocess.SubprocessError, msgspec.MsgspecError) as error:
        raise MediaUnreadable() from error
