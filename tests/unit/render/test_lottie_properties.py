"""Properties at a time: interpolation, holds, easing, spatial paths, old files."""

import math
from typing import Any

import pytest

from flatrender_render.engines.lottie import properties as p
from flatrender_render.engines.lottie.errors import InvalidLottieError, LottieLimitError
from flatrender_render.engines.lottie.limits import Limits
from flatrender_render.engines.lottie.reader import Document, Obj


def obj(raw: dict[str, Any], limits: Limits | None = None) -> Obj:
    return Obj(raw, Document(limits or Limits()))


LINEAR = {"i": {"x": 1, "y": 1}, "o": {"x": 0, "y": 0}}


def animated(*frames: dict[str, Any]) -> dict[str, Any]:
    return {"a": 1, "k": list(frames)}


def test_static_forms() -> None:
    assert p.scalar(obj({"o": {"a": 0, "k": 40}}), "o").at(3) == 40
    assert p.scalar(obj({"o": {"k": [40]}}), "o").at(3) == 40
    assert p.scalar(obj({"o": 7}), "o").at(3) == 7
    assert p.scalar(obj({}), "o", 100.0).at(3) == 100
    assert p.vector(obj({"s": {"k": [50, 60, 100]}}), "s", (100, 100)).at(0) == (50, 60, 100)
    assert p.vector(obj({"s": {"k": 50}}), "s", (100, 100)).at(0) == (50, 50)


def test_linear_scalar_and_clamping_outside() -> None:
    prop = p.scalar(obj({"o": animated({"t": 10, "s": [0], **LINEAR}, {"t": 20, "s": [100]})}), "o")
    assert not prop.static
    assert [prop.at(f) for f in (0, 10, 15, 20, 99)] == [0, 0, 50, 100, 100]


def test_hold_keeps_until_the_next_keyframe() -> None:
    prop = p.scalar(obj({"o": animated({"t": 0, "s": [1], "h": 1}, {"t": 5, "s": [2]})}), "o")
    assert [prop.at(4.999), prop.at(5)] == [1, 2]


def test_old_keyframes_with_end_values() -> None:
    prop = p.scalar(obj({"o": animated({"t": 0, "s": [1], "e": [3], **LINEAR}, {"t": 4})}), "o")
    assert [prop.at(0), prop.at(2), prop.at(4), prop.at(9)] == [1, 2, 3, 3]


def test_easing_per_dimension() -> None:
    frame = {
        "t": 0,
        "s": [0, 0],
        "o": {"x": [0.333, 0.9], "y": [0, 0]},
        "i": {"x": [0.667, 0.95], "y": [1, 1]},
    }
    prop = p.vector(obj({"s": animated(frame, {"t": 10, "s": [10, 10]})}), "s", (0.0, 0.0))
    x, y = prop.at(5)
    assert x == pytest.approx(5, abs=0.01)  # symmetric curve
    assert y < 2  # slow start


def test_easing_overshoots_in_value_only() -> None:
    frame = {"t": 0, "s": [0], "o": {"x": 0.3, "y": 0}, "i": {"x": 0.4, "y": 2.5}}
    prop = p.scalar(obj({"o": animated(frame, {"t": 10, "s": [10]})}), "o")
    assert max(prop.at(f / 10) for f in range(100)) > 10.5
    assert prop.at(10) == 10


def test_spatial_path_has_constant_speed_and_direction() -> None:
    k = 0.5522847498
    frame = {"t": 0, "s": [0, 0], "to": [0, k * 10], "ti": [-k * 10, 0], **LINEAR}
    prop = p.position(obj({"p": animated(frame, {"t": 90, "s": [10, 10]})}), "p")
    # A quarter circle around (10, 0): equal angles in equal times.
    for f in range(0, 91, 10):
        x, y = prop.at(f)
        assert math.degrees(math.atan2(y, 10 - x)) == pytest.approx(f, abs=0.2)
        dx, dy = p.direction_of(prop, f) or (0, 0)
        assert math.degrees(math.atan2(dx, dy)) == pytest.approx(f, abs=1.5)


def test_split_position() -> None:
    raw = {
        "p": {
            "s": True,
            "x": {"k": 3},
            "y": animated({"t": 0, "s": [0], **LINEAR}, {"t": 10, "s": [20]}),
        }
    }
    prop = p.position(obj(raw), "p")
    assert prop.at(5) == (3, 10)
    assert p.direction_of(prop, 5) == (0, 1)


def test_bezier_interpolates_and_uses_the_shorter_shape() -> None:
    a = {"c": True, "v": [[0, 0], [10, 0]], "i": [[0, 0]] * 2, "o": [[0, 0]] * 2}
    b = {"c": True, "v": [[0, 0], [20, 0], [5, 5]], "i": [[0, 0]] * 3, "o": [[0, 0]] * 3}
    prop = p.bezier(obj({"ks": animated({"t": 0, "s": [a], **LINEAR}, {"t": 10, "s": [b]})}), "ks")
    middle = prop.at(5)
    assert len(middle) == 2
    assert middle.closed
    assert middle.data[6:8] == (15, 0)


def test_colors_are_clamped_and_opaque() -> None:
    assert p.color(obj({"c": {"k": [2, -1, 0.5, 0]}}), "c").at(0) == (1, 0, 0.5, 1)
    assert p.color(obj({"c": {"k": "#ff8000"}}), "c").at(0) == pytest.approx((1, 128 / 255, 0, 1))


def test_expression_is_reported_not_run() -> None:
    at = obj({"o": {"k": 5, "x": "var $bm_rt = 9;"}})
    assert p.scalar(at, "o").at(0) == 5
    assert [u.name for u in at.doc.unsupported] == ["expression"]


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ({"o": {"k": "x"}}, "/o/k"),
        ({"o": {"k": {"v": 1}}}, "/o/k"),
        ({"o": {"k": []}}, "/o/k"),
        ({"o": animated({"t": "a", "s": [0]}, {"t": 1, "s": [1]})}, "/o/k/0/t"),
        ({"o": animated({"t": 0, "s": [None]}, {"t": 1, "s": [1]})}, "/o/k/0/s"),
        ({"o": animated({"t": 0}, {"t": 1, "s": [1]})}, "/o/k/0/s"),
        ({"o": {"k": float("nan")}}, "/o/k"),
        ({"o": {"k": [{"t": 0, "s": [1]}, 5]}}, "/o/k/1"),
    ],
)
def test_wrong_types_name_their_place(raw: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidLottieError) as caught:
        p.scalar(obj(raw), "o")
    assert caught.value.pointer == pointer
    assert caught.value.code == "lottie_invalid"


def test_keyframes_are_counted() -> None:
    raw = {"o": animated(*({"t": t, "s": [t]} for t in range(20)))}
    with pytest.raises(LottieLimitError):
        p.scalar(obj(raw, Limits(keyframes=10)), "o")
