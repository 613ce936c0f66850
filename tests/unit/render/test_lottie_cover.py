"""The pixels that thin lines may touch: never too few, and few where the lines are thin."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest
import skia
from numpy.typing import NDArray
from tests.unit.render.test_lottie_changes import timeline, walk

from flatrender_render.engines.lottie import cover as covers
from flatrender_render.engines.lottie.cover import Mark, cover

SIDE = 700


def painted(mark: Mark, width: float) -> NDArray[np.bool_]:
    """Return which pixels an outline touches: drawn as a line of this width, or filled."""
    pixels = np.zeros((SIDE, SIDE, 4), np.uint8)
    info = skia.ImageInfo.Make(SIDE, SIDE, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    canvas = skia.Surface.MakeRasterDirect(info, pixels).getCanvas()
    a, b, c, d, e, f = mark.matrix
    canvas.concat(skia.Matrix.MakeAll(a, c, e, b, d, f, 0, 0, 1))
    style = skia.Paint.kStroke_Style if mark.line else skia.Paint.kFill_Style
    canvas.drawPath(mark.path, skia.Paint(AntiAlias=True, Style=style, StrokeWidth=width))
    return pixels[..., 3] > 0


def held(region: skia.Region) -> NDArray[np.bool_]:
    """Return which pixels a region has."""
    mask = np.zeros((SIDE, SIDE), np.bool_)
    for r in region.iterator():
        left, top, right, bottom = (max(v, 0) for v in (r.left(), r.top(), r.right(), r.bottom()))
        mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("seed", range(25))
def test_every_pixel_that_is_painted_is_covered(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers, "THIN", 100.0)  # however much it is
    rng = random.Random(seed)
    marks: list[Mark] = []
    seen = np.zeros((SIDE, SIDE), np.bool_)
    for number in range(4):
        path = skia.Path()
        path.moveTo(rng.uniform(-200, 200), rng.uniform(-200, 200))
        for _ in range(rng.randint(1, 8)):
            spots = [rng.uniform(-300, 300) for _ in range(6)]
            path.cubicTo(*spots) if rng.random() < 0.5 else path.lineTo(*spots[:2])
        if rng.random() < 0.5:
            path.close()
        if rng.random() < 0.3:
            path.setFillType(skia.PathFillType.kEvenOdd)
        matrix = (
            *(rng.uniform(-1.3, 1.3) for _ in range(4)),
            *(rng.uniform(100, 600) for _ in range(2)),
        )
        width = rng.uniform(0.3, 12)
        line = number == 0 or rng.random() < 0.6
        mark = Mark(path, matrix, width * 2 + 1 if line else 1.0, line)  # mitres reach to 4 halves
        marks.append(mark)
        seen |= painted(mark, width)
        found = cover(marks, skia.Matrix(), skia.IRect.MakeLTRB(-900, -900, 1600, 1600))
    assert found is not None
    assert not (seen & ~held(found)).any()


def test_a_ring_is_covered_by_its_line_alone() -> None:
    ring = Mark(skia.Path.Circle(0, 0, 600), (1.0, 0.0, 0.0, 1.0, 700.0, 300.0), 3.0, True)
    found = cover([ring], skia.Matrix(), skia.IRect.MakeLTRB(96, -304, 1304, 904))
    assert found is not None
    mask = held(found)
    assert mask[300, 100]
    assert not mask[300, 200:].any()
    assert mask.mean() < 0.3


@pytest.mark.parametrize("what", ["small", "filled", "dense", "huge"])
def test_a_box_is_kept_where_it_is_as_good(what: str) -> None:
    path = skia.Path.Circle(0, 0, {"small": 100, "huge": 9000}.get(what, 300))
    mark = Mark(path, (1.0, 0.0, 0.0, 1.0, 350.0, 350.0), 3.0, what != "filled")
    box = path.getBounds().makeOffset(350, 350).roundOut().makeOutset(4, 4)
    assert cover([mark] * (3 if what == "dense" else 1), skia.Matrix(), box) is None


def crossed() -> dict[str, Any]:
    """Return an animation of rings that turn and stand, under and over what comes and goes."""

    def still(value: object) -> dict[str, Any]:
        return {"a": 0, "k": value}

    def place(x: float, y: float, turn: object) -> dict[str, Any]:
        return {"p": still([x, y]), "a": still([0, 0]), "s": still([100, 100]), "o": still(100),
                "r": turn}  # fmt: skip

    def ring(x: float, y: float, size: float, turn: object) -> dict[str, Any]:
        shapes = [
            {"ty": "sr", "sy": 1, "pt": still(9), "or": still(size), "ir": still(size * 0.9),
             "os": still(0), "is": still(0), "p": still([0, 0]), "r": still(0)},
            {"ty": "st", "c": still([1, 0.5, 0.2, 1]), "o": still(60), "w": still(3), "lj": 1,
             "ml": 4, "lc": 2},
        ]  # fmt: skip
        return {"ty": 4, "ip": 0, "op": 30, "st": 0, "ks": place(x, y, turn), "shapes": shapes}

    def card(x: float, y: float, first: int, last: int) -> dict[str, Any]:
        shapes = [
            {"ty": "rc", "p": still([0, 0]), "s": still([70.5, 40.5]), "r": still(9)},
            {"ty": "fl", "c": still([0.2, 0.6, 1, 1]), "o": still(80)},
        ]
        turn = still(17)
        return {"ty": 4, "ip": first, "op": last, "st": 0, "ks": place(x, y, turn),
                "shapes": shapes}  # fmt: skip

    turning = {"a": 1, "k": [
        {"t": 8, "s": [0], "i": {"x": [0.5], "y": [1]}, "o": {"x": [0.5], "y": [0]}},
        {"t": 24, "s": [70]},
    ]}  # fmt: skip
    layers = [
        card(350, 350, 4, 26),
        card(352, 90, 10, 20),
        ring(350, 350, 310, turning),
        ring(340, 360, 260, still(5)),
        card(90, 350, 0, 30),
        card(600, 340, 12, 22),
    ]
    return {"v": "5.12.0", "fr": 25, "ip": 0, "op": 30, "w": SIDE, "h": SIDE, "layers": layers}


def test_rings_are_drawn_as_they_are_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covers, "THIN", 0.5)  # rings that stand as well
    data = msgspec.json.encode(crossed())
    size = (SIDE, SIDE)
    frames = [*range(30), 3, 14, 9, 29, 15, 8]
    share = walk(timeline(data, None, size), timeline(data, None, size), frames)
    monkeypatch.setattr(covers, "THIN", 0.0)  # by boxes
    assert share < 0.75 * walk(timeline(data, None, size), timeline(data, None, size), frames)
