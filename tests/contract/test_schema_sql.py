"""The schema is one truth: psql and the runner build the same, twice does no harm, all is told.

On PostgreSQL 18 and, where its binaries are, on 15.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from flatrender.db.migrations import load_migrations, migrations_directory
from flatrender.db.schema_doc import describe
from flatrender.testing.schema import catalogue, find_psql, tables, tenant_tables

NAMED = {
    "identity": "tenants tenant_branding tenant_api_keys tenant_webhooks tenant_usage_daily "
    "tenant_api_request_logs users mfa_factors push_subscriptions plans user_plans payments "
    "earned_gifts user_crm oauth_config",
    "content": "project_containers projects scenes scene_contents shared_colors "
    "scene_color_elements color_presets characters presets fonts categories tags project_assets "
    "music_tracks template_svg_previews blogs slides ai_settings",
    "studio": "saved_projects saved_scenes saved_scene_contents saved_shared_colors "
    "saved_scene_colors",
    "render": "nodes render_jobs frame_jobs frame_repair_jobs snapshots exports node_crashes "
    "node_template_cache node_health_logs font_requests node_fonts scan_jobs",
    "file_mgr": "files folders quotas upload_sessions cleanup_schedules",
    "notification": "notifications notification_preferences deliveries templates campaigns",
}
PLUMBING = {"outbox", "inbox", "idempotency_keys", "dead_letters"}


async def run_psql(database: Any) -> None:
    """Run every file the way a person would: `psql -d flatrender -f file`, in number order."""
    psql = find_psql()
    if psql is None:
        pytest.skip("psql is neither on this machine nor in the PostgreSQL wheel")
    server = database.server
    environment = {
        **os.environ,
        "PGPASSWORD": server.password,
        "PGOPTIONS": "-c client_min_messages=warning",
    }
    for migration in load_migrations([migrations_directory()]):
        process = await asyncio.create_subprocess_exec(
            *(str(psql), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", server.host),
            *("-p", str(server.port), "-U", server.superuser, "-d", database.name),
            *("-f", str(migrations_directory() / migration.path)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert (process.returncode, output.decode()) == (0, ""), migration.path


async def look(database: Any) -> dict[str, list[str]]:
    connection = await asyncpg.connect(database.dsn())
    try:
        return await catalogue(connection)
    finally:
        await connection.close()


@pytest.mark.slow
async def test_psql_and_the_runner_build_the_same_in_every_order(
    new_database: Any, run_migrations: Any
) -> None:
    by_psql, by_runner = await new_database(), await new_database()
    await run_psql(by_psql)
    applied = await run_migrations(by_runner)
    assert applied == [m.name for m in load_migrations([migrations_directory()])]
    built = await look(by_psql)
    assert built == await look(by_runner)
    assert len(built["policies"]) > 100  # the comparison compares something

    await run_psql(by_psql)  # twice by psql
    assert await look(by_psql) == built
    await run_psql(by_runner)  # psql over the runner's
    assert await look(by_runner) == built
    assert await run_migrations(by_psql) == applied  # the runner over psql's: applied, recorded
    assert await look(by_psql) == built
    assert await run_migrations(by_psql) == []
    assert await run_migrations(by_runner) == []


async def test_every_named_table_is_there_with_the_plumbing(superuser: Any) -> None:
    there = await tables(superuser)
    for schema, names in NAMED.items():
        missing = (set(names.split()) | PLUMBING) - {t for s, t in there if s == schema}
        assert not missing, schema


async def test_every_table_and_function_says_what_it_is_for(superuser: Any) -> None:
    silent = await superuser.fetch(
        "SELECT c.oid::regclass::text "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND obj_description(c.oid, 'pg_class') IS NULL "
        "AND n.nspname IN "
        "(SELECT schema_name FROM public.flatrender_contexts UNION SELECT 'public')"
    )
    assert [row[0] for row in silent] == []
    functions = await superuser.fetch(
        "SELECT p.oid::regprocedure::text FROM pg_proc p "
        "WHERE p.pronamespace = 'public'::regnamespace "
        "AND obj_description(p.oid) IS NULL"
    )
    assert [row[0] for row in functions] == []


async def test_every_tenant_table_has_forced_row_security_and_a_leading_index(
    superuser: Any,
) -> None:
    found = await tenant_tables(superuser)
    assert len(found) > 80
    for schema, table, column in found:
        name = f'"{schema}"."{table}"'
        flags = await superuser.fetchrow(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class "
            "WHERE oid = $1::text::regclass",
            name,
        )
        assert tuple(flags) == (True, True), name
        policies = {
            row[0]
            for row in await superuser.fetch(
                "SELECT policyname FROM pg_policies WHERE schemaname = $1 AND tablename = $2",
                schema,
                table,
            )
        }
        assert {"tenant_isolation", "system_all"} <= policies, name
        if table in ("outbox", "dead_letters"):
            continue  # only the system role reads them, across tenants
        leading = await superuser.fetchval(
            "SELECT bool_or(a.attname = $2) FROM pg_index i JOIN pg_attribute a "
            "ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
            "WHERE i.indrelid = $1::text::regclass",
            name,
            column,
        )
        assert leading, f"{name} has no index that begins with {column}"


async def test_keys_between_tenant_tables_carry_the_tenant(superuser: Any) -> None:
    """A key ignores row-level security: without the tenant in it, a row could hang on another's."""
    rows = await superuser.fetch(
        """
        SELECT k.conrelid::regclass::text, k.confrelid::regclass::text
        FROM pg_constraint k
        JOIN pg_attribute f ON f.attrelid = k.conrelid AND f.attname = 'tenant_id'
        JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attname = 'tenant_id'
        WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT f.attnum = ANY (k.conkey)
        """
    )
    # These may point at rows of the default tenant, which it shares.
    shared = {
        "identity.plans", "identity.discount_codes", "content.categories", "content.tags",
        "content.music_tracks", "content.project_containers",
    }  # fmt: skip
    loose = {(a, b) for a, b in rows if b not in shared}
    assert loose == {("identity.earned_gifts", "notification.notifications")}


async def test_one_key_crosses_schemas(superuser: Any) -> None:
    rows = await superuser.fetch(
        "SELECT a.oid::regclass::text, b.oid::regclass::text FROM pg_constraint k "
        "JOIN pg_class a ON a.oid = k.conrelid JOIN pg_class b ON b.oid = k.confrelid "
        "WHERE k.contype = 'f' AND a.relnamespace <> b.relnamespace"
    )
    assert [tuple(r) for r in rows] == [("identity.earned_gifts", "notification.notifications")]


async def test_every_updated_at_moves_by_itself(superuser: Any) -> None:
    rows = await superuser.fetch(
        "SELECT c.oid::regclass::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE a.attname = 'updated_at' AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
        "AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid "
        "AND t.tgname = 'touch_updated_at')"
    )
    assert [row[0] for row in rows] == []


@pytest.mark.slow
async def test_a_migrator_without_superuser_rights_is_enough(
    new_database: Any, pg_server: Any, worker_number: int
) -> None:
    """Row-level security binds such an owner: the seeds must get through it all the same."""
    role = f"migrator_w{worker_number}"
    superuser = await asyncpg.connect(pg_server.dsn())
    database = None
    try:
        await superuser.execute(f"CREATE ROLE {role} LOGIN CREATEROLE PASSWORD 'm'")
        database = await new_database(owner=role)
        connection = await asyncpg.connect(pg_server.dsn(database.name, user=role, password="m"))
        try:
            for _ in range(2):
                for migration in load_migrations([migrations_directory()]):
                    await connection.execute(migration.sql)
            await connection.execute(
                "SELECT set_config('app.tenant_id', public.default_tenant()::text, false)"
            )
            plans = await connection.fetch("SELECT code FROM identity.plans ORDER BY tier")
            assert [row[0] for row in plans] == ["free", "plus", "pro"]
            await connection.execute("SELECT set_config('app.tenant_id', '', false)")
            assert await connection.fetchval("SELECT count(*) FROM identity.plans") == 0
        finally:
            await connection.close()
    finally:
        if database is not None:
            await superuser.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
        await superuser.execute(f"DROP ROLE IF EXISTS {role}")
        await superuser.close()


@pytest.mark.slow
async def test_contexts_made_at_once_in_many_databases_do_not_trip_over_their_roles(
    new_database: Any, worker_number: int
) -> None:
    ctx = f"race{worker_number}"
    databases = [await new_database() for _ in range(6)]
    setup = next(m for m in load_migrations([migrations_directory()]) if m.number == 0)

    async def build(database: Any) -> None:
        connection = await asyncpg.connect(
            database.dsn(), server_settings={f"flatrender.{ctx}_password": "r"}
        )
        try:
            await connection.execute(setup.sql)
            await connection.execute("SELECT public.flatrender_setup_context($1, $1)", ctx)
        finally:
            await connection.close()

    await asyncio.gather(*map(build, databases))
    for database in databases:
        connection = await asyncpg.connect(
            database.server.dsn(database.name, user=f"flatrender_{ctx}", password="r")
        )
        assert await connection.fetchval("SHOW search_path") == f"{ctx}, public"
        await connection.close()
    server = await asyncpg.connect(databases[0].server.dsn())
    for database in databases:
        await server.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
    await server.execute(f"DROP ROLE flatrender_{ctx}, flatrender_{ctx}_system")
    await server.close()


async def test_an_unset_password_leaves_the_role_as_it_is(superuser: Any, connect_as: Any) -> None:
    await superuser.execute("SELECT public.flatrender_setup_context('studio', 'studio')")
    connection = await connect_as("flatrender_studio")
    assert await connection.fetchval("SELECT current_user") == "flatrender_studio"


@pytest.mark.parametrize(
    ("ctx", "schema"),
    [
        ("Bad", "bad"), ("x_system", "x"), ("x", "public"), ("x", "pg_x"), ("x; drop", "x"),
        ("studio", "other"), ("other", "studio"),
    ],
)  # fmt: skip
async def test_a_context_cannot_take_a_wrong_or_taken_name(
    superuser: Any, ctx: str, schema: str
) -> None:
    with pytest.raises(asyncpg.PostgresError, match=r"usable|taken"):
        await superuser.execute("SELECT public.flatrender_setup_context($1, $2)", ctx, schema)


async def test_a_role_that_row_security_would_not_bind_is_refused(
    superuser: Any, worker_number: int
) -> None:
    ctx = f"strong{worker_number}"
    await superuser.execute(f"CREATE ROLE flatrender_{ctx} LOGIN BYPASSRLS")
    try:
        with pytest.raises(asyncpg.PostgresError, match="row-level security"):
            await superuser.execute("SELECT public.flatrender_setup_context($1, $1)", ctx)
    finally:
        await superuser.execute(f"DROP ROLE flatrender_{ctx}")


async def test_the_document_says_what_the_database_says(superuser: Any) -> None:
    written = (Path(__file__).parents[2] / "docs" / "schema.md").read_text(encoding="utf-8")
    assert await describe(superuser) == written, "run python -m flatrender.db.schema_doc"
