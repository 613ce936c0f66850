"""Instruments: one function per sound, each returning a mono note or hit.

Owns timbres. ``note`` is a MIDI number, lengths are seconds. Results are cached, because songs
repeat themselves; callers never write into them.
"""

from functools import lru_cache

import numpy as np

from flatrender_content.catalogue.sound.synth import (
    Signal,
    band_pass,
    decay,
    hertz,
    high_pass,
    low_pass,
    noise,
    saw,
    seconds,
    sweep,
    swell,
)


@lru_cache(maxsize=64)
def kick(deep: bool = True) -> Signal:
    """Bass drum: a sine falling from the click to the body."""
    t = seconds(0.42)
    low = 46.0 if deep else 58.0
    pitch = low + 110 * np.exp(-t * 38) + 900 * np.exp(-t * 260)
    body = np.sin(2 * np.pi * np.cumsum(pitch) / 48_000) * decay(0.42, 0.085, 0.001)
    return np.asarray(np.tanh(body * 1.6) * 0.9)


@lru_cache(maxsize=8)
def clap() -> Signal:
    """Hand clap: three short bursts and a tail."""
    base = band_pass(noise(0.3, 11), 1700, 1.6) * 2.4
    out = base * decay(0.3, 0.045)
    for late in (0.010, 0.021):
        shift = round(late * 48_000)
        burst = base * decay(0.3, 0.012)
        out[shift:] += burst[: len(burst) - shift]
    return out


@lru_cache(maxsize=8)
def snap() -> Signal:
    """Finger snap or rim: soft and high."""
    return (band_pass(noise(0.16, 12), 2600, 0.9) * 2.2 + sweep(1900, 900, 0.16) * 0.2) * decay(
        0.16, 0.022
    )


@lru_cache(maxsize=16)
def hat(length: float = 0.06) -> Signal:
    """Hi-hat; longer is open."""
    return high_pass(noise(length, 13), 7600, 3) * decay(length, length / 4, 0.001)


@lru_cache(maxsize=8)
def shaker() -> Signal:
    """Shaker: a soft push of filtered noise."""
    return band_pass(noise(0.12, 14), 6800, 1.2) * swell(0.12, 0.05, 0.06)


@lru_cache(maxsize=8)
def daf(accent: bool = False) -> Signal:
    """Frame drum: a skin with a low ring, and the rings' rattle on accents."""
    skin = sweep(210, 96, 0.34, 0.4) * decay(0.34, 0.06, 0.002)
    slap = band_pass(noise(0.34, 15), 900, 1.5) * decay(0.34, 0.018)
    out = skin * 0.8 + slap * 0.7
    if accent:
        out = out + band_pass(noise(0.34, 16), 5200, 1.0) * decay(0.34, 0.05) * 0.6
    return np.asarray(out)


@lru_cache(maxsize=256)
def santur(note: int, length: float = 1.3) -> Signal:
    """Hammered dulcimer: detuned courses of bright strings, struck."""
    f = hertz(note)
    t = seconds(length)
    out = np.zeros_like(t)
    for cents in (-3.0, 0.0, 2.5):
        g = f * 2 ** (cents / 1200)
        for n in range(1, 9):
            stretch = n * np.sqrt(1 + 0.00035 * n * n)  # stiff strings ring sharp
            if g * stretch > 14_000:
                break
            out += np.sin(2 * np.pi * g * stretch * t) * 0.5 ** (t * n / 0.42) / n**1.15
    strike = band_pass(noise(length, note), 3200, 1.5) * decay(length, 0.008, 0.001)
    return (out * 0.22 + strike * 0.25) * decay(length, length, 0.001)


@lru_cache(maxsize=256)
def pluck(note: int, length: float = 0.5, bright: float = 2600.0) -> Signal:
    """Muted pluck: a sawtooth whose filter closes at once."""
    f = hertz(note)
    tone = saw(f, length)
    return (
        low_pass(tone, bright) * decay(length, 0.05) + low_pass(tone, 600) * decay(length, 0.16)
    ) * 0.6


@lru_cache(maxsize=256)
def marimba(note: int, length: float = 0.8) -> Signal:
    """Wooden bar: fundamental, the fourth partial and a knock."""
    f, t = hertz(note), seconds(length)
    tone = np.sin(2 * np.pi * f * t) * decay(length, 0.16)
    tone += 0.3 * np.sin(2 * np.pi * f * 3.93 * t) * decay(length, 0.05)
    return tone * 0.8 + 0.15 * np.sin(2 * np.pi * f * 9.2 * t) * decay(length, 0.012)


@lru_cache(maxsize=256)
def electric_piano(note: int, length: float = 2.0) -> Signal:
    """Tine piano by frequency modulation, with a slow tremolo."""
    f, t = hertz(note), seconds(length)
    index = 1.3 * 0.5 ** (t / 0.28)
    tine = 0.18 * np.sin(2 * np.pi * f * 14 * t) * 0.5 ** (t / 0.03)
    tone = np.sin(2 * np.pi * f * t + index * np.sin(2 * np.pi * f * t) + tine)
    return np.asarray(
        tone * decay(length, length / 3.2, 0.006) * (1 - 0.12 * np.sin(2 * np.pi * 4.2 * t)) * 0.6
    )


@lru_cache(maxsize=256)
def piano(note: int, length: float = 3.0) -> Signal:
    """Felt piano: few partials that die at their own pace."""
    f, t = hertz(note), seconds(length)
    out = np.zeros_like(t)
    for n in range(1, 8):
        stretch = n * np.sqrt(1 + 0.0004 * n * n)
        out += np.sin(2 * np.pi * f * stretch * t) * 0.5 ** (t * (0.6 + 0.5 * n)) / n**1.7
    return low_pass(out, 2400) * decay(length, length, 0.008) * 0.7


@lru_cache(maxsize=256)
def bell(note: int, length: float = 2.0) -> Signal:
    """Glass bell by inharmonic partials."""
    f, t = hertz(note), seconds(length)
    out = np.zeros_like(t)
    for ratio, level, life in (
        (1, 1, 0.7),
        (2.76, 0.45, 0.35),
        (5.4, 0.22, 0.16),
        (8.9, 0.1, 0.08),
    ):
        if f * ratio < 16_000:
            out += level * np.sin(2 * np.pi * f * ratio * t) * 0.5 ** (t / life)
    return out * decay(length, length, 0.002) * 0.45


@lru_cache(maxsize=128)
def pad(notes: tuple[int, ...], length: float, cutoff: float = 1500.0) -> Signal:
    """Warm chord: detuned sawtooths behind a low pass, swelling in and out."""
    out = np.zeros(round(length * 48_000))
    for place, note in enumerate(notes):
        for cents, phase in ((-7.0, 0.1), (6.0, 0.57)):
            f = hertz(note) * 2 ** (cents / 1200)
            out += saw(f, length, phase=phase + place * 0.13)
    return low_pass(out, cutoff) * swell(length, length * 0.25, length * 0.3) * (0.5 / len(notes))


@lru_cache(maxsize=128)
def bass(note: int, length: float, drive: float = 1.4) -> Signal:
    """Round bass: sine with a little sawtooth, saturated."""
    f, t = hertz(note), seconds(length)
    tone = np.sin(2 * np.pi * f * t) + 0.35 * low_pass(saw(f, length), 700)
    return np.tanh(tone * drive) * decay(length, length * 0.7, 0.006) * 0.6


@lru_cache(maxsize=128)
def flute(note: int, length: float) -> Signal:
    """Breathy lead (ney-like): a sine with vibrato, odd partials and air."""
    f, t = hertz(note), seconds(length)
    vibrato = 1 + 0.006 * np.sin(2 * np.pi * 5.1 * t) * np.minimum(t / 0.4, 1)
    angle = 2 * np.pi * np.cumsum(f * vibrato) / 48_000
    tone = np.sin(angle) + 0.22 * np.sin(2 * angle) + 0.16 * np.sin(3 * angle)
    air = band_pass(noise(length, note + 99), f * 2, 0.7) * 0.9
    return (tone * 0.55 + air * 0.25) * swell(length, 0.09, min(0.25, length / 2))
