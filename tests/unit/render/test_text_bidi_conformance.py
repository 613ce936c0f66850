"""The whole of Unicode's own conformance files for UAX #9, in parts that run side by side."""

import lzma
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from flatrender_render.engines.lottie.text.bidi import (
    Direction,
    levels,
    line_levels,
    visual_order,
)

DATA = Path(__file__).parents[2] / "data" / "unicode"
PARTS = 4

# One character of each bidirectional class; none of them is a bracket.
SAMPLES = {
    "L": "a",
    "R": "א",
    "AL": "س",
    "EN": "1",
    "ES": "+",
    "ET": "#",
    "AN": "٠",
    "CS": ",",
    "NSM": "\u0300",
    "BN": "\u00ad",
    "B": "\u2029",
    "S": "\t",
    "WS": " ",
    "ON": "!",
    "LRE": "\u202a",
    "RLE": "\u202b",
    "PDF": "\u202c",
    "LRO": "\u202d",
    "RLO": "\u202e",
    "LRI": "\u2066",
    "RLI": "\u2067",
    "FSI": "\u2068",
    "PDI": "\u2069",
}


def ours(text: str, direction: Direction) -> tuple[list[int], int]:
    """Levels of a paragraph that stands on one line."""
    resolved, base = levels(text, direction)
    return line_levels(text, resolved, base, 0, len(text)), base


def lines_of(name: str) -> Iterator[tuple[int, str]]:
    data = lzma.decompress((DATA / name).read_bytes()).decode()
    return enumerate(data.split("\n"), 1)


def kept(expected: list[int | None], got: list[int]) -> list[int | None]:
    """Forget the levels of characters that rule X9 removes."""
    return [None if e is None else g for e, g in zip(expected, got, strict=True)]


@lru_cache(maxsize=4096)
def shown_order(levels_of_line: tuple[int | None, ...]) -> list[int]:
    """Return the visual order without removed characters."""
    visible = [n for n, level in enumerate(levels_of_line) if level is not None]
    return [visible[n] for n in visual_order([levels_of_line[n] or 0 for n in visible])]


def level_list(text: str) -> list[int | None]:
    return [None if t == "x" else int(t) for t in text.split()]


@pytest.mark.parametrize("part", range(PARTS))
def test_bidi_test_txt(part: int) -> None:
    expected: list[int | None] = []
    order: list[int] = []
    wrong: list[str] = []
    cases = 0
    asked: tuple[tuple[int, Direction], ...] = ((1, "auto"), (2, "ltr"), (4, "rtl"))
    for number, line in lines_of("BidiTest.txt.xz"):
        if line.startswith("@Levels:"):
            expected = level_list(line[8:])
        elif line.startswith("@Reorder:"):
            order = [int(t) for t in line[9:].split()]
        elif line and line[0] not in "#@" and number % PARTS == part:
            classes, _, mask = line.partition(";")
            text = "".join([SAMPLES[c] for c in classes.split()])
            bits = int(mask, 16)
            for bit, direction in asked:
                if bits & bit:
                    cases += 1
                    got, _ = ours(text, direction)
                    shown = kept(expected, got)
                    if shown != expected or shown_order(tuple(shown)) != order:
                        wrong.append(f"line {number} {direction}: {got}")
    assert not wrong, f"{len(wrong)} of {cases} wrong, first: {wrong[:5]}"
    assert cases > 190_000


@pytest.mark.parametrize("part", range(2))
def test_bidi_character_test_txt(part: int) -> None:
    wrong: list[str] = []
    cases = 0
    directions: dict[str, Direction] = {"0": "ltr", "1": "rtl", "2": "auto"}
    for number, line in lines_of("BidiCharacterTest.txt.xz"):
        if not line or line[0] == "#" or number % 2 != part:
            continue
        codes, asked, paragraph, wanted, order = line.split(";")
        text = "".join([chr(int(c, 16)) for c in codes.split()])
        expected = level_list(wanted)
        got, base = ours(text, directions[asked])
        cases += 1
        shown = kept(expected, got)
        if (
            base != int(paragraph)
            or shown != expected
            or shown_order(tuple(shown)) != [int(t) for t in order.split()]
        ):
            wrong.append(f"line {number}: {got}")
    assert not wrong, f"{len(wrong)} of {cases} wrong, first: {wrong[:5]}"
    assert cases > 45_000
