"""``explainer-charts``: numbers told in English first, with bars, a ring and counters (Flexible).

Every chart is drawn from number slots. Owns this template's words, palette and scenes only.
"""

from flatrender.template.manifest import Text, Transition
from flatrender_content.catalogue.kit.design import Palette, Stage
from flatrender_content.catalogue.kit.package import Shot, Template
from flatrender_content.catalogue.templates.explainer_charts_bars import bars, ring
from flatrender_content.catalogue.templates.explainer_charts_frame import closing, title
from flatrender_content.catalogue.templates.explainer_charts_numbers import compare, stats

PALETTE = Palette(
    roles=(
        ("background", "زمینه", "Background"),
        ("panel", "کارت", "Card"),
        ("ink", "متن", "Text"),
        ("soft", "متن دوم", "Second text"),
        ("accent", "رنگ اصلی", "Accent"),
        ("on_accent", "متن روی رنگ اصلی", "Text on accent"),
        ("second", "رنگ دوم", "Second colour"),
        ("track", "ریل نمودار", "Chart track"),
    ),
    presets=(
        (
            "ink",
            "جوهر",
            "Ink",
            (
                "#0f1326",
                "#1a2040",
                "#f6f7ff",
                "#b7bfe0",
                "#6ea8ff",
                "#06122b",
                "#ffb86b",
                "#2b3360",
            ),
        ),
        (
            "daylight",
            "روز",
            "Daylight",
            (
                "#f4f6fb",
                "#ffffff",
                "#141b33",
                "#525c7a",
                "#2f5bea",
                "#ffffff",
                "#f0703c",
                "#dde3f2",
            ),
        ),
        (
            "fern",
            "سرخس",
            "Fern",
            (
                "#0c2320",
                "#14352f",
                "#f2fff9",
                "#b3d6c9",
                "#5fe3a1",
                "#04241a",
                "#ffd166",
                "#1f4a41",
            ),
        ),
        (
            "clay",
            "سفال",
            "Clay",
            (
                "#fff6ee",
                "#ffffff",
                "#33201c",
                "#705650",
                "#b5452c",
                "#fff7f0",
                "#2a7f78",
                "#f2dfd0",
            ),
        ),
    ),
    text_on=(
        ("ink", "background"),
        ("soft", "background"),
        ("ink", "panel"),
        ("soft", "panel"),
        ("on_accent", "accent"),
        ("accent", "background"),
        ("accent", "panel"),
    ),
)


def scenes(stage: Stage) -> list[Shot]:
    """Compose the scenes for one aspect, in their default order."""
    return [
        title(stage, PALETTE, Transition()),
        bars(stage, PALETTE, Transition(kind="push", overlap=0.6, direction="start")),
        ring(stage, PALETTE, Transition(kind="slide", overlap=0.6, direction="up")),
        stats(stage, PALETTE, Transition(kind="push", overlap=0.6, direction="start")),
        compare(stage, PALETTE, Transition(kind="wipe", overlap=0.6, direction="end")),
        closing(stage, PALETTE, Transition(kind="zoom", overlap=0.6)),
    ]


TEMPLATE = Template(
    slug="explainer-charts",
    mode="Flexible",
    name=Text(fa="گزارش نموداری", en="Chart Explainer"),
    description=Text(
        fa="عددهای شما با ستون، حلقه و شمارنده؛ هر نمودار با مقدارهایی که وارد می‌کنید کشیده می‌شود.",
        en="Your figures as bars, a ring and counters: every chart follows the numbers you enter.",
    ),
    category="explainer",
    keywords=("گزارش", "نمودار", "آمار", "report", "chart", "statistics", "explainer", "business"),
    tags=("explainer", "charts", "business"),
    direction="ltr",
    aspects=("16:9", "1:1", "9:16"),
    palette=PALETTE,
    song="clear_steps",
    scenes=scenes,
)
