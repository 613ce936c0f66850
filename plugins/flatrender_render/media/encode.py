"""Frames to one whole-GOP H.264 segment.

Owns the encoder's settings: every segment of a job is made here with the same ones, so that
segments join by packet copy. Same frames, same bytes: one x264 thread (output differs between
thread counts), bit-exact muxing, no wall-clock in the file.

Colour: the drawing is sRGB, full range; the video is BT.709 in MPEG range (16..235), 4:2:0, and
says so (ITU-T H.264 Annex E, ``colour_primaries`` and following).
"""

import contextlib
import hashlib
import time
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
)
from msgspec import Struct
from numpy.typing import NDArray

from flatrender_render.media.colors import Box, Converter, plane_of
from flatrender_render.media.errors import EncodeFailed

GOP = 60  # frames; chunks are whole multiples but for the last


@cache
def _instruction_sets() -> str:
    """Return x264's ``asm`` option for this processor; empty leaves the choice to x264.

    Its AVX-512 code for the macroblock tree (core 165) reads memory that was never written: at
    some widths the same frames gave eight different files. With AVX2 they give one, which is also
    what processors without AVX-512 give, and it is no slower.
    """
    try:
        from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]  # no stub
            __cpu_features__ as has,
        )
    except ImportError:
        return ""
    if not (has.get("AVX512F") and has.get("X86_V3")):
        return ""
    return ":asm=MMX2,SSE2Fast,LZCNT,SSSE3,SSE4.2,AVX,FMA3,BMI1,BMI2,AVX2"


class VideoFormat(Struct, frozen=True, kw_only=True):
    """How frames are encoded: even pixels, whole frames per second, x264's ``crf`` and preset."""

    width: int
    height: int
    fps: int
    crf: int = 20
    preset: str = "veryfast"


class EncodedSegment(Struct, frozen=True, kw_only=True):
    """What was written: seconds spent in each stage, and what proves the file."""

    frames: int
    packets: int
    size: int
    sha256: str
    convert_seconds: float
    encode_seconds: float


class SegmentEncoder:
    """Encodes the pixels in ``buffer`` frame by frame into an MP4 at ``path``.

    ``buffer`` is height x width x 4, BGRA, premultiplied and opaque, rows without gaps; draw into
    it (Skia: ``kBGRA_8888``, ``kPremul``), then call ``write``. Use as a context manager: leaving
    it by an exception removes the file.
    """

    def __init__(self, path: Path, spec: VideoFormat) -> None:
        if spec.width % 2 or spec.height % 2 or min(spec.width, spec.height) < 16:
            raise EncodeFailed(f"no even size of at least 16x16: {spec.width}x{spec.height}")
        self.path = path
        self.buffer: NDArray[np.uint8] = np.zeros((spec.height, spec.width, 4), np.uint8)
        self._frames = 0
        self._packets = 0
        self._convert = 0.0
        self._encode = 0.0
        self._converter = Converter(self.buffer)
        self._container = av.open(
            str(path),
            "w",
            format="mp4",
            options={"fflags": "+bitexact", "movflags": "+write_colr"},
        )
        try:
            self._stream = self._open_stream(spec)
        except BaseException:
            self._container.close()
            path.unlink(missing_ok=True)
            raise

    def _open_stream(self, spec: VideoFormat) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=spec.fps)
        context = stream.codec_context
        stream.width, stream.height = spec.width, spec.height
        stream.pix_fmt = "yuv420p"
        stream.time_base = context.time_base = Fraction(1, spec.fps)
        context.gop_size = GOP
        context.thread_count = 1
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.options = {
            "preset": spec.preset,
            "crf": str(spec.crf),
            # Closed GOPs: no frame refers across the cut where segments meet.
            "x264-params": "open-gop=0" + _instruction_sets(),
        }
        return stream

    def write(self, changed: Sequence[Box] | None = None) -> NDArray[np.uint8]:
        """Encode what is in ``buffer`` as the next frame; return its luma plane (read only).

        ``changed`` are boxes (left, top, right, bottom) outside of which ``buffer`` holds what it
        held at the last call: only what they touch is converted again. The file is the same. The
        plane is good until the next call. Raises ``EncodeFailed``.
        """
        started = time.perf_counter()
        try:
            picture = self._converter.convert(changed)
            picture.pts = self._frames
            picture.time_base = self._stream.codec_context.time_base
            converted = time.perf_counter()
            self._mux(picture)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise EncodeFailed(f"frame {self._frames}: {error}") from error
        self._frames += 1
        self._convert += converted - started
        self._encode += time.perf_counter() - converted
        return luma(picture)

    def _mux(self, picture: av.VideoFrame | None) -> None:
        packets = self._stream.encode(picture)
        self._packets += len(packets)
        if packets:
            self._container.mux(packets)

    def finish(self) -> EncodedSegment:
        """Flush the encoder, close the file and describe it. Raises ``EncodeFailed``."""
        started = time.perf_counter()
        if not self._frames:
            raise EncodeFailed("a segment needs at least one frame")
        try:
            self._mux(None)
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            raise EncodeFailed(f"closing: {error}") from error
        self._encode += time.perf_counter() - started
        with self.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return EncodedSegment(
            frames=self._frames,
            packets=self._packets,
            size=self.path.stat().st_size,
            sha256=digest,
            convert_seconds=self._convert,
            encode_seconds=self._encode,
        )

    def abort(self) -> None:
        """Drop what was written."""
        with contextlib.suppress(av.FFmpegError, OSError):  # the file goes away in any case
            self._container.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file when the block failed."""
        if kind is not None:
            self.abort()


def luma(picture: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the Y plane of a planar frame as height x width, without copying."""
    return plane_of(picture, 0)[: picture.height, : picture.width]
