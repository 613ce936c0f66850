"""Whatever a text layer's JSON holds, it draws or fails by name."""

import contextlib
from typing import Any

import skia
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatrender_render.engines.lottie.errors import LottieError
from flatrender_render.engines.lottie.limits import Limits
from flatrender_render.engines.lottie.reader import Document, Obj
from flatrender_render.engines.lottie.text import FontBook, TextContext, TextLayer

NUMBERS = st.one_of(
    st.integers(-1000, 1000),
    st.floats(-200, 200),
    st.sampled_from([0, 1, 1e300, -1e300, 1e-30, True, False]),
)
ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.text(max_size=5), st.lists(NUMBERS, max_size=4), st.just({})
)
RARE = st.integers(0, 30).flatmap(lambda n: ODD if n == 0 else NUMBERS)  # most values are sound
VECTORS = st.lists(NUMBERS, max_size=4)
EASES = st.fixed_dictionaries({"x": VECTORS, "y": VECTORS})
KEYFRAMES = st.lists(
    st.fixed_dictionaries({"t": NUMBERS, "s": VECTORS}, optional={"h": NUMBERS, "i": EASES}),
    min_size=1,
    max_size=3,
)
SOUND = st.one_of(
    st.fixed_dictionaries({"a": st.just(0), "k": st.one_of(NUMBERS, VECTORS)}),
    st.fixed_dictionaries({"a": st.just(1), "k": KEYFRAMES}),
)
PROPERTIES = st.integers(0, 30).flatmap(lambda n: ODD if n == 0 else SOUND)
TEXTS = st.text(st.sampled_from("سلام دنیا abc ۱۲\r\u0003🎉\u064b()"), max_size=20)


def some(*names: str, values: st.SearchStrategy[Any]) -> dict[Any, st.SearchStrategy[Any]]:
    return dict.fromkeys(names, values)


DOCUMENTS = st.fixed_dictionaries(
    {"t": TEXTS, "f": st.sampled_from(["Vazirmatn-Bold", "Inter", "", "x"])},
    optional={
        **some("s", "lh", "j", "ca", "tr", "ls", "sw", "of", values=RARE),
        **some("fc", "sc", "ps", "sz", values=VECTORS),
    },
)
SELECTORS = st.fixed_dictionaries(
    {},
    optional={
        **some("s", "e", "o", "a", "ne", "xe", "sm", values=PROPERTIES),
        **some("b", "r", "sh", "m", "rn", "t", values=st.integers(-1, 7)),
    },
)
ANIMATORS = st.fixed_dictionaries(
    {},
    optional={
        "s": st.one_of(SELECTORS, st.lists(SELECTORS, max_size=2)),
        "a": st.fixed_dictionaries(
            {},
            optional=some(
                *("p", "a", "s", "r", "o", "sk", "sa", "fc", "sc", "sw", "t", "bl", "ls"),
                *("fh", "fs", "fb", "sh", "ss", "sb", "fo", "so", "rx"),
                values=PROPERTIES,
            ),
        ),
    },
)
LAYERS = st.fixed_dictionaries(
    {
        "d": st.fixed_dictionaries(
            {
                "k": st.lists(
                    st.fixed_dictionaries({"t": NUMBERS, "s": DOCUMENTS}), min_size=1, max_size=2
                )
            }
        ),
    },
    optional={
        "a": st.lists(ANIMATORS, max_size=3),
        "m": st.fixed_dictionaries({"g": st.integers(0, 5), "a": PROPERTIES}),
        "p": st.fixed_dictionaries(
            {"m": st.integers(-1, 1)}, optional=some("f", "l", "r", "a", "p", values=PROPERTIES)
        ),
        "flatrender": st.fixed_dictionaries(
            {}, optional=some("max_lines", "min_scale", values=RARE)
        ),
    },
)
MASK = {
    "pt": {
        "a": 0,
        "k": {
            "c": False,
            "v": [[0, 0], [30, 10]],
            "i": [[0, 0], [-5, 9]],
            "o": [[3, 3], [0, 0]],
        },
    }
}
BOOK = FontBook()


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(LAYERS, st.sampled_from([-5.0, 0.0, 7.3, 1e6]), st.sampled_from([0.5, 1.0]))
def test_any_text_layer_draws_or_fails_by_name(
    raw: dict[str, Any], frame: float, alpha: float
) -> None:
    doc = Document(Limits())
    layer = Obj({"ty": 5, "t": raw, "masksProperties": [MASK]}, doc)
    with contextlib.suppress(LottieError):
        content = TextLayer.parse(layer.need("t"), TextContext(Obj({"w": 64}, doc), BOOK, "rtl"))
        content.draw(skia.Surface(48, 32).getCanvas(), frame, alpha)
        box = content.bounds(frame)
        assert box.isEmpty() or box.left() <= box.right()
