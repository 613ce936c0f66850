"""The sound of a video: mixed once over the whole timeline, levelled, encoded once.

Owns ducking (music under voice), loudness (ITU-R BS.1770 by FFmpeg's ``ebur128``; target -14 LUFS)
and the peak limit. Loudness is one gain for the whole mix, found by measuring, and not a changing
one: fades stay fades. AAC per chunk would click at every join, so it is never made per chunk.
"""

import hashlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from msgspec import Struct

from flatrender.template.composition import AudioClip
from flatrender_render.media.errors import EncodeFailed, Stopped
from flatrender_render.media.pcm import RATE, PlacedClip, Samples

TARGET_LUFS = -14.0
_TOLERANCE = 0.2  # LU
_QUIETEST = -50.0  # below this there is nothing to level: silence stays silence
_MAX_GAIN_DB = 30.0
_CEILING = 10 ** (-1.0 / 20)  # -1 dBFS leaves room for what AAC adds to peaks
_BLOCK = RATE // 2
_ROLES = ("music", "voice", "sfx")
# Threshold -30 dBFS, 4:1: music falls by some 9 dB under ordinary speech and is back in half a
# second.
_DUCK = {"threshold": "0.03", "ratio": "4", "attack": "20", "release": "450", "knee": "4"}


class AudioSource(Struct, frozen=True, kw_only=True):
    """A clip and the local file that holds its sound."""

    clip: AudioClip
    path: str


class MixedAudio(Struct, frozen=True, kw_only=True):
    """The encoded mix: ``samples`` per channel at 48 kHz, loudness in LUFS, peak linear."""

    samples: int
    lufs: float
    peak: float
    size: int
    sha256: str


def mix(
    sources: Sequence[AudioSource],
    frames: int,
    fps: int,
    output: Path,
    should_stop: Callable[[], bool] = lambda: False,
) -> MixedAudio:
    """Mix ``sources`` over a video of ``frames`` at ``fps`` into an AAC file (``.m4a``).

    The sound is as long as the pictures, to the sample. Raises ``MediaUnreadable``,
    ``MediaTooLarge``, ``EncodeFailed`` or ``Stopped``.
    """
    total = round(Fraction(frames * RATE, fps))
    with tempfile.TemporaryDirectory(prefix="flatrender-mix-") as folder:
        scratch = Path(folder)
        clips = []
        for index, source in enumerate(sources):
            _check(should_stop)
            pcm = scratch / f"{index}.pcm"
            clips.append(PlacedClip(source.clip, Path(source.path), pcm, total))
        mixed = scratch / "mix.pcm"
        loudness, _ = _run(_mixer(clips, total), mixed, total, should_stop)
        levelled = scratch / "levelled.pcm"
        loudness, peak = _level(mixed, levelled, total, loudness, should_stop)
        try:
            _encode(levelled, output, should_stop)
        except BaseException as error:
            output.unlink(missing_ok=True)
            if isinstance(error, av.FFmpegError | OSError):
                raise EncodeFailed(f"sound: {error}") from error
            raise
    with output.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return MixedAudio(
        samples=total,
        lufs=loudness,
        peak=peak,
        size=output.stat().st_size,
        sha256=digest,
    )


def _check(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise Stopped


class _Chain:
    """A filter graph with its inputs, each an endless reader of blocks of the timeline."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.graph.threads = 1
        self.inputs: list[Callable[[int, int], Samples]] = []
        self.buffers: list[FilterContext] = []

    def source(self, read: Callable[[int, int], Samples]) -> FilterContext:
        """Add an input; ``read(at, count)`` gives its samples."""
        node = self.graph.add_abuffer(
            sample_rate=RATE,
            format="flt",
            layout="stereo",
            time_base=Fraction(1, RATE),
            name=f"in{len(self.inputs)}",
        )
        self.inputs.append(read)
        self.buffers.append(node)
        return node

    def finish(self, last: FilterContext) -> None:
        """End the chain with the meter."""
        meter = self.graph.add("ebur128", metadata="1", framelog="quiet")
        form = self.graph.add("aformat", sample_fmts="flt", channel_layouts="stereo")
        sink = self.graph.add("abuffersink")
        last.link_to(meter)
        meter.link_to(form)
        form.link_to(sink)
        self.graph.configure()

    def frames(self, total: int) -> Iterator[av.AudioFrame]:
        """Feed all inputs in turns and yield what comes out."""
        for at in range(0, total, _BLOCK):
            count = min(_BLOCK, total - at)
            for read, buffer in zip(self.inputs, self.buffers, strict=True):
                block = np.ascontiguousarray(read(at, count).reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(block, format="flt", layout="stereo")
                frame.sample_rate = RATE
                frame.pts = at
                frame.time_base = Fraction(1, RATE)
                buffer.push(frame)
            yield from self._drain()
        for buffer in self.buffers:
            buffer.push(None)
        yield from self._drain()

    def _drain(self) -> Iterator[av.AudioFrame]:
        while True:
            try:
                frame = self.graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(frame, av.AudioFrame)  # noqa: S101  # the graph holds audio only
            yield frame


def _mixer(clips: Sequence[PlacedClip], total: int) -> _Chain:
    """Build: music ducked under voice, plus voice, plus effects."""
    chain = _Chain()

    def bus(role: str) -> Callable[[int, int], Samples]:
        mine = [clip for clip in clips if clip.role == role]

        def read(at: int, count: int) -> Samples:
            block = np.zeros((count, 2), np.float32)
            for clip in mine:
                clip.add(block, at)
            return block

        return read

    music, voice, effects = (chain.source(bus(role)) for role in _ROLES)
    split = chain.graph.add("asplit", outputs="2")
    duck = chain.graph.add("sidechaincompress", **_DUCK)
    # normalize=0: volumes are the customer's, and must not change with the number of tracks.
    merge = chain.graph.add("amix", inputs="3", normalize="0", duration="longest")
    voice.link_to(split)
    music.link_to(duck, 0, 0)
    split.link_to(duck, 0, 1)
    duck.link_to(merge, 0, 0)
    split.link_to(merge, 1, 1)
    effects.link_to(merge, 0, 2)
    chain.finish(merge)
    return chain


def _leveller(mixed: Samples, gain_db: float) -> _Chain:
    """Build: one gain, then a limiter that looks ahead and gives its delay back."""
    chain = _Chain()
    source = chain.source(lambda at, count: mixed[at : at + count])
    volume = chain.graph.add("volume", volume=f"{gain_db:.4f}dB", precision="float")
    limit = chain.graph.add(
        "alimiter", limit=f"{_CEILING:.6f}", attack="5", release="60", level="0", latency="1"
    )
    source.link_to(volume)
    volume.link_to(limit)
    chain.finish(limit)
    return chain


def _run(
    chain: _Chain, target: Path, total: int, should_stop: Callable[[], bool]
) -> tuple[float, float]:
    """Write exactly ``total`` frames of the chain's output; return its loudness and peak."""
    loudness, peak, written = -math.inf, 0.0, 0
    with target.open("wb") as out:
        for frame in chain.frames(total):
            _check(should_stop)
            value = frame.metadata.get("lavfi.r128.I")
            if value is not None:
                loudness = float(value)
            block = frame.to_ndarray().reshape(-1, 2)[: total - written]
            peak = max(peak, float(np.abs(block).max(initial=0)))
            out.write(block.astype("<f4").tobytes())
            written += len(block)
        out.write(bytes((total - written) * 8))
    return loudness, peak


def _level(
    mixed: Path, target: Path, total: int, loudness: float, should_stop: Callable[[], bool]
) -> tuple[float, float]:
    """Bring the mix to the target; the limiter takes a little, so measure and correct."""
    samples: Samples = np.memmap(mixed, np.float32, "r").reshape(-1, 2)
    audible = math.isfinite(loudness) and loudness > _QUIETEST
    gain = min(TARGET_LUFS - loudness, _MAX_GAIN_DB) if audible else 0.0
    reached, peak = _run(_leveller(samples, gain), target, total, should_stop)
    for _ in range(3):
        missing = TARGET_LUFS - reached
        if not audible or abs(missing) <= _TOLERANCE or gain + missing > _MAX_GAIN_DB:
            break
        gain += missing
        reached, peak = _run(_leveller(samples, gain), target, total, should_stop)
    return reached, peak


def _encode(levelled: Path, output: Path, should_stop: Callable[[], bool]) -> None:
    samples: Samples = np.memmap(levelled, np.float32, "r").reshape(-1, 2)
    # The movie's own clock counts milliseconds unless told: too coarse for exact lengths.
    options = {"fflags": "+bitexact", "movie_timescale": str(RATE)}
    with av.open(str(output), "w", format="mp4", options=options) as target:
        stream = target.add_stream("aac", rate=RATE, layout="stereo")
        stream.bit_rate = 192_000
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"flags": "+bitexact"}
        for at in range(0, len(samples), 1024):
            if at % (1024 * 256) == 0:
                _check(should_stop)
            block = np.ascontiguousarray(samples[at : at + 1024].T)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
            frame.sample_rate = RATE
            frame.pts = at
            frame.time_base = Fraction(1, RATE)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
