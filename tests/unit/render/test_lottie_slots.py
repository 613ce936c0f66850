"""Slots: finding them, their kinds, filling them, sharing what does not change."""

import math
from typing import Any

import numpy as np
import pytest
import skia

from flatrender.template.composition import ImageRef
from flatrender.template.manifest import GradientStop
from flatrender.testing.lottie_files import (
    data_uri,
    document,
    effect,
    fill,
    group,
    layer,
    png,
    rect,
    shapes,
    still,
    stroke,
    transform,
)
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import ImageValue, MappingAssets
from flatrender_render.engines.lottie.errors import (
    LottieAssetError,
    LottieError,
    LottieLimitError,
    LottieSlotError,
)
from flatrender_render.engines.lottie.limits import Limits
from flatrender_render.engines.lottie.slots import TextValue

Raw = dict[str, Any]


def colored(sid: str, r: float, g: float, b: float) -> Raw:
    return {"a": 0, "k": [r, g, b, 1], "sid": sid}


def file(**more: Any) -> Raw:
    gradient: Raw = {
        "ty": "gf",
        "o": still(100),
        "s": still([40, 0]),
        "e": still([64, 0]),
        "t": 1,
        "r": 1,
    }
    text = {
        "d": {"k": [{"t": 0, "s": {"t": "Hi", "f": "X", "s": 10, "fc": [0, 0, 0]}}], "sid": "title"}
    }
    return document(
        shapes(group(rect(10, 10, 20, 20), {**fill(1, 0, 0), "c": colored("brand", 1, 0, 0)})),
        shapes(
            group(
                rect(52, 10, 24, 20),
                {**gradient, "g": {"p": 2, "k": still([0, 1, 0, 0, 1, 0, 0, 1]), "sid": "sky"}},
            )
        ),
        shapes(
            group(
                rect(52, 52, 24, 20),
                {**gradient, "g": {"p": 2, "k": {**still([0, 1, 0, 0, 1, 0, 0, 1]), "sid": "sea"}}},
            )
        ),
        shapes(
            group(rect(0, 0, 4, 4), fill(0, 1, 0)),
            ks=transform(p=still([32, 32]), r={**still(0), "sid": "turn"}),
        ),
        layer(2, refId="pic", ks=transform(p=still([0, 40]))),
        layer(5, t=text),
        assets=[
            {
                "id": "pic",
                "w": 20,
                "h": 20,
                "p": data_uri(png(10, 10, (0, 255, 0, 255))),
                "e": 1,
                "sid": "photo",
            }
        ],
        **more,
    )


def draw(animation: Animation) -> Any:
    out = np.zeros((64, 64, 4), np.uint8)
    info = skia.ImageInfo.Make(64, 64, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    animation.draw(skia.Surface.MakeRasterDirect(info, out).getCanvas(), 0)
    return out


def at(picture: Any, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(v) for v in picture[y, x])


def test_kinds_defaults_and_boxes() -> None:
    slots = Animation.parse(file()).slots
    assert {k: v.kind for k, v in slots.items()} == {
        "brand": "color",
        "sky": "gradient",
        "sea": "gradient",
        "turn": "number",
        "photo": "image",
        "title": "text",
    }
    assert slots["brand"].default == "#ff0000"
    assert slots["turn"].default == 0
    assert slots["title"].default == "Hi"
    assert (slots["photo"].width, slots["photo"].height) == (20, 20)


def test_values_of_every_kind() -> None:
    stops = [GradientStop(0, "#00ff00"), GradientStop(1, "#00ff0000")]
    base = Animation.parse(file())
    filled = base.with_slots(
        {
            "brand": "#0000ff",
            "sky": stops,
            "sea": stops,
            "turn": 45.0,
            "photo": ImageValue(png(4, 4, (255, 0, 255, 255))),
            "title": "سلام",
        }
    )
    out = draw(filled)
    assert at(out, 10, 10) == (0, 0, 255, 255)
    for y in (10, 52):
        assert at(out, 41, y)[1] > 200
        assert at(out, 41, y)[2] == 0
        assert at(out, 62, y)[3] < 30
    assert at(out, 10, 50) == (255, 0, 255, 255)
    assert at(draw(base), 10, 10) == (255, 0, 0, 255), "the base stays as it was"
    assert at(draw(base), 10, 50) == (0, 255, 0, 255)


def test_one_slot_in_many_places_and_alpha_of_a_color() -> None:
    raw = document(
        shapes(group(rect(10, 10, 20, 20), {**fill(0, 0, 0), "c": colored("brand", 0, 0, 0)})),
        shapes(group(rect(42, 10, 20, 20), {**stroke(0, 0, 0, 6), "c": colored("brand", 0, 0, 0)})),
        shapes(
            group(rect(32, 50, 20, 20), fill(0, 0, 0)),
            ef=[{"ty": 21, "ef": [{}, {}, {"v": colored("brand", 0, 0, 0)}]}],
        ),
    )
    animation = Animation.parse(raw)
    assert animation.slots["brand"].uses == 3
    out = draw(animation.with_slots({"brand": "#ff0000"}))
    assert [at(out, x, y) for x, y in ((10, 10), (32, 10), (32, 50))] == [(255, 0, 0, 255)] * 3
    faded = draw(animation.with_slots({"brand": "#ff000080"}))
    assert at(faded, 10, 10)[3] == pytest.approx(128, abs=1)


def test_the_files_own_slot_values_come_first() -> None:
    raw = file(slots={"brand": {"p": still([0, 0, 1, 1])}, "turn": {"p": {"a": 0, "k": 30}}})
    animation = Animation.parse(raw)
    assert animation.slots["brand"].default == "#0000ff"
    assert animation.slots["turn"].default == 30
    assert at(draw(animation), 10, 10) == (0, 0, 255, 255)


def test_pictures_by_reference_come_from_the_source() -> None:
    assets = MappingAssets({"k/1": png(4, 4, (0, 0, 255, 255))})
    animation = Animation.parse(file(), assets=assets)
    ref = ImageRef(sha256="x", object_key="k/1")
    assert at(draw(animation.with_slots({"photo": ref})), 10, 50) == (0, 0, 255, 255)
    with pytest.raises(LottieAssetError):
        animation.with_slots({"photo": ImageRef(sha256="x", object_key="gone")})


def test_filling_twice_keeps_the_first_values() -> None:
    once = Animation.parse(file()).with_slots(
        {"photo": png(4, 4, (0, 0, 255, 255)), "title": TextValue("x", max_lines=1)}
    )
    twice = once.with_slots({"brand": "#00ff00"})
    assert at(draw(twice), 10, 50) == (0, 0, 255, 255)
    assert at(draw(twice), 10, 10) == (0, 255, 0, 255)


@pytest.mark.parametrize(
    ("sid", "value"),
    [
        ("brand", 5.0),
        ("brand", "red"),
        ("brand", "#12345"),
        ("brand", "#gggggg"),
        ("sky", "#ffffff"),
        ("sky", [GradientStop(0, "#ffffff")]),
        ("sky", ["#ffffff", "#000000"]),
        ("turn", "5"),
        ("turn", True),
        ("turn", math.nan),
        ("turn", math.inf),
        ("photo", "path.png"),
        ("photo", 5.0),
        ("title", 5.0),
        ("title", [GradientStop(0, "#ffffff")]),
        ("nowhere", "x"),
    ],
)
def test_wrong_values_are_named(sid: str, value: Any) -> None:
    animation = Animation.parse(file())
    with pytest.raises(LottieSlotError) as caught:
        animation.with_slots({sid: value})
    assert sid in caught.value.message
    assert caught.value.code == "lottie_slot"


def test_broken_and_huge_pictures_of_customers_are_named() -> None:
    animation = Animation.parse(file(), limits=Limits(image_pixels=1000))
    with pytest.raises(LottieAssetError):
        animation.with_slots({"photo": b"no picture"})
    with pytest.raises(LottieLimitError):
        animation.with_slots({"photo": png(40, 40)})


def test_endless_text_is_refused() -> None:
    with pytest.raises(LottieLimitError):
        Animation.parse(file()).with_slots({"title": "x" * 30_000})


def test_one_sid_of_two_kinds_is_an_error() -> None:
    raw = document(
        shapes(
            group(
                rect(0, 0, 1, 1),
                {**fill(1, 0, 0), "c": colored("a", 1, 0, 0)},
                r={**still(0), "sid": "a"},
            )
        )
    )
    with pytest.raises(LottieError) as caught:
        Animation.parse(raw)
    assert caught.value.code == "lottie_slot"


def test_a_slot_on_a_point_is_reported() -> None:
    raw = document(shapes(rect(0, 0, 1, 1), ks=transform(p={**still([1, 2, 0]), "sid": "spot"})))
    animation = Animation.parse(raw)
    assert not animation.slots
    assert [u.name for u in animation.unsupported] == [
        "slot 'spot' on a property of several numbers"
    ]


def test_what_a_value_does_not_touch_is_shared() -> None:
    base = Animation.parse(file())
    filled = base.with_slots({"brand": "#0000ff"})
    before, after = base._composition.layers, filled._composition.layers
    assert after[0].content is not before[0].content
    for one, other in zip(before[1:4], after[1:4], strict=True):
        assert one.content is other.content
    assert before[4].content is after[4].content, "pictures are not decoded again"
    assert before[5].content is after[5].content
    other = filled.with_slots({"photo": png(4, 4)})
    assert other._composition.layers[4].content is not before[4].content
    assert other._composition.layers[5].content is before[5].content


def test_effect_colors_are_slots_too() -> None:
    raw = document(
        shapes(
            group(rect(32, 32, 20, 20), fill(1, 0, 0)),
            ef=[effect(20, [0, 0, 0, 1], [1, 1, 1, 1], 100)],
        )
    )
    raw["layers"][0]["ef"][0]["ef"][1]["v"]["sid"] = "tone"
    assert Animation.parse(raw).slots["tone"].kind == "color"
