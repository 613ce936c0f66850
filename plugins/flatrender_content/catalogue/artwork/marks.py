"""Marks with transparency: a demo logo and a soft light that layers recolour.

Owns PNG pictures only. The logo belongs to no one.
"""

import io
import math

import numpy as np
import skia
from PIL import Image

from flatrender_content.catalogue.artwork.canvas import Easel


def logo(size: int = 720) -> bytes:
    """An invented brand's mark: an eight-fold star folded from ribbons."""
    e = Easel(size, size, opaque=False)
    c = 500.0
    tones = ("#ffb84d", "#ff7a59", "#f2507b", "#b154c9", "#6a63e8", "#3f8ff0", "#2fc0c4", "#8bd17c")
    for i in range(8):
        e.canvas.save()
        e.canvas.translate(c, c)
        e.canvas.rotate(i * 45)
        petal = skia.Path()
        petal.moveTo(0, -120)
        petal.lineTo(150, -270)
        petal.cubicTo(150, -360, 90, -440, 0, -450)
        petal.cubicTo(-40, -400, -60, -300, 0, -120)
        petal.close()
        shade = e.linear((0, -450), (60, -120), [(0, tones[i], 1), (1, tones[(i + 1) % 8], 1)])
        e.canvas.drawPath(petal, shade)
        fold = skia.Path()
        fold.moveTo(0, -120)
        fold.lineTo(150, -270)
        fold.lineTo(62, -300)
        fold.close()
        e.canvas.drawPath(fold, e.paint("#1b1030", 0.18))
        e.canvas.restore()
    e.disc((c, c), 74, e.paint("#ffffff"))
    return e.png()


def glow(size: int = 320) -> bytes:
    """White light that falls off to nothing; layers give it a palette colour.

    Its alpha carries grain: spread over a large picture, a smooth fall would show bands.
    """
    axis = (np.arange(size) - (size - 1) / 2) / (size / 2)
    distance = np.clip(np.hypot(axis[:, None], axis[None, :]), 0, 1)
    fall = (0.5 + 0.5 * np.cos(math.pi * distance)) ** 1.6
    grain = np.random.Generator(np.random.PCG64(17)).standard_normal((size, size))
    alpha = fall * 255 + grain * 5.0 * np.minimum(fall * 8, 1)
    pixels = np.full((size, size, 2), 255, np.uint8)
    pixels[..., 1] = np.clip(np.round(alpha), 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels, "LA").save(out, "PNG", compress_level=9)
    return out.getvalue()


SHADOW_INNER = 0.84  # share of the picture's side that the card itself covers


def shadow(size: int = 256) -> bytes:
    """Black shadow of a card, to be stretched below it."""
    e = Easel(size, size, opaque=False)
    side = 1000 * (SHADOW_INNER - 0.03)
    edge = (1000 - side) / 2
    e.block(edge, edge, side, side, e.paint("#000000", 1.0, 26.0), 50)
    e.surface.flushAndSubmit()
    pixels = np.zeros((size, size, 2), np.uint8)
    pixels[..., 1] = e.pixels[..., 3]
    out = io.BytesIO()
    Image.fromarray(pixels, "LA").save(out, "PNG", compress_level=9)
    return out.getvalue()
