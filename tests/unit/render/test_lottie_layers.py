"""Layers: order, time, parents, masks, mattes, blending, precompositions, pictures."""

from math import erf, sqrt
from typing import Any

import numpy as np
import pytest
import skia

from flatrender.testing.lottie_files import (
    data_uri,
    document,
    effect,
    ellipse,
    fill,
    group,
    layer,
    mask,
    moving,
    png,
    rect,
    shapes,
    solid,
    square,
    still,
    transform,
)
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import ImageValue, MappingAssets, frame_picture
from flatrender_render.engines.lottie.errors import (
    InvalidLottieError,
    LottieAssetError,
    LottieLimitError,
    PrecompCycleError,
)
from flatrender_render.engines.lottie.limits import Limits

Raw = dict[str, Any]
RED, GREEN, BLUE, WHITE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (255,) * 4
CLEAR = (0, 0, 0, 0)


def draw(raw: Raw | Animation, frame: float = 0, size: int = 64) -> Any:
    animation = raw if isinstance(raw, Animation) else Animation.parse(raw)
    out = np.zeros((size, size, 4), np.uint8)
    info = skia.ImageInfo.Make(size, size, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    canvas = skia.Surface.MakeRasterDirect(info, out).getCanvas()
    canvas.scale(size / animation.width, size / animation.height)
    animation.draw(canvas, frame)
    return out


def at(picture: Any, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(v) for v in picture[y, x])


def full(color: str, **more: Any) -> Raw:
    return solid(color, 64, 64, **more)


def test_layers_are_on_from_in_to_out() -> None:
    raw = document(full("#ff0000", ip=5, op=10))
    assert [at(draw(raw, f), 1, 1) for f in (4.9, 5, 9.9, 10)] == [CLEAR, RED, RED, CLEAR]


def test_hidden_layers_still_serve_as_parents() -> None:
    raw = document(
        full("#00ff00", ind=2, hd=True, ks=transform(p=still([32, 0]))),
        solid("#ff0000", 10, 10, parent=2),
    )
    out = draw(raw)
    assert at(out, 36, 4) == RED
    assert at(out, 60, 60) == CLEAR


def test_parents_of_parents_and_no_inherited_opacity() -> None:
    raw = document(
        solid("#ff0000", 10, 10, ind=1, parent=2),
        layer(3, ind=2, parent=3, ks=transform(p=still([10, 0]), o=still(0))),
        layer(3, ind=3, ks=transform(p=still([0, 20]), s=still([200, 200]))),
    )
    out = draw(raw)
    assert at(out, 21, 21) == RED
    assert at(out, 39, 39) == RED
    assert at(out, 41, 41) == CLEAR


def test_opacity_of_a_layer_is_of_the_whole() -> None:
    both = shapes(
        group(rect(32, 32, 20, 20), fill(1, 0, 0)),
        group(rect(32, 32, 40, 40), fill(0, 0, 1)),
        ks=transform(o=still(50)),
    )
    assert at(draw(document(both)), 32, 32) == pytest.approx((128, 0, 0, 128), abs=1)


@pytest.mark.parametrize(
    ("modes", "kept"),
    [
        # two overlapping squares: only the first, both, only the second, neither
        (["a", "a"], [1, 1, 1, 0]),
        (["a", "s"], [1, 0, 0, 0]),
        (["a", "i"], [0, 1, 0, 0]),
        (["a", "f"], [1, 0, 1, 0]),
        (["a", "l"], [1, 1, 1, 0]),
        (["a", "d"], [0, 1, 0, 0]),
        (["s", "s"], [0, 0, 0, 1]),
        (["i", "a"], [1, 1, 1, 0]),
        (["n", "a"], [0, 1, 1, 0]),
        (["a", "n"], [1, 1, 0, 0]),
    ],
)
@pytest.mark.parametrize("soft", [False, True])
def test_mask_modes(modes: list[str], kept: list[int], soft: bool) -> None:
    # A feather far smaller than a pixel takes the way of soft masks to the same picture.
    more = {"f": still([0.01, 0.01])} if soft else {}
    masks = [mask(square(x, 10, 30), m, **more) for x, m in zip((8, 24), modes, strict=True)]
    out = draw(document(full("#ff0000", masksProperties=masks)))
    seen = [at(out, x, 24)[3] for x in (12, 30, 48, 60)]
    assert seen == pytest.approx([k * 255 for k in kept], abs=2)


def test_mask_opacity_inversion_expansion_and_feather() -> None:
    def alpha(column: int, /, **more: Any) -> int:
        raw = document(full("#ff0000", masksProperties=[mask(square(16, 16, 32), **more)]))
        return at(draw(raw), column, 32)[3]

    assert alpha(32, o=still(40)) == pytest.approx(102, abs=1)
    assert [alpha(x, inv=True) for x in (4, 32)] == [255, 0]
    assert [alpha(x, inv=True, o=still(50)) for x in (4, 32)] == pytest.approx([128, 0], abs=1)
    assert [alpha(x, x=still(4)) for x in (13, 11)] == [255, 0]
    assert [alpha(x, x=still(-4)) for x in (18, 21)] == [0, 255]
    soft = [alpha(x, f=still([10, 10])) for x in (8, 16, 24)]
    assert soft[0] < 20 < soft[1] < 200 < soft[2]
    assert soft[1] == pytest.approx(140, abs=20)


def test_masks_come_before_the_transform() -> None:
    raw = document(
        full("#ff0000", ks=transform(p=still([20, 0])), masksProperties=[mask(square(0, 0, 10))])
    )
    out = draw(raw)
    assert at(out, 25, 5) == RED
    assert at(out, 5, 5) == CLEAR


@pytest.mark.parametrize(
    ("mode", "alphas"),
    # over white, black and nothing of the matte
    [(1, (255, 255, 0)), (2, (0, 0, 255)), (3, (255, 0, 0)), (4, (0, 255, 255))],
)
@pytest.mark.parametrize("named", [False, True])
def test_matte_modes(mode: int, alphas: tuple[int, ...], named: bool) -> None:
    source = shapes(
        group(rect(10, 32, 20, 64), fill(1, 1, 1)),
        group(rect(30, 32, 20, 64), fill(0, 0, 0)),
        td=1,
        ind=7,
    )
    cut = full("#ff0000", tt=mode, ind=8)
    raw = (
        document(cut | {"tp": 7}, full("#00ff00", ind=9, hd=True), source)
        if named
        else document(source, cut)
    )
    out = draw(raw)
    assert [at(out, x, 32)[3] for x in (10, 30, 50)] == list(alphas)


def test_one_matte_for_several_layers_and_its_time() -> None:
    raw = document(
        shapes(group(rect(32, 32, 20, 20), fill(1, 1, 1)), td=1, ind=1, op=10),
        full("#ff0000", tt=1, tp=1, op=5),
        full("#0000ff", tt=2, tp=1),
    )
    out = draw(raw, 0)
    assert at(out, 32, 32) == RED
    assert at(out, 2, 2) == BLUE
    assert at(draw(raw, 20), 32, 32) == BLUE, "the inverse of a matte that is over is everything"


BLENDS = {
    1: (0.25 * 0.5),
    2: (0.25 + 0.5 - 0.125),
    4: 0.25,
    5: 0.5,
    10: 0.25,
    11: 0.25 + 0.5 - 2 * 0.125,
    16: 0.75,
}


@pytest.mark.parametrize(("mode", "expected"), BLENDS.items())
def test_blend_modes(mode: int, expected: float) -> None:
    raw = document(full("#404040", bm=mode), full("#808080"))
    assert at(draw(raw), 5, 5)[0] == pytest.approx(expected * 255, abs=2)


def test_blending_stays_within_its_composition() -> None:
    comp = {"id": "c", "layers": [full("#ff0000", bm=1)]}
    raw = document(layer(0, refId="c", w=64, h=64), full("#00ff00"), assets=[comp])
    assert at(draw(raw), 5, 5) == RED


def test_unknown_blend_mode_is_reported() -> None:
    animation = Animation.parse(document(full("#ff0000", bm=17)))
    assert [u.name for u in animation.unsupported] == ["blend mode 17"]


def moving_comp() -> Raw:
    mover = solid("#ff0000", 4, 64, ks=transform(p=moving((0, [0, 0]), (60, [60, 0]))))
    return {"id": "c", "layers": [mover]}


def where(out: Any) -> float:
    columns = np.flatnonzero(out[0, :, 3] > 128)
    return float(columns[0]) if len(columns) else -1


def test_precomp_start_stretch_and_cut() -> None:
    plain = document(layer(0, refId="c", w=64, h=64), assets=[moving_comp()])
    assert where(draw(plain, 20)) == 20
    late = document(layer(0, refId="c", w=64, h=64, st=10), assets=[moving_comp()])
    assert where(draw(late, 20)) == 10
    slow = document(layer(0, refId="c", w=64, h=64, sr=2), assets=[moving_comp()])
    assert where(draw(slow, 20)) == 10
    small = document(layer(0, refId="c", w=10, h=64), assets=[moving_comp()])
    assert where(draw(small, 20)) == -1


def test_time_remap_in_seconds() -> None:
    remap = moving((0, 1.0), (60, 0.0))  # backwards from one second, 30 frames
    raw = document(layer(0, refId="c", w=64, h=64, tm=remap), assets=[moving_comp()])
    assert [where(draw(raw, f)) for f in (0, 30, 60 - 1e-6)] == [30, 15, 0]


def test_time_remap_that_stands_shows_a_still() -> None:
    remap = {"a": 1, "k": [{"t": 0, "s": [0.5], "h": 1}, {"t": 30, "s": [1.0]}]}
    raw = document(layer(0, refId="c", w=64, h=64, tm=remap), assets=[moving_comp()])
    assert [where(draw(raw, f)) for f in (0, 29, 30, 50)] == [15, 15, 30, 30]


def test_pictures_fill_the_box_of_their_asset() -> None:
    asset = {"id": "p", "w": 40, "h": 20, "p": data_uri(png(10, 10)), "e": 1}
    out = draw(document(layer(2, refId="p"), assets=[asset]))
    assert at(out, 20, 10) == RED
    assert at(out, 45, 10) == CLEAR
    assert at(out, 20, 25) == CLEAR


def test_pictures_come_from_the_source_and_missing_ones_are_reported() -> None:
    asset = {"id": "p", "w": 20, "h": 20, "u": "images/", "p": "a.png", "e": 0}
    raw = document(layer(2, refId="p"), assets=[asset])
    found = Animation.parse(raw, assets=MappingAssets({"a.png": png(4, 4)}))
    assert at(draw(found), 10, 10) == RED
    missing = Animation.parse(raw)
    assert [u.name for u in missing.unsupported] == ["missing picture 'a.png'"]
    assert not draw(missing).any()


@pytest.mark.parametrize(
    "data", [b"", b"no picture", png(8, 8)[:40], b"\x89PNG\r\n\x1a\n" + b"\0" * 50]
)
def test_broken_pictures_are_named(data: bytes) -> None:
    asset = {"id": "p", "w": 20, "h": 20, "p": data_uri(data), "e": 1}
    with pytest.raises(LottieAssetError) as caught:
        Animation.parse(document(layer(2, refId="p"), assets=[asset]))
    assert caught.value.pointer == "/assets/0"


def test_huge_pictures_are_refused_by_their_header() -> None:
    asset = {"id": "p", "w": 20, "h": 20, "p": data_uri(png(60, 60)), "e": 1}
    with pytest.raises(LottieLimitError):
        Animation.parse(
            document(layer(2, refId="p"), assets=[asset]), limits=Limits(image_pixels=3599)
        )


@pytest.mark.parametrize(
    ("value", "source", "target"),
    [
        (ImageValue(b""), (50, 0, 100, 100), (0, 0, 10, 10)),
        (ImageValue(b"", focus_x=0), (0, 0, 100, 100), (0, 0, 10, 10)),
        (ImageValue(b"", focus_x=1, zoom=2), (150, 25, 50, 50), (0, 0, 10, 10)),
        (ImageValue(b"", fit="contain"), (0, 0, 200, 100), (0, 2.5, 10, 5)),
    ],
)
def test_framing_of_a_customers_picture(
    value: ImageValue, source: tuple[float, ...], target: tuple[float, ...]
) -> None:
    boxes = frame_picture(200, 100, 10, 10, value)
    assert [(b.x(), b.y(), b.width(), b.height()) for b in boxes] == [
        pytest.approx(source),
        pytest.approx(target),
    ]


def test_auto_orient_turns_along_the_way() -> None:
    way = moving((0, [32, 10]), (60, [32, 50]))
    raw = document(shapes(group(rect(0, 0, 30, 4), fill(1, 0, 0)), ao=1, ks=transform(p=way)))
    out = draw(raw, 30)
    assert at(out, 32, 30 + 12) == RED
    assert at(out, 32 + 12, 30) == CLEAR


# --- effects -------------------------------------------------------------------------------------


def test_blur_spreads_evenly_and_by_direction() -> None:
    def spread(*values: object) -> tuple[int, int]:
        raw = document(shapes(group(rect(32, 32, 20, 20), fill(1, 0, 0)), ef=[effect(29, *values)]))
        out = draw(raw)
        return at(out, 32 + 13, 32)[3], at(out, 32, 32 + 13)[3]

    both = spread(10, 1, 0)
    assert both[0] == pytest.approx(both[1], abs=2)
    assert both[0] > 20
    assert spread(10, 2, 0)[1] == 0
    assert spread(10, 3, 0)[0] == 0
    assert spread(0, 1, 0) == (0, 0)


def test_blur_of_vector_layers_does_not_grow_with_them() -> None:
    def edge(scale: float) -> list[int]:
        shape = group(rect(0, 0, 40 / scale, 40 / scale), fill(1, 0, 0))
        ks = transform(p=still([32, 32]), s=still([scale * 100, scale * 100]))
        out = draw(document(shapes(shape, ks=ks, ef=[effect(29, 12, 1, 0)])))
        return [at(out, x, 32)[3] for x in range(44, 62, 3)]

    assert edge(2) == pytest.approx(edge(1), abs=3)


def test_a_wide_blur_drawn_small_is_the_gaussian() -> None:
    size, sigma = 200, 12.0
    raw = document(
        shapes(group(rect(100, 100, 80, 4000), fill(1, 1, 1)), ef=[effect(29, sigma / 0.3, 1, 0)]),
        size=size,
    )
    out = draw(raw, size=size)
    for x in range(20, 180, 4):
        left, right = (x + 0.5 - 60) / sigma, (x + 0.5 - 140) / sigma
        expected = 127.5 * (erf(left / sqrt(2)) - erf(right / sqrt(2)))
        assert at(out, x, 100)[3] == pytest.approx(expected, abs=4), x


@pytest.mark.parametrize("softness", [0, 5, 30])
def test_drop_shadow_falls_in_its_direction(softness: float) -> None:
    shadow = effect(25, [0, 0, 1, 1], 255, 90, 20, softness, 0)
    out = draw(document(shapes(group(rect(20, 32, 16, 16), fill(1, 0, 0)), ef=[shadow])))
    assert at(out, 20, 32)[0] > 240
    right, left = at(out, 42, 32), at(out, 4, 32)
    assert right[2] > 40
    assert right[0] == 0
    assert left[3] < right[3] / 4


def test_shadow_only_and_layer_opacity() -> None:
    shape = group(rect(20, 32, 16, 16), fill(1, 0, 0))
    only = draw(document(shapes(shape, ef=[effect(25, [0, 0, 1, 1], 255, 90, 20, 0, 1)])))
    assert at(only, 20, 32) == CLEAR
    assert at(only, 40, 32) == BLUE
    faded = draw(
        document(
            shapes(
                shape, ef=[effect(25, [0, 0, 1, 1], 255, 90, 20, 20, 0)], ks=transform(o=still(50))
            )
        )
    )
    assert at(faded, 20, 32)[3] == pytest.approx(128, abs=2)


def test_shadow_style() -> None:
    style = {
        "ty": 1,
        "c": still([0, 0, 0, 1]),
        "o": still(100),
        "a": still(180),
        "d": still(20),
        "s": still(0),
    }
    out = draw(document(shapes(group(rect(20, 32, 16, 16), fill(1, 0, 0)), sy=[style])))
    assert at(out, 40, 32) == (0, 0, 0, 255), "light from the left, shadow to the right"


def one_color(
    kind: int, *values: object, color: str = "#336699", name: str = ""
) -> tuple[int, ...]:
    return at(draw(document(full(color, ef=[effect(kind, *values, name=name)]))), 5, 5)


def test_color_effects() -> None:
    assert one_color(21, 0, 0, [0, 1, 0, 1], 0, 0, 0, 1) == GREEN
    assert one_color(20, [0, 0, 0, 1], [1, 0, 0, 1], 100)[1:3] == (0, 0)
    assert one_color(20, [0, 0, 0, 1], [1, 0, 0, 1], 0)[:3] == (0x33, 0x66, 0x99)
    tones = [[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 1], 0]
    assert one_color(23, *tones, color="#808080")[:3] == pytest.approx((255, 1, 1), abs=2)
    assert one_color(23, *tones, color="#ffffff") == WHITE
    assert one_color(5, 1, 0, name="ADBE Invert")[:3] == (0xCC, 0x99, 0x66)
    pro = [0] * 3 + [0.2, 0.8, 1, 0, 1]
    assert one_color(24, *pro, color="#808080")[0] == pytest.approx(128, abs=2)
    assert one_color(24, *pro, color="#303030")[0] == 0


def test_disabled_effects_and_controls_do_nothing_and_strange_ones_are_reported() -> None:
    off = effect(21, 0, 0, [0, 1, 0, 1], 0, 0, 0, 1) | {"en": 0}
    slider = effect(5, 10, name="ADBE Slider Control")
    strange = effect(5, 10, name="CC Kaleida")
    animation = Animation.parse(document(full("#ff0000", ef=[off, slider, strange])))
    assert at(draw(animation), 5, 5) == RED
    assert [u.name for u in animation.unsupported] == ["effect CC Kaleida"]


# --- references that must not hang or crash ----------------------------------------------------


def test_precomp_cycles_are_named() -> None:
    comps = [
        {"id": "a", "layers": [layer(0, refId="b", w=64, h=64)]},
        {"id": "b", "layers": [layer(0, refId="a", w=64, h=64)]},
    ]
    with pytest.raises(PrecompCycleError) as caught:
        Animation.parse(document(layer(0, refId="a", w=64, h=64), assets=comps))
    assert caught.value.code == "lottie_cycle"


def test_a_billion_laughs_are_not_drawn() -> None:
    comps = [
        {"id": f"c{n}", "layers": [layer(0, refId=f"c{n + 1}", w=64, h=64) for _ in range(10)]}
        for n in range(9)
    ]
    comps.append({"id": "c9", "layers": [full("#ff0000")]})
    with pytest.raises(LottieLimitError):
        Animation.parse(document(layer(0, refId="c0", w=64, h=64), assets=comps))


def test_rings_of_parents_and_mattes_are_named() -> None:
    with pytest.raises(PrecompCycleError):
        Animation.parse(document(full("#fff", ind=1, parent=2), full("#fff", ind=2, parent=1)))
    with pytest.raises(PrecompCycleError):
        Animation.parse(document(full("#fff", ind=1, tt=1, tp=2), full("#fff", ind=2, tt=1, tp=1)))
    with pytest.raises(PrecompCycleError):
        Animation.parse(document(full("#fff", ind=1, parent=1)))


@pytest.mark.parametrize("member", ["parent", "tp"])
def test_long_chains_are_named(member: str) -> None:
    def chain(count: int) -> Raw:
        layers = [
            full("#fff", ind=n, tt=int(member == "tp"), **{member: n + 1}) for n in range(count)
        ]
        return document(*layers, full("#fff", ind=count))

    Animation.parse(chain(20))
    with pytest.raises(LottieLimitError):
        Animation.parse(chain(120))


def test_missing_references() -> None:
    with pytest.raises(InvalidLottieError) as caught:
        Animation.parse(document(layer(0, refId="nowhere")))
    assert caught.value.pointer == "/layers/0/refId"
    animation = Animation.parse(document(full("#ff0000", parent=9, tt=1)))
    assert [u.name for u in animation.unsupported] == [
        "parent that does not exist",
        "matte that does not exist",
    ]


def test_cameras_and_turns_out_of_the_plane_are_reported() -> None:
    animation = Animation.parse(
        document(layer(13), full("#ff0000", ks=transform(rx=still(30), ry=still(0))))
    )
    assert [u.name for u in animation.unsupported] == ["camera", "3D rotation"]


# --- speed that must not show ------------------------------------------------------------------


def test_frames_do_not_depend_on_which_came_before() -> None:
    shadow = effect(25, [0, 0, 0, 1], 128, 135, 5, 20, 0)
    raw = document(
        shapes(
            group(ellipse(0, 0, 20, 20), fill(1, 1, 0)),
            ks=transform(p=moving((10, [10, 10]), (30, [50, 50]))),
            ef=[shadow],
        ),
        full("#446688", ef=[effect(29, 30, 1, 0)]),
        full("#ff00ff", ip=20, op=40),
    )
    forward = Animation.parse(raw)
    frames = [0, 5, 10, 15, 20, 25, 35, 45, 59]
    ordered = {f: draw(forward, f) for f in frames}
    for f in [45, 0, 59, 20, 5, 35, 10]:
        assert np.array_equal(draw(Animation.parse(raw), f), ordered[f]), f
        assert np.array_equal(draw(forward, f), ordered[f]), f


def test_what_stands_is_drawn_once_per_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    from flatrender_render.engines.lottie.layers import Layer

    raw = document(
        full("#446688", ef=[effect(29, 4, 1, 0)], ks=transform(o=moving((20, 0), (30, 100))))
    )
    animation = Animation.parse(raw)
    drawn: list[float] = []
    original = Layer.draw

    def counting(self: Layer, canvas: skia.Canvas, frame: float) -> None:
        drawn.append(frame)
        original(self, canvas, frame)

    monkeypatch.setattr(Layer, "draw", counting)
    for frame in range(0, 60):
        draw(animation, frame)
    assert sum(f < 20 for f in drawn) == 1
    assert sum(20 <= f < 30 for f in drawn) == 10
    assert sum(f >= 30 for f in drawn) == 1
