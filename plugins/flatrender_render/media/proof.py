"""Proof that a rendered file is what it must be; exit codes and reports are only claims.

Owns every check of a segment or a finished video: bytes as reported, decodes, exact frames, size,
colour tags, sound, and that the pictures are neither black nor frozen where the scene moves. The
pictures are held against a small reference drawn apart from the render (another process, another
size), so a renderer that went wrong cannot vouch for itself.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import av
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from flatrender_render.media.encode import luma
from flatrender_render.media.errors import ProofFailed, Stopped

GRID = 24  # cells across and down, whatever the shape of the picture
Thumb = NDArray[np.float32]  # GRID x GRID, luma in MPEG range 16..235

_BLACK = 20.0  # a cell at most this bright is black (16 is; 4 for dither and noise)
_STILL = 0.6  # cells that differ by less show the same picture after coding
# Against the reference. On rich templates size alone makes at most 1.1 and 8.3; the rest is left
# for coding, grain and thin lines.
_MEAN_DIFFERENCE = 5.0
_CELL_DIFFERENCE = 40.0


class Expectation(Struct, frozen=True, kw_only=True):
    """What a file must be. ``sha256`` and ``size`` (bytes) empty or 0 are not checked.

    ``reference`` holds thumbnails (``thumb_bytes``) of some frames, counted in the file;
    ``moves`` says that the pictures may not all be the same, ``visible`` that they may not all
    be black; without either only a warning is given. ``audio`` wants a sound track as long as
    the pictures. ``decode`` False looks at packets and times only: for a film that was joined by
    packet copy from segments which were all decoded and proven.
    """

    width: int
    height: int
    fps: int
    frames: int
    sha256: str = ""
    size: int = 0
    reference: dict[int, bytes] = {}
    moves: bool = False
    visible: bool = False
    audio: bool = False
    decode: bool = True


class Proof(Struct, frozen=True, kw_only=True):
    """A passed proof, and what is odd though not wrong (``black``, ``frozen``)."""

    frames: int
    duration: float
    warnings: list[str] = []


def thumb(plane: NDArray[np.uint8]) -> Thumb:
    """Average a luma plane into the grid; samples on a border count in part on both sides.

    Some twelve samples a side of each cell are read: enough, and faster.
    """
    step = max(1, min(plane.shape) // (12 * GRID))
    small = plane[::step, ::step].astype(np.float32)
    cells = _weights(small.shape[0]) @ small @ _weights(small.shape[1]).T
    return cells.astype(np.float32, copy=False)


@lru_cache(maxsize=16)
def _weights(size: int) -> Thumb:
    """Return the share of each of ``size`` samples in each of the grid's cells; rows sum to 1."""
    edges = np.linspace(0, size, GRID + 1)
    left, right = edges[:-1, None], edges[1:, None]
    sample = np.arange(size)
    shared = np.minimum(right, sample + 1) - np.maximum(left, sample)
    weights: Thumb = (np.maximum(shared, 0) * (GRID / size)).astype(np.float32)
    return weights


def thumb_of_pixels(pixels: NDArray[np.uint8]) -> Thumb:
    """Average opaque BGRA pixels into the grid, as BT.709 luma in MPEG range (H.273 8.3)."""
    blue, green, red = (thumb(pixels[..., channel]) for channel in range(3))
    full = 0.0722 * blue + 0.7152 * green + 0.2126 * red
    cells: Thumb = (16.0 + full * (219.0 / 255.0)).astype(np.float32)
    return cells


def thumb_bytes(cells: Thumb) -> bytes:
    """Pack a thumbnail for a report."""
    return np.rint(cells).astype(np.uint8).tobytes()


def prove(
    path: Path, expected: Expectation, should_stop: Callable[[], bool] = lambda: False
) -> Proof:
    """Check a file; return what it is.

    ``should_stop`` is asked at every frame. Raises ``ProofFailed`` with the kind of fault, and
    ``Stopped``.
    """
    _check_bytes(path, expected)
    try:
        with av.open(str(path), format="mp4") as container:  # nothing that names files
            if len(container.streams.video) != 1:
                raise ProofFailed("undecodable", "not one video stream")
            stream = container.streams.video[0]
            _check_stream(stream, expected)
            if expected.audio:
                _check_sound(container, expected)
            if not expected.decode:
                _check_packets(container, stream, expected)
                return Proof(frames=expected.frames, duration=expected.frames / expected.fps)
            stream.codec_context.options = {
                "err_detect": "explode",
                # Smoothing block edges is the player's work on what it has decoded, a fifth of
                # the time; nothing in a file can make it fail, and averages hardly feel it.
                "skip_loop_filter": "all",
            }
            seen = _Seen(expected.reference)
            for frame in _decode(container, stream, expected):
                if should_stop():
                    raise Stopped
                seen.look(frame)
    except (av.FFmpegError, OSError) as error:
        raise ProofFailed("undecodable", str(error)) from error
    if seen.frames != expected.frames:
        missing = tuple(range(seen.frames, expected.frames))
        raise ProofFailed("wrong_count", f"{seen.frames} frames of {expected.frames}", missing)
    warnings = _check_pictures(seen, expected)
    return Proof(frames=seen.frames, duration=seen.frames / expected.fps, warnings=warnings)


class _Seen:
    """What the frames so far show. Thumbnails are made only where they can still tell something:
    where one is to be compared, and until one is not black and one is not like the first."""

    def __init__(self, wanted: Collection[int]) -> None:
        self._wanted = wanted
        self._first: Thumb | None = None
        self.frames = 0
        self.black = True
        self.still = True
        self.thumbs: dict[int, Thumb] = {}

    def look(self, frame: av.VideoFrame) -> None:
        """Take note of the next frame."""
        if self.black or self.still or self.frames in self._wanted:
            cells = thumb(luma(frame))
            if self._first is None:
                self._first = cells
            self.black = self.black and bool((cells <= _BLACK).all())
            self.still = self.still and bool((np.abs(cells - self._first) < _STILL).all())
            if self.frames in self._wanted:
                self.thumbs[self.frames] = cells
        self.frames += 1


def _check_packets(
    container: av.container.InputContainer, stream: av.VideoStream, expected: Expectation
) -> None:
    """Every frame has one packet at its time, and the first can be decoded alone."""
    shown: set[Fraction] = set()
    for packet in container.demux(stream):
        if packet.size and packet.pts is not None and packet.time_base is not None:
            if packet.is_corrupt or (not shown and not packet.is_keyframe):
                raise ProofFailed("undecodable", f"packet {len(shown)}", (len(shown),))
            shown.add(packet.pts * packet.time_base)
    if len(shown) != expected.frames:
        missing = tuple(range(len(shown), expected.frames))
        raise ProofFailed("wrong_count", f"{len(shown)} frames of {expected.frames}", missing)
    if shown != {Fraction(number, expected.fps) for number in range(expected.frames)}:
        raise ProofFailed("wrong_timing", "frames are not at their times")


def _check_bytes(path: Path, expected: Expectation) -> None:
    try:
        size = path.stat().st_size
        if size == 0:
            raise ProofFailed("missing", f"{path.name} is empty")
        if expected.size and size != expected.size:
            raise ProofFailed("truncated", f"{size} bytes of {expected.size}")
        if expected.sha256:
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != expected.sha256:
                raise ProofFailed("altered", "the bytes are not those that were reported")
    except OSError as error:
        raise ProofFailed("missing", f"{path.name}: {error.strerror}") from None


def _check_stream(stream: av.VideoStream, expected: Expectation) -> None:
    context = stream.codec_context
    if (context.width, context.height) != (expected.width, expected.height):
        raise ProofFailed(
            "wrong_size",
            f"{context.width}x{context.height} for {expected.width}x{expected.height}",
        )
    if context.name != "h264" or context.pix_fmt != "yuv420p":
        raise ProofFailed("wrong_format", f"{context.name} {context.pix_fmt}")
    tags = (context.color_range, context.colorspace, context.color_primaries, context.color_trc)
    if any(int(tag) != 1 for tag in tags):  # 1: MPEG range, and BT.709 three times
        raise ProofFailed("wrong_format", f"colour tags {tags} are not BT.709")


def _decode(
    container: av.container.InputContainer, stream: av.VideoStream, expected: Expectation
) -> Iterator[av.VideoFrame]:
    for number, frame in enumerate(container.decode(stream)):
        if frame.is_corrupt:
            raise ProofFailed("undecodable", f"frame {number} is corrupt", (number,))
        if frame.pts is None or frame.time_base is None:
            raise ProofFailed("wrong_timing", f"frame {number} has no time", (number,))
        if frame.pts * frame.time_base != Fraction(number, expected.fps):
            raise ProofFailed("wrong_timing", f"frame {number} is not at its time", (number,))
        if number >= expected.frames:
            raise ProofFailed("wrong_count", f"more than {expected.frames} frames")
        yield frame


def _check_sound(container: av.container.InputContainer, expected: Expectation) -> None:
    if len(container.streams.audio) != 1:
        raise ProofFailed("wrong_audio", "not one sound track")
    stream = container.streams.audio[0]
    seconds = float((stream.duration or 0) * (stream.time_base or 0))
    wanted = expected.frames / expected.fps
    # One AAC frame of slack.
    if stream.codec_context.sample_rate != 48_000 or abs(seconds - wanted) > 1024 / 48_000:
        raise ProofFailed("wrong_audio", f"{seconds:.3f} s of sound for {wanted:.3f} s")


def _check_pictures(seen: _Seen, expected: Expectation) -> list[str]:
    black, frozen = seen.black, seen.still and seen.frames > 1
    wanted = {
        number: np.frombuffer(packed, np.uint8).reshape(GRID, GRID).astype(np.float32)
        for number, packed in sorted(expected.reference.items())
    }
    if black and (expected.visible or any((cells > _BLACK + 4).any() for cells in wanted.values())):
        raise ProofFailed("black", "all frames are black", tuple(range(seen.frames)))
    if frozen and (expected.moves or _reference_moves(wanted)):
        raise ProofFailed("frozen", "all frames are the same", tuple(range(seen.frames)))
    bad = tuple(number for number, cells in wanted.items() if _differs(seen.thumbs[number], cells))
    if bad:
        raise ProofFailed("wrong_picture", f"frames {list(bad)} show something else", bad)
    flags: dict[Literal["black", "frozen"], bool] = {"black": black, "frozen": frozen}
    return [name for name, is_so in flags.items() if is_so]


def _reference_moves(wanted: Mapping[int, Thumb]) -> bool:
    """Whether the reference itself shows motion well above what coding could hide."""
    cells = list(wanted.values())
    return any(float(np.abs(one - cells[0]).max()) > 4 for one in cells[1:])


def _differs(found: Thumb, wanted: Thumb) -> bool:
    difference = np.abs(found - wanted)
    return bool(difference.mean() > _MEAN_DIFFERENCE or difference.max() > _CELL_DIFFERENCE)
