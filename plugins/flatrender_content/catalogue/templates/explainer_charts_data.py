"""The scenes with data of ``explainer-charts``: bars, ring, counters, comparison.

A length comes from the customer's number by trimming a line to that percentage; how it grows is a
second trim, so that the value never needs a keyframe.
"""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, inter
from flatrender_content.catalogue.kit.moves import appear, rise, strike
from flatrender_content.catalogue.kit.ornaments import bar, soft_shadow
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Amount, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    ellipse,
    fill,
    group,
    line,
    rect,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.text import Align
from flatrender_content.catalogue.lottie_dsl.values import keys
from flatrender_content.catalogue.templates.explainer_charts_frame import paper

BLACK, BOLD, MEDIUM = inter("Black"), inter("Bold"), inter("Medium")


def _heading(b: SceneBuilder, default: str, *, top: float, note: str | None = None) -> float:
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
    top = _heading(
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


def stats(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Three cards with counters."""
    b = SceneBuilder(
        stage,
        palette,
        key="stats",
        fa="شمارنده‌ها",
        en="Counters",
        seconds=4.2,
        intro=2.2,
        outro=0.7,
    )
    paper(b, (0.5, 0.0))
    top = _heading(b, "Three numbers to remember", top=stage.pick(120, 74, 220))
    data = (
        ("Orders delivered", 48_250.0, "since May", 10_000_000.0),
        ("Cities served", 126.0, "in 9 regions", 100_000.0),
        ("Happy customers", 97.0, "percent", 100.0),
    )
    gap = stage.pick(40, 28, 36)
    usable = stage.w - 2 * stage.margin
    for i, (label, value, unit, most) in enumerate(data):
        n = i + 1
        if stage.wide:
            w, h = (usable - 2 * gap) / 3, 520.0
            box = Box(stage.margin + i * (w + gap), top + 96, w, h)
        else:
            h = (stage.h - top - stage.pick(0, 70, 330) - 2 * gap - 40) / 3
            box = Box(stage.margin, top + 40 + i * (h + gap), usable, h)
        _card(
            b,
            box,
            Amount(f"number_{n}", f"عدد {n}", f"Number {n}", value, 0, most, ""),
            Words(f"label_{n}", f"برچسب {n}", f"Label {n}", label, 34, 2),
            Words(f"unit_{n}", f"واحد {n}", f"Unit {n}", unit, 20),
            begin=0.35 + 0.16 * i,
            color=("accent", "second", "accent")[i],
        )
    b.sound("swish", 0.3, -12)
    b.sound("tally", 0.5, -12)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=4))


def _card(
    b: SceneBuilder,
    box: Box,
    amount: Amount,
    label: Words,
    unit: Words,
    *,
    begin: float,
    color: str,
) -> None:
    stage, palette = b.stage, b.palette
    holder = b.null(
        "card",
        position=keys(
            (begin, (box.cx, box.cy + 260)),
            (begin + 1.0, box.middle, "expo_out"),
            (b.seconds, (box.cx, box.cy - 8), "sine_in_out"),
        ),
        scale=keys((begin, (88.0, 88.0)), (begin + 1.0, (100.0, 100.0), "expo_out")),
    )
    shown = appear(begin, 0.3)
    soft_shadow(b, (box.w, box.h), holder, opacity=keys((begin, 0.0), (begin + 0.4, 26.0)), fall=14)
    b.shapes(
        "card ground",
        [rect((box.w, box.h), radius=36), fill(palette["panel"])],
        parent=holder,
        opacity=shown,
    )
    edge = stage.pick(46, 34, 46)
    tag_y = -box.h / 2 + edge if stage.wide else 0.0
    b.shapes(
        "card tag",
        [rect((84, 10) if stage.wide else (10, box.h - 2 * edge), radius=5), fill(palette[color])],
        parent=holder,
        position=(-box.w / 2 + edge + (42 if stage.wide else 0), tag_y),
        opacity=shown,
    )
    inner = box.w - 2 * edge - (0 if stage.wide else 36)
    x = -box.w / 2 + edge + (0 if stage.wide else 36)
    split = 0.64 if stage.wide else 0.6
    low = Box(
        x, -box.h / 2 + edge + (box.h - 2 * edge) * split, inner, (box.h - 2 * edge) * (1 - split)
    )
    tag = Box(-box.w / 2 + edge + 130, -box.h / 2 + edge - 27, box.w - 2 * edge - 130, 54)
    if not stage.wide:  # the unit stands behind the label: a long number needs the row above
        tag = Box(low.x + low.w * 0.66, low.y, low.w * 0.34, low.h)
        low = Box(low.x, low.y, low.w * 0.64, low.h)
    b.counter(
        amount,
        Box(x, -box.h / 2 + edge, inner, (box.h - 2 * edge) * split),
        BLACK,
        stage.pick(128, 96, 136),
        at=begin + 0.2,
        length=1.4,
        align="left",
        parent=holder,
        moves=[rise(begin, 0.4, 20)],
    )
    b.words(
        unit,
        tag,
        BOLD,
        stage.pick(36, 30, 38),
        color="accent",
        align="right",
        parent=holder,
        moves=[rise(begin + 0.4, 0.6, 24)],
    )
    b.words(
        label,
        low,
        MEDIUM,
        stage.pick(46, 40, 48),
        color="soft",
        align="left",
        parent=holder,
        leading=1.25,
        moves=[rise(begin + 0.3, 0.7, 30)],
    )


def compare(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """Before and after as two long bars, and the sentence that follows from them."""
    b = SceneBuilder(
        stage, palette, key="compare", fa="مقایسه", en="Compare", seconds=4.0, intro=2.1, outro=0.7
    )
    paper(b, (0.9, 0.9))
    top = _heading(b, "Faster from order to door", top=stage.pick(130, 90, 290))
    width = stage.w - 2 * stage.margin
    thick = stage.pick(120, 104, 150)
    step = stage.pick(240, 236, 370)
    first = top + stage.pick(150, 140, 240)
    for i, (name, fa, en, label, value, color) in enumerate(
        (
            ("before", "پیش", "Before", "Last year", 86.0, "soft"),
            ("after", "پس", "After", "This year", 41.0, "accent"),
        )
    ):
        begin = 0.4 + 0.35 * i
        y = first + step * i
        amount = Amount(name, fa, en, value)
        slot = b.amount(amount)
        long = width - stage.pick(330, 230, 240)
        rail = line((0, 0), (long, 0))
        b.shapes(
            f"{name} bar",
            [
                group(
                    [
                        rail,
                        trim(0, slot),
                        trim(0, strike(begin, 1.3, "expo_out")),
                        stroke(palette[color], thick, cap="butt"),
                    ]
                ),
                group([rail, stroke(palette["track"], thick, opacity=55, cap="butt")]),
            ],
            position=(stage.margin, y),
            opacity=appear(begin - 0.1, 0.25),
        )
        b.words(
            Words(f"{name}_label", f"برچسب {fa}", f"{en} label", label, 24),
            Box(stage.margin, y - thick / 2 - 66, width * 0.7, 58),
            BOLD,
            stage.pick(42, 38, 44),
            color="soft",
            moves=[rise(begin, 0.6, 26)],
        )
        b.counter(
            amount,
            Box(stage.margin + long + 24, y - thick / 2 - 8, width - long - 24, thick * 0.68),
            BLACK,
            stage.pick(92, 64, 68),
            at=begin,
            length=1.3,
            align="right",
            moves=[rise(begin, 0.4, 20)],
        )
        b.words(
            Words("unit", "واحد", "Unit", "hours", 12),
            Box(stage.margin + long + 24, y + thick * 0.17, width - long - 24, thick * 0.36),
            BOLD,
            stage.pick(36, 30, 36),
            color="soft",
            align="right",
            moves=[rise(begin + 0.2, 0.5, 20)],
        )
    y = first + step + thick / 2
    b.words(
        Words(
            "text",
            "توضیح",
            "Text",
            "Hours from order to delivery: less than half of last year.",
            110,
            3,
        ),
        Box(stage.margin, y + stage.pick(50, 44, 80), width, stage.pick(120, 160, 240)),
        MEDIUM,
        stage.pick(48, 42, 52),
        color="ink",
        vertical="top",
        leading=1.35,
        moves=[rise(1.2, 0.9, 40)],
    )
    b.sound("swish", 0.4, -11)
    b.sound("swish", 0.75, -11)
    b.sound("pop", 1.5, -13)
    return Shot.of(b, b.finish(transition, repeatable=True, max_repeats=4))
