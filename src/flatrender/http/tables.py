"""Tables that leave the platform as files: CSV cells that no spreadsheet runs, lists as streams.

A stream is read page by page, each by a statement of its own: a slow reader holds no transaction
open and no list lies whole in memory.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Literal

import msgspec
from litestar.response import Stream

from flatrender.storage.store import disposition

TableFormat = Literal["csv", "jsonl"]
MEDIA_TYPES: dict[TableFormat, str] = {"csv": "text/csv", "jsonl": "application/x-ndjson"}

#: What spreadsheets begin a formula with, in the widths of East Asian keyboards as well, and the
#: white space that some of them skip before it.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: By it spreadsheets know UTF-8.
MARK = b"\xef\xbb\xbf"


def guarded(cell: str) -> str:
    """Return a cell that a spreadsheet shows and does not run; see :func:`unguarded`."""
    return "'" + cell if cell.lstrip("'").startswith(FORMULA) else cell


def unguarded(cell: str) -> str:
    """Undo :func:`guarded`: of a cell's own apostrophes one less than are there."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(FORMULA) else cell


def csv_rows(rows: Iterable[Sequence[object]]) -> bytes:
    """Return lines of a CSV (RFC 4180), cells guarded; None is an empty cell."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow(["" if cell is None else guarded(str(cell)) for cell in row])
    return out.getvalue().encode()


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Return a whole CSV that spreadsheets open as UTF-8 and that no cell of can run in them."""
    return MARK + csv_rows([columns]) + csv_rows(rows)


async def stream_table(
    columns: Sequence[str],
    pages: AsyncIterator[Sequence[Sequence[object]]],
    form: TableFormat,
) -> AsyncIterator[bytes]:
    """Yield a file of rows as they are read: CSV with a head, or one JSON object a line."""
    if form == "csv":
        yield MARK + csv_rows([columns])
    async for rows in pages:
        if form == "csv":
            yield csv_rows([_flat(cell) for cell in row] for row in rows)
        else:
            yield msgspec.json.Encoder().encode_lines(
                [dict(zip(columns, row, strict=True)) for row in rows]
            )


class TableAnswer(Stream):
    """A handler's answer: a file of rows that is sent as it is read. ``name`` without extension.

    The operation declares ``media_type="application/octet-stream"``; the answer says which it is.
    """

    def __init__(self, rows: AsyncIterator[bytes], form: TableFormat, *, name: str) -> None:
        super().__init__(
            rows,
            headers={
                "content-disposition": disposition(f"{name}.{form}"),
                "cache-control": "no-store",
            },
        )
        self._form = form

    def to_asgi_response(self, *args: Any, **kwargs: Any) -> Any:
        """Answer with the type of the file, whatever the operation declares."""
        return super().to_asgi_response(*args, **{**kwargs, "media_type": MEDIA_TYPES[self._form]})


def _flat(cell: object) -> object:
    """Return a cell as text where it holds more than one value."""
    return msgspec.json.encode(cell).decode() if isinstance(cell, dict | list) else cell
