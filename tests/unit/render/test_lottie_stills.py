"""Remembered pictures and text boxes: where a thing was met first must not show."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
import skia
from hypothesis import example, given
from hypothesis import strategies as st

from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import DecodedPictures
from flatrender_render.engines.lottie.layers import Layer
from flatrender_render.engines.lottie.raster import Stills, wash
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


_WIDE, _HIGH = 700, 300
_CORNERS = [(3, 5, 40, 20, 0x80FF8040), (650, 260, 30, 30, 0xFF204060)]


def _surface(pixels: np.ndarray[Any, Any]) -> skia.Canvas:
    height, width = pixels.shape[:2]
    info = skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    return skia.Surface.MakeRasterDirect(info, pixels).getCanvas()


def _over_noise(drawn: Callable[[skia.Canvas], None]) -> np.ndarray[Any, Any]:
    pixels = np.random.default_rng(1).integers(0, 256, (_HIGH, _WIDE, 4), np.uint8)
    pixels[..., 3] = 255
    drawn(_surface(pixels))
    return pixels


@given(
    boxes=st.lists(
        st.tuples(
            st.integers(-20, _WIDE),
            st.integers(-20, _HIGH),
            st.integers(1, 200),
            st.integers(1, 200),
            st.integers(0, 0xFFFFFFFF),
        ),
        max_size=5,
    )
)
@example(boxes=_CORNERS)
@example(boxes=[])
@example(boxes=[(-20, -20, _WIDE + 40, _HIGH + 40, 0xFF112233)])
def test_a_picture_without_its_empty_parts_is_the_same(boxes: list[tuple[int, ...]]) -> None:
    def drawer(canvas: skia.Canvas, _drawn: int) -> None:
        for x, y, width, height, color in boxes:
            paint = skia.Paint(Color=color, AntiAlias=True)
            canvas.drawRoundRect(skia.Rect.MakeXYWH(x, y, width, height), 7.3, 7.3, paint)

    whole = np.zeros((_HIGH, _WIDE, 4), np.uint8)
    drawer(_surface(whole), 0)
    picture = skia.Image.fromarray(whole, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    stills, box = Stills(), skia.Rect.MakeWH(_WIDE, _HIGH)
    for _ in range(2):  # made, then remembered
        found = _over_noise(lambda canvas: stills.draw(canvas, ("a",), box, drawer))
        assert np.array_equal(found, _over_noise(lambda canvas: canvas.drawImage(picture, 0, 0)))


def test_what_is_empty_of_a_picture_is_not_kept() -> None:
    stills, box = Stills(), skia.Rect.MakeWH(_WIDE, _HIGH)

    def drawer(canvas: skia.Canvas, _drawn: int) -> None:
        for x, y, width, height, color in _CORNERS:
            canvas.drawRect(skia.Rect.MakeXYWH(x, y, width, height), skia.Paint(Color=color))

    _over_noise(lambda canvas: stills.draw(canvas, ("a",), box, drawer))
    assert stills._pixels < 0.1 * _WIDE * _HIGH


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


GROUND = 0xFF40A060  # shows where a transition forgets a pixel
SHEETS = {"before": 0xFFFF0000, "after": 0xFF0000FF}


@pytest.mark.parametrize("direction", ["left", "right", "up", "down"])
@pytest.mark.parametrize("kind", ["slide", "wipe", "push"])
@given(progress=st.floats(0, 1))
@example(progress=0.0)
@example(progress=1.0)
def test_what_the_new_scene_covers_is_not_drawn_and_nothing_is_forgotten(
    kind: Any, direction: Any, progress: float
) -> None:
    surface = skia.Surface(101, 67)
    surface.getCanvas().clear(GROUND)
    asked: dict[str, int] = dict.fromkeys(SHEETS, 0)

    def sheet(name: str) -> Callable[[skia.Canvas], None]:
        def draw(canvas: skia.Canvas) -> None:
            clip = canvas.getDeviceClipBounds()
            asked[name] += clip.width() * clip.height()
            canvas.drawColor(SHEETS[name])

        return draw

    stage = Stage(
        canvas=surface.getCanvas(),
        width=101,
        height=67,
        before=sheet("before"),
        after=sheet("after"),
        vector=vector_of(direction, "ltr"),
        color=0,
    )
    draw_transition(stage, kind, progress)
    pixels = surface.makeImageSnapshot().toarray()
    assert not (pixels[..., 1] > 0).any(), "the ground shines through"
    band = 0.12 * 101 * 101 if kind == "wipe" else 0  # its soft edge needs both scenes
    assert sum(asked.values()) <= 101 * 67 + band


def _settling() -> Animation:
    """A still, opaque gradient ground with a soft spot on it, under a square that comes to rest."""

    def gradient(x: int) -> dict[str, Any]:
        return {
            "ty": "gf",
            "o": _prop(100),
            "r": 1,
            "t": 1,
            "g": {"p": 2, "k": _prop([0, 1, 0.2, 0.1, 1, 0, 0.3, 0.9])},
            "s": _prop([x, 0]),
            "e": _prop([x + 130, 50]),
        }

    def layer(number: int, shape: dict[str, Any], x: int, position: Any) -> dict[str, Any]:
        place = {"o": _prop(100), "r": _prop(0), "a": _prop([0, 0]), "s": _prop([100, 100])}
        common = {"ty": 4, "ind": number, "ip": 0, "op": 90, "st": 0}
        return {**common, "ks": {**place, "p": position}, "shapes": [shape, gradient(x)]}

    whole = {"ty": "rc", "p": _prop([60, 60]), "s": _prop([130, 130]), "r": _prop(0)}
    spot = {"ty": "el", "p": _prop([40.3, 50.7]), "s": _prop([51.0, 37.0])}
    small = {"ty": "rc", "p": _prop([60, 60]), "s": _prop([30.5, 20]), "r": _prop(4)}
    ease = {"i": {"x": 0.5, "y": 1}, "o": {"x": 0.5, "y": 0}}
    moving = {"a": 1, "k": [{"t": 0, "s": [0, 0], **ease}, {"t": 20, "s": [30.3, 8.6]}]}
    layers = [
        layer(1, small, 20, moving),
        layer(2, spot, 10, _prop([0, 0])),
        layer(3, whole, 0, _prop([0, 0])),
    ]
    head = {"v": "5.12.0", "fr": 30, "ip": 0, "op": 90, "w": SIZE, "h": SIZE, "layers": layers}
    return Animation.parse(msgspec.json.encode(head))


def _frame(animation: Animation, frame: int) -> np.ndarray[Any, Any]:
    pixels = np.zeros((SIZE, SIZE, 4), np.uint8)
    info = skia.ImageInfo.Make(SIZE, SIZE, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    animation.draw(skia.Surface.MakeRasterDirect(info, pixels).getCanvas(), frame)
    return pixels


def test_what_comes_to_rest_joins_the_remembered_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = Layer.draw

    def noted(self: Layer, canvas: skia.Canvas, frame: float) -> None:
        drawn.append(str(self.index))
        draw(self, canvas, frame)

    cold = _frame(_settling(), 40)
    monkeypatch.setattr(Layer, "draw", noted)
    animation = _settling()
    _frame(animation, 10)
    assert drawn == ["3", "2", "1"]
    drawn.clear()
    warm = _frame(animation, 40)
    assert drawn == ["1"]  # the ground and the spot are taken from the picture that is there
    assert np.array_equal(warm, cold)


def test_a_wash_is_the_colour_laid_over_the_picture() -> None:
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[..., 0] = 40
    info = skia.ImageInfo.Make(8, 8, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    wash(
        skia.Surface.MakeRasterDirect(info, pixels).getCanvas(), skia.Rect.MakeWH(4, 8), 0x40FF0080
    )
    share = 0x40 / 255
    expected = [0x80 * share + 40 * (1 - share), 255 * (1 - share), 255, 255]
    assert np.abs(pixels[:, :4].astype(int) - np.round(expected)).max() <= 1
    assert (pixels[:, 4:] == [40, 255, 255, 255]).all()


def test_a_decoded_picture_is_kept_within_the_budget() -> None:
    kept = DecodedPictures(10)
    images = [skia.Image.fromarray(np.zeros((2, 2, 4), np.uint8)) for _ in range(3)]
    for number, image in enumerate(images):
        kept.put(bytes([number]), image, 4)
        kept.get(b"\0")  # used: the other one goes first
    assert kept.get(b"\0") is images[0]
    assert kept.get(b"\1") is None
    assert kept.get(b"\2") is images[2]
    kept.put(b"big", images[1], 11)  # larger than the budget: used once, not kept
    assert kept.get(b"big") is None
