"""The first half of ``story-vertical``: cover, prints, moment."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import appear, rise, strike
from flatrender_content.catalogue.kit.ornaments import framed, ground
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    ellipse,
    fill,
    rect,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.shapes import (
    box as box_shape,
)
from flatrender_content.catalogue.lottie_dsl.values import Json, keys
from flatrender_content.catalogue.templates.story_vertical_parts import (
    WHITE,
    paper_print,
    pen_line,
    pin,
    progress,
)

BLACK, BOLD, MEDIUM = vazirmatn("Black"), vazirmatn("Bold"), vazirmatn("Medium")


def cover(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """A tall picture with a wavy lower edge, place, title and a line of text."""
    b = SceneBuilder(
        stage, palette, key="cover", fa="جلد", en="Cover", seconds=4.2, intro=2.0, outro=0.7
    )
    ground(b, "paper")
    tall = stage.pick(0, 520, 1130)
    photo = Box(0, 0, stage.w, tall)
    b.shapes(
        "sun",
        [ellipse((stage.pick(0, 250, 320),) * 2), fill(palette["accent"])],
        position=keys(
            (0.2, (stage.side(stage.w - 210), tall + 220)),
            (1.5, (stage.side(stage.w - 210), tall - 70), "expo_out"),
            (b.seconds, (stage.side(stage.w - 210), tall - 92), "sine_in_out"),
        ),
        opacity=appear(0.3, 0.2),
    )
    framed(
        b,
        Picture("photo", "عکس جلد", "Cover picture", "dunes.jpg"),
        photo,
        _wave(photo, 46),
        at=0.0,
        zoom=(114.0, 102.0),
        reveal_from=_wave(photo, 46, lift=tall - 40),
        reveal=1.2,
    )
    progress(b, on_photo=True)
    y = stage.pick(0, 562, 1212)
    pin(b, (stage.side(100), y + 32), "accent", 0.7)
    b.words(
        Words("place", "مکان", "Place", "کویر مرنجاب", 28),
        stage.box(144, y, stage.w - 220, 64),
        BOLD,
        44,
        color="soft",
        moves=[rise(0.75, 0.8, 30)],
    )
    title = stage.box(76, y + 74, stage.w - 152, stage.pick(0, 226, 290))
    b.words(
        Words("title", "عنوان", "Title", "دو روز و یک شب\nدر دل کویر", 46, 2, True, True),
        title,
        BLACK,
        stage.pick(0, 110, 138),
        leading=1.16,
        vertical="center",
        moves=[rise(0.85, 1.2, 120)],
    )
    pen_line(b, stage.box(76, title.y + title.h + 12, 430, 30), 1.3)
    b.words(
        Words("text", "متن", "Text", "از تپه‌های شنی تا آسمان پرستاره", 90, 2),
        stage.box(
            76, title.y + title.h + stage.pick(0, 56, 74), stage.w - 152, stage.pick(0, 120, 150)
        ),
        MEDIUM,
        stage.pick(0, 44, 50),
        color="soft",
        vertical="top",
        leading=1.4,
        moves=[rise(1.3, 0.9, 40)],
    )
    b.sound("whoosh", 0.0, -9)
    b.sound("pop", 0.9, -12)
    return Shot.of(b, b.finish(transition))


def _wave(photo: Box, swing: float, lift: float = 0.0) -> Json:
    """Return a rectangle around (0, 0) whose lower edge waves; ``lift`` raises that edge."""
    w, h = photo.w / 2, photo.h / 2
    low = h - swing - lift
    vertices = [(-w, -h), (w, -h), (w, low - swing * 0.4), (0, low), (-w, low + swing * 0.6)]
    t = photo.w * 0.2
    ins = [(0, 0), (0, 0), (0, 0), (t, swing * 0.9), (t, -swing * 0.2)]
    outs = [(0, 0), (0, 0), (-t, -swing * 0.5), (-t, -swing * 0.9), (0, 0)]
    return bezier(vertices, ins=ins, outs=outs)


def prints(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Two paper prints on a table and what they tell. Repeatable."""
    b = SceneBuilder(
        stage,
        palette,
        key="prints",
        fa="دو عکس",
        en="Two prints",
        seconds=4.0,
        intro=1.9,
        outro=0.7,
    )
    ground(b, "tint")
    b.shapes(
        "table shape",
        [ellipse((stage.h * 1.1, stage.h * 1.1)), fill(palette["paper"])],
        position=(stage.side(stage.w * 0.1), stage.h * 0.2),
    )
    if stage.tall:
        back, front = Box(360, 180, 590, 660), Box(130, 640, 610, 670)
        heading, text = stage.box(76, 1420, 928, 150), stage.box(76, 1640, 928, 160)
    else:
        back, front = Box(560, 140, 400, 430), Box(130, 162, 440, 460)
        heading, text = stage.box(76, 716, 928, 110), stage.box(76, 886, 928, 130)
    paper_print(
        b,
        Picture("photo_back", "عکس پشت", "Back picture", "street.jpg"),
        back,
        tilt=5.0,
        begin=0.1,
        drift=-14,
    )
    paper_print(
        b,
        Picture("photo_front", "عکس جلو", "Front picture", "coffee.jpg"),
        front,
        tilt=-4.0,
        begin=0.4,
        drift=12,
    )
    progress(b)
    b.words(
        Words("heading", "عنوان", "Heading", "عصر، چای و کوچه‌ها", 44, 2, True),
        heading,
        BLACK,
        stage.pick(0, 88, 104),
        moves=[rise(0.85, 1.0, 90)],
    )
    pen_line(b, stage.box(76, heading.y + heading.h + 8, 340, 30), 1.25)
    b.words(
        Words("text", "متن", "Text", "کوچه‌پس‌کوچه‌های شهر قدیمی، وقتی چراغ‌ها روشن می‌شوند.", 110, 2),
        text,
        MEDIUM,
        stage.pick(0, 42, 48),
        color="ink",
        vertical="top",
        leading=1.42,
        moves=[rise(1.15, 0.9, 40, "lines")],
    )
    b.sound("swish", 0.1, -9)
    b.sound("swish", 0.4, -11)
    b.sound("click", 0.75, -10)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=6))


def moment(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """One picture over everything with a sentence on a paper strip. Repeatable."""
    b = SceneBuilder(
        stage, palette, key="moment", fa="یک لحظه", en="Moment", seconds=3.8, intro=1.8, outro=0.7
    )
    ground(b, "ink")
    framed(
        b,
        Picture("photo", "عکس", "Picture", "mountains.jpg"),
        Box(0, 0, stage.w, stage.h),
        box_shape(stage.w, stage.h),
        at=0.0,
        zoom=(114.0, 100.0),
    )
    progress(b, on_photo=True)
    inset = 56.0
    b.shapes(
        "frame",
        [
            rect((stage.w - inset * 2, stage.h - inset * 2 - 60), radius=34),
            trim(0, strike(0.2, 1.5, "cubic_in_out"), offset=-20),
            stroke(WHITE, 5, opacity=90),
        ],
        position=(stage.cx, stage.cy + 30),
    )
    strip = stage.box(0, stage.pick(0, 640, 1270), stage.w - 110, stage.pick(0, 270, 360))
    off = -stage.sign * (strip.w + 80)
    holder = b.null(
        "strip",
        position=keys(
            (0.35, (strip.cx + off, strip.cy)),
            (1.3, strip.middle, "expo_out"),
            (b.seconds, (strip.cx + stage.sign * 8, strip.cy), "sine_in_out"),
        ),
    )
    b.shapes(
        "strip paper",
        [rect((strip.w + 80, strip.h), radius=30), fill(palette["paper"])],
        parent=holder,
        position=(-stage.sign * 40, 0),
    )
    b.shapes(
        "strip edge",
        [rect((16, strip.h - 80), radius=8), fill(palette["accent"])],
        parent=holder,
        position=(-stage.sign * (strip.w / 2 - 44), 0),
        scale=keys((0.9, (100.0, 0.0)), (1.6, (100.0, 100.0), "expo_out")),
    )
    left = -strip.w / 2 + (60 if stage.rtl else 90)
    b.words(
        Words("when", "زمان", "When", "روز دوم، ساعت ۶ صبح", 40),
        Box(left, -strip.h / 2 + 34, strip.w - 150, 60),
        BOLD,
        40,
        color="accent",
        parent=holder,
        moves=[rise(0.8, 0.7, 28)],
    )
    b.words(
        Words("sentence", "جمله", "Sentence", "سکوتی که در هیچ شهری پیدا نمی‌شود", 70, 2, True),
        Box(left, -strip.h / 2 + 98, strip.w - 150, strip.h - 130),
        BLACK,
        stage.pick(0, 64, 80),
        parent=holder,
        leading=1.3,
        moves=[rise(0.9, 1.0, 60)],
    )
    b.sound("whoosh", 0.2, -9)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=8))
