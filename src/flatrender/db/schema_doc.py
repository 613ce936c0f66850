"""docs/schema.md, written from the comments in the database, so that it cannot drift.

``python -m flatrender.db.schema_doc DSN > docs/schema.md`` after a migration; a contract test
compares. Never run by the platform itself.
"""

import asyncio
import sys

import asyncpg

_INTRO = """# The database schema

Written from the comments in the database by `python -m flatrender.db.schema_doc DSN`; the SQL in
`migrations/` is the truth. Who reads and writes what:

- Every context has a schema and two login roles: `flatrender_<context>` serves requests and sees
  one tenant (row-level security by `app.tenant_id`), `flatrender_<context>_system` does work that
  crosses tenants. Neither sees another context's schema, owns a table or bypasses row security.
- A table is reachable once `flatrender_tenant_table` or `flatrender_plain_table` has finished it.
- Without a tenant set, a request sees no row. What the default tenant shares is readable by other
  tenants and writable by none of them.
- Under row-level security an index serves only leakproof operators: equality and order of plain
  columns do, `lower()`, `LIKE`, `@>` and text search do not. That is why there are `email_key`,
  `slug_key` and `content.search_containers()`.
- Back up as a superuser or with a role that has BYPASSRLS: `pg_dump` stops at tables whose row
  security it cannot switch off, rather than leave rows out.
- Columns: see the mapped classes in each context's `models`, or `\\d+` in psql for comments.
"""
_TABLES = """
    SELECT n.nspname AS schema, c.relname AS name, obj_description(c.oid, 'pg_class') AS comment,
           c.relrowsecurity AS tenant, c.relkind = 'p' AS monthly
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN (SELECT schema_name, created_at FROM public.flatrender_contexts
          UNION ALL SELECT 'public', '-infinity') s ON s.schema_name = n.nspname
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY n.nspname, c.relname"""
_FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name, obj_description(p.oid) AS comment
    FROM pg_proc p WHERE obj_description(p.oid) IS NOT NULL
      AND (p.pronamespace = 'public'::regnamespace OR p.pronamespace IN
           (SELECT schema_name::regnamespace FROM public.flatrender_contexts))
    ORDER BY p.oid::regprocedure::text COLLATE pg_catalog."C" ASC"""
_PLUMBING = ("outbox", "inbox", "idempotency_keys", "dead_letters")


async def describe(connection: asyncpg.Connection) -> str:
    """Return the document for a migrated database."""
    await connection.execute("SET search_path = pg_catalog")
    lines = [_INTRO]
    schema = ""
    for row in await connection.fetch(_TABLES):
        if row["schema"] != schema:
            schema = row["schema"]
            lines += ["", f"## {schema}", "", "| table | what it holds |", "|---|---|"]
            if schema != "public":
                names = ", ".join(f"`{name}`" for name in _PLUMBING)
                lines.append(f"| {names} | Plumbing that every context has. |")
        if row["name"] in _PLUMBING:
            continue
        notes = [] if row["tenant"] or schema == "public" else ["no tenant"]
        if row["monthly"]:
            notes.append("monthly partitions")
        note = f" ({', '.join(notes)})" if notes else ""
        lines.append(f"| `{row['name']}`{note} | {_cell(row['comment'])} |")
    lines += ["", "## Functions", "", "| function | what it does |", "|---|---|"]
    lines += [
        f"| `{row['name']}` | {_cell(row['comment'])} |"
        for row in await connection.fetch(_FUNCTIONS)
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


async def _main(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        sys.stdout.write(await describe(connection))
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
