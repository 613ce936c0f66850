"""Remembered pictures and text boxes: where a thing was met first must not show."""

from typing import Any

import msgspec
import numpy as np
import pytest
import skia

from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.text import FontBook, TextBox, TextStyle, layout
from flatrender_render.engines.lottie.transitions import Stage, draw_transition, vector_of

SIZE = 120


def _prop(value: object) -> dict[str, object]:
    return {"a": 0, "k": value}


def _scene() -> Animation:
    """A still scene with a gradient and a soft edge, which is worth remembering."""
    shape: list[dict[str, Any]] = [
        {"ty": "el", "p": _prop([60.3, 50.7]), "s": _prop([151.0, 77.0])},
        {
            "ty": "gf",
            "o": _prop(80),
            "r": 1,
            "t": 2,
            "g": {"p": 2, "k": _prop([0, 1, 0.2, 0.1, 1, 0, 0.3, 0.9])},
            "s": _prop([60, 50]),
            "e": _prop([130, 50]),
        },
    ]
    place = {"o": _prop(100), "r": _prop(11), "p": _prop([0.4, 0.2]), "a": _prop([0, 0])}
    blur = {"ty": 29, "ef": [{"ty": 0, "v": _prop(3)}, {"ty": 7, "v": _prop(1)}]}
    layer = {
        "ty": 4,
        "ind": 1,
        "ip": 0,
        "op": 90,
        "st": 0,
        "ks": {**place, "s": _prop([100, 100])},
        "shapes": shape,
        "ef": [blur],
    }
    head = {"v": "5.12.0", "fr": 30, "ip": 0, "op": 90, "w": SIZE, "h": SIZE, "layers": [layer]}
    return Animation.parse(msgspec.json.encode(head))


def _at(animation: Animation, dx: float, dy: float = 0.0) -> np.ndarray[Any, Any]:
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    info = skia.ImageInfo.Make(SIZE, SIZE, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    canvas = skia.Surface.MakeRasterDirect(info, pixels).getCanvas()
    canvas.translate(dx, dy)
    animation.draw(canvas, 10)
    return pixels


@pytest.mark.parametrize("dx", [0.0, 40.0, -40.0, 200.0, 12.5])
def test_pictures_do_not_depend_on_where_they_were_met_first(dx: float) -> None:
    travelled = _scene()
    for first in (-90.0, 7.0, 33.0, 0.0):
        _at(travelled, first)
    assert np.array_equal(_at(travelled, dx), _at(_scene(), dx))


def test_whole_pixels_move_the_same_picture() -> None:
    still = _at(_scene(), 0)
    moved = _at(_scene(), 30, 10)
    assert still.any()
    assert np.array_equal(moved[10:, 30:], still[:-10, :-30])
    assert not moved[:, :30].any()  # nothing shows outside of the composition


def test_one_picture_serves_every_whole_pixel() -> None:
    # What is kept is the guarantee here: a scene that slides must not be drawn anew each frame.
    animation = _scene()
    for dx in (0.0, -90.0, 7.0, 33.0, 100.0):
        _at(animation, dx)
    assert len(animation._composition._stills._kept) == 1


@pytest.mark.parametrize("vertical", [0.0, 0.5, 1.0])
def test_lines_stand_where_the_box_says(vertical: float) -> None:
    style = TextStyle(family="Inter", style="Bold", size=20, ascent=0.75, leading=30)
    for text, lines in (("one", 1), ("one\rtwo", 2)):
        box = TextBox(0, 100, 300, 200, vertical)
        found = layout(text, style, box, FontBook())
        assert len(found.lines) == lines
        above = found.lines[0].baseline - 0.75 * 20 - 100
        below = 300 - (found.lines[-1].baseline + 0.18 * 20)
        assert above == pytest.approx((above + below) * vertical, abs=1e-6)


def test_without_a_word_on_it_the_first_baseline_is_after_effects() -> None:
    style = TextStyle(family="Inter", style="Bold", size=20, ascent=0.75)
    found = layout("one", style, TextBox(0, 100, 300, 200), FontBook())
    assert found.lines[0].baseline == pytest.approx(115)


@pytest.mark.parametrize("direction", ["left", "right", "up", "down"])
def test_wipe_reveals_all_from_nothing_with_one_soft_edge(direction: Any) -> None:
    shares = []
    for progress in (0.0, 0.3, 0.5, 0.7, 1.0):
        surface = skia.Surface(100, 60)
        stage = Stage(
            canvas=surface.getCanvas(),
            width=100,
            height=60,
            before=lambda c: c.clear(skia.ColorBLACK),
            after=lambda c: c.drawColor(skia.ColorWHITE),
            vector=vector_of(direction, "ltr"),
            color=0,
        )
        draw_transition(stage, "wipe", progress)
        picture = surface.makeImageSnapshot().toarray()[..., 0].astype(float) / 255
        line = picture.mean(axis=0 if direction in {"left", "right"} else 1)
        steps = np.diff(line if direction in {"left", "up"} else line[::-1])
        assert (steps >= -1e-9).all()  # light where the edge has passed, in one slope
        shares.append(picture.mean())
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
