"""The first half of ``persian-promo``: opener, feature (repeatable), picture card."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import appear, drift, pop, rise, strike, travel
from flatrender_content.catalogue.kit.ornaments import (
    bar,
    framed,
    glow,
    ground,
    sparks,
    tile_band,
    tile_star,
)
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    arch,
    fill,
    gradient_fill,
    group,
    path,
    rect,
    rosette,
    rounded,
    star,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.shapes import (
    box as box_shape,
)
from flatrender_content.catalogue.lottie_dsl.values import keys, wiggle

BLACK, BOLD, MEDIUM = vazirmatn("Black"), vazirmatn("Bold"), vazirmatn("Medium")


def opener(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Title beside (or below) a picture in an arch."""
    b = SceneBuilder(
        stage, palette, key="opener", fa="شروع", en="Opener", seconds=4.0, intro=1.9, outro=0.7
    )
    ground(b)
    frame = _opener_frame(stage)
    glow(b, palette["surface"], frame.middle, frame.h * 1.9)
    tile_band(b, palette["accent"], stage.h - 44)
    tile_star(b, palette["accent"], frame.middle, frame.h * 0.66, opacity=30, turn=30)
    lift = frame.h * 0.06
    b.shapes(
        "arch behind",
        [path(arch(frame.w, frame.h)), fill(palette["spice"])],
        position=travel(
            0.15,
            (frame.cx, frame.cy + frame.h * 0.5),
            (frame.cx - stage.sign * lift, frame.cy + lift * 0.55),
            1.1,
        ),
        opacity=appear(0.15, 0.2),
    )
    framed(
        b,
        Picture("hero", "تصویر اصلی", "Main picture", "courtyard.jpg"),
        frame,
        arch(frame.w, frame.h),
        at=0.1,
        reveal_from=_low_arch(frame),
        reveal=1.15,
    )
    b.shapes(
        "arch line",
        [
            group(
                [
                    path(arch(frame.w + 44, frame.h + 44)),
                    trim(0.0, strike(0.5, 1.3, "cubic_in_out")),
                    stroke(palette["accent"], 5),
                ]
            )
        ],
        position=frame.middle,
    )
    sparks(b, palette["accent"], _around(frame))
    _opener_words(b)
    b.sound("whoosh", 0.0, -8)
    b.sound("hit", 0.35, -9)
    b.sound("pop", 1.2, -14)
    return Shot.of(b, b.finish(transition))


def _opener_frame(stage: Stage) -> Box:
    if stage.wide:
        return stage.box(1920 - 130 - 570, 140, 570, 800)
    if stage.tall:
        return Box(180, 170, 720, 900)
    return stage.box(1080 - 64 - 370, 220, 370, 620)


def _low_arch(frame: Box) -> dict[str, object]:
    """Return the arch pressed down onto its threshold, where the reveal begins."""
    shape = arch(frame.w, frame.h)
    floor = frame.h / 2
    return {**shape, "v": [[x, floor + (y - floor) * 0.02] for x, y in shape["v"]]}


def _around(frame: Box) -> list[tuple[float, float, float]]:
    return [
        (frame.x - 58, frame.y + frame.h * 0.30, 15),
        (frame.x + frame.w + 62, frame.y + frame.h * 0.18, 11),
        (frame.x + frame.w + 40, frame.y + frame.h * 0.78, 19),
        (frame.x - 34, frame.y + frame.h * 0.86, 9),
    ]


def _opener_words(b: SceneBuilder) -> None:
    stage = b.stage
    if stage.wide:
        column = stage.box(130, 0, 1000, 1080)
        rule, kicker = Box(0, 268, 96, 10), Box(column.x, 300, column.w, 76)
        title, line = Box(column.x, 380, column.w, 370), Box(column.x, 772, column.w, 132)
        sizes = (46.0, 150.0, 48.0)
    elif stage.tall:
        column = Box(76, 0, 928, 1920)
        rule, kicker = Box(0, 1166, 96, 10), Box(76, 1190, 928, 76)
        title, line = Box(76, 1268, 928, 320), Box(76, 1600, 928, 140)
        sizes = (44.0, 132.0, 46.0)
    else:
        column = stage.box(70, 0, 490, 1080)
        rule, kicker = Box(0, 240, 80, 9), Box(column.x, 262, column.w, 64)
        title, line = Box(column.x, 330, column.w, 350), Box(column.x, 694, column.w, 160)
        sizes = (38.0, 92.0, 38.0)
    align = "center" if stage.tall else stage.start
    x = (
        stage.cx - rule.w / 2
        if stage.tall
        else (column.x + column.w - rule.w if stage.rtl else column.x)
    )
    bar(b, "accent", Box(x, rule.y, rule.w, rule.h), 0.5, accompanies="kicker")
    b.words(
        Words("kicker", "سرخط", "Kicker", "تازه رسید", 40),
        kicker,
        BOLD,
        sizes[0],
        color="accent",
        align=align,
        moves=[rise(0.55, 0.8, 36)],
    )
    b.words(
        Words(
            "title",
            "عنوان",
            "Title",
            "هنر ایران\nدر خانهٔ شما",
            60,
            3 if not stage.wide else 2,
            True,
            True,
        ),
        title,
        BLACK,
        sizes[1],
        align=align,
        leading=1.18,
        moves=[rise(0.65, 1.25, 130)],
    )
    b.words(
        Words("subtitle", "زیرعنوان", "Subtitle", "مجموعهٔ تازهٔ دست‌سازه‌های ایرانی", 90, 2),
        line,
        MEDIUM,
        sizes[2],
        color="soft",
        align=align,
        vertical="top",
        leading=1.4,
        moves=[rise(1.1, 0.9, 40)],
    )


def feature(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """One benefit: card with a picture, star badge, heading and a sentence. Repeatable."""
    b = SceneBuilder(
        stage, palette, key="feature", fa="ویژگی", en="Feature", seconds=3.8, intro=1.8, outro=0.7
    )
    ground(b)
    if stage.wide:
        card = stage.box(150, 150, 760, 780)
        heading = stage.box(1030, 250, 770, 280)
        text = stage.box(1030, 612, 770, 270)
        sizes, radius = (112.0, 50.0), 56.0
    elif stage.tall:
        card = Box(110, 200, 860, 880)
        heading, text = Box(90, 1170, 900, 220), Box(90, 1466, 900, 260)
        sizes, radius = (108.0, 50.0), 60.0
    else:
        card = Box(90, 84, 900, 520)
        heading, text = Box(80, 650, 920, 130), Box(80, 838, 920, 150)
        sizes, radius = (84.0, 42.0), 48.0
    away = -stage.sign * 420 if not stage.tall else 0.0
    fall = 420.0 if stage.tall else 0.0
    glow(b, palette["surface"], card.middle, card.w * 2.0)
    tile_band(b, palette["accent"], stage.h - 44)
    tile_star(b, palette["spice"], (stage.side(0), 0.0), stage.h * 0.40, opacity=30, turn=-26)
    b.shapes(
        "card behind",
        [rect((card.w, card.h), radius=radius), fill(palette["accent"])],
        position=travel(0.1, (card.cx + away, card.cy + fall), card.middle, 1.1),
        rotation=keys(
            (0.1, 0.0),
            (1.3, stage.sign * 4.0, "back_out"),
            (b.seconds, stage.sign * 5.2, "sine_in_out"),
        ),
    )
    photo = framed(
        b,
        Picture("picture", "تصویر", "Picture", "still_life.jpg"),
        card,
        rounded(card.w, card.h, radius),
        at=0.0,
    )
    photo.position = drift(
        0.0, (card.cx + away, card.cy + fall), card.middle, b.seconds, (0, -8), length=1.0
    )
    corner = (
        card.x + (24 if stage.rtl else card.w - 24) if not stage.tall else card.x + card.w - 90,
        card.y + 60 if not stage.tall else card.y + card.h - 30,
    )
    badge = b.null(
        "badge",
        position=corner,
        scale=pop(0.85, 0.7),
        rotation=wiggle(1.1, -4.0, 4.0, b.seconds),
    )
    b.shapes(
        "badge star",
        [star(12, 98, 84, roundness=20), fill(palette["spice"])],
        parent=badge,
        rotation=keys((0.0, 0.0), (b.seconds, 60.0, "linear")),
        accompanies="badge",
    )
    b.words(
        Words("badge", "نشان", "Badge", "۱", 6),
        Box(-68, -50, 136, 100),
        BLACK,
        72,
        color="background",
        align="center",
        parent=badge,
    )
    align = "center" if not stage.wide else stage.start
    _underline(b, heading, align, 0.7)
    b.words(
        Words("heading", "عنوان ویژگی", "Heading", "دست‌ساز و ماندگار", 50, 2, True),
        heading,
        BLACK,
        sizes[0],
        align=align,
        vertical="bottom",
        leading=1.2,
        moves=[rise(0.5, 1.0, 90)],
    )
    b.words(
        Words(
            "text",
            "توضیح",
            "Description",
            "هر قطعه با گِل و لعاب طبیعی، در کارگاه‌های کوچک شکل می‌گیرد.",
            160,
            3,
            multiline=True,
        ),
        text,
        MEDIUM,
        sizes[1],
        color="soft",
        align=align,
        vertical="top",
        leading=1.45,
        moves=[rise(0.85, 0.9, 40, "lines")],
    )
    b.sound("swish", 0.05, -8)
    b.sound("pop", 0.95, -9)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=6))


def _underline(b: SceneBuilder, heading: Box, align: str, at: float) -> None:
    width = 120.0
    y = heading.y + heading.h + 34
    x = heading.cx - width / 2
    if align == "right":
        x = heading.x + heading.w - width
    elif align == "left":
        x = heading.x
    bar(b, "accent", Box(x, y, width, 10), at)


def picture_card(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """A picture over the whole stage, its caption on a card that slides in."""
    b = SceneBuilder(
        stage,
        palette,
        key="picture",
        fa="تصویر تمام‌صفحه",
        en="Full picture",
        seconds=3.6,
        intro=1.6,
        outro=0.7,
    )
    ground(b)
    whole = Box(0, 0, stage.w, stage.h)
    framed(
        b,
        Picture("photo", "عکس", "Photo", "bottle.jpg"),
        whole,
        box_shape(stage.w, stage.h),
        at=0.0,
        zoom=(126.0, 120.0) if stage.wide else (112.0, 100.0),
        shift=stage.sign * 180 if stage.wide else 0.0,
    )
    card = (
        stage.box(120, 650, 900, 300)
        if stage.wide
        else Box(70, 1320, 940, 380)
        if stage.tall
        else Box(60, 690, 960, 320)
    )
    b.shapes(
        "shade",
        [
            rect((stage.w, stage.h * 0.62)),
            gradient_fill(
                [(0, "#000000", 0), (1, "#000000", 0.62)],
                (0, -stage.h * 0.31),
                (0, stage.h * 0.31),
            ),
        ],
        position=(stage.cx, stage.h * 0.69),
    )
    off = stage.sign * -(card.w + 200)
    holder = b.null(
        "card",
        position=drift(
            0.3, (card.cx + off, card.cy), card.middle, b.seconds, (stage.sign * 10, 0), length=1.1
        ),
    )
    b.shapes(
        "card panel",
        [rect((card.w, card.h), radius=44), fill(palette["background"], opacity=96)],
        parent=holder,
    )
    edge = -stage.sign * (card.w / 2 - 46)
    b.shapes(
        "card edge",
        [rect((14, card.h - 92), radius=7), fill(palette["accent"])],
        parent=holder,
        position=(edge, 0),
        scale=keys((0.7, (100.0, 0.0)), (1.4, (100.0, 100.0), "expo_out")),
    )
    inner = Box(-card.w / 2 + (60 if stage.rtl else 90), 0, card.w - 150, 0)
    half = card.h / 2
    b.words(
        Words("caption", "عنوان تصویر", "Caption", "عطری از باغ‌های کاشان", 48, 2, True),
        Box(inner.x, -half + 44, inner.w, (card.h - 88) * 0.52),
        BLACK,
        stage.pick(80, 72, 78),
        parent=holder,
        moves=[rise(0.75, 0.9, 70)],
    )
    b.words(
        Words("detail", "شرح کوتاه", "Detail", "گلاب دوآتشه، بدون افزودنی", 90, 2),
        Box(inner.x, -half + 44 + (card.h - 88) * 0.54, inner.w, (card.h - 88) * 0.46),
        MEDIUM,
        stage.pick(44, 40, 44),
        color="soft",
        parent=holder,
        leading=1.35,
        moves=[rise(1.0, 0.8, 36)],
    )
    star_at = (card.cx - stage.sign * -1 * (card.w / 2 - 10), card.y)
    b.shapes(
        "star",
        [
            group([rosette(8, 62), fill(palette["accent"])]),
            group([rosette(8, 84), stroke(palette["accent"], 4)], rotation=22.5),
        ],
        position=star_at,
        scale=pop(0.9, 0.7),
        rotation=keys((0.0, -40.0), (b.seconds, 50.0, "cubic_out")),
    )
    b.sound("whoosh", 0.15, -8)
    b.sound("pop", 1.0, -11)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=6))
