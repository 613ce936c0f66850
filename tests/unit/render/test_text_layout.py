"""Layout: order, joining, wrapping, shrinking, alignment, and that it never lies about overflow."""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from flatrender.template.counter import Count
from flatrender_render.engines.lottie.text import (
    Caps,
    FontBook,
    Justify,
    TextBox,
    TextLayout,
    TextStyle,
    layout,
)
from flatrender_render.engines.lottie.text.bidi import levels, line_levels, visual_order
from flatrender_render.engines.lottie.text.segment import graphemes, line_breaks, paragraphs

BOOK = FontBook()
STYLE = TextStyle("Vazirmatn", "Bold", size=50, leading=70)
BOX = TextBox(10, 20, 400, 200)


def shown(line: Any) -> str:
    return "".join(p.text for p in line.placed)


def set_text(text: str, **more: Any) -> TextLayout:
    style = more.pop("style", STYLE)
    box = more.pop("box", BOX)
    return layout(text, style, box, BOOK, **more)


class TestOrder:
    def test_persian_stands_right_to_left(self) -> None:
        line = set_text("سلام دنیا").lines[0]
        assert line.rtl
        assert shown(line) == "ایند ملاس"  # clusters from left to right

    def test_numbers_run_left_to_right_in_persian(self) -> None:
        assert shown(set_text("قیمت ۱۲۳ تومان").lines[0]) == "ناموت ۱۲۳ تمیق"
        assert "2026" in shown(set_text("سال 2026 است").lines[0])

    def test_a_percent_sign_stands_left_of_its_number_where_a_mark_says_so(self) -> None:
        text = Count(first=0, last=1, numerals="fa", suffix="٪").text(68)
        line = set_text(f"{text} فروخته شد", direction="rtl").lines[0]
        drawn = [p.text for p in line.placed if p.text.strip("\u200f")]
        assert "".join(drawn) == "دش هتخورف ٪۶۸"
        plain = set_text("۶۸٪", direction="rtl").lines[0]  # as UAX #9 has it without the mark
        assert shown(plain) == "۶۸٪"

    def test_brackets_are_mirrored(self) -> None:
        opened = set_text("(ا)", direction="rtl").lines[0].placed
        plain = set_text("(a)", direction="ltr").lines[0].placed
        # The opening bracket stands on the right, drawn with the glyph of the other one.
        assert [p.text for p in opened] == [")", "ا", "("]
        assert opened[-1].cluster.glyphs[0][0] == plain[-1].cluster.glyphs[0][0]

    def test_direction_follows_the_first_letter_or_the_project(self) -> None:
        mixed = "iPhone رسید"
        assert not set_text(mixed).lines[0].rtl
        assert set_text(mixed, direction="auto-rtl").lines[0].rtl
        assert not set_text("Hello!", direction="auto-rtl").lines[0].rtl
        assert set_text("123", direction="auto-rtl").lines[0].rtl
        assert not set_text("123").lines[0].rtl

    def test_every_paragraph_has_its_own_direction(self) -> None:
        first, second = set_text("سلام\rHello").lines
        assert (first.rtl, second.rtl) == (True, False)

    def test_white_space_at_a_lines_end_falls_back_to_the_paragraph(self) -> None:
        text = "abc سلام "
        resolved, base = levels(text, "ltr")
        assert line_levels(text, resolved, base, 0, len(text))[-1] == 0
        assert line_levels(text, resolved, base, 4, 8) == [1, 1, 1, 1]
        assert visual_order([0, 1, 2, 2, 1, 0]) == [0, 4, 2, 3, 1, 5]


class TestJoining:
    def test_letters_join(self) -> None:
        alone = set_text("س").lines[0].placed[0].cluster.glyphs[0][0]
        joined = {p.text: p.cluster.glyphs[0][0] for p in set_text("سسس").lines[0].placed}
        assert joined["س"] != alone

    def test_zwnj_parts_letters_and_stays(self) -> None:
        apart = set_text("می‌خواهم").placed
        together = set_text("میخواهم").placed
        assert "".join(p.text for p in apart) == "می‌خواهم"
        assert apart[1].cluster.glyphs[0][0] != together[1].cluster.glyphs[0][0]

    def test_tracking_leaves_joined_letters_alone(self) -> None:
        wide = TextStyle("Vazirmatn", "Bold", size=50, tracking=300)
        assert set_text("سلام", style=wide).lines[0].width == set_text("سلام").lines[0].width
        latin = set_text("Hello", style=wide).lines[0].width - set_text("Hello").lines[0].width
        assert latin == pytest.approx(4 * 0.3 * 50)  # between letters, not after the last

    def test_marks_get_headroom(self) -> None:
        tight = TextStyle("Vazirmatn", "Bold", size=50, leading=50)
        plain = set_text("الف\rالف", style=tight)
        marked = set_text("إِلٰفٌ\rإِلٰفٌ", style=tight)

        def step(result: TextLayout) -> float:
            return result.lines[1].baseline - result.lines[0].baseline

        assert step(plain) == pytest.approx(50)
        assert step(marked) > 60


class TestFitting:
    LONG = "این متن خیلی بلندتر از جعبه است و باید کوچک‌تر شود تا همه‌اش جا بگیرد"

    def test_fitting_text_is_left_alone(self) -> None:
        result = set_text("سلام", min_scale=0.2)
        assert (result.scale, result.overflow, len(result.lines)) == (1.0, False, 1)

    def test_wraps_at_words(self) -> None:
        result = set_text("یک متن کوتاه در دو سطر", min_scale=1.0)
        assert len(result.lines) == 2
        words = [w for line in result.lines for w in shown(line).split()]
        assert sorted(w[::-1] for w in words) == sorted(result.text.split())

    def test_shrinks_to_the_largest_scale_that_fits(self) -> None:
        result = set_text(self.LONG, min_scale=0.1, max_lines=3)
        assert 0.1 < result.scale < 1.0
        assert not result.overflow
        assert len(result.lines) <= 3
        # A little larger does not fit, so nothing was given away.
        larger = TextStyle("Vazirmatn", "Bold", size=result.size + 1, leading=70 * result.scale)
        again = set_text(self.LONG, style=larger, min_scale=1.0, max_lines=3)
        assert again.overflow

    def test_max_lines_makes_text_smaller(self) -> None:
        two = set_text(self.LONG, min_scale=0.1, max_lines=2)
        assert len(two.lines) == 2
        assert two.scale < set_text(self.LONG, min_scale=0.1, max_lines=4).scale

    def test_overflow_is_cut_with_an_ellipsis_and_said(self) -> None:
        result = set_text(self.LONG * 3, min_scale=0.9, max_lines=2)
        assert result.overflow
        assert not result.ok
        assert result.text.endswith("…")
        assert len(result.lines) == 2
        # The ellipsis ends the reading: in Persian it stands at the left.
        assert result.lines[-1].placed[0].text == "…"
        assert (self.LONG * 3).startswith(result.text[:-1])

    def test_a_long_word_is_cut_only_when_nothing_else_helps(self) -> None:
        word = "https://example.org/a-very-long-address".replace("/", "x").replace("-", "x")
        whole = set_text(word, min_scale=0.1)
        assert not whole.torn
        torn = set_text(word, min_scale=0.95, box=TextBox(0, 0, 400, 0))
        assert torn.torn
        assert not torn.overflow

    def test_a_flat_box_still_shows_one_line_at_full_size(self) -> None:
        assert set_text("سلام", box=TextBox(0, 0, 400, 10), min_scale=0.2).scale == 1.0

    def test_shrunk_text_keeps_its_middle(self) -> None:
        box = TextBox(0, 0, 300, 100)
        full = set_text("سلام", box=box)
        small = set_text("سلام سلام سلام", box=box, min_scale=0.1, max_lines=1)
        middle = [r.lines[0].baseline - 0.35 * r.size for r in (full, small)]
        assert middle[0] == pytest.approx(middle[1], abs=3)


class TestAlignment:
    @pytest.mark.parametrize("text", ["سلام", "Hello"])
    def test_left_is_left_in_both_directions(self, text: str) -> None:
        for justify in (Justify.LEFT, Justify.RIGHT, Justify.CENTER):
            line = set_text(text, style=TextStyle("Inter", size=50, justify=justify)).lines[0]
            expected = {
                Justify.LEFT: BOX.x,
                Justify.RIGHT: BOX.x + BOX.width - line.width,
                Justify.CENTER: BOX.x + (BOX.width - line.width) / 2,
            }
            assert line.x == pytest.approx(expected[justify])

    def test_spaces_at_the_end_hang(self) -> None:
        right = TextStyle("Inter", size=50, justify=Justify.RIGHT)
        assert set_text("abc   ", style=right).lines[0].x == set_text("abc", style=right).lines[0].x

    @pytest.mark.parametrize(
        ("justify", "edge"),
        [(Justify.LAST_LEFT, "left"), (Justify.LAST_RIGHT, "right"), (Justify.FULL, "both")],
    )
    def test_justified_lines_fill_the_box(self, justify: Justify, edge: str) -> None:
        style = TextStyle("Vazirmatn", size=40, justify=justify)
        result = set_text("این متن در هر سطر تا دو لبه کشیده می‌شود و تمام", style=style)
        assert len(result.lines) > 1
        for line in result.lines[:-1]:
            inked = [p for p in line.placed if not p.cluster.white]
            assert min(p.x for p in inked) == pytest.approx(BOX.x)
            assert max(p.x + p.width for p in inked) == pytest.approx(BOX.x + BOX.width)
        last = result.lines[-1]
        if edge in {"left", "both"}:
            assert last.x == pytest.approx(BOX.x)
        if edge in {"right", "both"}:
            assert last.x + last.width == pytest.approx(BOX.x + BOX.width)

    def test_point_text_stands_on_the_origin(self) -> None:
        for justify, share in ((Justify.LEFT, 0), (Justify.RIGHT, 1), (Justify.CENTER, 0.5)):
            style = TextStyle("Inter", size=50, leading=60, justify=justify)
            first, second = layout("Hello\rYou", style, None, BOOK).lines
            assert first.x == pytest.approx(-first.width * share)
            assert (first.baseline, second.baseline) == pytest.approx((0, 60))

    def test_box_text_hangs_one_ascent_below_the_top(self) -> None:
        style = TextStyle("Inter", size=100, ascent=0.72)
        assert set_text("H", style=style).lines[0].baseline == pytest.approx(BOX.y + 72)

    def test_baseline_shift_raises(self) -> None:
        style = TextStyle("Inter", size=50, baseline_shift=10)
        line = set_text("H", style=style).lines[0]
        assert line.placed[0].y == pytest.approx(line.baseline - 10)


class TestCaps:
    def test_all_capitals(self) -> None:
        result = set_text("Straße", style=TextStyle("Inter", size=50, caps=Caps.ALL))
        assert shown(result.lines[0]) == "STRASSE"

    def test_small_capitals_keep_real_ones_large(self) -> None:
        result = set_text("aB", style=TextStyle("Inter", size=50, caps=Caps.SMALL))
        assert [(p.text, p.cluster.scale) for p in result.lines[0].placed] == [
            ("A", 0.7),
            ("B", 1.0),
        ]


class TestSegments:
    def test_paragraphs_and_forced_lines(self) -> None:
        assert paragraphs("a\rb\r\nc\nd\u0003e\tf\x07") == ["a", "b", "c", "d\u2028e f"]
        forced = set_text("a\u0003b")
        assert [shown(line).strip("\u2028") for line in forced.lines] == ["a", "b"]

    def test_boundaries_count_code_points(self) -> None:
        assert graphemes("👨‍👩‍👧é🇮🇷") == [(0, 5), (5, 6), (6, 8)]
        assert line_breaks("😀 سلام") == {2, 6}

    def test_lone_surrogates_become_replacement_characters(self) -> None:
        assert paragraphs("a\ud800b") == ["a\ufffdb"]


ALPHABET = st.one_of(
    st.sampled_from(
        list("سلام دنیا می‌خواهم ۱۲۳ abc () «» é שלום\r\u0003\u064b\u202e\u2067\u2069…")
    ),
    st.sampled_from(["👨‍👩‍👧", "🇮🇷", "❤️", "\u200d", "漢", "नम", "\ufdfd"]),
    st.characters(),
)
TEXTS = st.lists(ALPHABET, max_size=40).map("".join)


CASES = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "width": st.floats(1, 800),
        "height": st.floats(0, 400),
        "size": st.floats(1, 200),
        "max_lines": st.none() | st.integers(1, 5),
        "min_scale": st.floats(0.05, 1),
        "justify": st.sampled_from(list(Justify)),
        "direction": st.sampled_from(["auto", "auto-rtl", "ltr", "rtl"]),
    }
)


def one(text: str, width: float, height: float, size: float) -> dict[str, Any]:
    more = {"max_lines": 1, "min_scale": 0.5, "justify": Justify.FULL, "direction": "rtl"}
    return {"text": text, "width": width, "height": height, "size": size, **more}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CASES)
@example(one("", 1, 0, 1))
@example(one("\r\r\r", 100, 10, 50))
@example(one("🇮🇷🇮🇷🇮🇷", 10, 10, 100))
def test_any_text_is_in_its_box_or_said_to_overflow(case: dict[str, Any]) -> None:
    text, justify = case["text"], case["justify"]
    style = TextStyle("Vazirmatn", "Bold", size=case["size"], justify=justify)
    box = TextBox(5, 7, case["width"], case["height"])
    options: dict[str, Any] = {k: case[k] for k in ("max_lines", "min_scale", "direction")}
    result = layout(text, style, box, FontBook(), **options)
    again = layout(text, style, box, FontBook(), **options)
    assert [line.baseline for line in result.lines] == [line.baseline for line in again.lines]
    assert [(p.x, p.y, p.text) for p in result.placed] == [(p.x, p.y, p.text) for p in again.placed]
    # Nothing gets lost or doubled: the clusters spell the text that is said to be shown.
    spelled = "".join(p.text for p in result.placed)
    assert spelled == "".join(paragraphs(result.text))
    if result.overflow:
        assert result.text.endswith("…")
        return
    assert result.text == text
    assert case["min_scale"] - 1e-9 <= result.scale <= 1.0
    if case["max_lines"] is not None:
        assert len(result.lines) <= case["max_lines"]
    for line in result.lines:
        assert line.x >= box.x - 1e-3
        assert line.x + line.width <= box.x + box.width + 1e-3
    if box.height > 0 and len(result.lines) > 1:
        assert result.lines[-1].baseline <= box.y + box.height + 1e-2
