"""Shapes, modifiers and styles, looked at as pixels."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import skia

from flatrender.testing.lottie_files import (
    contour,
    document,
    ellipse,
    fill,
    group,
    moving,
    path,
    rect,
    shapes,
    square,
    still,
    stroke,
    transform,
)
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.bezier import Bezier
from flatrender_render.engines.lottie.limits import Limits
from flatrender_render.engines.lottie.modifiers.round_corners import rounded
from flatrender_render.engines.lottie.modifiers.trim import ranges_of
from flatrender_render.engines.lottie.outline import Outline, contours_of
from flatrender_render.engines.lottie.reader import Document, Obj
from flatrender_render.engines.lottie.shapes.content import ShapeContent
from flatrender_render.engines.lottie.shapes.gradients import parse_stops, with_midpoints
from flatrender_render.engines.lottie.shapes.primitives import ellipse as ellipse_contour
from flatrender_render.engines.lottie.shapes.primitives import rectangle, reversed_contour
from flatrender_render.engines.lottie.shapes.tree import DrawGroup

Raw = dict[str, Any]


def pixels(*items: Raw, frame: float = 0, size: int = 64) -> Any:
    """Draw shape items on a transparent square; RGBA, premultiplied."""
    animation = Animation.parse(document(shapes(*items), size=size))
    out = np.zeros((size, size, 4), np.uint8)
    info = skia.ImageInfo.Make(size, size, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    animation.draw(skia.Surface.MakeRasterDirect(info, out).getCanvas(), frame)
    return out


def at(picture: Any, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(v) for v in picture[y, x])


RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
CLEAR = (0, 0, 0, 0)


def test_first_item_is_on_top() -> None:
    out = pixels(
        group(rect(32, 32, 20, 20), fill(1, 0, 0)), group(rect(32, 32, 40, 40), fill(0, 1, 0))
    )
    assert at(out, 32, 32) == RED
    assert at(out, 16, 32) == GREEN


def test_a_style_paints_outlines_above_it_in_its_group_and_nested_ones() -> None:
    out = pixels(
        group(rect(10, 10, 10, 10)),
        rect(30, 10, 10, 10),
        fill(1, 0, 0),
        rect(50, 10, 10, 10),
    )
    assert at(out, 10, 10) == RED
    assert at(out, 30, 10) == RED
    assert at(out, 50, 10) == CLEAR


def test_fill_rules() -> None:
    rings = [path(square(4, 4, 40)), path(square(14, 14, 20))]
    assert at(pixels(*rings, fill(1, 0, 0)), 24, 24) == RED
    assert at(pixels(*rings, {**fill(1, 0, 0), "r": 2}), 24, 24) == CLEAR


def test_hidden_items_are_left_out() -> None:
    assert not pixels(rect(32, 32, 20, 20), {**fill(1, 0, 0), "hd": True}).any()


def test_group_transform_moves_turns_and_fades_as_one() -> None:
    two = [rect(0, 0, 20, 20), fill(1, 0, 0)]
    out = pixels(group(*two, p=still([32, 32]), s=still([50, 100]), r=still(90)))
    assert at(out, 24, 32) == RED  # the long side now lies flat
    assert at(out, 32, 24) == CLEAR
    faded = pixels(
        group(
            rect(0, 0, 20, 20),
            fill(1, 0, 0),
            rect(0, 0, 20, 20),
            fill(0, 0, 1),
            p=still([32, 32]),
            o=still(50),
        )
    )
    assert at(faded, 32, 32)[2] <= 1, "what lies beneath must not shine through"
    assert at(faded, 32, 32)[3] == pytest.approx(128, abs=1)


def test_anchor_is_the_fixed_point() -> None:
    out = pixels(
        group(rect(0, 0, 10, 10), fill(1, 0, 0), a=still([20, 0]), p=still([32, 32]), r=still(180))
    )
    assert at(out, 52, 32) == RED


def test_skew_leans_along_its_axis() -> None:
    out = pixels(
        group(rect(0, 0, 10, 40), fill(1, 0, 0), p=still([32, 32]), sk=still(45), sa=still(0))
    )
    assert at(out, 32 + 15, 32 - 15) == RED
    assert at(out, 32 - 15, 32 - 15) == CLEAR


def test_stroke_width_caps_and_zero_width() -> None:
    line = path([[20, 32], [44, 32]], closed=False)
    assert at(pixels(line, stroke(1, 0, 0, 8)), 32, 35) == RED
    assert at(pixels(line, stroke(1, 0, 0, 8)), 17, 32) == CLEAR
    assert at(pixels(line, stroke(1, 0, 0, 8, lc=3)), 17, 32) == RED
    assert not pixels(line, stroke(1, 0, 0, 0)).any(), "no hairline"


def test_joins_and_mitre_limit() -> None:
    corner = path([[12, 52], [32, 12], [52, 52]], closed=False)
    tip = (32, 5)
    assert at(pixels(corner, stroke(1, 0, 0, 8, lj=1, ml=10)), *tip)[3] > 200
    assert at(pixels(corner, stroke(1, 0, 0, 8, lj=1, ml=1)), *tip) == CLEAR
    assert at(pixels(corner, stroke(1, 0, 0, 8, lj=3)), *tip) == CLEAR


def test_dashes_with_offset() -> None:
    line = path([[0, 32], [64, 32]], closed=False)
    dash = [{"n": "d", "v": still(8)}, {"n": "g", "v": still(8)}]
    out = pixels(line, stroke(1, 0, 0, 4, d=dash))
    assert [at(out, x, 32)[3] for x in (4, 12, 20, 28)] == [255, 0, 255, 0]
    moved = pixels(line, stroke(1, 0, 0, 4, d=[*dash, {"n": "o", "v": still(8)}]))
    assert [at(moved, x, 32)[3] for x in (4, 12, 20, 28)] == [0, 255, 0, 255]


def test_countless_dashes_become_a_solid_line() -> None:
    line = path([[0, 32], [1e6, 32]], closed=False)
    dash = [{"n": "d", "v": still(0.01)}, {"n": "g", "v": still(0.01)}]
    assert at(pixels(line, stroke(1, 0, 0, 4, d=dash)), 32, 32) == RED


def test_linear_gradient_and_alpha_stops() -> None:
    colors = [0, 1, 0, 0, 1, 0, 0, 1]
    style: Raw = {
        "ty": "gf",
        "o": still(100),
        "s": still([0, 0]),
        "e": still([64, 0]),
        "t": 1,
        "r": 1,
    }
    out = pixels(rect(32, 32, 64, 64), {**style, "g": {"p": 2, "k": still(colors)}})
    assert at(out, 0, 32)[0] > 250
    assert at(out, 32, 32)[:3] == pytest.approx((126, 0, 129), abs=3)
    seen = pixels(rect(32, 32, 64, 64), {**style, "g": {"p": 2, "k": still([*colors, 0, 0, 1, 1])}})
    assert [at(seen, x, 32)[3] for x in (0, 32, 63)] == pytest.approx([2, 129, 253], abs=3)


def test_radial_gradient_with_highlight_is_brightest_at_the_highlight() -> None:
    style: Raw = {
        "ty": "gf",
        "o": still(100),
        "s": still([32, 32]),
        "e": still([62, 32]),
        "t": 2,
        "r": 1,
        "g": {"p": 2, "k": still([0, 1, 1, 1, 1, 0, 0, 0])},
    }
    plain = pixels(rect(32, 32, 64, 64), style)[..., 0]
    lit = pixels(rect(32, 32, 64, 64), {**style, "h": still(60), "a": still(90)})[..., 0]
    assert np.unravel_index(plain.argmax(), plain.shape)[0] == pytest.approx(32, abs=1)
    assert np.unravel_index(lit.argmax(), lit.shape)[0] == pytest.approx(32 + 18, abs=2)


def test_stops_are_merged_from_both_lists() -> None:
    colors, offsets = parse_stops((0, 1, 0, 0, 1, 0, 0, 1, 0.5, 0.5, 1, 1), 2)
    assert offsets == [0, 0.5, 1]
    assert [c >> 24 for c in colors] == [128, 128, 255]
    assert colors[1] & 0xFFFFFF == 0x800080


def test_hard_edges_keep_both_stops() -> None:
    colors, offsets = parse_stops((0, 1, 0, 0, 0.5, 1, 0, 0, 0.5, 0, 0, 1, 1, 0, 0, 1), 4)
    assert offsets == [0, 0.5, 0.5, 1]
    assert colors[1] != colors[2]


def test_a_midpoint_off_centre_bends_the_way_and_passes_through_it() -> None:
    bent = with_midpoints([(0.0, (0.0,)), (0.2, (0.5,)), (1.0, (1.0,))])
    assert len(bent) > 3
    nearest = min(bent, key=lambda s: abs(s[0] - 0.2))
    assert nearest[1][0] == pytest.approx(0.5, abs=0.08)
    assert all(b[1][0] >= a[1][0] for a, b in pairwise(bent))
    plain = [(0.0, (0.0,)), (0.2, (0.9,)), (1.0, (1.0,))]
    assert with_midpoints(plain) == plain


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((0, 100, 0), None),
        ((100, 0, 0), None),
        ((40, 40, 10), []),
        ((10, 60, 0), [(0.1, 0.6)]),
        ((60, 10, 0), [(0.1, 0.6)]),
        ((50, 100, 90), [(0.75, 1.0), (0.0, 0.25)]),
        ((0, 50, -90), [(0.75, 1.0), (0.0, 0.25)]),
        ((0, 50, 720), [(0.0, 0.5)]),
        ((-50, 150, 0), None),
    ],
)
def test_trim_ranges(given: tuple[float, float, float], expected: object) -> None:
    got = ranges_of(*given)
    if isinstance(expected, list) and got is not None:
        assert [pytest.approx(r) for r in expected] == got
    else:
        assert got == expected


def lengths(*items: Raw, frame: float = 0) -> list[float]:
    """Return the length of each drawn outline."""
    content = ShapeContent(Obj(shapes(*items), Document(Limits())))
    found = []
    for ref, _ in content.root.evaluate(frame)[0]:
        measure = skia.PathMeasure(ref.outline.path, False)
        total = measure.getLength()
        while measure.nextContour():
            total += measure.getLength()
        found.append(total)
    return found


def trim(start: float, end: float, offset: float = 0, mode: int = 1) -> Raw:
    return {"ty": "tm", "s": still(start), "e": still(end), "o": still(offset), "m": mode}


def test_trim_simultaneously_and_individually() -> None:
    lines = [path([[0, 0], [30, 0]], closed=False), path([[0, 5], [10, 5]], closed=False)]
    assert lengths(*lines, trim(0, 50)) == pytest.approx([15, 5])
    assert lengths(*lines, trim(0, 50, mode=2)) == pytest.approx([20, 0])
    assert lengths(*lines, trim(50, 100, mode=2)) == pytest.approx([10, 10])


def test_trim_over_the_seam_is_one_line() -> None:
    square_path = path(square(10, 10, 20))
    content = ShapeContent(Obj(shapes(square_path, trim(0, 50, 315)), Document(Limits())))
    ref = content.root.evaluate(0)[0][0][0]
    assert len(contours_of(ref.outline.path)) == 1
    assert lengths(square_path, trim(0, 50, 315)) == pytest.approx([40])


def test_a_modifier_reaches_styles_of_nested_groups() -> None:
    inner = group(path([[0, 32], [64, 32]], closed=False), stroke(1, 0, 0, 4))
    out = pixels(inner, trim(0, 50))
    assert at(out, 16, 32) == RED
    assert at(out, 48, 32) == CLEAR


def test_a_modifier_works_in_the_space_of_its_own_group() -> None:
    # Doubled by its group, the square is 40 wide; a radius of 20 outside makes it a circle.
    inner = group(rect(0, 0, 20, 20), fill(1, 0, 0), s=still([200, 200]), p=still([32, 32]))
    out = pixels(inner, {"ty": "rd", "r": still(20)})
    assert at(out, 32, 13) == RED
    assert at(out, 16, 16) == CLEAR


def test_round_corners_cut_at_most_half_a_side() -> None:
    corners = Bezier(tuple(v for x, y in square(0, 0, 10) for v in (x, y, 0, 0, 0, 0)), True)
    done = rounded(corners, 100)
    assert len(done) == 8
    assert done.data[:2] == (0, 5)  # type: ignore[comparison-overlap]  # floats and ints compare


def test_round_corners_leave_curves_and_open_ends() -> None:
    circle = ellipse_contour((0, 0), (10, 10))[0]
    assert rounded(circle, 3) == circle
    line = Bezier((0, 0, 0, 0, 0, 0, 5, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0), False)
    assert rounded(line, 1).data[:6] == line.data[:6]


def area(*items: Raw) -> float:
    """Return the painted area in pixels of red, opaque items."""
    return float(pixels(*items)[..., 3].sum()) / 255


def test_bloat_swells_sides_and_pulls_corners_in_pucker_the_reverse() -> None:
    def look(amount: float) -> tuple[int, int]:
        out = pixels(path(square(22, 22, 20)), {"ty": "pb", "a": still(amount)}, fill(1, 0, 0))
        return at(out, 23, 23)[3], at(out, 32, 21)[3]  # in a corner, beyond the middle of a side

    assert look(0) == (255, 0)
    assert look(40) == (0, 255)
    corner, side = look(-40)
    assert corner == 255
    assert side == 0
    assert area(path(square(22, 22, 20)), {"ty": "pb", "a": still(-40)}, fill(1, 0, 0)) < 400


def test_offset_grows_and_shrinks() -> None:
    square_path = path(square(22, 22, 20))
    for amount, expected in ((5, 30 * 30), (-5, 10 * 10)):
        offset = {"ty": "op", "a": still(amount), "lj": 1, "ml": still(4)}
        assert area(square_path, offset, fill(1, 0, 0)) == pytest.approx(expected, rel=0.02)


def test_zig_zag_adds_ridges_evenly() -> None:
    line = path([[0, 32], [60, 32]], closed=False)
    zigzag = {"ty": "zz", "s": still(10), "r": still(5), "pt": still(1)}
    content = ShapeContent(Obj(shapes(line, zigzag), Document(Limits())))
    contour_ = content.root.evaluate(0)[0][0][0].outline.contours[0]
    xs, ys = contour_.data[0::6], contour_.data[1::6]
    assert xs == pytest.approx([0, 10, 20, 30, 40, 50, 60])
    assert [y > 32 for y in ys] == [True, False] * 3 + [True]


def test_twist_turns_the_middle_and_holds_the_rim() -> None:
    line = path([[32, 32], [32, 22], [32, 2]], closed=False)
    twist = {"ty": "tw", "a": still(90), "c": still([32, 32])}
    content = ShapeContent(Obj(shapes(line, twist), Document(Limits())))
    data = content.root.evaluate(0)[0][0][0].outline.contours[0].data
    spots = list(zip(data[0::6], data[1::6], strict=True))
    assert spots[0] == pytest.approx((32, 32))
    assert spots[-1] == pytest.approx((32, 2))
    turned = math.radians(60)  # a third of the way out, two thirds of the turn
    assert spots[4] == pytest.approx((32 + 10 * math.sin(turned), 32 - 10 * math.cos(turned)))


@pytest.mark.parametrize(
    ("mode", "left", "middle", "right"),
    [(1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 0, 0), (4, 0, 1, 0), (5, 1, 0, 1)],
)
def test_merge_modes(mode: int, left: int, middle: int, right: int) -> None:
    out = pixels(
        path(square(10, 20, 20)), path(square(20, 20, 20)), {"ty": "mm", "mm": mode}, fill(1, 0, 0)
    )
    assert [at(out, x, 30)[3] // 255 for x in (14, 25, 36)] == [left, middle, right]


def repeat(copies: float, **more: Any) -> Raw:
    tr = transform(so=still(100), eo=still(100), **more.pop("tr", {}))
    return {"ty": "rp", "c": still(copies), "o": still(0), "m": 1, "tr": tr, **more}


def test_repeater_copies_moved_turned_and_scaled() -> None:
    out = pixels(rect(8, 8, 8, 8), fill(1, 0, 0), repeat(4, tr={"p": still([14, 0])}))
    assert [at(out, x, 8)[3] for x in (8, 22, 36, 50)] == [255] * 4
    scaled = pixels(
        group(
            rect(0, 0, 40, 40),
            fill(1, 0, 0),
            repeat(2, tr={"s": still([50, 50]), "p": still([0, 30])}),
            p=still([32, 20]),
        )
    )
    assert at(scaled, 32, 55) == RED
    assert at(scaled, 20, 55) == CLEAR


def test_repeater_opacity_runs_from_start_to_end() -> None:
    item = repeat(3, tr={"p": still([20, 0])})
    item["tr"].update(so=still(100), eo=still(0))
    out = pixels(rect(8, 8, 8, 8), fill(1, 0, 0), item)
    assert [at(out, x, 8)[3] for x in (8, 28, 48)] == pytest.approx([255, 128, 0], abs=1)


@pytest.mark.parametrize(("mode", "top"), [(1, 0), (2, 40)])
def test_repeater_stacks_later_copies_below_or_above(mode: int, top: float) -> None:
    item = repeat(3, tr={"p": still([20, 0])}, m=mode)
    content = ShapeContent(Obj(shapes(rect(8, 8, 8, 8), fill(1, 0, 0), item), Document(Limits())))
    first = content.root.evaluate(0)[1][0]
    assert isinstance(first, DrawGroup)
    assert first.matrix[4] == top


def test_styles_below_a_repeater_paint_all_copies_once() -> None:
    out = pixels(rect(12, 12, 10, 10), repeat(3, tr={"p": still([18, 0])}), fill(0, 0, 1))
    assert [at(out, x, 12) for x in (12, 30, 48)] == [BLUE] * 3


def test_modifiers_after_a_repeater_change_each_copy() -> None:
    line = path([[4, 10], [24, 10]], closed=False)
    out = pixels(line, stroke(1, 0, 0, 4), repeat(2, tr={"p": still([30, 0])}), trim(0, 50))
    assert [at(out, x, 10)[3] for x in (8, 20, 38, 50)] == [255, 0, 255, 0]


def test_copies_are_limited() -> None:
    item = repeat(1e6, tr={"p": still([1, 0])})
    content = ShapeContent(
        Obj(shapes(rect(0, 0, 4, 4), fill(1, 0, 0), item), Document(Limits(repeater_copies=7)))
    )
    assert len(content.root.evaluate(0)[0]) == 7


def test_primitives_begin_where_after_effects_begins() -> None:
    assert rectangle((0, 0), (10, 20), 0)[0].data[:2] == (5, -10)
    assert rectangle((0, 0), (10, 20), 2)[0].data[:2] == (5, -8)
    assert ellipse_contour((0, 0), (10, 20))[0].data[:2] == (0, -10)


def test_direction_three_reverses_and_keeps_the_first_vertex() -> None:
    box = rectangle((0, 0), (10, 20), 0)[0]
    back = reversed_contour(box)
    assert back.data[:2] == box.data[:2]
    assert back.data[6:8] == box.data[18:20]
    assert lengths({**rect(30, 30, 20, 10), "d": 3}, trim(0, 50)) == pytest.approx([30])


def test_ellipse_is_round() -> None:
    out = pixels(ellipse(32, 32, 40, 40), fill(1, 0, 0))
    assert float(out[..., 3].sum()) / 255 == pytest.approx(math.pi * 400, rel=0.005)


def test_outline_survives_the_way_through_skia() -> None:
    start = Bezier((0, 0, 0, 0, 5, 0, 10, 10, 0, -5, 0, 0, 0, 10, 0, 0, 0, 0), True)
    back = contours_of(Outline((start,)).path)
    assert len(back) == 1
    assert back[0].closed
    assert back[0].data == pytest.approx(start.data)


def test_moving_path() -> None:
    a, b = contour(square(0, 0, 10)), contour(square(40, 40, 10))
    shape = {"ty": "sh", "ks": moving((0, [a]), (10, [b]))}
    assert at(pixels(shape, fill(1, 0, 0), frame=5), 25, 25) == RED


def test_unknown_items_are_reported() -> None:
    animation = Animation.parse(document(shapes({"ty": "wiggle"}, rect(0, 0, 1, 1))))
    assert [u.name for u in animation.unsupported] == ["shape 'wiggle'"]
    assert animation.unsupported[0].where == "layer 4: /layers/0/shapes/0"
