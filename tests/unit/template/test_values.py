"""A customer's value: normalised, or refused with a code and words in both languages."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender.errors import FieldError
from flatrender.template.composition import ImageRef
from flatrender.template.manifest import (
    ColorSlot,
    GradientSlot,
    GradientStop,
    ImageSlot,
    NumberSlot,
    Text,
    TextSlot,
)
from flatrender.template.values import (
    check_colors,
    check_value,
    check_values,
    count_graphemes,
    normalise_color,
)

NAME = Text(fa="ن", en="n")
TEXT = TextSlot(id="title", name=NAME, default="x", max_chars=10, max_lines=2)
LINES = TextSlot(id="body", name=NAME, default="x", max_chars=20, max_lines=2, multiline=True)
COLOR = ColorSlot(id="color", name=NAME, default="#000000")
NUMBER = NumberSlot(id="bar", name=NAME, default=5, minimum=-1, maximum=10, step=0.1)
IMAGE = ImageSlot(id="logo", name=NAME, min_width=100, min_height=50)
STOPS = [GradientStop(at=0, color="#000000"), GradientStop(at=1, color="#ffffff")]
GRADIENT = GradientSlot(id="sky", name=NAME, default=STOPS)
REF = {"sha256": "ab" * 32, "object_key": "files/x.png"}


@pytest.mark.parametrize(
    ("slot", "raw", "value"),
    [
        (TEXT, "سلام\r\nدنیا", "سلام دنیا"),
        (LINES, "یک\r\nدو", "یک\nدو"),
        (LINES, "یک\u2028دو\n\n", "یک\nدو"),
        (TEXT, "می\u200cروم", "می\u200cروم"),
        (TEXT, "a\u202ec\u200f", "a\u202ec\u200f"),
        (TEXT, "e\u0301", "\u00e9"),
        (TEXT, "👨‍👩‍👧‍👦" * 10, "👨‍👩‍👧‍👦" * 10),
        (COLOR, " #ABC ", "#aabbcc"),
        (COLOR, "#A1B2C3D4", "#a1b2c3d4"),
        (NUMBER, 3, 3.0),
        (NUMBER, 0.30000000000000004, 0.3),
        (NUMBER, 10, 10.0),
        (GRADIENT, [{"at": 1, "color": "#FFFFFF"}, {"at": 0, "color": "#000000"}], STOPS),
        (IMAGE, REF, msgspec.convert(REF, ImageRef)),
    ],
)
def test_a_good_value_is_normalised(slot: Any, raw: object, value: object) -> None:
    result = check_value(slot, raw)
    assert result == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("slot", "raw", "code"),
    [
        (TEXT, 5, "text_invalid"),
        (TEXT, "\ud800", "text_invalid"),
        (TEXT, "a\x00b", "text_control_character"),
        (TEXT, "a\tb", "text_control_character"),
        (LINES, "a\x07", "text_control_character"),
        (LINES, "a\x9b31m", "text_control_character"),
        (TEXT, "x" * 11, "text_too_long"),
        (TEXT, "سلام سلام سلام", "text_too_long"),
        (TEXT, "x" * 1_000_000, "text_too_long"),
        (LINES, "1\n2\n3", "text_too_many_lines"),
        (COLOR, "red", "color_invalid"),
        (COLOR, "#12345", "color_invalid"),
        (COLOR, "#000000; drop", "color_invalid"),
        (COLOR, None, "color_invalid"),
        (NUMBER, "5", "number_invalid"),
        (NUMBER, True, "number_invalid"),
        (NUMBER, float("nan"), "number_invalid"),
        (NUMBER, float("inf"), "number_invalid"),
        (NUMBER, 10**400, "number_invalid"),
        (NUMBER, 10.01, "number_out_of_range"),
        (NUMBER, 0.55, "number_off_step"),
        (GRADIENT, [{"at": 0, "color": "#000000"}], "gradient_invalid"),
        (GRADIENT, [{"at": 2, "color": "#000000"}] * 2, "gradient_invalid"),
        (GRADIENT, "linear", "gradient_invalid"),
        (IMAGE, "files/x.png", "image_invalid"),
        (IMAGE, REF | {"zoom": 0.5}, "image_invalid"),
        (IMAGE, REF | {"focus_x": 2}, "image_invalid"),
        (IMAGE, REF | {"sha256": "../../etc"}, "image_invalid"),
    ],
)
def test_a_bad_value_is_refused_by_name(slot: Any, raw: object, code: str) -> None:
    error = check_value(slot, raw, "/values/x")
    assert isinstance(error, FieldError)
    assert (error.code, error.pointer) == (code, "/values/x")
    assert error.message_en
    assert error.message_fa


def test_a_small_picture_is_refused_when_its_size_is_known() -> None:
    error = check_value(IMAGE, REF, "", (99, 50))
    assert isinstance(error, FieldError)
    assert error.code == "image_too_small"
    assert isinstance(check_value(IMAGE, REF, "", (100, 50)), ImageRef)


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("abc", 3), ("سلام", 4), ("بِسْمِ", 3), ("👨‍👩‍👧‍👦", 1), ("🇮🇷x", 2), ("می‌خواهم", 7)],
)
def test_graphemes_are_what_people_count(text: str, count: int) -> None:
    assert count_graphemes(text) == count


def test_a_scene_is_checked_whole() -> None:
    values = {"title": "x" * 50, "color": None, "nope/x": 1, "bar": 3, "logo": REF}
    good, errors = check_values(
        [TEXT, COLOR, NUMBER, IMAGE], values, "/scenes/0/values", image_size=lambda _: (1, 1)
    )
    assert good == {"bar": pytest.approx(3.0)}
    assert {(e.code, e.pointer) for e in errors} == {
        ("text_too_long", "/scenes/0/values/title"),
        ("unknown_slot", "/scenes/0/values/nope~1x"),
        ("image_too_small", "/scenes/0/values/logo"),
    }


def test_required_counts_at_submit_only() -> None:
    slot = TextSlot(id="title", name=NAME, default="x", required=True)
    assert check_values([slot], {})[1] == []
    assert [e.code for e in check_values([slot], {}, complete=True)[1]] == ["required"]
    assert [e.code for e in check_values([slot], {"title": "  "}, complete=True)[1]] == ["required"]
    assert [e.code for e in check_values([slot], {"title": 4}, complete=True)[1]] == [
        "text_invalid"
    ]
    assert check_values([slot], {"title": "hi"}, complete=True)[1] == []


def test_shared_colours() -> None:
    good, errors = check_colors(["a", "b"], {"a": "#FFF", "b": "x", "c": "#000000", "d": None})
    assert good == {"a": "#ffffff"}
    assert {e.code for e in errors} == {"color_invalid", "unknown_color"}


@given(st.text(max_size=40))
def test_any_text_is_a_clean_value_or_an_error(text: str) -> None:
    result = check_value(TEXT, text)
    if isinstance(result, str):
        assert count_graphemes(result) <= 10
        assert "\n" not in result
        assert check_value(TEXT, result) == result  # normalising twice changes nothing
    else:
        assert isinstance(result, FieldError)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_no_json_makes_any_slot_raise(raw: object) -> None:
    for slot in (TEXT, COLOR, NUMBER, IMAGE, GRADIENT):
        check_value(slot, raw)
    assert isinstance(normalise_color(raw), str | FieldError)
