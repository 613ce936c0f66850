"""Lists as files: the same rows in both forms, nothing that a spreadsheet would run."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from flatrender.http.tables import TableFormat, guarded, stream_table, unguarded

_COLUMNS = ["id", "reason", "before"]
_ROWS: list[list[Any]] = [
    [1, "=cmd()", {"role": "=x"}],
    [2, None, None],
    [3, "با «ویرگول»,", ["a"]],
]


async def _read(form: TableFormat) -> bytes:
    async def pages() -> AsyncIterator[Sequence[Sequence[object]]]:
        yield _ROWS[:2]
        yield _ROWS[2:]

    return b"".join([part async for part in stream_table(_COLUMNS, pages(), form)])


async def test_a_csv_has_a_head_and_runs_nowhere() -> None:
    text = (await _read("csv")).decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        _COLUMNS,
        ["1", "'=cmd()", '{"role":"=x"}'],
        ["2", "", ""],
        ["3", "با «ویرگول»,", '["a"]'],
    ]


async def test_json_lines_keep_values_as_they_are() -> None:
    lines = (await _read("jsonl")).splitlines()
    assert [msgspec.json.decode(line) for line in lines] == [
        dict(zip(_COLUMNS, row, strict=True)) for row in _ROWS
    ]


def test_a_guard_is_taken_away_again() -> None:
    for cell in ("=1", "'=1", "plain", "'plain", "", "\uff1d1"):
        assert unguarded(guarded(cell)) == cell
