"""Pictures of places: what stands in image slots until the customer brings their own.

Owns one function per picture, each returning JPEG bytes at the asked size. All are inventions.
"""

import math

import numpy as np
import skia

from flatrender_content.catalogue.artwork.canvas import Easel


def dunes(width: int, height: int) -> bytes:
    """Desert dunes at dusk under a large low sun."""
    e = Easel(width, height)
    w, h = e.width, e.height
    sky = [(0, "#2b2350", 1), (0.38, "#8a4b78", 1), (0.58, "#e98a6b", 1), (0.72, "#f8cf95", 1.0)]
    e.backdrop(e.linear((0, 0), (0, h), sky))
    rng = np.random.Generator(np.random.PCG64(5))
    for x, y, r in rng.random((70, 3)):
        e.disc((x * w, y * h * 0.36), 0.8 + r * 1.4, e.paint("#ffffff", 0.35 + 0.5 * r))
    sun = (w * 0.62, h * 0.56)
    e.disc(sun, 420, e.radial(sun, 420, [(0, "#ffe7b8", 0.75), (1, "#ffb980", 0)]))
    e.disc(
        sun,
        118,
        e.linear((0, sun[1] - 118), (0, sun[1] + 118), [(0, "#fff4d8", 1), (1, "#ffc98a", 1)]),
    )
    layers = (
        (0.64, 70, 11, "#c97a72", "#a9566a"),
        (0.72, 120, 23, "#b2566a", "#7d3a60"),
        (0.83, 170, 8, "#8a3f63", "#4c2350"),
        (0.99, 210, 31, "#552654", "#241337"),
    )
    for base, tall, seed, top, low in layers:
        paint = e.linear((0, h * base - tall), (0, h * base + 160), [(0, top, 1), (1, low, 1)])
        e.ridge(h * base, tall, seed, paint)
    e.grain(4.5)
    return e.jpeg()


def courtyard(width: int, height: int) -> bytes:
    """Persian courtyard: iwan, side arches, cypresses and a still pool."""
    e = Easel(width, height)
    w, h = e.width, e.height
    horizon = h * 0.68
    e.backdrop(
        e.linear((0, 0), (0, horizon), [(0, "#1f6f8f", 1), (0.6, "#7fbfc4", 1), (1, "#f6e3c0", 1)])
    )
    cx = w / 2
    wall = e.linear((0, horizon - 420), (0, horizon), [(0, "#e7c690", 1), (1, "#c4905a", 1)])
    e.block(0, horizon - 330, w, 330, wall)
    e.block(0, horizon - 338, w, 16, e.paint("#2f7f8c"))
    bay = 170
    count = int(w / 2 / bay) + 1
    for side in (-1, 1):
        for i in range(count):
            x = cx + side * (260 + i * bay) - bay / 2
            e.arch(
                x + 18,
                horizon - 272,
                bay - 36,
                272,
                e.linear((0, horizon - 280), (0, horizon), [(0, "#2c6f7d", 1), (1, "#17404f", 1)]),
            )
            e.arch(
                x + 32,
                horizon - 242,
                bay - 64,
                242,
                e.linear((0, horizon - 240), (0, horizon), [(0, "#5d3b2a", 1), (1, "#2a1a16", 1)]),
            )
    e.block(
        cx - 215,
        horizon - 560,
        430,
        560,
        e.linear((0, horizon - 560), (0, horizon), [(0, "#f0d6a4", 1), (1, "#cf9d62", 1)]),
        6,
    )
    e.block(
        cx - 192,
        horizon - 536,
        384,
        536,
        e.linear((0, horizon - 536), (0, horizon), [(0, "#2f8d98", 1), (1, "#1b5566", 1)]),
        4,
    )
    for row in range(9):
        for col in range(12):
            x, y = cx - 176 + col * 32, horizon - 520 + row * 32
            e.polygon(
                [(x, y - 9), (x + 9, y), (x, y + 9), (x - 9, y)],
                e.paint("#f3dca6" if (row + col) % 2 else "#7fd0cb", 0.42),
            )
    e.arch(cx - 150, horizon - 440, 300, 440, e.paint("#f0d6a4"))
    e.arch(
        cx - 134,
        horizon - 414,
        268,
        414,
        e.linear(
            (0, horizon - 420),
            (0, horizon),
            [(0, "#7b4d33", 1), (0.6, "#412719", 1), (1, "#24150f", 1)],
        ),
    )
    e.disc(
        (cx, horizon - 120),
        230,
        e.radial((cx, horizon - 120), 230, [(0, "#ffd38a", 0.55), (1, "#ffb060", 0)]),
    )
    for side in (-1, 1):
        x = cx + side * 330
        tree = skia.Path()
        tree.moveTo(x, horizon - 520)
        tree.cubicTo(x + 62, horizon - 300, x + 56, horizon - 90, x, horizon - 6)
        tree.cubicTo(x - 56, horizon - 90, x - 62, horizon - 300, x, horizon - 520)
        e.canvas.drawPath(
            tree,
            e.linear(
                (x - 60, 0),
                (x + 60, 0),
                [(0, "#143f38", 1), (0.6, "#2b6b52", 1), (1, "#173f36", 1)],
            ),
        )
    e.block(
        0,
        horizon,
        w,
        h - horizon,
        e.linear((0, horizon), (0, h), [(0, "#d9b27a", 1), (1, "#8d6440", 1)]),
    )
    pool = [(cx - 120, horizon + 26), (cx + 120, horizon + 26), (cx + 330, h), (cx - 330, h)]
    e.polygon(
        pool,
        e.linear(
            (0, horizon), (0, h), [(0, "#bfe0d6", 1), (0.35, "#4fa3a8", 1), (1, "#124a5c", 1)]
        ),
    )
    e.canvas.save()
    e.canvas.clipPath(skia.Path.Polygon([skia.Point(*p) for p in pool], True), True)
    for i in range(26):
        y = horizon + 36 + i * i * 0.62
        e.block(cx - 90 - i * 5, y, 180 + i * 10, 1.5 + i * 0.12, e.paint("#fff1cf", 0.26), 1)
    e.arch(cx - 100, horizon - 60, 200, 420, e.paint("#f0d6a4", 0.16))
    e.canvas.restore()
    light = [(0, "#ffdf9f", 0.30), (0.6, "#ffdf9f", 0.0)]
    e.backdrop(e.linear((w, 0), (0, h), light))
    e.grain(4.0)
    return e.jpeg()


def mountains(width: int, height: int) -> bytes:
    """Misty ranges above a lake, seen in the morning."""
    e = Easel(width, height)
    w, h = e.width, e.height
    e.backdrop(
        e.linear(
            (0, 0),
            (0, h),
            [(0, "#7fb2d6", 1), (0.45, "#dcebe9", 1), (0.6, "#fdeed8", 1), (1, "#9cc3c9", 1)],
        )
    )
    e.disc(
        (w * 0.3, h * 0.3),
        360,
        e.radial(
            (w * 0.3, h * 0.3),
            360,
            [(0, "#fffbe9", 0.95), (0.18, "#fff4cf", 0.8), (1, "#ffe8b8", 0)],
        ),
    )
    layers = (
        (0.58, 260, 42, "#9db9cf", "#dfe9ea"),
        (0.63, 210, 17, "#6f97b3", "#c4d9de"),
        (0.69, 150, 29, "#3f6f8d", "#92b6c2"),
        (0.75, 90, 77, "#1f4c63", "#4f8294"),
    )
    for base, tall, seed, top, low in layers:
        e.ridge(
            h * base,
            tall,
            seed,
            e.linear((0, h * base - tall), (0, h * base + 90), [(0, top, 1), (1, low, 1)]),
        )
    water = h * 0.76
    e.block(
        0,
        water,
        w,
        h,
        e.linear((0, water), (0, h), [(0, "#bcd8d8", 1), (0.5, "#5f9aa6", 1), (1, "#1d5266", 1)]),
    )
    rng = np.random.Generator(np.random.PCG64(3))
    for u, v, r in rng.random((60, 3)):
        y = water + 12 + v * v * (h - water)
        e.block(u * w, y, 30 + r * 150, 1.6 + v * 2.2, e.paint("#ffffff", 0.10 + 0.16 * r), 1)
    for x, tall in ((0.04, 300), (0.11, 390), (0.18, 260), (0.9, 340), (0.97, 420)):
        for i in range(7):
            y = h - tall + i * tall / 7
            half = 18 + i * 12
            e.polygon(
                [(x * w, y - 30), (x * w + half, y + tall / 6), (x * w - half, y + tall / 6)],
                e.paint("#0d2b33"),
            )
    boat = skia.Path()
    boat.moveTo(w * 0.52, h * 0.875)
    boat.quadTo(w * 0.6, h * 0.915, w * 0.68, h * 0.872)
    boat.lineTo(w * 0.66, h * 0.878)
    boat.lineTo(w * 0.535, h * 0.88)
    boat.close()
    e.canvas.drawPath(boat, e.paint("#7a2f23"))
    e.block(w * 0.585, h * 0.85, 11, 26, e.paint("#16323d"), 5)
    e.disc((w * 0.585 + 5.5, h * 0.846), 8, e.paint("#16323d"))
    e.grain(3.5)
    return e.jpeg()


def street(width: int, height: int) -> bytes:
    """A lane at blue hour with lit windows and lanterns."""
    e = Easel(width, height)
    w, h = e.width, e.height
    e.backdrop(
        e.linear(
            (0, 0),
            (0, h),
            [(0, "#16204a", 1), (0.5, "#4a3f7c", 1), (0.78, "#d97f7a", 1), (1, "#2a2145", 1)],
        )
    )
    rng = np.random.Generator(np.random.PCG64(9))
    end = (w * 0.5, h * 0.62)
    e.disc(end, 340, e.radial(end, 340, [(0, "#ffd59a", 0.9), (1, "#ff9a7a", 0)]))
    for side in (-1, 1):
        for i, (near, tone) in enumerate(((0.20, "#3b3566"), (0.42, "#2c2853"), (0.78, "#1d1b3e"))):
            x0 = w * 0.5 + side * (60 + near * w * 0.28)
            x1 = w * 0.5 + side * (60 + (near + 0.5) * w * 0.62)
            top = h * (0.42 - near * 0.42) + rng.random() * 30
            e.polygon(
                [(x0, top + 40), (x1, top - 60), (x1, h), (x0, h * (0.7 + near * 0.16))],
                e.paint(tone),
            )
            wide = abs(x1 - x0)
            for row in range(5):
                for col in range(2 + i):
                    u = (col + 0.5) / (2 + i)
                    x = x0 + (x1 - x0) * u
                    y = top + 80 + row * (80 + 60 * near) - u * 40
                    lit = rng.random() < 0.52
                    size = wide / (2 + i) * 0.34
                    if y < h * 0.72:
                        e.arch(
                            x - size / 2,
                            y,
                            size,
                            size * 1.55,
                            e.paint("#ffcf86" if lit else "#14132e", 0.95 if lit else 0.8),
                        )
    e.polygon(
        [(w * 0.5 - 64, h * 0.7), (w * 0.5 + 64, h * 0.7), (w * 1.1, h), (-w * 0.1, h)],
        e.linear(
            (0, h * 0.68), (0, h), [(0, "#c9776f", 1), (0.3, "#4a3a66", 1), (1, "#17142f", 1)]
        ),
    )
    for i in range(14):
        y = h * 0.71 + i * i * 1.9
        e.block(w * 0.5 - 50 - i * 17, y, 100 + i * 34, 2.4, e.paint("#ffcf9a", 0.13), 1)
    for i in range(9):
        t = i / 8
        x = w * (0.06 + 0.88 * t)
        y = h * (0.2 + 0.1 * math.sin(math.pi * t))
        e.disc((x, y), 60, e.radial((x, y), 60, [(0, "#ffd98f", 0.8), (1, "#ffb45f", 0)]))
        e.disc((x, y), 13, e.paint("#fff0c9"))
    wire = skia.Path()
    wire.moveTo(0, h * 0.18)
    wire.quadTo(w / 2, h * 0.4, w, h * 0.18)
    e.canvas.drawPath(wire, e.paint("#0f0e26", 0.8, 0, 3))
    e.grain(4.5)
    return e.jpeg()
