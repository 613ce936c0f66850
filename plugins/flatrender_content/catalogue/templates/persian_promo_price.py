"""The offer of ``persian-promo``: prices, discount, stock."""

from flatrender.template.manifest import Transition
from flatrender_content.catalogue.kit.design import Box, Palette, Stage, vazirmatn
from flatrender_content.catalogue.kit.moves import appear, grow, pop, rise, settle, strike
from flatrender_content.catalogue.kit.ornaments import (
    ground,
)
from flatrender_content.catalogue.kit.package import Shot
from flatrender_content.catalogue.kit.scene import Amount, SceneBuilder, Words
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    fill,
    group,
    line,
    path,
    repeater,
    rosette,
    star,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import keys, wiggle

# The sign follows the number and stands to its left: without the right-to-left mark the bidi
# algorithm would keep it on the right (UAX #9, W5).
PERCENT = "\u200f٪"
BLACK, BOLD, MEDIUM = vazirmatn("Black"), vazirmatn("Bold"), vazirmatn("Medium")


def price(stage: Stage, palette: Palette, transition: Transition) -> Shot:
    """The offer: old price struck out, new price large, a burst with the discount, stock sold."""
    b = SceneBuilder(
        stage, palette, key="price", fa="قیمت", en="Price", seconds=4.0, intro=2.1, outro=0.7
    )
    ground(b, "accent")
    centre = (stage.cx, stage.pick(500, 500, 800))
    outline = stroke(palette["on_accent"], 10, opacity=12)
    ray = path(bezier([(0, 0), (-46, -1500), (46, -1500)]))
    b.shapes(
        "rays",
        [group([group([ray, fill(palette["on_accent"], opacity=7)]), repeater(24, rotation=15)])],
        position=centre,
        rotation=keys((0.0, 0.0), (b.seconds, 18.0, "linear")),
    )
    b.shapes(
        "medallion",
        [
            group([rosette(8, stage.pick(640, 600, 720)), outline]),
            group([rosette(8, stage.pick(560, 520, 640)), outline], rotation=22.5),
        ],
        position=centre,
        scale=settle(0.0, 40, 100, 1.2),
        rotation=keys((0.0, 30.0), (1.2, 0.0, "expo_out"), (b.seconds, -8.0, "sine_in_out")),
    )
    wide = min(stage.w - 2 * stage.margin, 1300)
    left = stage.cx - wide / 2
    b.words(
        Words("offer", "عنوان پیشنهاد", "Offer", "فقط تا پایان هفته", 36, 1),
        Box(stage.cx - wide / 3, stage.pick(150, 140, 380), wide * 2 / 3, 96),
        BOLD,
        stage.pick(62, 56, 62),
        color="on_accent",
        align="center",
        moves=[rise(0.12, 0.8, 40)],
    )
    old_y = stage.pick(292, 270, 540)
    b.words(
        Words("old_price", "قیمت پیشین", "Old price", "۴۲۰٬۰۰۰", 14),
        Box(stage.cx - 260, old_y, 520, 90),
        MEDIUM,
        64,
        color="on_accent",
        align="center",
        opacity=keys((0.7, 100.0), (1.1, 78.0)),
        moves=[rise(0.25, 0.6, 40)],
    )
    b.shapes(
        "strike",
        [
            line((-stage.sign * 170, 14), (stage.sign * 170, -14)),
            trim(0, strike(0.55, 0.5, "expo_in_out")),
            stroke(palette["on_accent"], 9),
        ],
        position=(stage.cx, old_y + 48),
        accompanies="old_price",
    )
    b.words(
        Words("price", "قیمت", "Price", "۲۹۰٬۰۰۰", 14, 1, True),
        Box(left, stage.pick(390, 372, 660), wide, stage.pick(290, 250, 270)),
        BLACK,
        stage.pick(250, 200, 210),
        color="on_accent",
        align="center",
        moves=[grow(0.6, 0.7, 30)],
        scale=keys(
            (1.0, (100.0, 100.0)), (1.9, (100.0, 100.0)), (b.seconds, (104.0, 104.0), "sine_in_out")
        ),
    )
    b.words(
        Words("unit", "واحد", "Unit", "تومان", 20),
        Box(stage.cx - 300, stage.pick(672, 618, 930), 600, 84),
        BOLD,
        58,
        color="on_accent",
        align="center",
        moves=[rise(0.9, 0.6, 30)],
    )
    _burst(b)
    _stock(b, Box(stage.cx - 400, stage.pick(820, 780, 1160), 800, 34))
    b.sound("tally", 0.15, -13)
    b.sound("hit", 0.68, -9)
    b.sound("pop", 1.1, -10)
    return Shot.of(b, b.finish(transition, removable=True))


def _burst(b: SceneBuilder) -> None:
    stage, palette = b.stage, b.palette
    at = (
        (stage.side(1610), 250.0)
        if stage.wide
        else (stage.cx, 1560.0)
        if stage.tall
        else (stage.side(905), 200.0)
    )
    size = stage.pick(176, 138, 190)
    holder = b.null(
        "burst", position=at, scale=pop(1.0, 0.7), rotation=wiggle(0.9, -9.0, -3.0, b.seconds)
    )
    b.shapes(
        "burst star",
        [
            group([star(18, size, size * 0.86), fill(palette["background"])]),
        ],
        parent=holder,
        rotation=keys((0.0, 0.0), (b.seconds, 50.0, "linear")),
        accompanies="discount",
    )
    b.words(
        Words("discount", "درصد تخفیف", "Discount", f"۳۰{PERCENT}", 6),
        Box(-size * 0.66, -size * 0.56, size * 1.32, size * 0.72),
        BLACK,
        size * 0.52,
        align="center",
        parent=holder,
    )
    b.words(
        Words("discount_label", "برچسب تخفیف", "Discount label", "تخفیف", 12),
        Box(-size * 0.6, size * 0.12, size * 1.2, size * 0.42),
        BOLD,
        size * 0.25,
        color="accent",
        align="center",
        parent=holder,
    )


def _stock(b: SceneBuilder, box: Box) -> None:
    """Bar of what is sold already: its length is the customer's number."""
    stage, palette = b.stage, b.palette
    sold = b.amount(Amount("sold", "درصد فروخته‌شده", "Sold percent", 68))
    start, end = (-stage.sign * box.w / 2, 0), (stage.sign * box.w / 2, 0)
    b.shapes(
        "stock",
        [
            group(
                [
                    line(start, end),
                    trim(0.0, sold),
                    trim(0.0, strike(0.9, 1.2, "quint_out")),
                    stroke(palette["on_accent"], box.h),
                ]
            ),
            group([line(start, end), stroke(palette["on_accent"], box.h, opacity=18)]),
        ],
        position=box.middle,
        opacity=appear(0.7, 0.3),
    )
    b.words(
        Words("sold_label", "برچسب فروش", "Sold label", f"۶۸{PERCENT} فروخته شد", 40),
        Box(box.x - 100, box.y + 52, box.w + 200, 76),
        BOLD,
        48,
        color="on_accent",
        align="center",
        moves=[rise(1.15, 0.6, 24)],
    )
