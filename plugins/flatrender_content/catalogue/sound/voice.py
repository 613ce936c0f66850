"""A demo voice clip: sung-spoken vowels by formant synthesis.

It stands where a customer's recording would stand, so that ducking and mixing can be heard. It
says nothing and imitates no one; the demo calls it what it is.
"""

import numpy as np

from flatrender_content.catalogue.sound.synth import (
    RATE,
    Signal,
    faded,
    noise,
    seconds,
    shaped,
    swell,
)

# vowel -> the first three formants: (Hz, gain); adult averages after Peterson and Barney (1952)
_FORMANTS: dict[str, tuple[tuple[float, float], ...]] = {
    "a": ((730, 1.0), (1090, 0.5), (2440, 0.12)),
    "e": ((530, 1.0), (1840, 0.35), (2480, 0.15)),
    "i": ((270, 1.0), (2290, 0.25), (3010, 0.12)),
    "o": ((570, 1.0), (840, 0.5), (2410, 0.06)),
    "u": ((300, 1.0), (870, 0.3), (2240, 0.04)),
}
# (vowel, seconds, semitones above the speaker's tone); "-" is a breath
_PHRASE: tuple[tuple[str, float, float], ...] = (
    ("a", 0.20, 2),
    ("o", 0.16, 4),
    ("i", 0.26, 3),
    ("-", 0.10, 0),
    ("e", 0.15, 4),
    ("a", 0.17, 5),
    ("u", 0.15, 3),
    ("a", 0.34, 1),
    ("-", 0.34, 0),
    ("i", 0.16, 3),
    ("a", 0.22, 5),
    ("e", 0.15, 4),
    ("o", 0.18, 2),
    ("-", 0.08, 0),
    ("a", 0.17, 3),
    ("e", 0.20, 1),
    ("a", 0.46, -2),
)


def _syllable(vowel: str, length: float, pitch: float, glide: float) -> Signal:
    t = seconds(length)
    bend = 2 ** ((glide * t / length + 0.25 * np.sin(2 * np.pi * 5.5 * t)) / 12)
    phase = np.cumsum(pitch * bend) / RATE
    source = np.zeros_like(t)
    for n in range(1, 31):  # a glottal pulse falls by about 12 dB an octave
        source += np.sin(2 * np.pi * n * phase) / n**1.1
    source += noise(length, round(pitch * 10)) * 0.25

    def tract(f: Signal) -> Signal:
        out = np.zeros_like(f)
        for centre, gain in _FORMANTS[vowel]:
            out += gain / (1 + ((f - centre) / (55 + centre * 0.045)) ** 2)
        return out

    return shaped(source, tract) * swell(length, 0.035, 0.06)


def demo_voice() -> Signal:
    """Return about 8 s of the phrase, twice, in stereo with the voice in the middle."""
    parts: list[Signal] = [np.zeros(round(0.25 * RATE))]
    for turn in range(2):
        for index, (vowel, length, step) in enumerate(_PHRASE):
            if vowel == "-":
                parts.append(np.zeros(round(length * RATE)))
            else:
                pitch = 118.0 * 2 ** ((step - turn) / 12)
                parts.append(_syllable(vowel, length * 1.08, pitch, -1.2 if index % 3 else 0.8))
        parts.append(np.zeros(round(0.4 * RATE)))
    mono = np.concatenate(parts)
    mono *= 0.6 / float(np.abs(mono).max())
    return faded(np.stack([mono, mono], axis=1))
