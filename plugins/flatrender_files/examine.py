"""Looking into an uploaded file: hash, type, size of a picture, length of a sound.

Blocking work for a thread; sound and video are opened in a process of their own with a bound on
memory and time, so that a hostile file costs that process and nothing else. Nothing is decoded
beyond headers.
"""

import contextlib
import hashlib
import json
import subprocess
import sys
import warnings
from pathlib import Path

from msgspec import Struct
from PIL import Image, UnidentifiedImageError

from flatrender_files.domain import M4A, MP4, PIXEL_CAP, SIDE_CAP, Kind, sniff
from flatrender_files.errors import ImageTooLarge, MediaUnreadable

_PROBE_SECONDS = 20
_PROBE_MEMORY = 1 << 30


class Facts(Struct, frozen=True, kw_only=True):
    """What a file turned out to be; sizes in pixels, duration in seconds."""

    kind: Kind
    sha256: str
    size: int
    width: int | None = None
    height: int | None = None
    has_alpha: bool | None = None
    duration: float | None = None


def examine(path: Path) -> Facts:
    """Return the facts of a local file.

    Raises :class:`ImageTooLarge` and :class:`MediaUnreadable`.
    """
    with path.open("rb") as stream:
        kind = sniff(stream.read(512))
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    size = path.stat().st_size
    if kind.content_type.startswith("image/") and kind.extension != "svg":
        width, height, alpha = _picture(path)
        return Facts(
            kind=kind, sha256=digest, size=size, width=width, height=height, has_alpha=alpha
        )
    if kind.content_type.startswith(("audio/", "video/")):
        seconds, has_video = _sound(path)
        if kind is MP4 and not has_video:
            kind = M4A
        return Facts(kind=kind, sha256=digest, size=size, duration=seconds)
    return Facts(kind=kind, sha256=digest, size=size)


def _picture(path: Path) -> tuple[int, int, bool]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                alpha = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
                orientation = image.getexif().get(0x0112, 1)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise MediaUnreadable() from error
    if width * height > PIXEL_CAP or max(width, height) > SIDE_CAP:
        raise ImageTooLarge(width=width, height=height)
    if orientation in (5, 6, 7, 8):  # EXIF: shown on its side
        width, height = height, width
    return width, height, alpha


def _sound(path: Path) -> tuple[float, bool]:
    command = [sys.executable, "-I", str(Path(__file__).with_name("probe_media.py")), str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_PROBE_SECONDS, check=True, preexec_fn=_limit
        )
        found = json.loads(done.stdout)
        return float(found["duration"]), bool(found["video"])
    except (subprocess.SubprocessError, ValueError, KeyError) as error:
        raise MediaUnreadable() from error


def _limit() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_PROBE_MEMORY, _PROBE_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_PROBE_SECONDS, _PROBE_SECONDS))
