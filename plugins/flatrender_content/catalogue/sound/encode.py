"""Samples to Ogg Opus (RFC 7845), the same bytes for the same samples.

Opus keeps its priming out of what is heard, so a loop encoded here still loops.
"""

import io

import av
import numpy as np

from flatrender_content.catalogue.sound.synth import RATE, Signal

_FRAME = 960  # 20 ms, Opus' own frame


def opus(signal: Signal, *, bit_rate: int = 96_000) -> bytes:
    """Encode a stereo signal."""
    samples = np.clip(signal * 32767.0, -32768, 32767).astype(np.int16)
    out = io.BytesIO()
    # bitexact: no random stream serial and no encoder version in the file
    with av.open(out, "w", format="ogg", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=RATE)
        stream.bit_rate = bit_rate
        stream.layout = "stereo"
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for start in range(0, len(samples), _FRAME):
            block = samples[start : start + _FRAME]
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(block.reshape(1, -1)), format="s16", layout="stereo"
            )
            frame.sample_rate = RATE
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()
