"""Fonts: what is bundled, how names match, and that no font data can do harm."""

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import skia

from flatrender.fonts import BundledFont, catalogue
from flatrender_render.engines.lottie.text import BadFontError, FontBook
from flatrender_render.engines.lottie.text.book import parse_style
from flatrender_render.engines.lottie.text.face import MAX_FONT_BYTES, Face, check_font
from flatrender_render.engines.lottie.text.shaping import shape_paragraph

FONTS = {(f.family, f.style): f for f in catalogue()}
SMALL = FONTS["Noto Sans Hebrew", "Regular"].path


def data() -> bytes:
    return SMALL.read_bytes()


class TestCatalogue:
    def test_families_and_their_licences(self) -> None:
        families = {f.family for f in catalogue()}
        assert families == {
            "Vazirmatn",
            "Inter",
            "Noto Sans Arabic",
            "Noto Sans Hebrew",
            "Twemoji",
            "Noto Emoji",
        }
        for font in catalogue():
            text = font.licence.read_text(encoding="utf-8")
            assert "SIL OPEN FONT LICENSE" in text.upper()

    def test_all_together_stay_small(self) -> None:
        assert sum(f.path.stat().st_size for f in catalogue()) < 6_000_000

    @pytest.mark.parametrize("font", catalogue(), ids=lambda f: f.path.stem)
    def test_every_font_draws(self, font: BundledFont) -> None:
        face = Face.from_file(font.path)
        char = next(c for c in "سאa⭐" if face.covers(c))
        glyphs = face.shape([ord(char)], 0, 1, rtl=False, script="Zyyy")
        assert glyphs[0].gid > 0
        layers = face.color_layers(glyphs[0].gid)
        paths = [p.path for p in layers] if layers else [face.outline(glyphs[0].gid)]
        assert not any(p.isEmpty() for p in paths)


class TestNames:
    @pytest.mark.parametrize(
        ("style", "weight", "expected"),
        [
            ("Bold", "", (700, False)),
            ("SemiBold Italic", "", (600, True)),
            ("Extra Light", "", (200, False)),
            ("Ultra-Bold Oblique", "", (800, True)),
            ("Regular", "650", (650, False)),
            ("Book", 500, (500, False)),
            ("Nonsense", "heavy", (400, False)),
            ("", "", (400, False)),
        ],
    )
    def test_styles(self, style: str, weight: str | int, expected: tuple[int, bool]) -> None:
        assert parse_style(style, weight) == expected

    def test_family_and_weight(self) -> None:
        book = FontBook()
        assert book.match("vazirmatn", "Black").face.name == "Vazirmatn-Black"
        assert book.match("Vazirmatn-Bold").face.name == "Vazirmatn-Bold"
        assert book.match("Inter", "SemiBold").face.name in {"Inter-Medium", "Inter-Bold"}

    def test_package_fonts_come_before_bundled_ones(self) -> None:
        book = FontBook()
        mine = book.register(data(), "Vazirmatn", "Bold")
        assert book.match("Vazirmatn", "Bold").face is mine
        inner = FontBook(book)
        assert inner.match("Vazirmatn", "Bold").face is mine

    def test_an_unknown_family_gets_a_stand_in_that_suits_the_text(self) -> None:
        book = FontBook()
        persian, latin = (book.match("Nothing", "Bold", text=t) for t in ("سلام", "Hello"))
        assert (persian.exact, persian.face.name) == (False, "Vazirmatn-Bold")
        assert latin.face.name == "Inter-Bold"


class TestFallback:
    def faces(self, text: str, family: str = "Inter") -> dict[str, str]:
        chain = FontBook().chain(family, "Bold")
        return {text[c.start : c.end]: c.face.name for c in shape_paragraph(text, chain).clusters}

    def test_by_character(self) -> None:
        found = self.faces("aסس漢")
        assert found["a"] == "Inter-Bold"
        assert found["ס"] == "NotoSansHebrew-Bold"
        assert found["س"] == "Vazirmatn-Bold"

    def test_a_run_takes_only_the_context_it_needs(self) -> None:
        taken: list[int] = []

        class Codes(list[int]):
            def __getitem__(self, index: Any) -> Any:
                found = super().__getitem__(index)
                taken.append(len(found) if isinstance(index, slice) else 1)
                return found

            def __iter__(self) -> Any:
                raise AssertionError("the whole text was read for one run")

        face = FontBook().match("Vazirmatn").face
        codes = Codes([0x633] * 10_000)
        middle = face.shape(codes, 5000, 5001, rtl=True, script="Arab")[0]
        alone = face.shape([0x633], 0, 1, rtl=True, script="Arab")[0]
        assert middle.cluster == 5000
        assert middle.gid != alone.gid  # it still joins what is around it
        assert sum(taken) < 50

    def test_marks_stay_with_their_letter(self) -> None:
        assert self.faces("سَ") == {"سَ": "Vazirmatn-Bold"}

    def test_brackets_and_spaces_follow_their_words(self) -> None:
        found = self.faces("(سلام) دنیا")
        assert {found["("], found[")"], found[" "]} == {"Vazirmatn-Bold"}

    def test_emoji_come_in_colour_and_symbols_in_the_text_colour(self) -> None:
        assert self.faces("🎉👨‍👩‍👧") == {"🎉": "Twemoji-Regular", "👨‍👩‍👧": "Twemoji-Regular"}
        assert self.faces("☎") == {"☎": "NotoEmoji-Regular"}
        assert self.faces("☎\ufe0f")["☎\ufe0f"] == "Twemoji-Regular"

    def test_what_no_font_has_is_told(self) -> None:
        chain = FontBook().chain("Inter")
        assert shape_paragraph("a漢b", chain).missing == {"漢"}
        assert not shape_paragraph("سلام a \u200d\u2060", chain).missing


def woff(raw: bytes, *, length_lie: int = 0, padding: bytes = b"") -> bytes:
    """Pack a TrueType font as WOFF 1.0."""
    count = struct.unpack_from(">H", raw, 4)[0]
    head, body = b"", b""
    start = 44 + 20 * count
    for n in range(count):
        tag, checksum, offset, length = struct.unpack_from(">4sIII", raw, 12 + 16 * n)
        table = raw[offset : offset + length] + (padding if tag == b"glyf" else b"")
        packed = zlib.compress(table)
        told = len(table) + length_lie
        if len(packed) >= len(table):
            packed, told = table, len(table)
        head += struct.pack(">4sIIII", tag, start + len(body), len(packed), told, checksum)
        body += packed + b"\0" * (-len(packed) % 4)
    top = struct.pack(">4s4sIHHIHH5I", b"wOFF", raw[:4], 0, count, 0, len(raw), 1, 0, *[0] * 5)
    return top + head + body


class TestHostileData:
    def test_woff_is_unpacked(self) -> None:
        plain, unpacked = Face(data()), Face(woff(data()))
        assert plain.coverage == unpacked.coverage
        gid = plain.shape([0x5D0], 0, 1, rtl=True, script="Hebr")[0].gid
        assert plain.outline(gid) == unpacked.outline(gid)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"not a font",
            b"\x00\x01\x00\x00" + b"\xff" * 200,
            b"OTTO" + bytes(100),
            b"wOFF" + b"\xff" * 100,
            b"wOF2" + bytes(100),
            b"<svg onload=alert(1)>" * 20,
        ],
    )
    def test_no_font_is_refused(self, raw: bytes) -> None:
        with pytest.raises(BadFontError):
            Face(raw)

    def test_size_is_bounded_also_after_unpacking(self) -> None:
        with pytest.raises(BadFontError, match="larger"):
            check_font(b"\x00\x01\x00\x00" + bytes(MAX_FONT_BYTES))
        bomb = woff(data(), padding=bytes(MAX_FONT_BYTES))
        assert len(bomb) < 100_000
        with pytest.raises(BadFontError):
            check_font(bomb)
        with pytest.raises(BadFontError):
            check_font(woff(data(), length_lie=1))

    def test_without_outlines_it_is_no_font(self) -> None:
        with pytest.raises(BadFontError, match="outlines"):
            Face(data().replace(b"glyf", b"flyg"))

    def test_flipped_bytes_never_crash(self) -> None:
        rng = random.Random(7)
        good = data()
        text = [ord(c) for c in "שָׁלוֹם a"]
        for _ in range(60):
            raw = bytearray(good)
            for _ in range(rng.choice([1, 8, 64, 512])):
                raw[rng.randrange(len(raw))] = rng.randrange(256)
            if rng.random() < 0.3:
                del raw[rng.randrange(100, len(raw)) :]
            try:
                face = Face(bytes(raw))
            except BadFontError:
                continue
            for glyph in face.shape(text, 0, len(text), rtl=True, script="Hebr"):
                path = face.outline(glyph.gid)
                assert path.isFinite()
                skia.Surface(16, 16).getCanvas().drawPath(path, skia.Paint())
            assert 0 < face.ascent < 100
            assert 0 <= face.descent <= 1


def test_fonts_are_package_data() -> None:
    assert all(Path(f.path).is_relative_to(Path(f.licence).parent) for f in catalogue())
