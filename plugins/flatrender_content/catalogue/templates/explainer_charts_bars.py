"""Bars and ring of ``explainer-charts``, and the heading of all its charts.

A length comes from the customer's number by trimming a line to that percentage; how it grows is a
second trim, so that the value never needs a keyframe.
"""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, inter
from flatrender_content.catalogue.kit.moves import appear, rise, strike
from flatrender_content.catalogue.kit.ornaments import bar
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Amount, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    ellipse,
    group,
    line,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.text import Align
from flatrender_content.catalogue.lottie_dsl.values import keys
from flatrender_content.catalogue.templates.explainer_charts_frame import paper

BLACK, BOLD, MEDIUM = inter("Black"), inter("Bold"), inter("Medium")


def chart_heading(b: SceneBuilder, default: str, *, top: float, note: str | None = None) -> float:
    """Write heading, bar and perhaps a note at the start side; return the y below them.

    The heading grows upwards from its bar, so that a short one leaves no hole below.
    """
    stage = b.stage
    x, w = stage.margin, stage.w - 2 * stage.margin
    size = stage.pick(84, 66, 88)
    lines = 2 if stage.tall else 1
    tall = size * 1.16 * lines
    b.words(
        Words("heading", "عنوان", "Heading", default, 48, lines, True),
        Box(x, top, w, tall),
        BLACK,
        size,
        leading=1.12,
        tracking=-15,
        vertical="bottom",
        moves=[rise(0.15, 1.0, 70)],
    )
    y = top + tall + 26
    bar(b, "accent", Box(x, y, 96, 10), 0.35)
    y += 26
    if note is not None:
        b.words(
            Words("note", "توضیح", "Note", note, 100, 2 if not stage.wide else 1),
            Box(x, y, w, 64 if stage.wide else 112),
            MEDIUM,
            stage.pick(42, 38, 46),
            color="soft",
            vertical="top",
            leading=1.35,
            moves=[rise(0.5, 0.8, 30)],
        )
        y += 64 if stage.wide else 112
    return y


def bars(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Five bars with labels and counted values; the fourth is the one to look at."""
    b = SceneBuilder(
        stage, palette, key="bars", fa="ستون‌ها", en="Bars", seconds=4.4, intro=2.3, outro=0.7
    )
    paper(b)
    top = chart_heading(
        b,
        "Adoption by region",
        top=stage.pick(70, 70, 190),
        note="Stores that use the new service, percent",
    )
    floor = stage.h - stage.pick(170, 160, 420)
    ceiling = top + stage.pick(104, 96, 150)
    span = floor - ceiling
    x0, width = stage.margin, stage.w - 2 * stage.margin
    pitch = width / 5
    thick = min(pitch * 0.54, 170.0)
    data = (("North", 38.0), ("East", 54.0), ("South", 29.0), ("West", 82.0), ("Online", 64.0))
    rows, tracks = [], []
    for i, (label, value) in enumerate(data):
        n = i + 1
        x = x0 + pitch * (i + 0.5)
        begin = 0.45 + 0.11 * i
        amount = Amount(f"value_{n}", f"مقدار {n}", f"Value {n}", value)
        slot = b.amount(amount)
        column = line((0, 0), (0, -span))
        rows.append(
            group(
                [
                    column,
                    trim(0, slot),
                    trim(0, strike(begin, 1.1, "soft_back")),
                    stroke(palette["second" if n == 4 else "accent"], thick, cap="butt"),
                ],
                position=(x, floor),
            )
        )
        tracks.append(
            group(
                [column, stroke(palette["track"], thick, opacity=55, cap="butt")],
                position=(x, floor),
            )
        )
        b_label = Words(f"label_{n}", f"برچسب {n}", f"Label {n}", label, 14)
        _bar_words(b, b_label, amount, x=x, floor=floor, ceiling=ceiling, pitch=pitch, begin=begin)
    b.shapes("bars", rows)
    b.shapes("tracks", tracks, opacity=appear(0.2, 0.4))
    # Tracks were added last but belong below the bars.
    b.comp.layers[-2], b.comp.layers[-1] = b.comp.layers[-1], b.comp.layers[-2]
    b.shapes(
        "floor",
        [
            line((-width / 2, 0), (width / 2, 0)),
            trim(0, strike(0.2, 0.9)),
            stroke(palette["ink"], 4, opacity=60),
        ],
        position=(stage.cx, floor + 2),
    )
    b.sound("tally", 0.45, -11)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=4))


def _bar_words(
    b: SceneBuilder,
    label: Words,
    amount: Amount,
    *,
    x: float,
    floor: float,
    ceiling: float,
    pitch: float,
    begin: float,
) -> None:
    stage = b.stage
    b.words(
        label,
        Box(x - pitch / 2 + 6, floor + 20, pitch - 12, 64),
        BOLD,
        stage.pick(40, 34, 36),
        color="soft",
        align="center",
        moves=[rise(begin + 0.1, 0.6, 26)],
    )
    b.counter(
        amount,
        Box(x - pitch / 2, ceiling - 84, pitch, 76),
        BLACK,
        stage.pick(60, 52, 54),
        at=begin,
        length=1.1,
        suffix="%",
        moves=[rise(begin, 0.5, 24)],
    )


def ring(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """A ring with one share, counted in its middle, beside what it means."""
    b = SceneBuilder(
        stage, palette, key="ring", fa="حلقه", en="Ring", seconds=4.0, intro=2.1, outro=0.7
    )
    paper(b, (0.15, 0.8))
    r = stage.pick(300.0, 220.0, 320.0)
    centre = (
        (stage.side(1920 - 520), stage.cy)
        if stage.wide
        else (stage.cx, 650.0)
        if stage.tall
        else (stage.cx, 350.0)
    )
    thick = r * 0.27
    slot = Amount("share", "سهم", "Share", 73)
    value = b.amount(slot)
    spin = keys((0.2, -70.0), (1.7, 0.0, "expo_out"))
    circle = ellipse((2 * r, 2 * r))
    b.shapes(
        "ring track",
        [circle, stroke(palette["track"], thick)],
        position=centre,
        opacity=appear(0.1, 0.4),
    )
    b.shapes(
        "ring dashes",
        [
            ellipse((2 * (r + thick * 0.95),) * 2),
            stroke(palette["soft"], 4, opacity=60, dash=(4, 22)),
        ],
        position=centre,
        rotation=keys((0.0, 0.0), (b.seconds, 40.0, "linear")),
        opacity=appear(0.3, 0.5),
    )
    b.shapes(
        "ring value",
        [
            circle,
            trim(0, value),
            trim(0, strike(0.35, 1.5, "expo_out")),
            stroke(palette["accent"], thick),
        ],
        position=centre,
        rotation=spin,
    )
    b.shapes(
        "ring light",
        [
            circle,
            trim(0, value),
            trim(0, strike(0.5, 1.6, "expo_out")),
            stroke(palette["second"], thick * 0.16),
        ],
        position=centre,
        rotation=spin,
    )
    b.counter(
        slot,
        Box(centre[0] - r * 0.7, centre[1] - r * 0.42, r * 1.4, r * 0.84),
        BLACK,
        r * 0.56,
        at=0.4,
        length=1.5,
        suffix="%",
    )
    if stage.wide:
        head, text = stage.box(120, 300, 860, 270), stage.box(120, 610, 820, 240)
        sizes = (96.0, 44.0)
    elif stage.tall:
        head, text = Box(76, 1160, 928, 220), Box(76, 1410, 928, 250)
        sizes = (92.0, 48.0)
    else:
        head, text = Box(76, 664, 928, 150), Box(76, 830, 928, 170)
        sizes = (70.0, 40.0)
    align: Align = "left" if stage.wide else "center"
    b.words(
        Words("heading", "عنوان", "Heading", "Would choose us again", 48, 2, True),
        head,
        BLACK,
        sizes[0],
        align=align,
        leading=1.1,
        tracking=-15,
        vertical="bottom",
        moves=[rise(0.5, 1.0, 80)],
    )
    b.words(
        Words(
            "text",
            "توضیح",
            "Text",
            "Nearly three in four customers renewed within the first month.",
            130,
            4,
            multiline=True,
        ),
        text,
        MEDIUM,
        sizes[1],
        color="soft",
        align=align,
        vertical="top",
        leading=1.4,
        moves=[rise(0.9, 0.9, 36, "lines")],
    )
    b.sound("swish", 0.2, -10)
    b.sound("tally", 0.4, -13)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=4))
