"""The scenes of ``story-vertical``."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import appear, pop, rise, strike
from flatrender_content.catalogue.kit.ornaments import framed, ground, soft_shadow
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.layers import Layer
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    circle_bezier,
    ellipse,
    fill,
    group,
    line,
    path,
    rect,
    rounded,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.shapes import (
    box as box_shape,
)
from flatrender_content.catalogue.lottie_dsl.values import Json, keys, wiggle

BLACK, BOLD, MEDIUM = vazirmatn("Black"), vazirmatn("Bold"), vazirmatn("Medium")
WHITE = "#ffffff"  # over photographs, whatever the palette


def _progress(b: SceneBuilder, *, on_photo: bool = False) -> None:
    """The thin bar of a story, filling while the scene plays."""
    stage = b.stage
    color = WHITE if on_photo else b.palette["ink"]
    half = stage.w / 2 - 60
    start, end = (-stage.sign * half, 0), (stage.sign * half, 0)
    b.shapes(
        "progress",
        [
            group(
                [
                    line(start, end),
                    trim(0, keys((0.0, 0.0), (b.seconds, 100.0, "linear"))),
                    stroke(color, 8),
                ]
            ),
            group([line(start, end), stroke(color, 8, opacity=30)]),
        ],
        position=(stage.cx, 56),
    )


def _pin(b: SceneBuilder, at: tuple[float, float], color: str, begin: float) -> None:
    """A map pin that drops."""
    drop = path(
        bezier(
            [(0, 26), (-22, -8), (0, -34), (22, -8)],
            ins=[(0, 0), (0, 14), (-14, 0), (0, -14)],
            outs=[(0, 0), (0, -14), (14, 0), (0, 14)],
        )
    )
    hole = ellipse((15, 15), position=(0, -10))
    b.shapes(
        "pin",
        [group([drop, hole, fill(b.palette[color], even_odd=True)])],
        position=keys((begin, (at[0], at[1] - 60)), (begin + 0.6, at, "back_out")),
        opacity=appear(begin, 0.2),
        accompanies="place",
    )


def _pen_line(b: SceneBuilder, box: Box, begin: float, color: str = "accent") -> None:
    """An underline as a pen draws it, in reading direction."""
    s = b.stage.sign
    w = box.w / 2
    swoosh = bezier(
        [(-s * w, 3.0), (s * w, -4.0), (-s * w * 0.1, 16.0)],
        ins=[(0, 0), (-s * w * 0.5, -5.0), (s * w * 0.4, -3.0)],
        outs=[(s * w * 0.6, -11.0), (-s * w * 0.3, 4.0), (0, 0)],
        closed=False,
    )
    b.shapes(
        "pen",
        [
            path(swoosh),
            trim(0, strike(begin, 0.9, "cubic_in_out")),
            stroke(b.palette[color], 9),
        ],
        position=box.middle,
    )


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
    _progress(b, on_photo=True)
    y = stage.pick(0, 562, 1212)
    _pin(b, (stage.side(100), y + 32), "accent", 0.7)
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
    _pen_line(b, stage.box(76, title.y + title.h + 12, 430, 30), 1.3)
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


def _print(
    b: SceneBuilder, picture: Picture, box: Box, *, tilt: float, begin: float, drift: float
) -> None:
    """A paper print laid on a tilted sheet and taped down.

    Sheet and tape turn; the picture itself stands upright, because turning pixels for every frame
    costs ten times what moving them does.
    """
    palette = b.palette
    fall = b.stage.h * 0.35
    border = 24.0
    size = (box.w + border * 2, box.h + border * 2)
    holder = b.null(
        f"{picture.id} print",
        position=keys(
            (begin, (box.cx, box.cy - fall)),
            (begin + 0.8, box.middle, "expo_out"),
            (b.seconds, (box.cx, box.cy + drift), "sine_in_out"),
        ),
        scale=keys((begin, (122.0, 122.0)), (begin + 0.7, (100.0, 100.0), "expo_out")),
    )
    b.shapes(
        "sheet",
        [rect((size[0] + 6, size[1] + 6), radius=18), fill(palette["accent"])],
        parent=holder,
        rotation=keys(
            (begin, tilt * -3.0),
            (begin + 1.0, tilt, "soft_back"),
            (b.seconds, tilt * 1.4, "sine_in_out"),
        ),
        start=begin,
    )
    shown = keys((begin, 0.0), (begin + 0.7, 42.0, "cubic_in"))
    soft_shadow(b, size, holder, opacity=shown)
    b.shapes(
        "print",
        [rect(size, radius=14), fill(WHITE)],
        parent=holder,
        start=begin,
    )
    image = framed(b, picture, box, rounded(box.w, box.h, 6), at=begin, zoom=(112.0, 102.0))
    image.parent, image.position = holder, (0.0, 0.0)
    b.shapes(
        "tape",
        [rect((190, 52), radius=4), fill(palette["tint"], opacity=88)],
        parent=holder,
        position=(-b.stage.sign * tilt * 18, -size[1] / 2),
        rotation=-tilt * 1.6,
        scale=keys((begin + 0.75, (0.0, 100.0)), (begin + 1.1, (100.0, 100.0), "expo_out")),
        start=begin + 0.75,
    )


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
    _print(
        b,
        Picture("photo_back", "عکس پشت", "Back picture", "street.jpg"),
        back,
        tilt=5.0,
        begin=0.1,
        drift=-14,
    )
    _print(
        b,
        Picture("photo_front", "عکس جلو", "Front picture", "coffee.jpg"),
        front,
        tilt=-4.0,
        begin=0.4,
        drift=12,
    )
    _progress(b)
    b.words(
        Words("heading", "عنوان", "Heading", "عصر، چای و کوچه‌ها", 44, 2, True),
        heading,
        BLACK,
        stage.pick(0, 88, 104),
        moves=[rise(0.85, 1.0, 90)],
    )
    _pen_line(b, stage.box(76, heading.y + heading.h + 8, 340, 30), 1.25)
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
    _progress(b, on_photo=True)
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


def album(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Four pictures unfold around a disc with a number."""
    b = SceneBuilder(
        stage, palette, key="album", fa="آلبوم", en="Album", seconds=4.2, intro=2.0, outro=0.7
    )
    ground(b, "paper")
    gap, edge = 20.0, 60.0
    top = stage.pick(0, 96, 130)
    bottom = stage.pick(0, 830, 1480)
    w = (stage.w - 2 * edge - gap) / 2
    heights = (0.46, 0.54, 0.54, 0.46) if stage.tall else (0.5, 0.5, 0.5, 0.5)
    total = bottom - top - gap
    files = ("courtyard.jpg", "dunes.jpg", "still_life.jpg", "street.jpg")
    names = ("اول", "دوم", "سوم", "چهارم")
    order = ("First", "Second", "Third", "Fourth")
    for i in range(4):
        column, row = i % 2, i // 2
        h = total * heights[i]
        y = top if row == 0 else top + total * heights[column] + gap
        cell = stage.box(edge + column * (w + gap), y, w, h)
        begin = 0.12 + 0.14 * i
        closed = _folded(cell, (0, 1) if row == 0 else (0, -1))
        framed(
            b,
            Picture(f"photo_{i + 1}", f"عکس {names[i]}", f"{order[i]} picture", files[i]),
            cell,
            rounded(cell.w, cell.h, 34),
            at=begin,
            zoom=(116.0, 103.0),
            reveal_from=closed,
            reveal=0.95,
        )
    _progress(b)
    middle = top + total * 0.5 + gap / 2
    holder = b.null(
        "disc",
        position=(stage.cx, middle),
        scale=pop(0.9, 0.8),
        rotation=wiggle(1.2, -3, 3, b.seconds),
    )
    size = stage.pick(0, 236, 300)
    b.shapes(
        "disc ring",
        [ellipse((size + 40, size + 40)), fill(palette["paper"])],
        parent=holder,
        accompanies="number",
    )
    b.shapes(
        "disc",
        [ellipse((size, size)), fill(palette["accent"])],
        parent=holder,
        accompanies="number",
    )
    b.words(
        Words("number", "عدد", "Number", "۴", 4),
        Box(-size * 0.42, -size * 0.40, size * 0.84, size * 0.5),
        BLACK,
        size * 0.44,
        color="on_accent",
        align="center",
        parent=holder,
    )
    b.words(
        Words("number_label", "برچسب عدد", "Number label", "شهر", 12),
        Box(-size * 0.4, size * 0.10, size * 0.8, size * 0.26),
        BOLD,
        size * 0.19,
        color="on_accent",
        align="center",
        parent=holder,
    )
    b.words(
        Words("heading", "عنوان", "Heading", "قاب‌هایی که با خود آوردم", 46, 2, True),
        stage.box(60, bottom + stage.pick(0, 22, 60), stage.w - 120, stage.pick(0, 96, 140)),
        BLACK,
        stage.pick(0, 72, 92),
        align="center",
        moves=[rise(1.0, 1.0, 80)],
    )
    b.words(
        Words("text", "متن", "Text", "هر کدام یک روز، یک رنگ، یک بو", 70, 2),
        stage.box(60, bottom + stage.pick(0, 122, 214), stage.w - 120, stage.pick(0, 64, 90)),
        MEDIUM,
        stage.pick(0, 42, 48),
        color="soft",
        align="center",
        moves=[rise(1.25, 0.8, 40)],
    )
    b.sound("swish", 0.15, -11)
    b.sound("swish", 0.45, -11)
    b.sound("pop", 1.0, -9)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=4))


def _folded(cell: Box, towards: tuple[int, int]) -> Json:
    """Return the rounded cell folded flat onto its edge."""
    shape = rounded(cell.w, cell.h, 34)
    edge = cell.h / 2 * towards[1]
    return {**shape, "v": [[x, edge + (y - edge) * 0.01] for x, y in shape["v"]]}


def ending(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Who tells it and where to follow: portrait, handle, button, arrows upwards."""
    b = SceneBuilder(
        stage, palette, key="ending", fa="پایان", en="Ending", seconds=4.2, intro=2.2, outro=0.5
    )
    ground(b, "paper")
    y = stage.pick(0, 330, 640)
    r = stage.pick(0, 150, 230)
    for i, (grow, alpha) in enumerate(((2.5, 40), (1.75, 75))):
        b.shapes(
            f"halo {i + 1}",
            [ellipse((r * 2 * grow, r * 2 * grow)), fill(palette["tint"], opacity=alpha)],
            position=(stage.cx, y),
            scale=keys(
                (0.1 + 0.1 * i, (0.0, 0.0)),
                (1.1 + 0.1 * i, (100.0, 100.0), "expo_out"),
                (b.seconds, (106.0, 106.0), "sine_in_out"),
            ),
        )
    face = Box(stage.cx - r, y - r, 2 * r, 2 * r)
    holder = b.null("face", position=face.middle, scale=pop(0.3, 0.8))
    b.shapes("rim", [ellipse((2 * r + 36, 2 * r + 36)), fill(palette["accent"])], parent=holder)
    portrait = framed(
        b,
        Picture("portrait", "عکس شما", "Portrait", "portrait.jpg"),
        face,
        circle_bezier(r),
        at=0.0,
    )
    portrait.parent, portrait.position = holder, (0.0, 0.0)
    b.shapes(
        "orbit",
        [
            group([ellipse((26, 26), position=(r * 1.4, 0)), fill(palette["accent"])]),
            group(
                [
                    ellipse((r * 2.8, r * 2.8)),
                    trim(0, strike(0.5, 1.4, "cubic_in_out")),
                    stroke(palette["accent"], 4, opacity=70),
                ]
            ),
        ],
        position=face.middle,
        rotation=keys((0.5, -160.0), (2.0, 0.0, "expo_out"), (b.seconds, 40.0, "linear")),
        opacity=appear(0.5, 0.3),
    )
    base = y + r * 1.62
    b.words(
        Words("name", "نام", "Name", "سفرنامهٔ سارا", 32, 1, True),
        stage.box(60, base, stage.w - 120, stage.pick(0, 130, 170)),
        BLACK,
        stage.pick(0, 100, 124),
        align="center",
        moves=[rise(0.8, 1.0, 90)],
    )
    b.words(
        Words("handle", "شناسه", "Handle", "@safarname.sara", 40),
        stage.box(60, base + stage.pick(0, 134, 186), stage.w - 120, 76),
        BOLD,
        stage.pick(0, 46, 54),
        color="soft",
        align="center",
        moves=[rise(1.1, 0.8, 40)],
    )
    _follow(b, (stage.cx, base + stage.pick(0, 296, 400)))
    _arrows(b, (stage.cx, stage.h - stage.pick(0, 66, 190)))
    b.sound("pop", 0.4, -8)
    b.sound("shimmer", 0.6, -14)
    b.sound("click", 1.7, -12)
    return Shot.of(b, b.finish(transition))


def _follow(b: SceneBuilder, at: tuple[float, float]) -> Layer:
    """The button."""
    holder = b.null(
        "button",
        position=at,
        scale=keys(
            (1.2, (0.0, 0.0)),
            (1.8, (100.0, 100.0), "back_out"),
            (b.seconds, (104.0, 104.0), "sine_in_out"),
        ),
    )
    width, height = 560.0, 124.0
    b.shapes(
        "pill",
        [rect((width, height), radius=height / 2), fill(b.palette["accent"])],
        parent=holder,
        accompanies="call",
    )
    b.words(
        Words("call", "دکمه", "Button", "همراه ما شوید", 26),
        Box(-width / 2 + 44, -height / 2 + 8, width - 88, height - 16),
        BLACK,
        50,
        color="on_accent",
        align="center",
        parent=holder,
    )
    return holder


def _arrows(b: SceneBuilder, at: tuple[float, float]) -> None:
    """Two chevrons that keep pointing up."""
    for i in range(2):
        begin = 1.6 + 0.14 * i
        points: list[tuple[float, float]] = []
        t = begin
        while t < b.seconds + 0.9:
            points += [(t, 0.0), (t + 0.3, 100.0), (t + 0.9, 0.0)]
            t += 0.9001
        b.shapes(
            f"arrow {i + 1}",
            [
                path(bezier([(-26, 12), (0, -12), (26, 12)], closed=False)),
                stroke(b.palette["accent"], 9),
            ],
            position=(at[0], at[1] - 28 * i),
            opacity=keys(*[(when, value, "sine_in_out") for when, value in points]),
            start=begin,
        )
