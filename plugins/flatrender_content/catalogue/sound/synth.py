"""The studio's bench: oscillators, envelopes, filters, room and limiter over numpy arrays.

Owns signal arithmetic only; knows no note names and no songs. Signals are float64 in -1..1 at
``RATE`` Hz, mono ``(n,)`` or stereo ``(n, 2)``. All noise comes from seeded generators.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

RATE = 48_000


def seconds(length: float) -> Signal:
    """Return the time axis of a sound of ``length`` seconds."""
    return np.arange(round(length * RATE)) / RATE


def hertz(note: float) -> float:
    """Return the frequency of a MIDI note number (69 = 440 Hz)."""
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def noise(length: float, seed: int) -> Signal:
    """Return white noise, the same for the same seed."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(round(length * RATE)) * 0.35


def decay(length: float, half_life: float, attack: float = 0.002) -> Signal:
    """Return a percussive envelope: linear attack, then halving every ``half_life`` seconds."""
    t = seconds(length)
    rise = np.minimum(t / attack, 1.0)
    fall = np.minimum((length - t) / 0.01, 1.0)  # no click where it is cut off
    return np.asarray(rise * fall * 0.5 ** (t / half_life))


def swell(length: float, attack: float, release: float) -> Signal:
    """Return an envelope that rises, holds and falls along cosines."""
    t = seconds(length)
    up = np.clip(t / attack, 0.0, 1.0)
    down = np.clip((length - t) / release, 0.0, 1.0)
    return np.asarray((0.5 - 0.5 * np.cos(np.pi * up)) * (0.5 - 0.5 * np.cos(np.pi * down)))


def saw(frequency: float, length: float, *, phase: float = 0.0) -> Signal:
    """Return a sawtooth whose jumps are rounded over two samples (PolyBLEP), against aliasing."""
    step = frequency / RATE
    x = np.asarray((np.arange(round(length * RATE)) * step + phase) % 1.0, dtype=np.float64)
    out = 2.0 * x - 1.0
    early, late = x < step, x > 1.0 - step
    a, b = x[early] / step, (x[late] - 1.0) / step
    out[early] -= a + a - a * a - 1.0
    out[late] -= b * b + b + b + 1.0
    return np.asarray(out * 0.6)


def sweep(start: float, end: float, length: float, curve: float = 1.0) -> Signal:
    """Return a sine gliding exponentially between two frequencies."""
    x = np.linspace(0.0, 1.0, round(length * RATE)) ** curve
    return np.asarray(np.sin(2 * np.pi * np.cumsum(start * (end / start) ** x) / RATE))


def shaped(signal: Signal, response: Callable[[Signal], Signal]) -> Signal:
    """Filter by multiplying the spectrum with ``response(frequencies)``; zero phase."""
    n = signal.shape[0]
    padded = 1 << (n + 2048 - 1).bit_length()
    spectrum = np.fft.rfft(signal, padded, axis=0)
    gain = response(np.asarray(np.fft.rfftfreq(padded, 1 / RATE), dtype=np.float64))
    spectrum *= gain if signal.ndim == 1 else gain[:, None]
    return np.fft.irfft(spectrum, padded, axis=0)[:n]


def low_pass(signal: Signal, cutoff: float, order: int = 2) -> Signal:
    """Butterworth-shaped low pass."""
    return shaped(signal, lambda f: 1 / np.sqrt(1 + (f / cutoff) ** (2 * order)))


def high_pass(signal: Signal, cutoff: float, order: int = 2) -> Signal:
    """Butterworth-shaped high pass."""
    return shaped(signal, lambda f: 1 / np.sqrt(1 + (cutoff / np.maximum(f, 1e-3)) ** (2 * order)))


def band_pass(signal: Signal, centre: float, octaves: float) -> Signal:
    """Bell of a width in octaves around a centre."""
    return shaped(
        signal,
        lambda f: np.exp(-0.5 * (np.log2(np.maximum(f, 1e-3) / centre) / (octaves / 2)) ** 2),
    )


def moving_band(
    signal: Signal, centres: tuple[float, ...], octaves: float, positions: Signal
) -> Signal:
    """Cross-fade between bands: ``positions`` (0..len-1) says where the filter stands."""
    out = np.zeros_like(signal)
    for index, centre in enumerate(centres):
        weight = np.clip(1 - np.abs(positions - index), 0.0, 1.0)
        out += band_pass(signal, centre, octaves) * weight
    return out


def stereo(signal: Signal, pan: float = 0.0) -> Signal:
    """Place a mono sound (-1 left .. 1 right) at equal power."""
    angle = (pan + 1) * np.pi / 4
    return np.stack([signal * np.cos(angle), signal * np.sin(angle)], axis=1)


def widen(signal: Signal, milliseconds: float = 11.0) -> Signal:
    """Make a mono sound wide by a short delay on one side."""
    shift = round(milliseconds * RATE / 1000)
    return np.stack([signal, np.concatenate([np.zeros(shift), signal[: len(signal) - shift]])], 1)


def room(signal: Signal, length: float, *, damping: float = 5200.0, seed: int = 7) -> Signal:
    """Return the reverberation alone, wrapped around the end so that loops stay seamless."""
    tail = np.stack([noise(length, seed), noise(length, seed + 1)], axis=1)
    t = seconds(length)
    tail *= (0.5 ** (t / (length / 7)) * np.minimum(t / 0.012, 1.0))[:, None]
    tail = high_pass(low_pass(tail, damping, 1), 220.0, 1)
    tail /= np.sqrt((tail**2).sum(axis=0))
    n = signal.shape[0]
    # A size of small factors: the loop's own length may be prime, which costs the transform dearly.
    size = ((n + len(tail)) // 65536 + 1) * 65536
    wet = np.fft.irfft(np.fft.rfft(signal, size, axis=0) * np.fft.rfft(tail, size, axis=0), axis=0)
    out = np.asarray(wet[:n], dtype=np.float64)
    out[: len(tail)] += wet[n : n + len(tail)]
    return out


def duck(beats: Signal, depth: float, release: float, length: int) -> Signal:
    """Return the gain curve of a side chain: dips at every beat (seconds), then recovers."""
    gain = np.ones(length)
    t = seconds(release)
    dip = 1 - depth * (1 - (t / release) ** 0.7)
    for beat in beats:
        places = (round(float(beat) * RATE) + np.arange(len(dip))) % length
        gain[places] = np.minimum(gain[places], dip)
    return gain


def limited(signal: Signal, loudness: float = 0.17, ceiling: float = 0.89) -> Signal:
    """Bring to a common loudness (RMS) and bend peaks softly under the ceiling."""
    rms = float(np.sqrt((signal**2).mean())) or 1.0
    driven = signal * (loudness / rms)
    return np.asarray(ceiling * np.tanh(driven / ceiling))


def faded(signal: Signal, fade: float = 0.004) -> Signal:
    """Fade the very ends, so that nothing clicks."""
    n = min(round(fade * RATE), signal.shape[0] // 2)
    ramp = np.ones(signal.shape[0])
    ramp[:n] = np.linspace(0, 1, n)
    ramp[-n:] = np.linspace(1, 0, n)
    return signal * (ramp if signal.ndim == 1 else ramp[:, None])
