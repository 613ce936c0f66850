"""Tables out and in again: no cell of them runs in a spreadsheet, and none is changed."""

import csv
import io

import pytest

from flatrender_render.batch_table import read_csv, write_csv


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t=", "\r=", "\n=", "\uff1d", "\uff20"])
def test_a_cell_that_would_be_a_formula_is_text_and_reads_back(first: str) -> None:
    cell = f'{first}HYPERLINK("https://example.com")'
    data = write_csv(["name", cell], [["x", cell]])
    lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [line[1] for line in lines] == [f"'{cell}"] * 2
    assert read_csv(write_csv(["name"], [[cell]])) == [{"name": cell}]
