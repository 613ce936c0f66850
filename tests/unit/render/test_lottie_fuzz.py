"""Malformed and hostile files: a picture or a named error, never anything else, never for long.

Real features (``everything()``) are mutated: wrong types everywhere, members taken out, moved and
doubled, absurd numbers. What is drawn is drawn at a small size, so that a hang shows as a timeout.
"""

import copy
import json
import random
from functools import partial, reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skia
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flatrender.testing.lottie_files import (
    document,
    effect,
    everything,
    fill,
    group,
    layer,
    path,
    rect,
    shapes,
    solid,
    square,
    still,
    stroke,
    transform,
)
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.errors import LottieError
from flatrender_render.engines.lottie.limits import Limits

Raw = dict[str, Any]
CASES = Path(__file__).parents[3].parent / "shared" / "lottie-ae"

WRONG: list[Any] = [
    None, True, False, 0, -1, 2, 13, 255, 3.5, 1e7, -1e7, 1e-300, 1e308, -1e308,
    float("nan"), float("inf"), 10**400, "", "x", "#ff0000", "a" * 1000,
    [], {}, [[]], [None], [1, 2, 3], [1e7] * 5, {"k": 1}, {"a": 1, "k": []},
    {"k": [{"t": 0, "s": [1]}]}, [{"t": 0, "s": [0]}, {"t": 5, "s": [100]}],
    {"a": 1, "k": [{"t": 5, "s": [0, 0]}, {"t": 0, "s": [1e6, 5]}]},
    "sh", "gr", "rp", "tm", "mm", "op", "zz", "tw", "pb", "rd", "gf", "gs", "el",
]  # fmt: skip

SMALL = Limits(frame_seconds=10.0, repeater_copies=100, draws=2_000, points=100, segments=5_000)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in items:
        found.append((*at, key))
        found += places(child, (*at, key))
    return found


def look(value: Any, at: tuple[Any, ...]) -> Any:
    for key in at:
        value = value[key]
    return value


def mutate(raw: Raw, rng: random.Random) -> Raw:
    for _ in range(rng.randint(1, 6)):
        spots = places(raw)
        spot = rng.choice(spots)
        parent, key, dice = look(raw, spot[:-1]), spot[-1], rng.random()
        if dice < 0.5:
            parent[key] = copy.deepcopy(rng.choice(WRONG))
        elif dice < 0.6:
            del parent[key]
        elif dice < 0.75:
            parent[key] = copy.deepcopy(look(raw, rng.choice(spots)))
        elif dice < 0.85 and isinstance(parent[key], int | float) and parent[key] < 1e300:
            parent[key] *= rng.choice([-1, 0, 1000, 1e6, 0.001, 1e-9])
        elif isinstance(parent, list) and len(parent) < 50:
            parent.insert(0, copy.deepcopy(parent[key]))
        if not raw or len(spots) > 20_000:
            break
    return raw


def refusal(act: Any) -> str | None:
    """Return the code of the engine's own error, or ``None``; any other error passes through."""
    try:
        act()
    except LottieError as error:
        return error.code if error.message else "no message"
    return None


def survive(raw: Any) -> None:
    """Read and draw, letting only the engine's own errors pass."""
    made: list[Animation] = []
    code = refusal(lambda: made.append(Animation.parse(raw, limits=SMALL)))
    if code is not None:
        assert code.startswith("lottie_")
        return
    animation = made[0]
    canvas = skia.Surface(96, 96).getCanvas()
    for frame in (0.0, 7.5, 59.0, -5.0, 1e6):
        assert refusal(partial(animation.draw, canvas, frame)) in {None, "lottie_limit"}
    for sid, slot in animation.slots.items():
        given: dict[str, Any] = {"text": "x", "color": "#abcdef", "number": 3.0, "image": b"x"}
        values = {sid: given.get(slot.kind, [])}
        code = refusal(lambda v=values: animation.with_slots(v).draw(canvas, 3))
        assert code in {None, "lottie_asset", "lottie_slot", "lottie_invalid", "lottie_limit"}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.integers(min_value=0, max_value=10**9))
@example(0)
def test_mutated_features(seed: int) -> None:
    rng = random.Random(seed)
    survive(mutate(everything(), rng))


@pytest.mark.skipif(not CASES.is_dir(), reason=f"After Effects' files are not here ({CASES})")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(min_value=0, max_value=10**9))
def test_mutated_exports(seed: int) -> None:
    rng = random.Random(seed)
    files = sorted(p for p in CASES.glob("*/*.json") if not p.stem.endswith("-meta"))
    survive(mutate(json.loads(rng.choice(files).read_bytes()), rng))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["k", "a", "s", "t", "e", "i", "o", "x", "y", "v", "c", "ty", "ks"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(
        ["ks", "shapes", "masksProperties", "ef", "sy", "tt", "parent", "bm", "t", "tm", "ip"]
    ),
    st.integers(0, 6),
    json_values,
)
def test_any_value_in_any_member(member: str, kind: int, value: Any) -> None:
    base = layer(kind, shapes=[rect(5, 5, 5, 5), fill(1, 0, 0)], sc="#fff", sw=5, sh=5, refId="x")
    survive(
        document({**base, member: value}, solid("#fff", 5, 5), assets=[{"id": "x", "layers": []}])
    )


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    survive(data)


def test_the_unharmed_file_draws() -> None:
    animation = Animation.parse(everything())
    assert animation.unsupported == []
    out = np.zeros((64, 64, 4), np.uint8)
    info = skia.ImageInfo.Make(64, 64, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType)
    animation.draw(skia.Surface.MakeRasterDirect(info, out).getCanvas(), 10)
    assert out[..., 3].astype(bool).mean() > 0.3


REPEATER = {"ty": "rp", "c": still(1e6), "o": still(0), "tr": transform(p=still([1, 1]))}
STAR: Raw = {
    "ty": "sr",
    "sy": 1,
    "p": still([9, 9]),
    "pt": still(1e6),
    "or": still(9),
    "ir": still(3),
}
ENDLESS_DASHES = [{"n": "d", "v": still(1e-5)}, {"n": "g", "v": still(1e-5)}]


def nested(depth: int) -> Raw:
    deep = rect(3, 3, 3, 3)
    return reduce(
        lambda inner, _: group(inner, rect(3, 3, 3, 3), fill(1, 0, 0)), range(depth), deep
    )


HOSTILE: dict[str, Raw] = {
    "repeaters of repeaters": document(
        shapes(rect(5, 5, 5, 5), stroke(1, 0, 0, 1), REPEATER, REPEATER, REPEATER)
    ),
    "a star of a million points, ruffled": document(
        shapes(
            STAR,
            {"ty": "zz", "s": still(5), "r": still(1e6), "pt": still(2)},
            {"ty": "op", "a": still(2), "lj": 2, "ml": still(4)},
            stroke(1, 0, 0, 1),
        )
    ),
    "dashes without end": document(
        shapes(path(square(-1e6, -1e6, 2e6)), stroke(1, 0, 0, 1, d=ENDLESS_DASHES))
    ),
    "blurs of everything": document(
        *[solid("#ffffff", 1e6, 1e6, ef=[effect(29, 1e6, 1, 0)] * 4) for _ in range(5)]
    ),
    "shadows from far away": document(
        solid("#ffffff", 1e6, 1e6, ef=[effect(25, [0, 0, 0], 255, 45, 1e6, 5, 0)] * 8)
    ),
    "groups in groups": document(shapes(nested(40))),
    "mattes of mattes": document(
        *[solid("#ffffff", 9, 9, ind=n, tt=1, tp=n + 1) for n in range(300)],
        solid("#fff", 9, 9, ind=300),
    ),
    "parents of parents": document(
        *[solid("#ffffff", 9, 9, ind=n, parent=n + 1) for n in range(5_000)],
        solid("#fff", 9, 9, ind=5_000),
    ),
    "scales without bound": document(
        shapes(
            rect(1, 1, 1, 1),
            fill(1, 0, 0),
            ks=transform(s=still([1e30, 1e30]), p=still([1e30, -1e30])),
        )
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(name: str) -> None:
    survive(HOSTILE[name])
