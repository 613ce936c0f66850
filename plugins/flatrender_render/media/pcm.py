"""Sound as samples: decode to 48 kHz stereo floats, place clips on a timeline, cut and fade.

Owns the arithmetic of one clip (trim, loop, volume, fades), exact to the sample. Decoded sound
lies in a scratch file, so that an hour of music costs disk and not memory.
"""

import math
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from flatrender.template.composition import AudioClip
from flatrender_render.media.errors import MediaUnreadable
from flatrender_render.media.probe import MediaCaps, open_media

RATE = 48_000
Samples = NDArray[np.float32]  # frames x 2

# Cutting into a wave clicks; 10 ms of ramp is below what ears tell from a cut.
_DECLICK = RATE // 100
_BAD_PACKETS = 0.02  # share of undecodable packets that a player would skip without a word


def decode(path: Path, scratch: Path, skip: int, need: int, caps: MediaCaps | None = None) -> int:
    """Decode at most ``need`` frames after ``skip`` frames into ``scratch`` (float32, stereo).

    Returns the number of frames written, which is smaller when the sound ends earlier. Raises
    ``MediaUnreadable`` or ``MediaTooLarge``.
    """
    with open_media(path, caps) as container:
        if not container.streams.audio:
            raise MediaUnreadable(f"{path.name}: no sound in it")
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="flt", layout="stereo", rate=RATE)
        seen = written = good = bad = 0
        with scratch.open("wb") as out:
            try:
                for packet in container.demux(stream):
                    try:
                        frames: list[Any] = list(packet.decode())
                        good += 1
                    except av.FFmpegError:
                        bad += 1
                        continue
                    if packet.size == 0:
                        frames.append(None)  # the end: flush what the resampler holds
                    for frame in frames:
                        for piece in resampler.resample(frame):
                            block = piece.to_ndarray().reshape(-1, 2)
                            first = max(skip - seen, 0)
                            seen += len(block)
                            block = block[first : first + need - written]
                            out.write(np.nan_to_num(block.astype("<f4")).tobytes())
                            written += len(block)
                    if written >= need:
                        break
            except (av.FFmpegError, ValueError) as error:
                # Mid-stream changes of rate or layout land here too.
                raise MediaUnreadable(f"{path.name}: {error}") from None
        if bad > max(2, _BAD_PACKETS * (good + bad)) or not seen:
            raise MediaUnreadable(f"{path.name}: {bad} of {good + bad} packets are damaged")
    return written


class PlacedClip:
    """A clip on the timeline of ``total`` frames; ``add`` mixes it into any block of that.

    Raises like ``decode``.
    """

    def __init__(self, clip: AudioClip, source: Path, scratch: Path, total: int) -> None:
        self.role = clip.role
        offset = round(clip.start * RATE)
        skip = round(clip.trim_start * RATE) + max(-offset, 0)
        self.start = max(offset, 0)
        window = total - self.start
        if clip.duration is not None:
            window = min(window, round(clip.duration * RATE) + min(offset, 0))
        window = max(window, 0)
        have = decode(source, scratch, skip, window) if window else 0
        # An empty file cannot be mapped; a clip that ends before its trim is silence.
        self._samples: Samples = (
            np.memmap(scratch, np.float32, "r").reshape(-1, 2)
            if have
            else np.zeros((0, 2), np.float32)
        )
        self.length = window if clip.loop and have else min(window, have)
        self._gain = clip.volume * 10 ** (clip.gain_db / 20)
        cut_in = _DECLICK if skip else 0
        cut_out = _DECLICK if self.length == window and window else 0
        fade_in = max(round(clip.fade_in * RATE), cut_in)
        fade_out = max(round(clip.fade_out * RATE), cut_out)
        # Fades that do not fit share the clip in proportion.
        scale = min(1.0, self.length / max(fade_in + fade_out, 1))
        self._fade_in = math.floor(fade_in * scale)
        self._fade_out = math.floor(fade_out * scale)

    def add(self, block: Samples, at: int) -> None:
        """Add this clip to ``block``, whose first frame is ``at`` on the timeline."""
        first = max(at, self.start)
        last = min(at + len(block), self.start + self.length)
        if first >= last:
            return
        position = np.arange(first - self.start, last - self.start)
        sound = self._samples[position % len(self._samples)]
        gain = np.full(len(position), self._gain, np.float32)
        if self._fade_in:
            gain *= np.clip((position + 0.5) / self._fade_in, 0, 1).astype(np.float32)
        if self._fade_out:
            left = self.length - position - 0.5
            gain *= np.clip(left / self._fade_out, 0, 1).astype(np.float32)
        block[first - at : last - at] += sound * gain[:, None]
