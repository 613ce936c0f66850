"""Text layers: documents, selectors, animators, and that joined letters never part."""

from typing import Any

import numpy as np
import pytest
import skia

from flatrender_render.engines.lottie.errors import InvalidLottieError, LottieLimitError
from flatrender_render.engines.lottie.limits import Limits
from flatrender_render.engines.lottie.reader import Document, Obj
from flatrender_render.engines.lottie.text import FontBook, TextContext, TextLayer, fill_text
from flatrender_render.engines.lottie.text.fragments import Fragments
from flatrender_render.engines.lottie.text.selector import Selector, combined, shuffled

WIDTH, HEIGHT = 320, 120


def text_data(text: str, *animators: dict[str, Any], **more: Any) -> dict[str, Any]:
    style = {"t": text, "f": "Inter-Bold", "s": 40, "j": 0, "fc": [0, 0, 0], **more}
    return {"d": {"k": [{"t": 0, "s": style}]}, "a": list(animators)}


def build(
    raw: dict[str, Any],
    root: dict[str, Any] | None = None,
    layer: dict[str, Any] | None = None,
    direction: str = "ltr",
) -> tuple[TextLayer, Document]:
    doc = Document(Limits())
    holder = Obj({"ty": 5, "t": raw, **(layer or {})}, doc)
    context = TextContext(Obj(root or {}, doc), FontBook(), direction)
    return TextLayer.parse(holder.need("t"), context), doc


def fragments(text: str, **more: Any) -> Fragments:
    content, _ = build(text_data(text, **more))
    return Fragments(content.layout_at(0))


def render(content: TextLayer, frame: float = 0, alpha: float = 1.0) -> np.ndarray[Any, Any]:
    """Draw below and right of the origin at (20, 60); return coverage by alpha."""
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    info = skia.ImageInfo.MakeN32Premul(WIDTH, HEIGHT)
    canvas = skia.Surface.MakeRasterDirect(info, pixels).getCanvas()
    canvas.translate(20, 60)
    content.draw(canvas, frame, alpha)
    outside = content.bounds(frame).makeOffset(20, 60).roundOut()
    inside = np.zeros((HEIGHT, WIDTH), bool)
    inside[
        max(outside.top(), 0) : max(outside.bottom(), 0),
        max(outside.left(), 0) : max(outside.right(), 0),
    ] = True
    assert not pixels[~inside].any(), "something was drawn outside of the layer's bounds"
    return pixels


def same(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    """Whether pictures agree but for the rounding of edges."""
    return int(np.abs(a.astype(int) - b.astype(int)).max()) <= 24


def selector(**more: Any) -> Selector:
    raw = {"t": 0, "b": 1, "r": 1, "sh": 1, "s": {"k": 0}, "e": {"k": 100}, **more}
    return Selector(Obj(raw, Document(Limits())), 0)


def reach(text: str, frame: float = 0, **more: Any) -> list[float]:
    units = fragments(text)
    return [round(v, 3) for v in combined([selector(**more)], units, len(units.items), frame)]


class TestFragments:
    def texts(self, text: str) -> list[str]:
        return ["".join(p.text for p in f.placed) for f in fragments(text).items]

    def test_latin_falls_into_letters_and_persian_into_words(self) -> None:
        assert self.texts("Hi سلام می‌خواهم!") == ["H", "i", " ", "سلام", " ", "می‌خواهم!"]

    def test_counts(self) -> None:
        units = fragments("ab c\rسلام d")
        assert units.indices(1) == list(range(7))
        assert units.indices(2) == [0, 1, 1, 2, 3, 3, 4]
        assert units.indices(3) == [0, 0, 0, 1, 2, 2, 3]
        assert units.indices(4) == [0, 0, 0, 0, 1, 1, 1]
        assert [units.total(n) for n in (1, 2, 3, 4)] == [7, 5, 4, 2]

    def test_what_turns_together(self) -> None:
        units = fragments("ab cd\re")
        first, _, _, _, last, alone = units.items
        assert units.span(1, first) == (first.x, first.x + first.width, first.y)
        assert units.span(2, first)[1] == units.items[1].x + units.items[1].width
        assert units.span(3, first)[:2] == (first.x, last.x + last.width)
        assert units.span(4, alone) == (first.x, last.x + last.width, (first.y + alone.y) / 2)

    def test_reading_order_in_persian_begins_at_the_right(self) -> None:
        first, _, last = fragments("سلام دنیا").items
        assert first.x > last.x


class TestSelectors:
    def test_square_in_percent(self) -> None:
        assert reach("abcd", e={"k": 50}) == [1, 1, 0, 0]
        assert reach("abcd", e={"k": 62.5}) == [1, 1, 0.5, 0]

    def test_index_units_and_offset(self) -> None:
        assert reach("abcd", r=2, s={"k": 1}, e={"k": 3}) == [0, 1, 1, 0]
        assert reach("abcd", r=2, s={"k": 0}, e={"k": 1}, o={"k": 2}) == [0, 0, 1, 0]

    def test_start_and_end_may_be_swapped(self) -> None:
        assert reach("abcd", s={"k": 50}, e={"k": 0}) == [1, 1, 0, 0]

    @pytest.mark.parametrize(
        ("shape", "expected"),
        [
            (2, [0.125, 0.375, 0.625, 0.875]),
            (3, [0.875, 0.625, 0.375, 0.125]),
            (4, [0.25, 0.75, 0.75, 0.25]),
            (5, [0.661, 0.968, 0.968, 0.661]),
            (6, [0.146, 0.854, 0.854, 0.146]),
        ],
    )
    def test_shapes(self, shape: int, expected: list[float]) -> None:
        assert reach("abcd", sh=shape) == expected

    def test_easing_bends_a_ramp(self) -> None:
        plain, eased = reach("abcd", sh=2), reach("abcd", sh=2, ne={"k": 100}, xe={"k": 100})
        assert eased[0] < plain[0]
        assert eased[3] > plain[3]

    def test_smoothness_hardens_a_square(self) -> None:
        assert reach("abcd", e={"k": 65}, sm={"k": 0}) == [1, 1, 1, 0]

    def test_amount(self) -> None:
        assert reach("ab", a={"k": -50}) == [-0.5, -0.5]

    def test_a_range_moves_in_time(self) -> None:
        moving = {"a": 1, "k": [{"t": 0, "s": [0]}, {"t": 10, "s": [100]}]}
        assert [reach("ab", frame=f, e=moving) for f in (0, 5, 10)] == [[0, 0], [1, 0], [1, 1]]

    def test_modes(self) -> None:
        units = fragments("abcd")

        def both(mode: int) -> list[float]:
            first = selector(e={"k": 50})
            second = selector(s={"k": 25}, e={"k": 75}, m=mode)
            return combined([first, second], units, 4, 0)

        assert both(1) == [1, 1, 1, 0]
        assert both(2) == [1, 0, -1, 0]
        assert both(3) == [0, 1, 0, 0]
        assert both(4) == [0, 1, 0, 0]
        assert both(5) == [1, 1, 1, 0]
        assert both(6) == [1, 0, 1, 0]
        assert combined([selector(e={"k": 50}, m=2)], units, 4, 0) == [0, 0, 1, 1]
        assert combined([], units, 4, 0) == [1, 1, 1, 1]

    def test_a_random_range_reaches_as_many_but_others(self) -> None:
        plain, mixed = (reach("abcdefgh", e={"k": 50}, rn=n) for n in (0, 1))
        assert sorted(plain) == sorted(mixed)
        assert plain != mixed

    def test_random_order_is_the_same_everywhere(self) -> None:
        assert shuffled(8, 0) == (3, 2, 1, 5, 6, 0, 7, 4)
        assert sorted(shuffled(50, 3)) == list(range(50))
        assert shuffled(50, 3) != shuffled(50, 4)


ALL = {"t": 0, "b": 1, "r": 1, "sh": 1, "s": {"k": 0}, "e": {"k": 100}, "a": {"k": 100}}


class TestAnimators:
    def test_opacity_and_position(self) -> None:
        assert not render(build(text_data("ab", {"s": ALL, "a": {"o": {"k": 0}}}))[0]).any()
        still = render(build(text_data("ab"))[0])
        moved = render(build(text_data("ab", {"s": ALL, "a": {"p": {"k": [7, 0]}}}))[0])
        assert still.any()
        assert same(moved[:, 7:], still[:, :-7])

    def test_anchor_moves_against(self) -> None:
        still = render(build(text_data("ab"))[0])
        moved = render(build(text_data("ab", {"s": ALL, "a": {"a": {"k": [-7, 0]}}}))[0])
        assert same(moved[:, 7:], still[:, :-7])

    def test_letters_turn_around_their_own_middle(self) -> None:
        half = render(build(text_data("oo", {"s": ALL, "a": {"s": {"k": [0.01, 100]}}}))[0])
        columns = np.flatnonzero(half.any(axis=(0, 2)))
        assert columns.size <= 2  # squeezed to nothing, about the middle of each letter
        flat = render(build(text_data("oo", {"s": ALL, "a": {"s": {"k": [20, 100]}}}))[0])
        columns = np.flatnonzero(flat.any(axis=(0, 2)))
        assert columns.max() - columns.min() > 20  # two slim letters, well apart

    def test_colours_and_stroke(self) -> None:
        red = {"s": ALL, "a": {"fc": {"k": [1, 0, 0]}}}
        pixels = render(build(text_data("ab", red))[0])
        assert pixels[..., 2].max() == 255
        assert pixels[..., 0].max() == 0
        outlined = text_data("ab", {"s": ALL, "a": {"sw": {"k": 6}}}, sc=[0, 1, 0], fc=None)
        assert render(build(outlined)[0])[..., 1].max() == 255

    def test_a_wide_stroke_is_within_the_bounds(self) -> None:
        assert render(build(text_data("ab", sc=[0, 1, 0], sw=24))[0]).any()  # render looks
        turned = {"s": ALL, "a": {"sw": {"k": 24}, "r": {"k": 30}}}
        assert render(build(text_data("ab", turned, sc=[0, 1, 0]))[0]).any()

    def test_hue_shift(self) -> None:
        turned = text_data("ab", {"s": ALL, "a": {"fh": {"k": 120}}}, fc=[1, 0, 0])
        assert render(build(turned)[0])[..., 1].max() == 255

    def test_tracking_opens_letters_and_keeps_the_alignment(self) -> None:
        def span(raw: dict[str, Any]) -> tuple[int, int]:
            columns = np.flatnonzero(render(build(raw)[0]).any(axis=(0, 2)))
            return int(columns.min()), int(columns.max())

        wide = {"s": ALL, "a": {"t": {"k": 10}}}
        left, right = span(text_data("abc")), span(text_data("abc", wide))
        assert right[0] == left[0]
        assert right[1] == left[1] + 20
        persian = span(text_data("سلام")), span(text_data("سلام", wide))
        assert persian[0] == persian[1]

    def test_blur_spreads(self) -> None:
        sharp = render(build(text_data("ab"))[0])
        soft = render(build(text_data("ab", {"s": ALL, "a": {"bl": {"k": [20, 20]}}}))[0])
        assert (soft[..., 3] > 0).sum() > (sharp[..., 3] > 0).sum() * 1.5

    def test_line_spacing_pushes_lines_apart(self) -> None:
        raw = text_data("a\ra", {"s": ALL, "a": {"ls": {"k": [0, 12]}}}, lh=40)
        content, _ = build(raw)
        looks = content._look(0)
        assert isinstance(looks, list)
        assert [look.position[1] for look in looks] == [0, 12]

    def test_letters_of_a_persian_word_move_as_one(self) -> None:
        half = {**ALL, "e": {"k": 50}}
        shifted = text_data("سلام دنیا", {"s": half, "a": {"p": {"k": [0, 30]}}})
        whole = render(build(text_data("سلام"))[0])
        pixels = render(build(shifted)[0])
        # The first word lies lower by 30, and is the very picture of the word alone.
        lowered = pixels[30:]
        rows, columns = np.nonzero(whole[..., 3])
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        crop = whole[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 3]
        target = lowered[..., 3]
        top = rows.min()
        found = any(
            np.abs(target[top : top + height, x : x + width].astype(int) - crop).max() < 90
            for x in range(WIDTH - width)
        )
        assert found

    def test_group_fade_is_even_where_letters_overlap(self) -> None:
        raw = text_data("سلام", sc=[0, 0, 0], sw=8)
        faded = render(build(raw)[0], alpha=0.5)
        assert 126 <= faded[..., 3].max() <= 129

    def test_anchor_grouping_by_all_turns_the_whole(self) -> None:
        raw = text_data("ab", {"s": ALL, "a": {"r": {"k": 180}}})
        raw["m"] = {"g": 4, "a": {"k": [0, 0]}}
        content, _ = build(raw)
        still, _ = build(text_data("ab"))
        turned = content.bounds(0)
        line = still.layout_at(0).lines[0]
        assert turned.centerX() == pytest.approx(line.x + line.width / 2, abs=3)
        assert turned.top() > -2  # upside down: what stood above the baseline hangs below


class TestDocuments:
    def test_documents_hold_until_the_next(self) -> None:
        raw = text_data("one")
        raw["d"]["k"].append({"t": 10, "s": {**raw["d"]["k"][0]["s"], "t": "two"}})
        content, _ = build(raw)
        assert [content.layout_at(f).text for f in (-5, 0, 9.99, 10, 50)] == [
            "one",
            "one",
            "one",
            "two",
            "two",
        ]
        assert not content.static
        assert build(text_data("one"))[0].static

    def test_fonts_list_names_families(self) -> None:
        root = {
            "fonts": {
                "list": [{"fName": "F1", "fFamily": "Vazirmatn", "fStyle": "Black", "ascent": 80}]
            }
        }
        content, doc = build(text_data("سلام", f="F1"), root)
        result = content.layout_at(0)
        assert result.placed[0].cluster.face.name == "Vazirmatn-Black"
        assert result.style.ascent == 0.8
        assert not doc.unsupported

    def test_a_missing_font_is_reported_by_name(self) -> None:
        _, doc = build(text_data("a", f="Nowhere-Bold"))
        assert "Nowhere" in doc.unsupported[0].name

    def test_characters_in_the_file_stand_in_for_a_missing_font(self) -> None:
        square = {"c": True, "v": [[0, 0], [50, 0], [50, -50], [0, -50]]}
        square |= {"i": [[0, 0]] * 4, "o": [[0, 0]] * 4}
        shapes = [{"ty": "gr", "it": [{"ty": "sh", "ks": {"a": 0, "k": square}}]}]
        char = {"ch": "a", "fFamily": "Own", "style": "Bold", "size": 40, "w": 60}
        root: dict[str, Any] = {
            "fonts": {"list": [{"fName": "Own-Bold", "fFamily": "Own", "fStyle": "Bold"}]},
            "chars": [{**char, "data": {"shapes": shapes}}],
        }
        alef = {**char, "ch": "ا", "data": {"shapes": shapes}}
        root["chars"] += [alef]
        persian, _ = build(text_data("ا", f="Own-Bold"), root)
        assert persian.layout_at(0).placed[0].cluster.face.name == "Vazirmatn-Bold"
        content, doc = build(text_data("aab", f="Own-Bold"), root)
        first, second, third = content.layout_at(0).placed
        assert first.width == second.width == pytest.approx(0.6 * 40)
        assert third.cluster.face.name == "Inter-Bold"  # what the file does not carry falls back
        assert not doc.unsupported
        pixels = render(content)
        assert (pixels[..., 3] == 255).sum() >= 2 * 19 * 19

    def test_text_follows_a_mask(self) -> None:
        line = {"c": False, "v": [[0, 0], [200, 200]], "i": [[0, 0]] * 2, "o": [[0, 0]] * 2}
        mask = {"mode": "n", "pt": {"a": 0, "k": line}}
        raw = text_data("abc")
        raw["p"] = {"m": 0, "f": {"k": 0}, "l": {"k": 0}, "r": {"k": 0}, "p": {"k": 1}}
        content, _ = build(raw, layer={"masksProperties": [mask]})
        box = content.bounds(0)
        assert box.height() == pytest.approx(box.width(), rel=0.5)
        assert box.bottom() > 30

    def test_faults_are_named(self) -> None:
        with pytest.raises(InvalidLottieError, match="document"):
            build({"d": {"k": []}})
        with pytest.raises(InvalidLottieError):
            build({"d": {"k": [{"t": 0, "s": {"t": ["x"]}}]}})
        with pytest.raises(LottieLimitError, match="text"):
            build(text_data("x" * 20_001))

    @pytest.mark.parametrize(
        "odd",
        [
            {"s": 0},
            {"s": 1e9},
            {"sz": [0, 0], "ps": [0, 0]},
            {"sz": [1, 1]},
            {"sz": [5]},
            {"j": 99, "ca": 7, "tr": -5000, "lh": -3},
            {"sc": [1], "sw": 3},
            {"t": ""},
            {"t": "\r\r"},
        ],
    )
    def test_odd_values_still_draw(self, odd: dict[str, Any]) -> None:
        content, _ = build(text_data("سلام a", **odd))
        content.draw(skia.Surface(8, 8).getCanvas(), 0, 0.5)
        assert content.bounds(0) is not None


class TestSlots:
    def test_a_customers_text_takes_the_slots_limits(self) -> None:
        raw = text_data("Title", sz=[200, 60], ps=[0, 0], lh=44)
        filled = fill_text(raw, "یک عنوان بلند\nدر دو سطر", max_lines=2, min_scale=0.3)
        assert raw["d"]["k"][0]["s"]["t"] == "Title"
        content, _ = build(filled, direction="rtl")
        result = content.layout_at(0)
        assert len(result.lines) == 2
        assert 0.3 <= result.scale < 1
        assert not result.overflow
        assert [found.overflow for found in content.layouts()] == [False]

    def test_what_cannot_fit_is_reported(self) -> None:
        raw = fill_text(
            text_data("Title", sz=[200, 60], ps=[0, 0]), "word " * 60, max_lines=1, min_scale=0.5
        )
        assert build(raw)[0].layout_at(0).overflow

    def test_text_without_a_box_stays_within_the_picture(self) -> None:
        raw = fill_text(text_data("Title"), "a title that is much too long", min_scale=0.2)
        wide, _ = build(raw, {"w": 10_000})
        narrow, _ = build(raw, {"w": 300})
        scaled, _ = build(raw, {"w": 300}, {"ks": {"s": {"a": 0, "k": [80, 80]}}})
        assert wide.layout_at(0).scale == 1.0
        assert narrow.layout_at(0).lines[0].width <= 300
        assert len(narrow.layout_at(0).lines) == 1
        assert narrow.layout_at(0).scale < scaled.layout_at(0).scale < 1
        assert build(text_data("x" * 99), {"w": 300})[0].layout_at(0).scale == 1.0  # the designer's

    def test_without_limits_a_slot_may_shrink_as_slots_do(self) -> None:
        raw = text_data("a long title indeed", sz=[200, 30], ps=[0, 0])
        raw["d"]["sid"] = "title"
        assert build(raw)[0].layout_at(0).scale < 0.5 or not build(raw)[0].layout_at(0).overflow


def test_a_still_layer_is_set_once() -> None:
    book = FontBook()
    doc = Document(Limits())
    raw = text_data("abc")
    content = TextLayer.parse(Obj(raw, doc), TextContext(Obj({}, doc), book))
    canvas = skia.Surface(8, 8).getCanvas()
    content.draw(canvas, 0, 1.0)
    first = content._set(0)
    for frame in range(20):
        content.draw(canvas, frame, 1.0)
    assert content._set(19) is first
    # Another layer with the same text shares the layout, not the drawing.
    twin = TextLayer.parse(Obj(raw, doc), TextContext(Obj({}, doc), book))
    assert twin.layout_at(0) is first.layout
