"""The pictures that After Effects writes, taken in order as they settle.

Owns reading them and every doubt about them: missing, truncated, of a wrong size, black where the
template shows something. A picture counts once it decodes to its last row; until the program
ended one that does not is simply not ready.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from flatrender_render.engines import FrameSink
from flatrender_render.media.errors import ProofFailed

Pixels = NDArray[np.uint8]
Defect = Literal["missing", "truncated", "wrong_size"]

DIGITS: Final = 5
_BLACK: Final = 6  # of 255: noise and dither stay below


class Rendition(Struct, frozen=True, kw_only=True):
    """Frames ``first`` to ``last`` of a video in ``folder``, each of ``size`` (width, height)."""

    folder: Path
    suffix: str
    first: int
    last: int
    size: tuple[int, int]

    @property
    def pattern(self) -> Path:
        """The output as ``aerender`` is told it."""
        return self.folder / f"f_[{'#' * DIGITS}]{self.suffix}"

    def path(self, frame: int) -> Path:
        """Return the file of a frame."""
        return self.folder / f"f_{frame:0{DIGITS}d}{self.suffix}"


class FrameTaker:
    """Takes frames from the disk into a sink, in order."""

    def __init__(
        self, rendition: Rendition, sink: FrameSink, watermark: Pixels | None = None
    ) -> None:
        self._rendition = rendition
        self._sink = sink
        self._watermark = watermark
        self._next = rendition.first
        self._size_seen = -1
        self.black: list[int] = []

    @property
    def taken(self) -> int:
        """How many frames were taken."""
        return self._next - self._rendition.first

    @property
    def complete(self) -> bool:
        """Whether all frames were taken."""
        return self._next > self._rendition.last

    def take(self, limit: int = 8) -> int:
        """Take up to ``limit`` frames that are ready; return how many."""
        count = 0
        while count < limit and not self.complete and self._ready():
            if self._take_next() is not None:
                break  # still being written
            count += 1
        return count

    def take_rest(self) -> None:
        """Take all that is left, now that nobody writes any more.

        Raises ``ProofFailed`` that names every frame at fault.
        """
        defect = None
        while not self.complete and defect is None:
            defect = self._take_next()
        if defect is None:
            return
        rendition = self._rendition
        faults = [n for n in range(self._next, rendition.last + 1) if self._look(n) == defect]
        kinds = {"missing": "not there", "truncated": "cut off", "wrong_size": "of a wrong size"}
        raise ProofFailed(
            defect,
            f"{len(faults)} of {rendition.last - rendition.first + 1} frames {kinds[defect]}, "
            f"from {faults[0]}",
            tuple(frame - rendition.first for frame in faults),
        )

    def _ready(self) -> bool:
        """Return whether the next frame's file stopped growing, or the one after it exists."""
        try:
            size = self._rendition.path(self._next).stat().st_size
        except OSError:
            return False
        if size and self._rendition.path(self._next + 1).exists():
            return True
        settled = size > 0 and size == self._size_seen
        self._size_seen = size
        return settled

    def _look(self, frame: int) -> Defect | None:
        found = _decode(self._rendition.path(frame), self._rendition.size)
        return found if isinstance(found, str) else None

    def _take_next(self) -> Defect | None:
        path = self._rendition.path(self._next)
        found = _decode(path, self._rendition.size)
        if isinstance(found, str):
            return found
        if not np.asarray(found).max(initial=0) > _BLACK:
            self.black.append(self._next)
        buffer = self._sink.buffer
        height, width = buffer.shape[:2]
        if found.size != (width, height):
            found = found.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        buffer[..., 2::-1] = np.asarray(found)
        buffer[..., 3] = 255
        if self._watermark is not None:
            lay_over(buffer, self._watermark)
        self._sink.put(self._next)
        path.unlink(missing_ok=True)  # minutes of 4K would fill the disk
        self._next += 1
        self._size_seen = -1
        return None


def _decode(path: Path, size: tuple[int, int]) -> Image.Image | Defect:
    """Return a picture of ``size`` as RGB, or what is wrong with it."""
    try:
        with Image.open(path) as picture:
            if picture.size != size:
                return "wrong_size"
            return picture.convert("RGB")  # alpha is left: After Effects matted with black
    except FileNotFoundError:
        return "missing"
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        return "truncated"


def lay_over(pixels: Pixels, mark: Pixels) -> None:
    """Draw premultiplied ``mark`` over opaque ``pixels`` in place, where it is not clear."""
    rows = np.flatnonzero(mark[..., 3].any(axis=1))
    if not rows.size:
        return
    part = slice(rows[0], rows[-1] + 1)
    under = pixels[part, :, :3].astype(np.uint16)
    keep = 255 - mark[part, :, 3:].astype(np.uint16)
    pixels[part, :, :3] = np.minimum(255, mark[part, :, :3] + (under * keep + 127) // 255)


def in_ranges(frames: Sequence[int], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """Return those of ``frames`` that lie in one of ``ranges`` (both ends)."""
    return [frame for frame in frames if any(low <= frame <= high for low, high in ranges)]
