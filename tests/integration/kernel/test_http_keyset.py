"""Keyset pages on a real table: every order is walked whole, once, and as PostgreSQL sorts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from flatrender.http.cursors import CursorSigner
from flatrender.http.pages import CursorParams
from flatrender.http.sorting import SortColumn, SortMenu, keyset
from flatrender.testing.plugin import TestDatabase

ID = SortColumn("t.id", int, "bigint")
MENU = SortMenu(
    {
        "name": SortColumn("t.name", str, "text"),
        "at": SortColumn("t.at", datetime, "timestamptz"),
    },
    default="-at",
    tie=ID,
)
SIGNER = CursorSigner(b"k" * 32)
START = datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize("sort", [None, "at", "name", "-name", "name,-at", "-at,name"])
async def test_pages_cover_the_list_exactly(
    migrated_database: TestDatabase, sort: str | None
) -> None:
    # Few distinct names and times: most comparisons are decided by the later columns.
    rows = [(n, "الفبب"[n % 3], START + timedelta(microseconds=n % 4)) for n in range(60)]
    connection = await asyncpg.connect(migrated_database.dsn())
    try:
        await connection.execute("CREATE TEMP TABLE t (id bigint, name text, at timestamptz)")
        await connection.copy_records_to_table("t", records=rows)
        order = MENU.parse(sort).order_by()
        whole = [row["id"] for row in await connection.fetch(f"SELECT id FROM t ORDER BY {order}")]
        seen: list[int] = []
        cursor: str | None = None
        while True:
            params = CursorParams(cursor=cursor, page_size=7, sort=sort)
            query = keyset(params, MENU, SIGNER, route="t", first=2)
            found = await connection.fetch(
                f"SELECT id, name, at FROM t WHERE id >= $1 AND {query.condition} "
                f"ORDER BY {query.order.order_by()} LIMIT {query.limit}",
                0,
                *query.values,
            )
            columns = [term.column.sql.removeprefix("t.") for term in query.order.terms]

            def values_of(row: Any, names: list[str] = columns) -> list[Any]:
                return [row[name] for name in names]

            page = query.page(found, values_of)
            seen += [row["id"] for row in page.data]
            cursor = page.meta.cursor
            if not page.meta.has_more:
                break
        assert seen == whole
        assert len(seen) == 60
    finally:
        await connection.close()
