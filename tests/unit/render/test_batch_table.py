"""Tables out and in again: no cell of them runs in a spreadsheet, and none is changed."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender.errors import Invalid
from flatrender.http.tables import write_csv
from flatrender_render.batch_table import MAX_BYTES, MAX_ROWS, read_csv


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d", "\uff20"])
def test_a_cell_that_would_be_a_formula_is_text_and_reads_back(first: str) -> None:
    cell = f'{first}HYPERLINK("https://example.com")'
    data = write_csv(["name", cell], [["x", cell]])
    lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [line[1] for line in lines] == [f"'{cell}"] * 2
    assert read_csv(write_csv(["name"], [[cell]])) == [{"name": cell}]


@pytest.mark.parametrize("cell", ["'=x", "''-1", "'", "'quoted'", "'s avonds", "''", "a'=b"])
def test_apostrophes_of_a_persons_own_come_back(cell: str) -> None:
    data = write_csv(["name", "more"], [[cell, "x"]])
    assert read_csv(data) == [{"name": cell, "more": "x"}]


def test_only_what_was_escaped_is_unescaped() -> None:
    """A cell that needs no apostrophe has none put before it, and keeps the one it has."""
    cells = ["'quoted'", "'", "plain", "'۱۴۰۴"]
    written = list(csv.reader(io.StringIO(write_csv(["name"], [cells]).decode("utf-8-sig"))))
    assert written[1] == cells
    assert read_csv(b"name\n'quoted'\n") == [{"name": "'quoted'"}]


@given(st.lists(st.text(st.sampled_from("'=+-@\t\r\n \uff1da;,\""), max_size=6), min_size=1))
def test_every_text_comes_back_as_it_was(cells: list[str]) -> None:
    data = write_csv(["key", "cell"], [["k", cell] for cell in cells])
    assert [row["cell"] for row in read_csv(data)] == cells


def test_empty_lines_are_passed_over_but_not_by_the_million() -> None:
    assert read_csv(b"name\n" + b"\n" * MAX_ROWS + b"x\n") == [{"name": "x"}]
    for line in (b"\n", b",\n", b" \n"):
        with pytest.raises(Invalid) as refused:
            read_csv(b"name\nx\n" + line * (MAX_BYTES // len(line) - 20))
        assert [error.code for error in refused.value.errors] == ["too_many_rows"]
