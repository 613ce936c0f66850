"""Reading: headers, limits, old files, faults with their place."""

import json
import sys
from typing import Any

import numpy as np
import pytest
import skia

from flatrender.testing.lottie_files import (
    contour,
    document,
    fill,
    group,
    mask,
    path,
    rect,
    shapes,
    solid,
    square,
    still,
)
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.errors import (
    InvalidLottieError,
    LottieError,
    LottieLimitError,
)
from flatrender_render.engines.lottie.limits import Deadline, Limits
from flatrender_render.engines.lottie.reader import Document, Obj
from flatrender_render.engines.lottie.shapes.content import ShapeContent
from flatrender_render.engines.lottie.upgrade import upgrade, version_of

Raw = dict[str, Any]


def pixel(raw: Raw, x: int = 32, y: int = 32, frame: float = 0) -> tuple[int, ...]:
    out = np.zeros((64, 64, 4), np.uint8)
    info = skia.ImageInfo.Make(64, 64, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    Animation.parse(raw).draw(skia.Surface.MakeRasterDirect(info, out).getCanvas(), frame)
    return tuple(int(v) for v in out[y, x])


def simple(**more: Any) -> Raw:
    return {**document(solid("#ff0000", 64, 64)), **more}


def test_header_is_read() -> None:
    animation = Animation.parse(json.dumps(simple(w=320, h=200.4, fr=29.97, ip=2, op=90)).encode())
    assert (animation.width, animation.height) == (320, 200)
    assert (animation.fps, animation.in_frame, animation.out_frame) == (29.97, 2, 90)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"w": 0}, "/w"),
        ({"h": -5}, "/h"),
        ({"w": "wide"}, "/w"),
        ({"w": None}, "/w"),
        ({"fr": 0}, "/fr"),
        ({"fr": 1e6}, "/fr"),
        ({"op": 0}, "/op"),
        ({"layers": []}, "/layers"),
        ({"layers": {}}, "/layers"),
        ({"layers": [5]}, "/layers/0"),
        ({"assets": [None]}, "/assets/0"),
    ],
)
def test_bad_headers_name_their_place(change: Raw, pointer: str) -> None:
    with pytest.raises(InvalidLottieError) as caught:
        Animation.parse(simple(**change))
    assert caught.value.pointer == pointer
    assert pointer in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b'"x"',
        b"\xff\xfe",
        b'{"v": NaN}',
        b"null",
        b"PK\x03\x04",
        b'{"a": 1e999999}',
    ],
)
def test_what_is_no_json_object_is_named(data: bytes) -> None:
    with pytest.raises(LottieError) as caught:
        Animation.parse(data)
    assert caught.value.code == "lottie_invalid"


def test_a_byte_order_mark_is_skipped() -> None:
    assert Animation.parse(b"\xef\xbb\xbf" + json.dumps(simple()).encode()).width == 64


@pytest.mark.parametrize("depth", [150, 5_000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth_is_bounded(depth: int, brackets: str) -> None:
    opening = b"[" if brackets == "[]" else b'{"a":'
    data = b'{"x":' + opening * depth + b"1" + brackets[1].encode() * depth + b"}"
    with pytest.raises(LottieLimitError) as caught:
        Animation.parse(data)
    assert caught.value.code == "lottie_limit"


def test_objects_that_contain_themselves_are_bounded() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(LottieLimitError):
        Animation.parse(simple(extra=loop))
    ring = simple()
    ring["again"] = ring
    with pytest.raises(LottieLimitError):
        Animation.parse(ring)


@pytest.mark.parametrize(
    ("limits", "raw"),
    [
        (Limits(json_bytes=100), simple()),
        (Limits(values=20), simple()),
        (Limits(layers=1), document(solid("#fff", 1, 1), solid("#fff", 1, 1))),
        (Limits(shapes=2), document(shapes(rect(0, 0, 1, 1), rect(0, 0, 1, 1), rect(0, 0, 1, 1)))),
        (Limits(vertices=3), document(shapes(path(square(0, 0, 5))))),
        (Limits(dimension=63), simple()),
        (Limits(comp_draws=1), document(solid("#fff", 1, 1), solid("#fff", 1, 1))),
        (Limits(depth=3), simple()),
    ],
)
def test_each_limit_holds(limits: Limits, raw: Raw) -> None:
    data = json.dumps(raw).encode()
    Animation.parse(data)
    with pytest.raises(LottieLimitError):
        Animation.parse(data, limits=limits)


def test_a_frame_that_takes_too_long_ends() -> None:
    now = iter(range(1_000))
    deadline = Deadline(5.0, clock=lambda: float(next(now)))
    deadline.start()
    for _ in range(5):
        deadline.check()
    with pytest.raises(LottieLimitError):
        deadline.check()


def test_drawing_watches_its_deadline() -> None:
    animation = Animation.parse(document(solid("#fff", 4, 4)), limits=Limits(frame_seconds=-1.0))
    canvas = skia.Surface(8, 8).getCanvas()
    saves = canvas.getSaveCount()
    with pytest.raises(LottieLimitError):
        animation.draw(canvas, 0)
    assert canvas.getSaveCount() == saves


def test_each_style_of_a_shape_layer_watches_the_deadline() -> None:
    file = Document(Limits())
    raw = shapes(rect(0, 0, 9, 9), fill(1, 0, 0))
    content = ShapeContent(Obj(raw, file))
    content.draw(skia.Surface(8, 8).getCanvas(), 0, 0.5)
    late = Document(Limits(), Deadline(-1.0))
    late.deadline.start()
    with pytest.raises(LottieLimitError):
        ShapeContent(Obj(shapes(rect(0, 0, 9, 9)), late)).root.evaluate(0)
    ready = ShapeContent(Obj(raw, file))
    ready.root.evaluate(0)
    file.deadline.seconds = -1.0
    file.deadline.start()
    with pytest.raises(LottieLimitError):
        ready.draw(skia.Surface(8, 8).getCanvas(), 0, 0.5)


@pytest.mark.parametrize("frame", [float("nan"), float("inf"), -1e300])
def test_frames_that_are_no_frames(frame: float) -> None:
    with pytest.raises(InvalidLottieError):
        Animation.parse(simple()).draw(skia.Surface(8, 8).getCanvas(), frame)


def test_numbers_beyond_drawing_are_clamped() -> None:
    huge = document(shapes(rect(1e30, 0, 10**400 if sys.maxsize else 0, 5), fill(1, 0, 0)))
    with pytest.raises(InvalidLottieError):
        Animation.parse(huge)
    assert pixel(document(shapes(rect(32, 32, 1e30, 1e30), fill(1, 0, 0)))) == (255, 0, 0, 255)


# --- old files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4.1.9", (4, 1, 9)),
        ("5.7", (5, 7, 0)),
        ("4.1.0-beta", (4, 1, 0)),
        ("", (99, 0, 0)),
        (5, (99, 0, 0)),
    ],
)
def test_versions(text: object, expected: tuple[int, ...]) -> None:
    assert version_of({"v": text}) == expected


def old_color(value: object) -> Raw:
    return document(shapes(group(rect(32, 32, 64, 64), {**fill(0, 0, 0), "c": value})))


def test_colors_before_4_1_9_run_to_255() -> None:
    raw = old_color(still([255, 128, 0, 255]))
    assert pixel({**raw, "v": "4.1.8"}) == (255, 128, 0, 255)
    assert pixel({**raw, "v": "4.1.9"}) == (255, 255, 0, 255)
    keys = [
        {
            "t": 0,
            "s": [0, 0, 0, 255],
            "e": [255, 255, 255, 255],
            "i": {"x": 1, "y": 1},
            "o": {"x": 0, "y": 0},
        },
        {"t": 60},
    ]
    moving = old_color({"a": 1, "k": keys})
    assert pixel({**moving, "v": "4.0.0"}, frame=30)[0] == pytest.approx(128, abs=1)


def test_text_documents_before_4_4_14_stood_alone() -> None:
    words = {"t": "old", "f": "X", "s": 10, "fc": [0, 0, 0]}
    raw = document({"ty": 5, "t": {"d": words}}, v="4.4.13")
    assert upgrade(raw)["layers"][0]["t"]["d"] == {"k": [{"s": words, "t": 0}]}
    assert upgrade({**raw, "v": "4.4.14"}) == {**raw, "v": "4.4.14"}


def test_closed_before_4_4_18_stood_on_the_shape() -> None:
    shape = contour(square(16, 16, 32))
    del shape["c"]
    raw = document(
        solid(
            "#ff0000", 64, 64, masksProperties=[{**mask([[0, 0]]), "pt": still(shape), "cl": True}]
        ),
        shapes(
            group(
                {
                    "ty": "sh",
                    "closed": True,
                    "ks": {"k": [{"t": 0, "s": [shape], "e": [shape]}, {"t": 5}]},
                }
            )
        ),
        v="4.4.0",
    )
    new = upgrade(raw)
    assert new["layers"][0]["masksProperties"][0]["pt"]["k"]["c"] is True
    assert new["layers"][1]["shapes"][0]["it"][0]["ks"]["k"][0]["s"][0]["c"] is True
    assert "c" not in shape, "the file given is never changed"
    assert pixel(raw) == (255, 0, 0, 255)
