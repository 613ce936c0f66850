"""Sound effects for beats of the picture: moves, arrivals, sparkles.

Owns short stereo sounds by name. Each peaks near full scale; scenes set their own gain.
"""

from collections.abc import Callable

import numpy as np

from flatrender_content.catalogue.sound import instruments as play
from flatrender_content.catalogue.sound.synth import (
    RATE,
    Signal,
    band_pass,
    decay,
    faded,
    high_pass,
    low_pass,
    moving_band,
    noise,
    seconds,
    stereo,
    sweep,
    swell,
)


def _room(signal: Signal, length: float, amount: float, seed: int) -> Signal:
    """Add a tail; unlike music, an effect does not wrap around."""
    tail = np.stack([noise(length, seed), noise(length, seed + 1)], axis=1)
    tail = low_pass(tail * (0.5 ** (seconds(length) / (length / 6)))[:, None], 4800, 1)
    tail /= np.sqrt((tail**2).sum(axis=0))
    n = len(signal) + len(tail)
    size = 1 << (n - 1).bit_length()
    wet = np.fft.irfft(
        np.fft.rfft(signal, size, axis=0) * np.fft.rfft(tail, size, axis=0), size, axis=0
    )[:n]
    dry = np.concatenate([signal, np.zeros((n - len(signal), 2))])
    return dry + wet * amount


def _finished(signal: Signal, peak: float = 0.8) -> Signal:
    return faded(signal * (peak / float(np.abs(signal).max())), 0.006)


def _passing(length: float, seed: int, centres: tuple[float, ...], at: float) -> Signal:
    """Air that rushes past from left to right, loudest at ``at`` (0..1) of its length."""
    n = round(length * RATE)
    x = np.linspace(0, 1, n)
    loud = np.exp(-(((x - at) / np.where(x < at, at * 0.5, (1 - at) * 0.42)) ** 2))
    air = moving_band(noise(length, seed), centres, 1.7, x * (len(centres) - 1)) * loud
    angle = (0.15 + 0.7 * x) * np.pi / 2
    return np.stack([air * np.cos(angle), air * np.sin(angle)], axis=1)


def whoosh() -> Signal:
    """Transition: air passing, 0.7 s, loudest in its middle."""
    return _finished(_passing(0.7, 21, (350, 1200, 2600, 900), 0.45), 0.62)


def swish() -> Signal:
    """A small, quick move."""
    return _finished(_passing(0.34, 23, (1400, 3800, 2200), 0.4), 0.45)


def riser() -> Signal:
    """Tension for 1.5 s that stops where the hit comes."""
    n = round(1.5 * RATE)
    x = np.linspace(0, 1, n)
    air = moving_band(noise(1.5, 25), (300, 900, 2400, 6000), 1.4, x * 3) * x**2.2
    tone = sweep(110, 440, 1.5, 1.6) * x**3 * 0.25
    return _finished(_room(stereo(air + tone), 0.5, 0.2, 31), 0.6)


def hit() -> Signal:
    """Arrival: a deep drum with a bright edge in a large room."""
    body = play.kick() * 1.0
    boom = sweep(92, 38, 0.9, 0.5) * decay(0.9, 0.17)
    boom[: len(body)] += body
    edge = band_pass(noise(0.9, 27), 2400, 2.2) * decay(0.9, 0.035) * 0.5
    return _finished(_room(stereo(boom + edge), 1.4, 0.5, 33), 0.85)


def pop() -> Signal:
    """Something small appears."""
    return _finished(stereo(sweep(320, 980, 0.13, 0.6) * decay(0.13, 0.028, 0.004)), 0.55)


def click() -> Signal:
    """Pointer or tick."""
    tick = high_pass(noise(0.06, 29), 2500) * decay(0.06, 0.004, 0.0005)
    knock = sweep(1500, 600, 0.06) * decay(0.06, 0.007, 0.0005)
    return _finished(stereo(tick * 0.7 + knock), 0.5)


def shimmer() -> Signal:
    """Glass rising: light runs over the logo."""
    out = np.zeros((round(2.0 * RATE), 2))
    for i, note in enumerate((84, 88, 91, 95, 96, 100, 103)):
        start = round(i * 0.07 * RATE)
        tone = stereo(play.bell(note, 1.4), -0.6 + i * 0.2) * (0.5 + 0.08 * i)
        out[start : start + len(tone)] += tone
    air = high_pass(noise(2.0, 35), 6000) * swell(2.0, 0.5, 1.3) * 0.05
    return _finished(_room(out + stereo(air), 1.6, 0.5, 37), 0.5)


def tally() -> Signal:
    """Numbers counting up: quickening ticks, then a soft bell."""
    out = np.zeros((round(1.5 * RATE), 2))
    at = 0.0
    for i in range(16):
        start = round(at * RATE)
        tick = stereo(play.marimba(76 + i // 2, 0.12), (-1) ** i * 0.3) * (0.25 + i * 0.02)
        out[start : start + len(tick)] += tick
        at += 0.035 + 0.0035 * i
    start = round(at * RATE)
    bell = stereo(play.bell(88, 0.5)) * 0.9
    out[start : start + len(bell)] += bell[: len(out) - start]
    return _finished(_room(out, 0.6, 0.25, 39), 0.5)


EFFECTS: dict[str, Callable[[], Signal]] = {
    "click": click,
    "hit": hit,
    "pop": pop,
    "riser": riser,
    "shimmer": shimmer,
    "swish": swish,
    "tally": tally,
    "whoosh": whoosh,
}
