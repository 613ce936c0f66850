"""What the demo's customer brings along: a logo, a photo-like picture and a spoken line.

Drawn and synthesised here. The voice is honest about what it is: vowel-like tones in the rhythm
of speech (source-filter synthesis), to hear where a voice-over would be and how music ducks.
"""

import io
import math
import wave

import numpy as np
from PIL import Image, ImageDraw

RATE = 48_000


def logo(size: int = 768) -> bytes:
    """Return a PNG logo with transparency: a rounded play mark in two tones."""
    big = size * 2  # drawn at twice the size, so that edges come out smooth
    image = Image.new("RGBA", (big, big), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    margin = big * 0.08
    draw.rounded_rectangle(
        (margin, margin, big - margin, big - margin), radius=big * 0.24, fill=(255, 255, 255, 255)
    )
    centre = big / 2
    for radius, colour in ((0.30, (23, 37, 84, 255)), (0.235, (255, 255, 255, 255))):
        r = big * radius
        draw.ellipse((centre - r, centre - r, centre + r, centre + r), fill=colour)
    points = [
        (centre + big * 0.17 * math.cos(angle), centre + big * 0.17 * math.sin(angle))
        for angle in (0.0, 2 * math.pi / 3, 4 * math.pi / 3)
    ]
    draw.polygon(points, fill=(244, 114, 45, 255))
    return _png(image.resize((size, size), Image.Resampling.LANCZOS))


def picture(width: int = 1600, height: int = 1200, *, seed: int = 7) -> bytes:
    """Return a PNG landscape of layered dunes under a low sun."""
    rng = np.random.default_rng(seed)
    y = np.linspace(0, 1, height)[:, None]
    x = np.linspace(0, 1, width)[None, :]
    top, bottom = np.array([38.0, 52, 110]), np.array([252.0, 190, 130])
    sky = top + (bottom - top) * (y[..., None] ** 0.8) * np.ones((1, width, 1))
    sun = np.exp(-(((x - 0.68) * width / height) ** 2 + (y - 0.52) ** 2) / 0.006)[..., None]
    pixels = sky + sun * np.array([60.0, 50, 20])
    for layer in range(4):
        depth = layer / 3
        phase, freq = rng.uniform(0, 6.28), 1.2 + layer * 0.8
        ridge = 0.56 + 0.11 * layer + 0.05 * np.sin(x * 6.28 * freq + phase)
        ridge = ridge + 0.02 * np.sin(x * 6.28 * freq * 2.7 + phase * 2)
        colour = np.array([196.0, 110, 84]) * (1 - depth) + np.array([44.0, 24, 56]) * depth
        mask = np.clip((y - ridge) * height / 2, 0, 1)[..., None]
        pixels = pixels * (1 - mask) + colour * mask
    return _png(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)))


def voice(seconds: float = 5.0) -> bytes:
    """Return a mono 48 kHz WAV of vowel-like tones spoken in phrases."""
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    pitch = 122 * (1 + 0.10 * np.sin(2 * np.pi * 0.7 * time) + 0.03 * np.sin(2 * np.pi * 5 * time))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    vowels = [(730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480)]
    out = np.zeros(count)
    syllable = 0.19
    for index in range(int(seconds / syllable)):
        if index % 9 >= 7:  # a breath after seven syllables
            continue
        begin, end = int(index * syllable * RATE), min(count, int((index + 1) * syllable * RATE))
        window = np.hanning(end - begin) ** 0.6
        tone = np.zeros(end - begin)
        for harmonic in range(1, 26):
            frequency = 122 * harmonic
            gain = sum(
                math.exp(-(((frequency - formant) / 110) ** 2)) / (1 + number)
                for number, formant in enumerate(vowels[(index * 7) % 4])
            )
            tone += (gain + 0.02 / harmonic) * np.sin(harmonic * phase[begin:end])
        out[begin:end] += tone * window
    out *= 0.5 / max(1e-9, float(np.abs(out).max()))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((out * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
