"""Segments and sound to one MP4, by packet copy.

Owns the timestamps at the joins. Nothing is decoded or encoded here: pictures at a join are the
segments' own. Each segment starts its decode times ``delay`` frames before its first picture
(B-frames), so decode times are counted anew over the whole video; presentation times stay exact.
"""

from __future__ import annotations  # av.Packet is generic in the stubs only

import hashlib
import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from msgspec import Struct

from flatrender_render.media.errors import EncodeFailed, MediaUnreadable, SegmentMismatch, Stopped


class SegmentFile(Struct, frozen=True, kw_only=True):
    """A segment on disk and what it must hold; an empty ``sha256`` is not checked."""

    path: str
    frames: int
    sha256: str = ""


class JoinedVideo(Struct, frozen=True, kw_only=True):
    """The file that was written: ``duration`` in seconds is that of the pictures."""

    frames: int
    duration: float
    size: int
    sha256: str


class _Segment:
    """One segment opened for copying."""

    def __init__(self, file: SegmentFile, fps: int) -> None:
        self.file = file
        self.fps = fps
        if file.sha256:
            with Path(file.path).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != file.sha256:
                    raise SegmentMismatch(f"{file.path} is not what its report says (sha256)")
        try:
            self.container = av.open(file.path, format="mp4")  # a playlist is no segment
        except (av.FFmpegError, OSError) as error:
            raise MediaUnreadable(f"{file.path}: {error}") from error
        if len(self.container.streams.video) != 1:
            self.container.close()
            raise SegmentMismatch(f"{file.path} does not hold one video stream")
        self.stream = self.container.streams.video[0]

    def kind(self) -> tuple[object, ...]:
        """Return what must be equal in all segments (parameter sets included)."""
        context = self.stream.codec_context
        return (context.name, context.width, context.height, context.pix_fmt, context.extradata)

    def packets(self) -> Iterator[tuple[int, av.Packet[av.VideoStream]]]:
        """Yield (presentation frame, packet) in decode order; check that the segment is whole."""
        shown: set[int] = set()
        try:
            for packet in self.container.demux(self.stream):
                if packet.size == 0 or packet.pts is None:
                    continue  # the demuxer's end mark
                position = packet.pts * packet.time_base * self.fps
                frame = int(position)
                if position != frame or not 0 <= frame < self.file.frames or frame in shown:
                    raise SegmentMismatch(f"{self.file.path}: no frame belongs at {position}")
                if not shown and not packet.is_keyframe:
                    raise SegmentMismatch(f"{self.file.path} does not start with a key frame")
                shown.add(frame)
                yield frame, packet
        except av.FFmpegError as error:
            raise MediaUnreadable(f"{self.file.path}: {error}") from error
        if len(shown) != self.file.frames:
            raise SegmentMismatch(
                f"{self.file.path} holds {len(shown)} frames of {self.file.frames}"
            )


def join(
    segments: Sequence[SegmentFile],
    output: Path,
    fps: int,
    audio: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> JoinedVideo:
    """Write ``segments`` in order, with ``audio`` (one AAC stream) beside them, to ``output``.

    The index lies in front (``+faststart``). Raises ``SegmentMismatch``, ``MediaUnreadable``,
    ``EncodeFailed`` or ``Stopped``; no file is left behind then.
    """
    if not segments:
        raise SegmentMismatch("nothing to join")
    try:
        total = _write(segments, output, fps, audio, should_stop)
    except BaseException as error:
        output.unlink(missing_ok=True)
        if isinstance(error, av.FFmpegError | OSError):
            raise EncodeFailed(f"joining: {error}") from error
        raise
    with output.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return JoinedVideo(
        frames=total, duration=total / fps, size=output.stat().st_size, sha256=digest
    )


def _write(
    files: Sequence[SegmentFile],
    output: Path,
    fps: int,
    audio: Path | None,
    should_stop: Callable[[], bool],
) -> int:
    first = _Segment(files[0], fps)
    sound = av.open(str(audio), format="mp4") if audio else None
    try:
        with av.open(
            str(output),
            "w",
            format="mp4",
            options={
                "movflags": "+faststart+write_colr",
                "fflags": "+bitexact",
                # Milliseconds, the default, cannot tell the length of most videos.
                "movie_timescale": str(math.lcm(48_000, fps)),
            },
        ) as target:
            video = target.add_stream_from_template(first.stream)
            video.time_base = Fraction(1, fps)
            pictures = _pictures(first, files, video, fps)
            tracks: list[Iterator[tuple[float, av.Packet[Any]]]] = [pictures]
            if sound:
                source = sound.streams.audio[0]
                tracks.append(_sounds(sound, source, target.add_stream_from_template(source)))
            total = 0
            # Interleaved by time, so that the muxer need not hold back one of the streams.
            for _, packet in heapq.merge(*tracks, key=lambda item: item[0]):
                if should_stop():
                    raise Stopped
                total += packet.stream is video
                target.mux_one(packet)
            return total
    finally:
        first.container.close()
        if sound:
            sound.close()


def _pictures(
    first: _Segment, files: Sequence[SegmentFile], video: av.VideoStream, fps: int
) -> Iterator[tuple[float, av.Packet[av.VideoStream]]]:
    """Yield (decode time in seconds, packet) of all segments with times of the whole video."""
    kind = first.kind()
    delay = offset = count = 0
    for index, file in enumerate(files):
        segment = first if index == 0 else _Segment(file, fps)
        try:
            if segment.kind() != kind:
                raise SegmentMismatch(f"{file.path} was encoded with other settings")
            for frame, packet in segment.packets():
                if count == 0 and packet.dts is not None and packet.pts is not None:
                    # How many frames the encoder decodes ahead of the first picture.
                    delay = round((packet.pts - packet.dts) * packet.time_base * fps)
                packet.stream = video
                packet.time_base = Fraction(1, fps)
                packet.pts = offset + frame
                packet.dts = count - delay
                packet.duration = 1
                if packet.dts > packet.pts:
                    raise SegmentMismatch(f"{file.path}: frame {frame} is reordered too far")
                count += 1
                yield float(Fraction(packet.dts, fps)), packet
        finally:
            segment.container.close()
        offset += file.frames


def _sounds(
    sound: av.container.InputContainer, source: av.AudioStream, target: av.AudioStream
) -> Iterator[tuple[float, av.Packet[av.AudioStream]]]:
    for packet in sound.demux(source):
        if packet.size == 0 or packet.dts is None or packet.time_base is None:
            continue
        seconds = float(packet.dts * packet.time_base)
        packet.stream = target
        yield seconds, packet
