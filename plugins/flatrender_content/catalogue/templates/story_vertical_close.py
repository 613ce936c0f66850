"""The second half of ``story-vertical``: album and ending."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import appear, pop, rise, strike
from flatrender_content.catalogue.kit.ornaments import framed, ground
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.layers import Layer
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    circle_bezier,
    ellipse,
    fill,
    group,
    path,
    rect,
    rounded,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import Json, keys, wiggle
from flatrender_content.catalogue.templates.story_vertical_parts import (
    progress,
)

BLACK, BOLD, MEDIUM = vazirmatn("Black"), vazirmatn("Bold"), vazirmatn("Medium")


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
    progress(b)
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
