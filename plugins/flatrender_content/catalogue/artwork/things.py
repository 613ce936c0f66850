"""Pictures of things and of a person, for image slots that the customer has not filled.

Owns one function per picture, each returning JPEG bytes at the asked size. All are inventions.
"""

import math

import skia

from flatrender_content.catalogue.artwork.canvas import Easel


def still_life(width: int, height: int) -> bytes:
    """Ceramics on a ledge in hard side light."""
    e = Easel(width, height)
    w, h = e.width, e.height
    table = h * 0.74
    e.backdrop(
        e.linear((0, 0), (w, h), [(0, "#f3d9c4", 1), (0.55, "#e3a98a", 1), (1, "#b9694f", 1)])
    )
    e.arch(
        w * 0.5 - 60,
        h * 0.1,
        470,
        table - h * 0.1,
        e.linear((w * 0.5, 0), (w * 0.5 + 420, 0), [(0, "#c9775a", 1), (1, "#8f4638", 1)]),
    )
    e.polygon(
        [(0, h * 0.1), (w * 0.75, h * 0.62), (w * 0.95, table), (0, table)],
        e.paint("#fff0dc", 0.16, 26),
    )
    e.block(
        0, table, w, h - table, e.linear((0, table), (0, h), [(0, "#f6e4d2", 1), (1, "#d6a88a", 1)])
    )
    e.block(0, table, w, 6, e.paint("#fff7ea", 0.8))

    def vessel(
        x: float,
        base: float,
        size: float,
        outline: list[tuple[float, float]],
        tones: tuple[str, str, str],
    ) -> None:
        path = skia.Path()
        left = [(x - a * size, base - b * size) for a, b in outline]
        right = [(x + a * size, base - b * size) for a, b in reversed(outline)]
        path.moveTo(*left[0])
        for side in (left, right):
            for k in range(1, len(side)):
                (ax, ay), (bx, by) = side[k - 1], side[k]
                path.cubicTo(ax, ay + (by - ay) * 0.5, bx, ay + (by - ay) * 0.5, bx, by)
            if side is left:
                path.lineTo(*right[0])
        path.close()
        shadow = e.paint("#5a2418", 0.34, 16)
        e.canvas.drawOval(
            skia.Rect.MakeXYWH(x - size * 0.16, base - size * 0.07, size * 1.0, size * 0.15), shadow
        )
        reach = max(a for a, _ in outline) * size
        a, b, c = tones
        e.canvas.drawPath(
            path, e.linear((x - reach, 0), (x + reach, 0), [(0, a, 1), (0.42, b, 1), (1, c, 1)])
        )

    vase = [(0.20, 0.0), (0.34, 0.22), (0.36, 0.46), (0.13, 0.78), (0.11, 0.9), (0.17, 1.0)]
    jug = [(0.22, 0.0), (0.42, 0.2), (0.40, 0.42), (0.20, 0.58), (0.23, 0.68)]
    bowl = [(0.18, 0.0), (0.30, 0.04), (0.52, 0.3)]
    stem = e.paint("#5e4a2e", 1, 0, 5)
    for dx, top, bend in ((-14, 330, -90), (4, 390, 30), (18, 300, 110)):
        twig = skia.Path()
        twig.moveTo(w * 0.36 + dx * 0.4, table - 400)
        twig.quadTo(w * 0.36 + dx, table - 400 - top * 0.6, w * 0.36 + bend, table - 400 - top)
        e.canvas.drawPath(twig, stem)
        for i in range(9):
            t = 0.35 + i * 0.08
            x = w * 0.36 + bend * t * t
            y = table - 400 - top * t
            leaf = 15 + 6 * math.sin(i * 2.1)
            e.canvas.drawOval(
                skia.Rect.MakeXYWH(x + (-30 if i % 2 else 4), y - 8, leaf * 1.9, leaf),
                e.paint("#f7ead2" if i % 3 else "#7c8a5c", 0.95),
            )
    vessel(w * 0.36, table + 30, 430, vase, ("#fdf3e6", "#f0d9c2", "#a87660"))
    vessel(w * 0.62, table + 64, 330, jug, ("#39536b", "#2b4157", "#13202e"))
    vessel(w * 0.80, table + 104, 230, bowl, ("#f4c264", "#dd9a3c", "#8d5420"))
    e.disc(
        (w * 0.2, table + 110),
        40,
        e.radial(
            (w * 0.2 - 12, table + 98),
            58,
            [(0, "#f28a5a", 1), (0.7, "#cf5732", 1), (1, "#8d3320", 1)],
        ),
    )
    e.grain(4.0)
    return e.jpeg()


def bottle(width: int, height: int) -> bytes:
    """A product on a round plinth with coloured light."""
    e = Easel(width, height)
    w, h = e.width, e.height
    e.backdrop(
        e.linear((0, 0), (0, h), [(0, "#173b3f", 1), (0.6, "#2f6e68", 1), (1, "#7fb69e", 1)])
    )
    cx, base = w / 2, h * 0.78
    e.disc(
        (cx, h * 0.42),
        330,
        e.linear((cx - 300, 0), (cx + 300, h * 0.7), [(0, "#f4c98f", 1), (1, "#e07a5a", 1)]),
    )
    e.disc(
        (cx, h * 0.42),
        520,
        e.radial((cx, h * 0.42), 520, [(0.6, "#ffd9a0", 0.3), (1, "#ffd9a0", 0)]),
    )
    leaf = e.linear((cx - 380, 0), (cx - 60, 0), [(0, "#0f2e2c", 1), (1, "#2f7a62", 1)])
    for side in (-1, 1):
        for i in range(5):
            angle = math.radians(18 + i * 17)
            tip = (cx + side * (120 + 330 * math.cos(angle)), base - 60 - 420 * math.sin(angle))
            path = skia.Path()
            path.moveTo(cx + side * 80, base)
            path.quadTo(
                cx + side * (60 + 150 * math.cos(angle)), base - 330 * math.sin(angle), *tip
            )
            path.quadTo(
                cx + side * (180 + 200 * math.cos(angle)),
                base - 120 * math.sin(angle),
                cx + side * 80,
                base,
            )
            e.canvas.drawPath(path, leaf)
    for r, lift, tone in ((330, 60, "#efe2cd"), (250, 0, "#fbf3e4")):
        y = base + lift
        e.block(
            cx - r,
            y,
            r * 2,
            110,
            e.linear(
                (cx - r, 0), (cx + r, 0), [(0, "#b89c7f", 1), (0.35, tone, 1), (1, "#8f7359", 1)]
            ),
        )
        e.canvas.drawOval(skia.Rect.MakeXYWH(cx - r, y - r * 0.13, r * 2, r * 0.26), e.paint(tone))
    e.block(
        0,
        base + 168,
        w,
        h,
        e.linear((0, base + 168), (0, h), [(0, "#8f7359", 0.0), (1, "#0f2e2c", 0.6)]),
    )
    e.canvas.drawOval(skia.Rect.MakeXYWH(cx - 100, base - 18, 260, 40), e.paint("#5b3c26", 0.5, 12))
    glass = e.linear(
        (cx - 105, 0),
        (cx + 105, 0),
        [
            (0, "#7a2e22", 1),
            (0.18, "#d9825e", 1),
            (0.3, "#b4543a", 1),
            (0.8, "#6d231a", 1),
            (1, "#3d100e", 1),
        ],
    )
    e.block(cx - 105, base - 330, 210, 335, glass, 34)
    e.block(
        cx - 44,
        base - 385,
        88,
        70,
        e.linear(
            (cx - 44, 0), (cx + 44, 0), [(0, "#caa878", 1), (0.3, "#fbeed2", 1), (1, "#8b6a42", 1)]
        ),
        10,
    )
    e.block(
        cx - 58,
        base - 480,
        116,
        108,
        e.linear(
            (cx - 58, 0), (cx + 58, 0), [(0, "#23312f", 1), (0.28, "#5c726c", 1), (1, "#0d1615", 1)]
        ),
        14,
    )
    e.block(cx - 74, base - 232, 148, 150, e.paint("#fbf1de", 0.96), 8)
    e.disc((cx, base - 178), 26, e.paint("#cf6a48", 1, 0, 6))
    e.block(cx - 46, base - 132, 92, 8, e.paint("#7a3a2a", 0.9), 4)
    e.block(cx - 30, base - 112, 60, 6, e.paint("#7a3a2a", 0.55), 3)
    e.block(cx - 86, base - 316, 14, 300, e.paint("#ffffff", 0.35, 4), 7)
    e.grain(4.0)
    return e.jpeg()


def coffee(width: int, height: int) -> bytes:
    """A cup from above on a tiled table, with a leaf's shadow."""
    e = Easel(width, height)
    w, h = e.width, e.height
    e.backdrop(e.linear((0, 0), (w, h), [(0, "#f4efe6", 1), (1, "#d9cbb6", 1)]))
    size = 200
    for row in range(int(h / size) + 2):
        for col in range(int(w / size) + 2):
            x, y = col * size, row * size
            tone = "#2f7f86" if (row + col) % 2 else "#e2b25f"
            for k in range(4):
                a = math.pi / 2 * k
                dx, dy = math.cos(a) * 56, math.sin(a) * 56
                e.polygon(
                    [
                        (x, y),
                        (x + dx - dy * 0.4, y + dy + dx * 0.4),
                        (x + dx * 1.55, y + dy * 1.55),
                        (x + dx + dy * 0.4, y + dy - dx * 0.4),
                    ],
                    e.paint(tone, 0.8),
                )
            e.block(x - 1, y - 100, 2, size, e.paint("#b7a68c", 0.5))
            e.block(x - 100, y - 1, size, 2, e.paint("#b7a68c", 0.5))
    cx, cy = w * 0.52, h * 0.52
    e.disc((cx + 46, cy + 60), 300, e.paint("#3d2c1c", 0.42, 42))
    e.disc(
        (cx, cy),
        300,
        e.radial(
            (cx - 80, cy - 90), 520, [(0, "#ffffff", 1), (0.6, "#efe8dd", 1), (1, "#bfb19b", 1)]
        ),
    )
    e.disc((cx, cy), 226, e.radial((cx, cy), 226, [(0.7, "#e6ddcf", 1), (1, "#fbf7ef", 1)]))
    e.disc((cx + 16, cy + 20), 196, e.paint("#4a3524", 0.3, 16))
    e.block(
        cx + 150,
        cy - 36,
        150,
        72,
        e.linear((0, cy - 36), (0, cy + 36), [(0, "#ffffff", 1), (1, "#cfc3b0", 1)]),
        36,
    )
    e.disc((cx, cy), 190, e.radial((cx - 60, cy - 70), 330, [(0, "#ffffff", 1), (1, "#d2c6b3", 1)]))
    e.disc(
        (cx, cy),
        166,
        e.radial(
            (cx - 30, cy - 40), 230, [(0, "#b5743f", 1), (0.7, "#7d4520", 1), (1, "#3f1f0e", 1)]
        ),
    )
    for i in range(5):
        r = 96.0 - i * 20
        petal = skia.Path()
        petal.moveTo(cx, cy + 96 - i * 34)
        petal.cubicTo(cx - r * 1.2, cy + 40 - i * 34, cx - r, cy - 40 - i * 20, cx, cy + 8 - i * 26)
        petal.cubicTo(
            cx + r, cy - 40 - i * 20, cx + r * 1.2, cy + 40 - i * 34, cx, cy + 96 - i * 34
        )
        e.canvas.drawPath(petal, e.paint("#f6e3c3" if i % 2 == 0 else "#a4652f", 0.94))
    for k in range(7):
        a = math.radians(200 + k * 14)
        sx, sy = w * 1.02, h * 0.02
        path = skia.Path()
        path.moveTo(sx, sy)
        path.quadTo(
            sx + 360 * math.cos(a - 0.12),
            sy - 360 * math.sin(a - 0.12),
            sx + 700 * math.cos(a),
            sy - 700 * math.sin(a),
        )
        path.quadTo(sx + 360 * math.cos(a + 0.12), sy - 360 * math.sin(a + 0.12), sx, sy)
        e.canvas.drawPath(path, e.paint("#2a2418", 0.2, 12))
    e.grain(4.0)
    return e.jpeg()


def portrait(width: int, height: int) -> bytes:
    """A stylised person in front of a warm disc: stands where a face would."""
    e = Easel(width, height)
    w, h = e.width, e.height
    e.backdrop(e.linear((0, 0), (w, h), [(0, "#f6c987", 1), (1, "#e2784f", 1)]))
    cx = w / 2
    e.disc((cx, h * 0.42), 330, e.paint("#fbe5bf", 0.75))
    hair = e.linear((cx - 200, 0), (cx + 200, 0), [(0, "#3a2030", 1), (1, "#1c1022", 1)])
    e.canvas.drawOval(skia.Rect.MakeXYWH(cx - 205, h * 0.42 - 270, 410, 470), hair)
    e.block(cx - 205, h * 0.42 - 60, 410, 330, hair, 120)
    e.block(
        cx - 62,
        h * 0.42 + 110,
        124,
        190,
        e.linear((0, h * 0.42 + 110), (0, h * 0.42 + 260), [(0, "#b9714d", 1), (1, "#e2a27b", 1)]),
        50,
    )
    body = skia.Path()
    body.moveTo(cx - 360, h)
    body.cubicTo(cx - 350, h * 0.42 + 330, cx - 180, h * 0.42 + 250, cx - 62, h * 0.42 + 232)
    body.quadTo(cx, h * 0.42 + 300, cx + 62, h * 0.42 + 232)
    body.cubicTo(cx + 180, h * 0.42 + 250, cx + 350, h * 0.42 + 330, cx + 360, h)
    body.close()
    e.canvas.drawPath(
        body, e.linear((0, h * 0.42 + 230), (0, h), [(0, "#1f6f73", 1), (1, "#0f3f49", 1)])
    )
    e.canvas.drawOval(
        skia.Rect.MakeXYWH(cx - 132, h * 0.42 - 190, 264, 350),
        e.linear(
            (cx - 132, 0),
            (cx + 132, 0),
            [(0, "#f2b991", 1), (0.7, "#e3a078", 1), (1, "#c57d58", 1)],
        ),
    )
    fringe = skia.Path()
    fringe.moveTo(cx - 150, h * 0.42 - 20)
    fringe.cubicTo(cx - 160, h * 0.42 - 240, cx + 20, h * 0.42 - 260, cx + 40, h * 0.42 - 190)
    fringe.cubicTo(cx + 130, h * 0.42 - 200, cx + 160, h * 0.42 - 90, cx + 150, h * 0.42 - 10)
    fringe.cubicTo(cx + 110, h * 0.42 - 120, cx + 20, h * 0.42 - 150, cx - 20, h * 0.42 - 150)
    fringe.cubicTo(cx - 90, h * 0.42 - 130, cx - 120, h * 0.42 - 90, cx - 150, h * 0.42 - 20)
    fringe.close()
    e.canvas.drawPath(fringe, hair)
    for side in (-1, 1):
        brow = skia.Path()
        brow.moveTo(cx + side * 34, h * 0.42 - 44)
        brow.quadTo(cx + side * 64, h * 0.42 - 62, cx + side * 96, h * 0.42 - 44)
        e.canvas.drawPath(brow, e.paint("#2a1626", 1, 0, 9))
        e.disc((cx + side * 64, h * 0.42 - 14), 10, e.paint("#2a1626"))
        e.disc((cx + side * 74, h * 0.42 + 50), 30, e.paint("#e0704f", 0.28, 9))
    smile = skia.Path()
    smile.moveTo(cx - 44, h * 0.42 + 84)
    smile.quadTo(cx, h * 0.42 + 118, cx + 44, h * 0.42 + 84)
    e.canvas.drawPath(smile, e.paint("#9c3f36", 1, 0, 9))
    nose = skia.Path()
    nose.moveTo(cx + 4, h * 0.42 - 4)
    nose.quadTo(cx + 22, h * 0.42 + 42, cx - 4, h * 0.42 + 48)
    e.canvas.drawPath(nose, e.paint("#b9714d", 1, 0, 6))
    e.grain(3.5)
    return e.jpeg()
