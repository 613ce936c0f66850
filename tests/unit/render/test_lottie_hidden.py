"""What does not show is not drawn: pictures below cards, layers beyond mattes; settled text."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
import skia
from numpy.typing import NDArray

from flatrender.testing.packages import picture
from flatrender_render.engines.lottie import composition as compositions
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import MappingAssets
from flatrender_render.engines.lottie.composition import Part
from flatrender_render.engines.lottie.text.layer import TextLayer

SIZE = 320
FRAMES = 20
Json = dict[str, Any]
Frame = NDArray[np.uint8]


def still(value: object) -> Json:
    return {"a": 0, "k": value}


def moving(first: list[float], last: list[float]) -> Json:
    ease = {"i": {"x": [0.6], "y": [1]}, "o": {"x": [0.4], "y": [0]}}
    return {"a": 1, "k": [{"t": 0, "s": first, **ease}, {"t": FRAMES, "s": last}]}


def place(**changes: Json) -> Json:
    return {"o": still(100), "p": still([0, 0]), "a": still([0, 0]), "s": still([100, 100]),
            "r": still(0)} | changes  # fmt: skip


def layer(index: int, kind: int, **members: Any) -> Json:
    return {"ind": index, "ty": kind, "ip": 0, "op": FRAMES, "st": 0, "sr": 1, "ks": place(),
            **members}  # fmt: skip


def photo(index: int = 9) -> Json:
    """Return a picture that drifts and grows over all of the composition."""
    drift = place(p=moving([-10.3, -8.1], [-31.7, -20.4]), s=moving([400, 400], [430, 430]))
    return layer(index, 2, refId="photo", ks=drift)


RECT = {"ty": "rc", "p": still([150, 160]), "s": still([220, 180]), "r": still(18)}
STAR = {"ty": "sr", "sy": 1, "p": still([150, 160]), "pt": still(5), "r": still(0),
        "or": still(150), "ir": still(60), "os": still(0), "is": still(0)}  # fmt: skip
NOTCHED = {"ty": "sh", "ks": still({"v": [[40, 70], [140, 70], [150, 200], [160, 70], [260, 70],
                                            [260, 250], [40, 250]],
                                      "i": [[0, 0]] * 7, "o": [[0, 0]] * 7,
                                      "c": True})}  # fmt: skip
FILL = {"ty": "fl", "c": still([0.8, 0.3, 0.1, 1]), "o": still(100), "r": 1}
GRADIENT = {"ty": "gf", "o": still(100), "r": 1, "t": 1, "s": still([0, 0]), "e": still([300, 0]),
            "g": {"p": 2, "k": still([0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0.2])}}  # fmt: skip
STROKE = {"ty": "st", "c": still([0.8, 0.3, 0.1, 1]), "o": still(100), "w": still(9)}


def card(*items: Json, **members: Any) -> Json:
    """Return a card that itself moves by parts of pixels."""
    glide = place(p=moving([0.4, 0.2], [6.7, -9.3]))
    return layer(2, 4, shapes=list(items or (RECT, FILL)), **({"ks": glide} | members))


def group(*items: Json, **transform: Json) -> Json:
    return {"ty": "gr", "it": [*items, {"ty": "tr", **place(**transform)}]}


def document(*layers: Json, assets: Sequence[Json] = ()) -> Animation:
    photos = {"id": "photo", "w": 90, "h": 90, "p": "photo.png", "u": "", "e": 0}
    data = {"v": "5.12.0", "fr": 25, "ip": 0, "op": FRAMES, "w": SIZE, "h": SIZE,
            "layers": list(layers), "assets": [photos, *assets]}  # fmt: skip
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 255, (90, 90, 3), np.uint8)
    surface = skia.Surface(90, 90)
    rgba = np.dstack([noise, np.full((90, 90), 255, np.uint8)])
    surface.writePixels(skia.Pixmap(surface.imageInfo(), np.ascontiguousarray(rgba), 360))
    png = bytes(surface.makeImageSnapshot().encodeToData())
    files = MappingAssets({"photo.png": png, "plain.png": picture(8, 8)})
    return Animation.parse(msgspec.json.encode(data), assets=files)


def draw(animation: Animation, frame: float) -> Frame:
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    info = skia.ImageInfo.Make(SIZE, SIZE, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    canvas = skia.Surface.MakeRasterDirect(info, pixels).getCanvas()
    canvas.clear(0xFF224466)
    animation.draw(canvas, frame)
    return pixels


def both(animation: Animation, frame: float) -> tuple[Frame, Frame, list[skia.IRect]]:
    """Return a frame as it is drawn, with everything drawn, and what was found to be hidden."""
    found: list[skia.IRect] = []
    real = compositions.hidden_pixels

    def noted(box: skia.IRect, above: Sequence[Part], matrix: skia.Matrix) -> list[skia.IRect]:
        found.extend(real(box, above, matrix))
        return real(box, above, matrix)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compositions, "hidden_pixels", noted)
        seen = draw(animation, frame)
        patch.setattr(compositions, "hidden_pixels", lambda *_: [])
        whole = draw(animation, frame)
    return seen, whole, found


def differ(one: Frame, other: Frame) -> int:
    return int(np.abs(one.astype(int) - other).max())


HIDING = {
    "shape": [card()],
    "still shape": [card(ks=place())],
    "grouped": [card(group(RECT, FILL, s=still([110, 90])))],
    "with a line around": [card(STROKE, RECT, FILL)],
    "solid": [layer(2, 1, sw=200, sh=170, sc="#cc5511", ks=place(p=still([40.3, 60.8])))],
    "two cards": [
        card(ks=place(p=still([0, -80]))),
        layer(3, 1, sw=300, sh=90, sc="#116633", ks=place(p=still([10.2, 200]))),
    ],
}


@pytest.mark.parametrize("name", HIDING)
def test_a_picture_is_not_drawn_below_an_opaque_card_and_looks_the_same(name: str) -> None:
    animation = document(*HIDING[name], photo())
    for frame in (0.0, 3.0, 7.5, 19.0):
        seen, whole, found = both(animation, frame)
        assert found
        assert sum(each.width() * each.height() for each in found) > 0.2 * SIZE * SIZE
        # Skia's scaler steps from where a row begins: a shade of difference beside a cut.
        assert differ(seen, whole) <= 2


MATTE = layer(1, 4, td=1, shapes=[{**RECT, "s": still([90, 90])}, FILL])
SHOWING = {
    "faded layer": [card(ks=place(o=still(90)))],
    "faded fill": [card(RECT, FILL | {"o": still(80)})],
    "faded group": [card(group(RECT, FILL, o=still(70)))],
    "turned": [card(ks=place(r=still(12), p=still([30, -20])))],
    "turned group": [card(group(RECT, FILL, r=still(12)))],
    "star": [card(STAR, FILL)],
    "notched": [card(NOTCHED, FILL)],
    "gradient": [card(RECT, GRADIENT)],
    "outline": [card(RECT, STROKE)],
    "blended": [card(bm=1)],
    "blended fill": [card(RECT, FILL | {"bm": 1})],
    "soft": [card(ef=[{"ty": 29, "ef": [{"ty": 0, "v": still(60)}, {"ty": 7, "v": still(1)},
                                        {"ty": 7, "v": still(0)}]}])],
    "masked": [card(masksProperties=[{"mode": "a", "inv": False, "o": still(100), "x": still(0),
                                      "pt": still({"v": [[60, 80], [200, 90], [90, 230]],
                                                   "i": [[0, 0]] * 3, "o": [[0, 0]] * 3,
                                                   "c": True})}])],
    "matted": [MATTE, card(tt=1)],
    "not yet there": [card(ip=15)],
    "hidden": [card(hd=True)],
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWING)
def test_what_shows_through_a_card_is_drawn(name: str) -> None:
    animation = document(*SHOWING[name], photo())
    for frame in (0.0, 7.5):
        seen, whole, found = both(animation, frame)
        assert not found
        assert differ(seen, whole) == 0


def test_a_see_through_colour_of_a_slot_hides_nothing() -> None:
    tinted = FILL | {"c": {**still([0.8, 0.3, 0.1, 1]), "sid": "tone"}}
    opaque = document(card(RECT, tinted), photo())
    assert both(opaque, 5.0)[2]
    glass = opaque.with_slots({"tone": "#cc5511a0"})
    seen, whole, found = both(glass, 5.0)
    assert not found
    assert differ(seen, whole) == 0
    assert differ(seen, draw(opaque, 5.0)) > 10


def test_a_card_below_the_picture_hides_nothing_of_it() -> None:
    seen, whole, found = both(document(photo(1), card()), 5.0)
    assert not found
    assert differ(seen, whole) == 0


def test_a_picture_in_a_composition_of_its_own_is_cut_as_well() -> None:
    inner = {"id": "c", "w": SIZE, "h": SIZE, "layers": [photo(1)]}
    frame = {"mode": "a", "inv": False, "o": still(100), "x": still(0),
             "pt": still({"v": [[3, 3], [310, 9], [300, 300], [5, 310]], "i": [[0, 0]] * 4,
                          "o": [[0, 0]] * 4, "c": True})}  # fmt: skip
    layers = (card(), layer(5, 0, refId="c", w=SIZE, h=SIZE, masksProperties=[frame]))
    seen, whole, found = both(document(*layers, assets=[inner]), 5.0)
    assert found
    assert differ(seen, whole) <= 2


# --- mattes


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
def test_a_matte_bounds_what_it_cuts_unless_it_is_inverted(mode: int) -> None:
    white = {"ty": "fl", "c": still([1, 1, 1, 1]), "o": still(100), "r": 1}
    matte = layer(1, 4, td=1, shapes=[{**RECT, "s": still([80, 60]), "r": still(0)}, white])
    cut = layer(2, 1, sw=300, sh=280, sc="#ff0000", tt=mode)
    animation = document(matte, cut)
    (drawn,) = [found for found in animation._composition.drawn if found.matte]
    box = drawn.bounds(0)
    pixels = draw(animation, 0)
    inside, outside = pixels[160, 150], pixels[40, 40]
    red, ground = [0, 0, 255], [0x66, 0x44, 0x22]
    if mode in {1, 3}:
        assert box.width() < 90
        assert box.height() < 70
        assert inside[:3].tolist() == red
        assert outside[:3].tolist() == ground
    else:
        assert box.width() >= 300
        assert inside[:3].tolist() == ground
        assert outside[:3].tolist() == red


# --- text


def words(*animators: Json, **style: Any) -> Json:
    text = {"s": 60, "f": "Inter", "t": "Settled", "j": 0, "fc": [1, 1, 1], "lh": 70} | style
    data = {"d": {"k": [{"s": text, "t": 0}]}, "p": {}, "m": {"g": 1, "a": still([0, 0])},
            "a": list(animators)}  # fmt: skip
    return layer(1, 5, t=data, ks=place(p=still([20, 150])))


def animator(start: int = 0, **values: Json) -> Json:
    every = {"t": 0, "b": 1, "sh": 1, "s": still(start), "e": still(100), "o": still(0),
             "a": still(100), "xe": still(0), "ne": still(0), "r": 1, "rn": 0}  # fmt: skip
    return {"s": every, "a": values}


TINT = animator(fc=still([0.2, 0.9, 0.4, 1]))
Words = tuple[list[Json], Json]
ALIKE: dict[str, Words] = {
    "tinted": ([TINT], {}),
    "hidden": ([TINT, animator(o=still(0), p=still([0, 40]))], {}),
    "reached by nothing": ([TINT, animator(100, o=still(0), p=still([0, 40]))], {}),
}
APART: dict[str, Words] = {
    "moved": ([animator(p=still([0, 40]))], {}),
    "faded": ([animator(o=still(50))], {}),
    "turned": ([animator(r=still(20))], {}),
    "grown": ([animator(s=still([130, 130]))], {}),
    "half": ([animator(50, fc=still([1, 0, 0, 1]))], {}),
    "tinted with a line around": ([TINT], {"sc": [0.9, 0.1, 0.1], "sw": 6}),
    "faded fill": ([animator(fo=still(40))], {}),
    "soft": ([animator(bl=still([9, 9]))], {}),
    "wider": ([animator(t=still(12))], {}),
}


@pytest.mark.parametrize("name", [*ALIKE, *APART])
def test_letters_that_look_alike_are_drawn_as_one_and_look_as_they_do_apart(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    animators, style = (ALIKE | APART)[name]
    layers = [words(*animators, **style)]
    together = document(*layers)
    seen = draw(together, 0)
    text = together._composition.drawn[0].content.layer  # type: ignore[union-attr]  # of text
    assert isinstance(text._look(0), list) == (name in APART)
    monkeypatch.setattr(TextLayer, "_alike", lambda *_: None)
    apart = draw(document(*layers), 0)
    # Skia softens the edges of one outline and of several a little differently.
    assert differ(seen, apart) <= 40
    assert np.abs(seen.astype(int) - apart).mean() < 0.1
    if name == "hidden":
        assert text.bounds(0).isEmpty()
    else:
        assert differ(seen, draw(document(layer(1, 1, ip=9, sw=9, sh=9, sc="#000000")), 0)) > 50
