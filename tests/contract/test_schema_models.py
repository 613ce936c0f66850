"""The mapped tables say what the database says: nothing missing either way, types alike."""

from importlib import import_module
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql

CONTEXTS = ("identity", "content", "studio", "render", "files", "notification")
# The mapper's word for a type, where PostgreSQL has another for the same.
_SAME = {
    "FLOAT": "double precision",
    "FLOAT(53)": "double precision",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
    "TIME WITHOUT TIME ZONE": "time without time zone",
    "TEXT[]": "text[]",
    "UUID[]": "uuid[]",
    "INTEGER[]": "integer[]",
}
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary
                   AND a.attnum = ANY (i.indkey::int2[])) AS key
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped"""


@pytest.mark.parametrize("context", CONTEXTS)
async def test_models_and_tables_agree(superuser: Any, context: str) -> None:
    metadata = import_module(f"flatrender_{context}.models").Base.metadata
    dialect = postgresql.dialect()
    mapped = {}
    for table in metadata.tables.values():
        assert table.schema == metadata.schema
        for column in table.columns:
            kind = column.type.compile(dialect)
            mapped[table.name, column.name] = (
                _SAME.get(kind, kind.lower()),
                not column.nullable,
                column.primary_key,
            )
    there = {
        (row["relname"], row["attname"]): (row["type"], row["attnotnull"], row["key"])
        for row in await superuser.fetch(_COLUMNS, metadata.schema)
    }
    assert set(there) - set(mapped) == set(), "not mapped"
    assert set(mapped) - set(there) == set(), "mapped, but not in the database"
    differ = {k: (mapped[k], there[k]) for k in there if mapped[k] != there[k]}
    assert differ == {}
