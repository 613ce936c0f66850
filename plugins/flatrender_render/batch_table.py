"""Tables of batches: a CSV's bytes to rows, and back. Pure.

A CSV is UTF-8 (a byte order mark is fine) with ``,``, ``;`` or tabs between cells, as
spreadsheets write it; the first line names the columns. A cell that a spreadsheet would take for a
formula is written with an apostrophe before it, and so is one that has apostrophes before such a
sign already; reading takes one away from exactly these. So every text comes back as it was.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec.structs import replace

from flatrender.errors import FieldError, Invalid
from flatrender.http.tables import unguarded
from flatrender.template.decode import escape

MAX_BYTES = 8 << 20
MAX_ROWS = 10_000
MAX_COLUMNS = 500
MAX_CELL = 20_000
KEY = "key"

Row = dict[str, object]


def read_csv(data: bytes) -> list[Row]:
    """Return the rows of a CSV. Raises ``Invalid`` with line and column of what is refused."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refused(
            "/file",
            "csv_not_utf8",
            f"فایل باید UTF-8 باشد (بایت {error.start})",
            f"The file must be UTF-8 (byte {error.start})",
        ) from None
    if "\0" in text:
        raise _refused("/file", "csv_invalid", "فایل CSV نیست", "This is no CSV file")
    head = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = list(islice(_filled(reader), MAX_ROWS + 2))
    except csv.Error as error:
        raise _refused(
            "/file",
            "csv_invalid",
            f"سطر {reader.line_num} خوانده نشد",
            f"Line {reader.line_num} cannot be read: {error}",
        ) from None
    if len(lines) < 2:
        raise _refused(
            "/file",
            "csv_empty",
            "سطر نخست نام ستون‌هاست و دست‌کم یک سطر دیگر لازم است",
            "The first line names the columns and at least one more is needed",
        )
    if len(lines) > MAX_ROWS + 1:
        raise _too_many_rows()
    return _rows([unguarded(name.strip()) for name in lines[0]], lines[1:])


def _filled(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """Yield the lines that have something in them. Raises ``Invalid`` for a file of empty ones,
    of which there may be millions."""
    empty = 0
    for line in lines:
        if any(cell.strip() for cell in line):
            yield line
        elif (empty := empty + 1) > MAX_ROWS:
            raise _too_many_rows()


def _rows(columns: list[str], lines: Sequence[Sequence[str]]) -> list[Row]:
    while columns and not columns[-1]:
        columns.pop()  # spreadsheets leave empty ones at the end
    errors = check_columns(columns)
    if len(columns) > MAX_COLUMNS:
        raise Invalid(errors=errors)
    rows: list[Row] = []
    for index, line in enumerate(lines):
        if len(line) > len(columns) and any(cell.strip() for cell in line[len(columns) :]):
            errors.append(
                FieldError(
                    pointer=f"/rows/{index}",
                    code="too_many_cells",
                    message_fa=f"سطر {index + 1}: خانه‌ها از ستون‌ها بیشترند",
                    message_en=f"Row {index + 1} has more cells than there are columns",
                )
            )
        rows.append({name: unguarded(cell) for name, cell in zip(columns, line, strict=False)})
    if errors:
        raise Invalid(errors=errors[:200])
    return rows


def check_columns(columns: Sequence[str]) -> list[FieldError]:
    """Return what is wrong with the names of columns; of too many, only that."""
    if len(columns) > MAX_COLUMNS:
        return [
            FieldError(
                pointer="/columns",
                code="too_many_columns",
                message_fa=f"حداکثر {MAX_COLUMNS} ستون",
                message_en=f"At most {MAX_COLUMNS} columns",
            )
        ]
    errors = []
    seen: set[str] = set()
    for name in columns:
        if not name or name in seen:
            errors.append(
                FieldError(
                    pointer=f"/columns/{escape(name)}",
                    code="column_twice" if name else "column_unnamed",
                    message_fa="نام ستون‌ها باید یکتا باشد",
                    message_en="Columns need names of their own",
                )
            )
        seen.add(name)
    return errors


def columns_of(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the columns of rows in the order in which they come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def keys_of(rows: Sequence[Mapping[str, object]]) -> tuple[list[str], list[FieldError]]:
    """Return a name for every row: what it says itself, or its number."""
    keys: list[str] = []
    errors: list[FieldError] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows, 1):
        key = str(row.get(KEY) or "").strip()[:200] or str(number)
        if key in seen:
            errors.append(
                FieldError(
                    pointer=f"/rows/{number - 1}/{KEY}",
                    code="key_twice",
                    message_fa=f"سطر {number}: همان کلید سطر {seen[key]} است",
                    message_en=f"Row {number}: row {seen[key]} has the same key",
                )
            )
        seen.setdefault(key, number)
        keys.append(key)
    return keys, errors[:200]


def numbered(error: FieldError, number: int) -> FieldError:
    """Return an error of a cell that says which row it is in."""
    return replace(
        error,
        message_fa=f"سطر {number}: {error.message_fa}",
        message_en=f"Row {number}: {error.message_en}",
    )


def _too_many_rows() -> Invalid:
    return _refused("/file", "too_many_rows", f"حداکثر {MAX_ROWS} سطر", f"At most {MAX_ROWS} rows")


def _refused(pointer: str, code: str, fa: str, en: str) -> Invalid:
    return Invalid(errors=[FieldError(pointer=pointer, code=code, message_fa=fa, message_en=en)])
