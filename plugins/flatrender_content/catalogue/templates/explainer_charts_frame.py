"""Title and closing of ``explainer-charts``, and the ground all its scenes share."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, inter
from flatrender_content.catalogue.kit.moves import appear, pop, rise, strike
from flatrender_content.catalogue.kit.ornaments import bar, glow, ground, soft_shadow
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    ellipse,
    fill,
    group,
    line,
    rect,
    repeater,
    smooth,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import keys

BLACK, BOLD, MEDIUM = inter("Black"), inter("Bold"), inter("Medium")


def paper(b: SceneBuilder, corner: tuple[float, float] = (0.85, 0.1)) -> None:
    """Ground with soft light in a corner and a quiet grid of dots: all of it stands still."""
    stage = b.stage
    ground(b)
    glow(b, b.palette["track"], (stage.w * corner[0], stage.h * corner[1]), stage.h * 1.7, 90)
    step = 60.0
    columns, rows = int(stage.w / step) + 1, int(stage.h / step) + 1
    b.shapes(
        "dots",
        [
            group(
                [
                    group(
                        [
                            group([ellipse((5, 5)), fill(b.palette["soft"])]),
                            repeater(columns, position=(step, 0)),
                        ]
                    ),
                    repeater(rows, position=(0, step)),
                ]
            )
        ],
        position=(step / 2, step / 2),
        opacity=17,
    )


def title(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Heading beside a small chart that draws itself."""
    b = SceneBuilder(
        stage, palette, key="title", fa="عنوان", en="Title", seconds=3.8, intro=1.9, outro=0.7
    )
    paper(b)
    if stage.wide:
        column, art = Box(120, 0, 960, 1080), Box(1160, 220, 620, 640)
        kicker, heading, line_box = (300.0, 372.0, 742.0)
        tall, sizes = 350.0, (38.0, 148.0, 46.0)
    elif stage.tall:
        column, art = Box(76, 0, 928, 1920), Box(170, 300, 740, 700)
        kicker, heading, line_box = (1130.0, 1200.0, 1530.0)
        tall, sizes = 310.0, (40.0, 136.0, 48.0)
    else:
        column, art = Box(76, 0, 928, 1080), Box(560, 90, 440, 430)
        kicker, heading, line_box = (560.0, 622.0, 872.0)
        tall, sizes = 240.0, (36.0, 112.0, 42.0)
    _motif(b, art)
    bar(b, "accent", Box(column.x, kicker - 34, 96, 10), 0.3, accompanies="kicker")
    b.words(
        Words("kicker", "سرخط", "Kicker", "Annual report 2026", 40),
        Box(column.x, kicker, column.w * (0.5 if not stage.wide and not stage.tall else 1), 60),
        BOLD,
        sizes[0],
        color="accent",
        moves=[rise(0.35, 0.8, 30)],
    )
    b.words(
        Words(
            "heading",
            "عنوان",
            "Heading",
            "A year in clear numbers",
            50,
            3 if stage.wide else 2,
            True,
        ),
        Box(column.x, heading, column.w, tall),
        BLACK,
        sizes[1],
        leading=1.08,
        tracking=-20,
        moves=[rise(0.45, 1.2, 120)],
    )
    b.words(
        Words(
            "subtitle",
            "زیرعنوان",
            "Subtitle",
            "What we built, who it reached and what comes next",
            90,
            2,
        ),
        Box(column.x, line_box, column.w, 130),
        MEDIUM,
        sizes[2],
        color="soft",
        vertical="top",
        leading=1.35,
        moves=[rise(0.95, 0.9, 36)],
    )
    b.sound("whoosh", 0.0, -10)
    b.sound("tally", 0.5, -14)
    return Shot.of(b, b.finish(transition))


def _motif(b: SceneBuilder, box: Box) -> None:
    """A card with bars, a curve and a ring: decoration, not data."""
    palette = b.palette
    w, h = box.w, box.h
    holder = b.null(
        "motif",
        position=keys(
            (0.0, (box.cx, box.cy + 140)),
            (1.2, box.middle, "expo_out"),
            (b.seconds, (box.cx, box.cy - 14), "sine_in_out"),
        ),
        scale=keys((0.0, (86.0, 86.0)), (1.2, (100.0, 100.0), "expo_out")),
    )
    soft_shadow(b, (w, h), holder, opacity=keys((0.0, 0.0), (0.4, 30.0)))
    b.shapes(
        "card",
        [rect((w, h), radius=44), fill(palette["panel"])],
        parent=holder,
        opacity=appear(0, 0.25),
    )
    values = (0.34, 0.52, 0.44, 0.70, 0.62, 0.90)
    pitch = (w - 120) / len(values)
    items = []
    for i, value in enumerate(values):
        begin = 0.35 + 0.07 * i
        x = -w / 2 + 60 + pitch * (i + 0.5)
        full = h * 0.52 * value
        items.append(
            group(
                [
                    rect((pitch * 0.52, full), position=(0, -full / 2), radius=12),
                    fill(palette["accent" if i % 2 else "track"]),
                ],
                position=(x, h / 2 - 60),
                scale=keys((begin, (100.0, 0.0)), (begin + 0.8, (100.0, 100.0), "back_out")),
            )
        )
    b.shapes("motif bars", items, parent=holder)
    points = [
        (-w / 2 + 60 + pitch * (i + 0.5), h / 2 - 60 - h * 0.52 * value - h * 0.13)
        for i, value in enumerate((0.22, 0.50, 0.36, 0.66, 0.60, 0.98))
    ]
    b.shapes(
        "motif curve",
        [
            group(
                [
                    smooth(points, tension=0.7),
                    trim(0, strike(0.7, 1.2, "cubic_in_out")),
                    stroke(palette["second"], 9),
                ]
            )
        ],
        parent=holder,
    )
    end = points[-1]
    b.shapes(
        "motif bead",
        [ellipse((34, 34)), fill(palette["second"])],
        parent=holder,
        position=end,
        scale=keys(
            (1.75, (0.0, 0.0)),
            (2.2, (100.0, 100.0), "back_out"),
            (3.0, (122.0, 122.0), "sine_in_out"),
            (b.seconds, (100.0, 100.0), "sine_in_out"),
        ),
    )
    b.shapes(
        "motif lines",
        [
            group(
                [
                    line((-w / 2 + 60, 0), (-w / 2 + 60 + length, 0)),
                    trim(0, strike(begin, 0.8)),
                    stroke(palette[color], 14),
                ],
                position=(0, y),
            )
            for length, y, color, begin in (
                (w * 0.34, -h / 2 + 70, "ink", 0.3),
                (w * 0.22, -h / 2 + 106, "soft", 0.42),
            )
        ],
        parent=holder,
        opacity=80,
    )


def closing(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Logo, a last sentence, where to read on."""
    b = SceneBuilder(
        stage, palette, key="closing", fa="پایان", en="Closing", seconds=4.0, intro=2.1, outro=0.5
    )
    paper(b, (0.5, 0.36))
    y = stage.pick(300.0, 300.0, 620.0)
    for i, r in enumerate((150.0, 205.0, 260.0)):
        b.shapes(
            f"arc {i + 1}",
            [
                ellipse((r * 2, r * 2)),
                trim(0, keys((0.2 + 0.1 * i, 0.0), (1.5 + 0.1 * i, 62.0 - 12 * i, "expo_out"))),
                stroke(palette["accent" if i % 2 == 0 else "second"], 12.0 - 3 * i),
            ],
            position=(stage.cx, y),
            rotation=keys((0.2, -120.0 + 90 * i), (b.seconds, 150.0 - 80 * i, "cubic_out")),
        )
    holder = b.null("logo holder", position=(stage.cx, y), scale=pop(0.3, 0.75))
    b.shapes("disc", [ellipse((230, 230)), fill("#ffffff")], parent=holder)
    logo = b.picture(Picture("logo", "نشان", "Logo", "logo.png", "contain"), (152, 152))
    logo.parent = holder
    logo.rotation = keys((0.3, -70.0), (1.3, 0.0, "expo_out"), (b.seconds, 6.0, "sine_in_out"))
    b.comp.add(logo)
    wide = min(stage.w - 2 * stage.margin, 1400.0)
    left = stage.cx - wide / 2
    b.words(
        Words("heading", "عنوان", "Heading", "Let’s build the next one", 46, 2, True),
        Box(left, y + stage.pick(270, 270, 310), wide, stage.pick(150, 130, 280)),
        BLACK,
        stage.pick(120, 84, 124),
        align="center",
        leading=1.1,
        tracking=-15,
        moves=[rise(0.7, 1.0, 90)],
    )
    pill_y = y + stage.pick(520, 490, 720)
    button = b.null(
        "button",
        position=(stage.cx, pill_y),
        scale=keys(
            (1.1, (0.0, 0.0)),
            (1.7, (100.0, 100.0), "back_out"),
            (b.seconds, (103.0, 103.0), "sine_in_out"),
        ),
    )
    b.shapes(
        "pill",
        [rect((560, 116), radius=58), fill(palette["accent"])],
        parent=button,
        accompanies="call",
    )
    b.words(
        Words("call", "دکمه", "Button", "Read the full report", 30),
        Box(-244, -50, 488, 100),
        BOLD,
        46,
        color="on_accent",
        align="center",
        parent=button,
    )
    b.words(
        Words("address", "نشانی", "Address", "example.com/report", 50),
        Box(left, pill_y + 78, wide, 70),
        MEDIUM,
        42,
        color="soft",
        align="center",
        moves=[rise(1.5, 0.7, 26)],
    )
    b.sound("hit", 0.3, -9)
    b.sound("shimmer", 0.6, -14)
    return Shot.of(b, b.finish(transition))
