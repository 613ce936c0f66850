"""``logo-reveal``: one shot of six seconds in which a logo arrives (Fix).

Petals fold in from all sides, a shock of rings throws sparks, light runs over the logo, the name
rises from a line. Owns this template only.
"""

import math

from flatrender.template.manifest import Text
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import appear, rise
from flatrender_content.catalogue.kit.ornaments import diamond, glow, ground
from flatrender_content.catalogue.kit.package import Shot, Template
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.layers import Layer
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    ellipse,
    fill,
    gradient_fill,
    group,
    line,
    path,
    repeater,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import keys

PALETTE = Palette(
    roles=(
        ("background", "زمینه", "Background"),
        ("halo", "هاله", "Halo"),
        ("ink", "متن", "Text"),
        ("soft", "متن دوم", "Second text"),
        ("accent", "رنگ اصلی", "Accent"),
        ("spice", "رنگ دوم", "Second accent"),
    ),
    presets=(
        (
            "midnight",
            "نیمه‌شب",
            "Midnight",
            ("#0b1020", "#2a3a86", "#f7f8ff", "#b9c2e6", "#ffb454", "#7c8cff"),
        ),
        (
            "emerald",
            "زمرد",
            "Emerald",
            ("#06231f", "#0f6a55", "#f3fff8", "#b4dccd", "#f4c95d", "#2fd6a3"),
        ),
        (
            "plum",
            "آلو",
            "Plum",
            ("#200a28", "#7a1f6b", "#fff4fb", "#e3bfdc", "#ff8a5c", "#d86bff"),
        ),
        (
            "ivory",
            "عاج",
            "Ivory",
            ("#f7f1e5", "#ffffff", "#20233a", "#585c77", "#c8553d", "#2f6690"),
        ),
    ),
    text_on=(("ink", "background"), ("soft", "background")),
)

HIT = 1.05  # seconds: everything leads to this beat and follows from it


def scenes(stage: Stage) -> list[Shot]:
    """Compose the one shot."""
    b = SceneBuilder(
        stage,
        PALETTE,
        key="reveal",
        fa="نمایش نشان",
        en="Reveal",
        seconds=6.0,
        intro=3.4,
        outro=0.8,
        longest=10.0,
    )
    centre = (stage.cx, stage.pick(385.0, 385.0, 740.0))
    size = stage.pick(380.0, 360.0, 460.0)
    ground(b)
    glow(b, PALETTE["halo"], centre, stage.pick(1500, 1300, 1700), 85)
    _flash(b, centre)
    _lines(b, centre)
    # The camera: everything that follows hangs on it and moves in slowly until the end.
    camera = b.null(
        "camera",
        position=centre,
        anchor=centre,
        scale=keys(
            (HIT, (94.0, 94.0)),
            (2.2, (100.0, 100.0), "expo_out"),
            (6.0, (104.0, 104.0), "sine_in_out"),
        ),
    )
    _orbits(b, centre, size, camera)
    _petals(b, centre, size)
    _shock(b, centre, size)
    _logo(b, centre, size, camera)
    _type(b, centre[1] + size / 2 + stage.pick(110, 104, 130), camera)
    b.sound("riser", 0.0, -7)
    b.sound("hit", HIT - 0.03, -4)
    b.sound("shimmer", 1.75, -9)
    b.sound("swish", 1.5, -12)
    return [Shot.of(b, b.finish(removable=False))]


def _flash(b: SceneBuilder, centre: tuple[float, float]) -> None:
    """A breath of light at the hit."""
    layer = glow(
        b,
        PALETTE["accent"],
        centre,
        900,
        keys((HIT - 0.1, 0.0), (HIT, 70.0, "expo_in"), (HIT + 0.9, 0.0, "cubic_out")),
    )
    layer.start, layer.end = HIT - 0.1, HIT + 0.9


def _lines(b: SceneBuilder, centre: tuple[float, float]) -> None:
    """Thin lines shoot to the centre before the hit, from both sides."""
    far = b.stage.w * 0.55
    streak = keys((0.1, 0.0), (HIT, 100.0, "expo_in"))
    tail = keys((0.35, 0.0), (HIT, 100.0, "expo_in"))
    items = [
        group(
            [line((side * far, dy), (0, 0)), trim(tail, streak), stroke(PALETTE[color], width)],
            rotation=turn,
        )
        for side, dy, turn, color, width in (
            (-1, 0, 0, "accent", 5),
            (1, 0, 0, "accent", 5),
            (-1, 0, 28, "spice", 3),
            (1, 0, 28, "spice", 3),
            (-1, 0, -28, "spice", 3),
            (1, 0, -28, "spice", 3),
        )
    ]
    b.shapes("streaks", items, position=centre, start=0.1, end=HIT + 0.05)


def _orbits(b: SceneBuilder, centre: tuple[float, float], size: float, camera: Layer) -> None:
    """Two thin circles with a bead each: what still moves while the logo rests."""
    for i, (radius, color, period) in enumerate(((0.65, "accent", 70.0), (0.76, "spice", -50.0))):
        r = size * radius
        b.shapes(
            f"orbit {i + 1}",
            [
                group([ellipse((20 - i * 6, 20 - i * 6), position=(r, 0)), fill(PALETTE[color])]),
                group(
                    [
                        ellipse((2 * r, 2 * r)),
                        trim(0.0, keys((HIT + 0.05, 0.0), (HIT + 1.3, 82.0, "expo_out"))),
                        stroke(PALETTE[color], 3, opacity=55),
                    ]
                ),
            ],
            position=centre,
            parent=camera,
            rotation=keys(
                (HIT, -140.0 + i * 180),
                (2.6, 0.0 + i * 180, "expo_out"),
                (6.0, period + i * 180, "linear"),
            ),
            opacity=appear(HIT, 0.3),
            scale=keys((HIT, (70.0, 70.0)), (2.2, (100.0, 100.0), "expo_out")),
            start=HIT,
        )


def _petals(b: SceneBuilder, centre: tuple[float, float], size: float) -> None:
    """Eight petals fold in, turn into a closed star and are gone at the hit."""
    s = size / 360
    petal = path(
        bezier(
            [(0, -60 * s), (70 * s, -170 * s), (0, -250 * s), (-70 * s, -170 * s)],
            ins=[(0, 0), (0, 50 * s), (40 * s, 0), (0, -50 * s)],
            outs=[(0, 0), (0, -50 * s), (-40 * s, 0), (0, 50 * s)],
        )
    )
    far = max(b.stage.w, b.stage.h) * 0.62
    for i in range(8):
        late = 0.05 + 0.045 * i
        b.shapes(
            f"petal {i + 1}",
            [
                group(
                    [petal, fill(PALETTE["accent" if i % 2 else "spice"])],
                    position=keys((late, (0.0, -far)), (late + 0.6, (0.0, 0.0), "expo_out")),
                    rotation=keys((late, 70.0), (late + 0.7, 0.0, "expo_out")),
                )
            ],
            position=centre,
            rotation=keys((0.0, 45.0 * i - 60), (HIT, 45.0 * i + 40, "cubic_in_out")),
            scale=keys(
                (0.0, (100.0, 100.0)),
                (HIT - 0.3, (92.0, 92.0)),
                (HIT - 0.17, (108.0, 108.0), "sine_in_out"),
                (HIT + 0.02, (0.0, 0.0), "expo_in"),
            ),
            opacity=92,
            start=late,
            end=HIT + 0.04,
        )


def _shock(b: SceneBuilder, centre: tuple[float, float], size: float) -> None:
    """Rings and a ring of sparks thrown by the hit."""
    for i, (color, width, grow, length) in enumerate(
        (("accent", 34.0, 5.2, 0.9), ("spice", 20.0, 4.0, 1.1), ("ink", 8.0, 6.6, 0.75))
    ):
        begin = HIT + 0.05 * i
        r = size * 0.3
        b.shapes(
            f"ring {i + 1}",
            [
                ellipse(
                    keys(
                        (begin, (r, r)),
                        (begin + length, (r * grow * 1.6, r * grow * 1.6), "expo_out"),
                    )
                ),
                stroke(PALETTE[color], keys((begin, width), (begin + length, 0.0, "cubic_out"))),
            ],
            position=centre,
            start=begin,
            end=begin + length,
        )
    for i, (count, reach, dot, color, spin) in enumerate(
        (
            (14, 1.5, 13.0, "accent", 14.0),
            (14, 1.12, 8.0, "spice", -18.0),
            (10, 1.9, 6.0, "ink", 22.0),
        )
    ):
        begin = HIT + 0.03 * i
        b.shapes(
            f"spark {i + 1}",
            [
                group(
                    [
                        group(
                            [diamond(dot), fill(PALETTE[color])],
                            position=keys(
                                (begin, (0.0, -size * 0.2)),
                                (begin + 1.1, (0.0, -size * reach), "expo_out"),
                            ),
                            scale=keys(
                                (begin, (140.0, 140.0)),
                                (begin + 0.5, (100.0, 100.0)),
                                (begin + 1.2, (0.0, 0.0), "cubic_in"),
                            ),
                        ),
                        repeater(count, rotation=360 / count),
                    ]
                )
            ],
            position=centre,
            rotation=keys((begin, 0.0), (begin + 1.2, spin, "cubic_out")),
            start=begin,
            end=begin + 1.2,
        )


def _logo(b: SceneBuilder, centre: tuple[float, float], size: float, camera: Layer) -> None:
    """The logo springs up; then light runs over it, cut by the logo's own shape."""
    picture = Picture("logo", "نشان", "Logo", "logo.png", "contain")
    spring = keys(
        (HIT - 0.02, (0.0, 0.0)),
        (HIT + 0.33, (116.0, 116.0), "cubic_out"),
        (HIT + 0.6, (95.0, 95.0), "sine_in_out"),
        (HIT + 0.85, (101.5, 101.5), "sine_in_out"),
        (HIT + 1.1, (100.0, 100.0), "sine_in_out"),
    )
    turn = keys((HIT - 0.02, -120.0), (HIT + 0.9, 0.0, "expo_out"))
    logo = b.picture(picture, (size, size))
    cut = b.picture(picture, (size, size), name="logo cut")
    for layer in (logo, cut):
        layer.position, layer.parent = centre, camera
        layer.scale, layer.rotation, layer.start = spring, turn, HIT - 0.02
    b.comp.add(logo)
    b.comp.add(cut)
    begin, length = 1.9, 0.95
    cut.start, cut.end = begin, begin + length
    reach = size * 0.95
    light = b.shapes(
        "light",
        [
            group(
                [
                    path(bezier([(-80, -size), (60, -size), (80, size), (-60, size)])),
                    gradient_fill(
                        [(0, "#ffffff", 0), (0.5, "#ffffff", 0.85), (1, "#ffffff", 0)],
                        (-80, 0),
                        (80, 0),
                    ),
                ],
                rotation=18,
            )
        ],
        position=keys(
            (begin, (centre[0] - reach, centre[1])),
            (begin + length, (centre[0] + reach, centre[1]), "cubic_in_out"),
        ),
        parent=camera,
        start=begin,
        end=begin + length,
    )
    light.masked_by(cut)
    again = 4.3
    second = b.picture(picture, (size, size), name="logo cut again")
    second.position, second.parent = centre, camera
    second.start, second.end = again, again + 0.9
    b.comp.add(second)
    b.shapes(
        "light again",
        light.body["shapes"],
        position=keys(
            (again, (centre[0] - reach, centre[1])),
            (again + 0.9, (centre[0] + reach, centre[1]), "cubic_in_out"),
        ),
        parent=camera,
        start=again,
        end=again + 0.9,
    ).masked_by(second)


def _type(b: SceneBuilder, top: float, camera: Layer) -> None:
    """Name and tagline rise on either side of a line that draws itself from the middle."""
    stage = b.stage
    wide = min(stage.w - 2 * stage.margin, 1400.0)
    left = stage.cx - wide / 2
    name = Box(left, top, wide, stage.pick(150, 150, 170))
    b.words(
        Words("name", "نام", "Name", "آوای نو", 28),
        name,
        vazirmatn("Black"),
        stage.pick(124, 116, 136),
        align="center",
        parent=camera,
        moves=[rise(1.5, 1.1, 110)],
        masked=True,
    )
    y = name.y + name.h + 26
    half = stage.pick(210, 190, 220)
    for side in (-1.0, 1.0):
        b.shapes(
            "line",
            [
                line((side * 26, 0), (side * half, 0)),
                trim(0, keys((1.45, 0.0), (2.4, 100.0, "expo_out"))),
                stroke(PALETTE["accent"], 5),
            ],
            position=(stage.cx, y),
            parent=camera,
        )
    b.shapes(
        "line jewel",
        [diamond(11), fill(PALETTE["accent"])],
        position=(stage.cx, y),
        parent=camera,
        scale=keys((1.4, (0.0, 0.0)), (1.9, (100.0, 100.0), "back_out")),
        rotation=keys((1.4, 0.0), (math.floor(b.seconds), 180.0, "cubic_out")),
    )
    b.words(
        Words("tagline", "شعار", "Tagline", "صدای تازهٔ کسب‌وکار شما", 70, 2),
        Box(left, y + 24, wide, stage.pick(96, 110, 150)),
        vazirmatn("Medium"),
        stage.pick(52, 48, 56),
        color="soft",
        align="center",
        vertical="top",
        parent=camera,
        leading=1.4,
        moves=[rise(2.0, 1.0, 44)],
    )


TEMPLATE = Template(
    slug="logo-reveal",
    mode="Fix",
    name=Text(fa="رونمایی نشان", en="Logo Reveal"),
    description=Text(
        fa="نشان شما در شش ثانیه با گلبرگ‌ها، موج نور و نام برند رونمایی می‌شود.",
        en="Petals, a shock of light and your name: a logo arrives in six seconds.",
    ),
    category="logo",
    keywords=("لوگو", "نشان", "رونمایی", "اینترو", "logo", "reveal", "intro", "opener"),
    tags=("logo", "intro"),
    direction="rtl",
    aspects=("16:9", "1:1", "9:16"),
    palette=PALETTE,
    song="first_light",
    scenes=scenes,
    music_volume=0.6,
)
