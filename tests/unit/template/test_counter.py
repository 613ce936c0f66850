"""Texts that count: what is shown when, and that malformed counts change nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender.template.animations import read_facts
from flatrender.template.counter import Count, count_of, counting


def test_counts_up_and_ends_on_the_number() -> None:
    steps = Count(first=10, last=40, suffix="%").steps(73)
    assert steps[0] == (10, "0%")
    assert steps[-1][1] == "73%"
    assert [at for at, _ in steps] == sorted(at for at, _ in steps)
    numbers = [int(text[:-1]) for _, text in steps]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)


def test_counts_quickly_first() -> None:
    steps = Count(first=0, last=60).steps(100)
    half = next(at for at, text in steps if int(text) >= 50)
    assert half < 15


@pytest.mark.parametrize(
    ("count", "value", "text"),
    [
        (Count(first=0, last=1), 48250, "48,250"),
        (Count(first=0, last=1, grouped=False), 48250, "48250"),
        (Count(first=0, last=1, decimals=1), 2.25, "2.2"),
        (Count(first=0, last=1, numerals="fa"), 48250.0, "۴۸٬۲۵۰"),
        (Count(first=0, last=1, numerals="fa", decimals=1), 3.5, "۳٫۵"),
        (Count(first=0, last=1, prefix="$", suffix=" m"), 12, "$12 m"),
        (Count(first=0, last=1, numerals="fa", suffix="٪"), 20, "۲۰\u200f٪"),
        (Count(first=0, last=1, suffix="٪"), 20, "20٪"),
        (Count(first=0, last=1), -0.2, "0"),
        (Count(first=0, last=1), -1200, "-1,200"),
    ],
)
def test_numbers_are_written_as_asked(count: Count, value: float, text: str) -> None:
    assert count.text(value) == text


@given(
    st.floats(-1e7, 1e7),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
    st.integers(-5, 50),
)
def test_any_count_is_bounded_and_ends_right(
    value: float, first: float, last: float, decimals: int
) -> None:
    count = Count(first=first, last=last, decimals=decimals)
    steps = count.steps(value)
    assert len(steps) <= 122
    assert steps[-1][1] == count.text(value)


def _document() -> dict[str, object]:
    return {
        "k": [{"t": 0, "s": {"t": "7", "f": "Inter-Bold", "s": 40}}],
        "sid": "share",
        "flatrender": {"count": {"first": 0, "last": 30}},
    }


def test_keyframes_keep_style_and_slot() -> None:
    out = counting(_document(), 12)
    assert out["sid"] == "share"
    assert {key["s"]["f"] for key in out["k"]} == {"Inter-Bold"}
    assert out["k"][0]["t"] == 0
    assert out["k"][-1]["s"]["t"] == "12"


@pytest.mark.parametrize(
    "told", [None, 1, {}, {"count": 3}, {"count": {"first": "x", "last": 1}}, {"count": {"a": 1}}]
)
def test_a_malformed_count_is_no_count(told: object) -> None:
    assert count_of({**_document(), "flatrender": told}) is None
    with pytest.raises(ValueError, match="does not count"):
        counting({**_document(), "flatrender": told}, 1)


def test_a_counting_text_is_a_number_slot() -> None:
    import msgspec

    layer = {"ty": 5, "t": {"d": _document()}}
    head = {"w": 10, "h": 10, "fr": 30, "ip": 0, "op": 30, "layers": [layer]}
    assert read_facts(msgspec.json.encode(head)).slots == {"share": frozenset({"property"})}
    plain = {**_document(), "flatrender": None}
    head["layers"] = [{"ty": 5, "t": {"d": plain}}]
    assert read_facts(msgspec.json.encode(head)).slots == {"share": frozenset({"text"})}
