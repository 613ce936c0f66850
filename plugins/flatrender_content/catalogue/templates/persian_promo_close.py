"""The quote and the closing of ``persian-promo``."""

import math

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import pop, rise, settle, strike
from flatrender_content.catalogue.kit.ornaments import (
    framed,
    glow,
    ground,
    sparks,
    tile_star,
)
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.layers import Mask
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    circle_bezier,
    ellipse,
    fill,
    gradient_fill,
    group,
    path,
    rect,
    rounded,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import Json, keys

BLACK, BOLD, MEDIUM = vazirmatn("Black"), vazirmatn("Bold"), vazirmatn("Medium")


def _quote_mark(size: float) -> Json:
    """Return one stroke of a guillemet that opens to the right for a positive size."""
    s = size
    return path(bezier([(s, -s), (0, 0), (s, s)], closed=False))


def quote(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """A customer's words with a face and a name."""
    b = SceneBuilder(
        stage, palette, key="quote", fa="نظر مشتری", en="Quote", seconds=4.2, intro=2.0, outro=0.7
    )
    ground(b, "surface")
    radius = stage.pick(470, 470, 640)
    centre = (stage.cx, stage.cy - stage.pick(20, 20, 90))
    glow(b, palette["background"], centre, stage.h * 1.5, 70)
    tile_star(b, palette["accent"], centre, radius * 1.25, opacity=22, turn=22)
    marks = stage.pick(140, 96, 250)
    b.shapes(
        "guillemets",
        [
            group(
                [
                    group(
                        [
                            _quote_mark(stage.sign * 34),
                            trim(0, strike(0.2, 0.8)),
                            stroke(palette["accent"], 16),
                        ],
                        position=(-36, 0),
                    ),
                    group(
                        [
                            _quote_mark(stage.sign * 34),
                            trim(0, strike(0.35, 0.8)),
                            stroke(palette["accent"], 16),
                        ],
                        position=(16, 0),
                    ),
                ]
            )
        ],
        position=(stage.cx, marks + 30),
        scale=settle(0.2, 60, 100, 0.9),
    )
    area = (
        Box(220, 236, 1480, 416)
        if stage.wide
        else Box(90, 400, 900, 860)
        if stage.tall
        else Box(90, 190, 900, 500)
    )
    b.words(
        Words(
            "quote",
            "متن نظر",
            "Quote",
            "بسته‌بندی، کیفیت و رسیدن به‌موقع؛ همان چیزی بود که انتظارش را داشتم.",
            180,
            5 if stage.tall else 4,
            True,
            True,
        ),
        area,
        BOLD,
        stage.pick(96, 72, 92),
        align="center",
        leading=1.4,
        moves=[rise(0.35, 1.5, 60)],
    )
    face = Box(stage.cx - 74, stage.pick(704, 720, 1330), 148, 148)
    ring = b.null("person", position=face.middle, scale=pop(0.9, 0.7))
    b.shapes("ring", [ellipse((176, 176)), fill(palette["accent"])], parent=ring)
    picture = framed(
        b,
        Picture("avatar", "عکس گوینده", "Portrait", "portrait.jpg"),
        face,
        circle_bezier(74),
        at=0.0,
    )
    picture.parent, picture.position = ring, (0.0, 0.0)
    y = face.y + face.h + 26
    b.words(
        Words("name", "نام", "Name", "سارا محمدی", 40),
        Box(stage.cx - 440, y, 880, 66),
        BLACK,
        46,
        align="center",
        moves=[rise(1.15, 0.7, 30)],
    )
    b.words(
        Words("role", "نقش", "Role", "مشتری از اصفهان", 50),
        Box(stage.cx - 440, y + 64, 880, 54),
        MEDIUM,
        36,
        color="soft",
        align="center",
        moves=[rise(1.3, 0.7, 26)],
    )
    b.sound("swish", 0.2, -10)
    b.sound("pop", 0.95, -12)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=4))


def closing(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Logo, name, call to action, address."""
    b = SceneBuilder(
        stage, palette, key="closing", fa="پایان", en="Closing", seconds=4.4, intro=2.3, outro=0.5
    )
    ground(b)
    y = stage.pick(300, 300, 680)
    glow(b, palette["surface"], (stage.cx, y), stage.h * 1.5)
    tile_star(
        b,
        palette["accent"],
        (stage.cx, y),
        stage.pick(420, 430, 520),
        rings=(1.0, 0.86, 0.72),
        opacity=30,
    )
    b.shapes(
        "shock",
        [
            group(
                [
                    ellipse((300, 300)),
                    stroke(palette["spice"], keys((0.45, 26.0), (1.2, 0.0, "cubic_out"))),
                ]
            )
        ],
        position=(stage.cx, y),
        scale=keys((0.45, (60.0, 60.0)), (1.2, (240.0, 240.0), "expo_out")),
        start=0.45,
        end=1.25,
    )
    holder = b.null("logo holder", position=(stage.cx, y), scale=pop(0.25, 0.8))
    b.shapes("disc", [ellipse((290, 290)), fill("#ffffff")], parent=holder)
    logo = b.picture(Picture("logo", "نشان", "Logo", "logo.png", "contain"), (196, 196))
    logo.parent = holder
    logo.rotation = keys((0.25, -90.0), (1.3, 0.0, "expo_out"), (b.seconds, 8.0, "sine_in_out"))
    b.comp.add(logo)
    ring = [
        (stage.cx + math.cos(a) * 250, y + math.sin(a) * 250, 11.0 if i % 2 else 16.0)
        for i, a in enumerate(math.radians(180 + 36 * k) for k in range(6))
    ]
    sparks(b, palette["accent"], ring)
    wide = min(stage.w - 2 * stage.margin, 1300)
    left = stage.cx - wide / 2
    b.words(
        Words("brand", "نام برند", "Brand", "خانهٔ نقش", 30, 1, True),
        Box(left, y + 196, wide, stage.pick(160, 150, 170)),
        BLACK,
        stage.pick(140, 116, 150),
        align="center",
        moves=[rise(0.75, 0.9, 90)],
    )
    b.words(
        Words("slogan", "شعار", "Slogan", "هنر ایرانی، برای هر روز", 60, 2),
        Box(left, y + 360, wide, 80),
        MEDIUM,
        stage.pick(50, 46, 52),
        color="soft",
        align="center",
        moves=[rise(1.05, 0.8, 40)],
    )
    _call(b, (stage.cx, y + stage.pick(528, 510, 580)))
    b.words(
        Words("address", "نشانی", "Address", "khaneh-naghsh.ir", 60),
        Box(left, y + stage.pick(610, 590, 680), wide, 70),
        BOLD,
        stage.pick(42, 40, 44),
        align="center",
        moves=[rise(1.7, 0.7, 26)],
    )
    b.sound("hit", 0.35, -8)
    b.sound("shimmer", 0.6, -12)
    b.sound("click", 2.1, -10)
    return Shot.of(b, b.finish(transition))


def _call(b: SceneBuilder, at: tuple[float, float]) -> None:
    """A button that light runs over and that is pressed once."""
    palette = b.palette
    width, height = 520.0, 116.0
    holder = b.null(
        "button",
        position=at,
        scale=keys(
            (1.2, (0.0, 0.0)),
            (1.8, (100.0, 100.0), "back_out"),
            (2.05, (100.0, 100.0)),
            (2.15, (93.0, 93.0), "cubic_out"),
            (2.4, (100.0, 100.0), "back_out"),
            (b.seconds, (102.0, 102.0), "sine_in_out"),
        ),
    )
    b.shapes(
        "pill",
        [rect((width, height), radius=height / 2), fill(palette["accent"])],
        parent=holder,
        accompanies="call",
    )
    reach = width / 2 + 90
    stripe = path(bezier([(-50, -80), (30, -80), (50, 80), (-30, 80)]))
    b.shapes(
        "light",
        [
            group(
                [
                    stripe,
                    gradient_fill(
                        [(0, "#ffffff", 0), (0.5, "#ffffff", 0.55), (1, "#ffffff", 0)],
                        (-50, 0),
                        (50, 0),
                    ),
                ],
                position=keys(
                    (1.9, (-b.stage.sign * reach, 0.0)),
                    (2.7, (b.stage.sign * reach, 0.0), "cubic_in_out"),
                ),
            )
        ],
        parent=holder,
        masks=[Mask(rounded(width, height, height / 2))],
        accompanies="call",
        start=1.9,
        end=2.7,
    )
    b.words(
        Words("call", "دکمه", "Button", "همین حالا سفارش دهید", 30),
        Box(-width / 2 + 40, -height / 2 + 8, width - 80, height - 16),
        BLACK,
        44,
        color="on_accent",
        align="center",
        parent=holder,
    )
