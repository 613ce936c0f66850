"""What a line of text may hold: Persian as it is written, nothing that changes its neighbours."""

import msgspec
import pytest
from msgspec import Struct

from flatrender.errors import FieldInvalid
from flatrender.http.validation import from_msgspec
from flatrender.text import check_lines, line_fault


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Summer sale",
        "\u0645\u06cc\u200c\u0631\u0648\u0645",  # ZWNJ inside a Persian word
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # ZWJ inside a family
        "\u200e+98 21\u200f \u061c",  # marks
        "\u2067\u0633\u0644\u0627\u0645\u2069 a \u202bb\u202c",
        "\u2068a \u202ab\u202c\u2069",
    ],
)
def test_writing_is_accepted(text: str) -> None:
    assert line_fault(text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((f"a{chr(number)}b", "control_character") for number in (0, 7, 9, 10, 13, 27, 31)),
        *((f"a{chr(number)}b", "control_character") for number in (0x7F, 0x85, 0x9B)),
        ("a\u2028b", "control_character"),
        ("a\ud800", "control_character"),
        ("invoice\u202egnp.exe", "bidi_control"),
        ("\u202da\u202c", "bidi_control"),
        ("\u2067a", "bidi_control"),
        ("a\u2069", "bidi_control"),
        ("\u202aa", "bidi_control"),
        ("\u2067\u202ba\u2069\u202c", "bidi_control"),
    ],
)
def test_what_changes_its_neighbours_is_refused(text: str, code: str) -> None:
    assert line_fault(text) == code


def test_line_feeds_stand_where_lines_are_broken() -> None:
    assert line_fault("a\nb", breaks=True) is None
    assert line_fault("a\rb", breaks=True) == "control_character"


class _Body(Struct):
    name: str
    words: list[str] = []

    def __post_init__(self) -> None:
        check_lines(self, ("name", "words"))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"name": "a\x07"}, "/name"), ({"name": "a", "words": ["b", "\x1b"]}, "/words/1")],
)
def test_the_place_is_told(body: object, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(body, _Body)
    found = from_msgspec(caught.value)
    assert (found.pointer, found.code) == (pointer, "control_character")
    assert found.message_fa
    assert found.message_en
    with pytest.raises(FieldInvalid):
        _Body("\x00")
