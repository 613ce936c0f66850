"""``story-vertical``: a travel or brand story for phones, with pictures (Flexible).

Composed for 9:16 first and for 1:1. Paper, prints and a pen line hold it together. Owns this
template's words, palette and scenes only.
"""

from flatrender.template.manifest import Text, Transition
from flatrender_content.catalogue.kit.design import Palette, Stage
from flatrender_content.catalogue.kit.package import Shot, Template
from flatrender_content.catalogue.templates.story_vertical_close import album, ending
from flatrender_content.catalogue.templates.story_vertical_open import cover, moment, prints

PALETTE = Palette(
    roles=(
        ("paper", "کاغذ", "Paper"),
        ("tint", "ته‌رنگ", "Tint"),
        ("ink", "متن", "Text"),
        ("soft", "متن دوم", "Second text"),
        ("accent", "رنگ اصلی", "Accent"),
        ("on_accent", "متن روی رنگ اصلی", "Text on accent"),
    ),
    presets=(
        (
            "saffron",
            "زعفران",
            "Saffron",
            ("#fbf4e7", "#f2dfbd", "#2a1a2e", "#66546a", "#b8401f", "#fff7ec"),
        ),
        (
            "sea",
            "دریا",
            "Sea",
            ("#eff7f6", "#cfe6e6", "#0f2b3a", "#456270", "#0d6e7c", "#f2fffd"),
        ),
        (
            "dusk",
            "غروب",
            "Dusk",
            ("#231836", "#382654", "#fff3ea", "#d8c5dd", "#ff9a62", "#2b1020"),
        ),
        (
            "grove",
            "باغ",
            "Grove",
            ("#f5f6ea", "#dfe6c4", "#20301f", "#54654d", "#3f6b2a", "#fbfff2"),
        ),
    ),
    text_on=(
        ("ink", "paper"),
        ("soft", "paper"),
        ("ink", "tint"),
        ("on_accent", "accent"),
        ("accent", "paper"),
    ),
)


def scenes(stage: Stage) -> list[Shot]:
    """Compose the scenes for one aspect, in their default order."""
    return [
        cover(stage, PALETTE, Transition()),
        prints(stage, PALETTE, Transition(kind="push", overlap=0.6, direction="up")),
        moment(stage, PALETTE, Transition(kind="zoom", overlap=0.6)),
        album(stage, PALETTE, Transition(kind="slide", overlap=0.6, direction="start")),
        ending(stage, PALETTE, Transition(kind="iris", overlap=0.7, color="accent")),
    ]


TEMPLATE = Template(
    slug="story-vertical",
    mode="Flexible",
    name=Text(fa="استوری سفرنامه", en="Travelogue Story"),
    description=Text(
        fa="استوری عمودی با عکس‌های شما؛ چاپ‌های کاغذی، خط قلم و حرکت نرم دوربین.",
        en="A vertical story of your pictures: paper prints, a pen line and a gentle camera.",
    ),
    category="story",
    keywords=("استوری", "سفر", "عکس", "اینستاگرام", "story", "travel", "photo", "vertical"),
    tags=("story", "vertical", "photo"),
    direction="rtl",
    aspects=("9:16", "1:1"),
    palette=PALETTE,
    song="window_seat",
    scenes=scenes,
)
