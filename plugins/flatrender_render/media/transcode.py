"""A finished MP4 in another format: WebM (VP9 and Opus) or an animated GIF.

Owns the settings of these formats and the check of what came out. Works frame by frame with
bounded memory and leaves no file behind when it fails. A GIF's delays are whole hundredths of a
second (GIF89a, section 23), so its rates are 100/7, 12.5, 10 and so on: at most 15 a second.
"""

from __future__ import annotations  # av.Packet is generic in the stubs only

import hashlib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal, get_args

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from msgspec import Struct

from flatrender_render.media import proof
from flatrender_render.media.encode import luma
from flatrender_render.media.errors import (
    EncodeFailed,
    MediaTooLarge,
    MediaUnreadable,
    ProofFailed,
    Stopped,
)
from flatrender_render.media.proof import Thumb

GIF_BYTES = 20_000_000
#: Width of the long side and hundredths of a second per frame, the best first.
GIF_LADDER = ((640, 7), (480, 7), (480, 10), (360, 10), (280, 12), (200, 16), (160, 20))
_CHECKS = 5  # pictures compared with the source
_MEAN_DIFFERENCE = 14.0  # of luma, over a picture; another picture differs by far more
_OPUS_RATE = 48_000

Format = Literal["webm", "gif"]
FORMATS: tuple[Format, ...] = get_args(Format)
Tell = Callable[[int, int], None]


class Transcoded(Struct, frozen=True, kw_only=True):
    """What was written; ``duration`` in seconds."""

    width: int
    height: int
    fps: float
    frames: int
    duration: float
    size: int
    sha256: str
    audio_codec: str = ""


def transcode(
    source: Path,
    output: Path,
    form: Format,
    *,
    tell: Tell = lambda _done, _total: None,
    should_stop: Callable[[], bool] = lambda: False,
    gif_bytes: int = GIF_BYTES,
) -> Transcoded:
    """Write ``source`` (an MP4 of ours) to ``output`` in another format and prove it.

    Raises ``MediaUnreadable``, ``EncodeFailed``, ``MediaTooLarge`` (a GIF that fits at no size),
    ``ProofFailed`` or ``Stopped``.
    """
    try:
        if form == "webm":
            wanted = _webm(source, output, tell, should_stop)
        else:
            wanted = _gif(source, output, tell, should_stop, gif_bytes)
        return _prove(output, form, wanted)
    except BaseException as error:
        output.unlink(missing_ok=True)
        if isinstance(error, av.FFmpegError | OSError):
            raise EncodeFailed(f"{form}: {error}") from error
        raise


class _Wanted(Struct, frozen=True, kw_only=True):
    width: int
    height: int
    fps: Fraction
    frames: int
    sound: bool
    thumbs: dict[int, Thumb]


class _Facts(Struct, frozen=True, kw_only=True):
    width: int
    height: int
    fps: Fraction
    frames: int


def _facts(source: av.container.InputContainer) -> _Facts:
    if not source.streams.video:
        raise MediaUnreadable("no pictures")
    stream = source.streams.video[0]
    rate = Fraction(stream.average_rate or 0)
    if not rate or not stream.frames:
        raise MediaUnreadable("no frame rate")
    return _Facts(
        width=stream.codec_context.width,
        height=stream.codec_context.height,
        fps=rate,
        frames=stream.frames,
    )


def _webm(path: Path, output: Path, tell: Tell, should_stop: Callable[[], bool]) -> _Wanted:
    with (
        av.open(str(path), format="mp4") as source,
        av.open(str(output), "w", format="webm", options={"fflags": "+bitexact"}) as target,
    ):
        facts = _facts(source)
        video = target.add_stream("libvpx-vp9", rate=facts.fps)
        context = video.codec_context
        video.width, video.height, video.pix_fmt = facts.width, facts.height, "yuv420p"
        context.time_base = 1 / facts.fps
        context.gop_size = 120
        context.thread_count = 1
        context.color_range = ColorRange.MPEG
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        context.bit_rate = 0  # with crf: constant quality (libvpx, "CQ" with no bound)
        context.options = {"crf": "31", "deadline": "good", "cpu-used": "5", "row-mt": "0"}
        heard = source.streams.audio[0] if source.streams.audio else None
        sound = target.add_stream("libopus", rate=_OPUS_RATE, layout="stereo") if heard else None
        if sound is not None:
            sound.codec_context.bit_rate = 128_000
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=_OPUS_RATE)
        checks = _spread(facts.frames)
        thumbs: dict[int, Thumb] = {}
        count = 0
        streams = [source.streams.video[0], *([heard] if heard else [])]
        for packet in source.demux(streams):
            if should_stop():
                raise Stopped
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    if count in checks:
                        thumbs[count] = proof.thumb(luma(frame))
                    picture = frame.reformat(format="yuv420p")
                    picture.pts, picture.time_base = count, 1 / facts.fps
                    target.mux(video.encode(picture))
                    count += 1
                    tell(count, facts.frames)
                elif isinstance(frame, av.AudioFrame) and sound is not None:
                    for part in resampler.resample(frame):
                        target.mux(sound.encode(part))
        if sound is not None:
            for part in resampler.resample(None):
                target.mux(sound.encode(part))
            target.mux(sound.encode(None))
        target.mux(video.encode(None))
    return _Wanted(
        width=facts.width,
        height=facts.height,
        fps=facts.fps,
        frames=facts.frames,
        sound=heard is not None,
        thumbs=thumbs,
    )


def _gif(
    path: Path, output: Path, tell: Tell, should_stop: Callable[[], bool], limit: int
) -> _Wanted:
    with av.open(str(path), format="mp4") as source:
        facts = _facts(source)
    for side, hundredths in GIF_LADDER:
        scale = min(1.0, side / max(facts.width, facts.height))
        size = (max(2, round(facts.width * scale)), max(2, round(facts.height * scale)))
        delay = max(hundredths, -(-100 * facts.fps.denominator // facts.fps.numerator))
        wanted = _try_gif(path, output, facts, size, Fraction(100, delay), tell, should_stop, limit)
        if wanted is not None:
            return wanted
    raise MediaTooLarge(f"as a GIF it is larger than {limit} bytes at every size")


def _try_gif(  # noqa: PLR0917 - one rung of the ladder; private, one caller
    path: Path,
    output: Path,
    facts: _Facts,
    size: tuple[int, int],
    rate: Fraction,
    tell: Tell,
    should_stop: Callable[[], bool],
    limit: int,
) -> _Wanted | None:
    """Write one GIF; None as soon as it grows past ``limit``."""
    total = max(1, round(facts.frames / facts.fps * rate))
    palette = _palette(path, size, rate, should_stop)
    checks = _spread(total)
    thumbs: dict[int, Thumb] = {}
    count = 0
    output.unlink(missing_ok=True)  # opened at the first packet only: its size would be the last's
    with (
        av.open(str(path), format="mp4") as source,
        av.open(str(output), "w", format="gif", options={"loop": "0"}) as target,
    ):
        stream = target.add_stream("gif", rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "pal8"
        stream.codec_context.time_base = 1 / rate
        graph = Graph()
        entry = graph.add_buffer(template=source.streams.video[0])
        colours = graph.add_buffer(
            width=palette.width,
            height=palette.height,
            format=palette.format,
            time_base=Fraction(1, 100),
        )
        last = _chain(graph, entry, size, rate)
        use = graph.add("paletteuse", "dither=bayer:bayer_scale=4:diff_mode=rectangle")
        last.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        sink = graph.add("buffersink")
        use.link_to(sink)
        graph.configure()
        colours.push(palette)
        colours.push(None)
        for _ in _through(source, graph, entry, should_stop):
            for frame in _pulled(sink):
                if count in checks:
                    thumbs[count] = thumb_of_frame(frame)
                frame.pts, frame.time_base = count, 1 / rate
                target.mux(stream.encode(frame))
                count += 1
                tell(min(count, total), total)
            if output.exists() and output.stat().st_size > limit:
                return None
        target.mux(stream.encode(None))
    if output.stat().st_size > limit:
        return None
    return _Wanted(
        width=size[0], height=size[1], fps=rate, frames=count, sound=False, thumbs=thumbs
    )


def _palette(
    path: Path, size: tuple[int, int], rate: Fraction, should_stop: Callable[[], bool]
) -> av.VideoFrame:
    """Return the 256 colours that suit what moves in the video (FFmpeg's ``palettegen``)."""
    with av.open(str(path), format="mp4") as source:
        graph = Graph()
        entry = graph.add_buffer(template=source.streams.video[0])
        made = graph.add("palettegen", "stats_mode=diff:reserve_transparent=1")
        _chain(graph, entry, size, rate).link_to(made)
        sink = graph.add("buffersink")
        made.link_to(sink)
        graph.configure()
        for _ in _through(source, graph, entry, should_stop):
            for frame in _pulled(sink):
                return frame
    raise EncodeFailed("no palette came out")


def _chain(
    graph: Graph, entry: av.filter.context.FilterContext, size: tuple[int, int], rate: Fraction
) -> av.filter.context.FilterContext:
    slower = graph.add("fps", f"fps={rate.numerator}/{rate.denominator}")
    smaller = graph.add("scale", f"{size[0]}:{size[1]}:flags=lanczos:in_color_matrix=bt709")
    entry.link_to(slower)
    slower.link_to(smaller)
    return smaller


def _through(
    source: av.container.InputContainer,
    graph: Graph,
    entry: av.filter.context.FilterContext,
    should_stop: Callable[[], bool],
) -> Iterator[None]:
    """Push every frame into the graph, yielding after each, and its end."""
    del graph
    for frame in source.decode(video=0):
        if should_stop():
            raise Stopped
        entry.push(frame)
        yield
    entry.push(None)
    yield


def _pulled(sink: av.filter.context.FilterContext) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        if isinstance(frame, av.VideoFrame):
            yield frame


def _prove(path: Path, form: Format, wanted: _Wanted) -> Transcoded:
    """Read the file back: every frame decodes, and some show what the source shows."""
    count = 0
    sound = ""
    last = Fraction(0)
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            size = (stream.codec_context.width, stream.codec_context.height)
            if size != (wanted.width, wanted.height):
                raise ProofFailed("wrong_size", f"{size[0]}x{size[1]}")
            if wanted.sound:
                if not container.streams.audio:
                    raise ProofFailed("missing", "no sound")
                sound = "opus"
            for frame in container.decode(video=0):
                if (cells := wanted.thumbs.get(count)) is not None:
                    found = thumb_of_frame(frame)
                    if float(np.abs(found - cells).mean()) > _MEAN_DIFFERENCE:
                        raise ProofFailed("wrong_picture", f"frame {count} differs", (count,))
                if frame.pts is not None and frame.time_base is not None:
                    last = frame.pts * frame.time_base
                count += 1
    except av.FFmpegError as error:
        raise ProofFailed("undecodable", str(error)) from error
    if count != wanted.frames:
        raise ProofFailed("wrong_count", f"{count} frames of {wanted.frames}")
    if abs(float(last) - (count - 1) / wanted.fps) > 0.1:
        raise ProofFailed("wrong_duration", f"the last of {count} frames is shown at {last} s")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Transcoded(
        width=wanted.width,
        height=wanted.height,
        fps=float(wanted.fps),
        frames=count,
        duration=float(count / wanted.fps),
        size=path.stat().st_size,
        sha256=digest,
        audio_codec=sound,
    )


def _spread(total: int) -> set[int]:
    return {min(total - 1, int((n + 0.5) * total / _CHECKS)) for n in range(_CHECKS)}


def thumb_of_frame(frame: av.VideoFrame) -> Thumb:
    """Return the grid of a frame's luma in MPEG range, whatever its format."""
    if frame.format.name == "yuv420p":
        return proof.thumb(luma(frame))
    grey = frame.to_ndarray(format="rgb24").astype(np.float32) @ np.array(
        [0.2126, 0.7152, 0.0722], np.float32
    )
    return proof.thumb((16 + grey * (219 / 255)).astype(np.uint8))
