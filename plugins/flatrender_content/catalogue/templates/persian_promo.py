"""``persian-promo``: a Persian-first promotion in scenes to add, repeat and reorder (Flexible).

The tile star (shamse) and the pointed arch carry it through every scene. Owns this template's
words, palette and scenes only.
"""

from flatrender.template.manifest import Direction, Text, Transition
from flatrender_content.catalogue.kit.design import Palette, Stage
from flatrender_content.catalogue.kit.package import Shot, Template
from flatrender_content.catalogue.templates.persian_promo_close import closing, quote
from flatrender_content.catalogue.templates.persian_promo_open import feature, opener, picture_card
from flatrender_content.catalogue.templates.persian_promo_price import price

PALETTE = Palette(
    roles=(
        ("background", "زمینه", "Background"),
        ("surface", "سطح", "Surface"),
        ("ink", "متن", "Text"),
        ("soft", "متن دوم", "Second text"),
        ("accent", "رنگ اصلی", "Accent"),
        ("on_accent", "متن روی رنگ اصلی", "Text on accent"),
        ("spice", "رنگ دوم", "Second accent"),
    ),
    presets=(
        (
            "firoozeh",
            "فیروزه",
            "Turquoise",
            ("#0c3a42", "#14525b", "#fff6e6", "#cfe6df", "#ffb84a", "#2b1a00", "#f58467"),
        ),
        (
            "anar",
            "انار",
            "Pomegranate",
            ("#430d22", "#5e1631", "#fff2ea", "#f3cfcd", "#ffc46b", "#38101a", "#ff6f61"),
        ),
        (
            "kaghaz",
            "کاغذ",
            "Paper",
            ("#fbf3e3", "#f1e2c6", "#1b2a41", "#4b5870", "#15616d", "#fff8ea", "#c4411b"),
        ),
        (
            "shab",
            "شب",
            "Night",
            ("#10142e", "#1c2350", "#f5f6ff", "#c6cdf0", "#7ff0c5", "#04281c", "#9a86ff"),
        ),
    ),
    text_on=(
        ("ink", "background"),
        ("ink", "surface"),
        ("soft", "background"),
        ("soft", "surface"),
        ("on_accent", "accent"),
        ("accent", "background"),
        ("background", "spice"),
    ),
)


def scenes(stage: Stage) -> list[Shot]:
    """Compose the scenes for one aspect, in their default order."""
    move: Direction = "up" if stage.tall else "start"
    return [
        opener(stage, PALETTE, Transition()),
        feature(stage, PALETTE, Transition(kind="push", overlap=0.6, direction=move)),
        picture_card(stage, PALETTE, Transition(kind="iris", overlap=0.7, color="accent")),
        quote(stage, PALETTE, Transition(kind="slide", overlap=0.6, direction="up")),
        price(stage, PALETTE, Transition(kind="wipe", overlap=0.6, direction="end")),
        closing(stage, PALETTE, Transition(kind="zoom", overlap=0.6)),
    ]


TEMPLATE = Template(
    slug="persian-promo",
    mode="Flexible",
    name=Text(fa="تبلیغ شمسه", en="Shamseh Promo"),
    description=Text(
        fa="ویدیوی معرفی محصول با حال‌وهوای کاشی ایرانی؛ صحنه‌ها را اضافه، تکرار و جابه‌جا کنید.",
        en="A product promo in the mood of Persian tiles; add, repeat and reorder its scenes.",
    ),
    category="promo",
    keywords=("تبلیغ", "معرفی محصول", "تخفیف", "فروشگاه", "promo", "sale", "product", "persian"),
    tags=("promo", "shop", "persian"),
    direction="rtl",
    aspects=("16:9", "9:16", "1:1"),
    palette=PALETTE,
    song="bazaar_light",
    scenes=scenes,
)
