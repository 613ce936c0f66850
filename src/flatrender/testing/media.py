"""Pictures and sounds for tests of media work: a moving square, tones, damage.

Owns makers only; knows no context.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

RATE = 48_000


def paint(pixels: NDArray[np.uint8], frame: int, speed: int = 3) -> None:
    """Draw ``frame`` of an endless film: a bright square that wanders over two tones of blue."""
    height, width = pixels.shape[:2]
    pixels[:] = (90, 40, 20, 255)
    pixels[height // 2 :] = (150, 80, 40, 255)
    side = height // 3
    x = frame * speed % max(width - side, 1)
    y = (height - side) // 2
    pixels[y : y + side, x : x + side] = (60, 200, 250, 255)


def sine(seconds: float, hertz: float = 440.0, amplitude: float = 0.25) -> NDArray[np.float32]:
    """Return a stereo sine at 48 kHz, frames x 2."""
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], axis=1).astype(np.float32)


# extension -> codec and sample format
_CODECS = {
    ".wav": ("pcm_s16le", "s16"),
    ".flac": ("flac", "s16"),
    ".m4a": ("aac", "fltp"),
    ".ogg": ("libopus", "flt"),
    ".mp3": ("libmp3lame", "fltp"),
}


def write_sound(path: Path, samples: NDArray[np.float32]) -> Path:
    """Write 48 kHz stereo samples in the format of the path's extension."""
    codec, form = _CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="stereo")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=form, layout="stereo", rate=RATE, frame_size=960)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.reshape(1, -1)), format="flt", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def read_sound(path: Path) -> NDArray[np.float32]:
    """Decode the first sound track as frames x channels."""
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return np.concatenate(blocks, axis=1).T.astype(np.float32)


def rms(samples: NDArray[np.float32], start: float, end: float) -> float:
    """Return the root mean square of a window in seconds."""
    part = samples[round(start * RATE) : round(end * RATE)].astype(np.float64)
    return float(np.sqrt((part**2).mean()))


def decode_luma(path: Path) -> list[NDArray[np.uint8]]:
    """Decode all frames; return their luma planes."""
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="yuv420p")[: frame.height].astype(np.uint8)
            for frame in container.decode(video=0)
        ]


def packet_times(path: Path) -> list[tuple[Fraction, Fraction]]:
    """Return (presentation, decode) seconds of the video packets in file order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            (packet.pts * packet.time_base, packet.dts * packet.time_base)
            for packet in container.demux(stream)
            if packet.size and packet.pts is not None and packet.dts is not None
        ]


Draw = Callable[[NDArray[np.uint8], int], None]
