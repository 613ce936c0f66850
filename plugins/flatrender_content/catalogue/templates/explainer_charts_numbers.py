"""Counters and comparison of ``explainer-charts``."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, inter
from flatrender_content.catalogue.kit.moves import appear, rise, strike
from flatrender_content.catalogue.kit.ornaments import soft_shadow
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Amount, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    fill,
    group,
    line,
    rect,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import keys
from flatrender_content.catalogue.templates.explainer_charts_bars import chart_heading
from flatrender_content.catalogue.templates.explainer_charts_frame import paper

BLACK, BOLD, MEDIUM = inter("Black"), inter("Bold"), inter("Medium")


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
    top = chart_heading(b, "Three numbers to remember", top=stage.pick(120, 74, 220))
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
    top = chart_heading(b, "Faster from order to door", top=stage.pick(130, 90, 290))
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
