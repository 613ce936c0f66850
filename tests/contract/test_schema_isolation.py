"""Walls between tenants and between contexts, in every table there is.

Tables and columns come from the catalogue: a new table is tested without being named here.
"""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from flatrender.testing.schema import SampleRows, insert, tables, tenant_tables

CONTEXTS = {
    "identity": "identity",
    "content": "content",
    "studio": "studio",
    "render": "render",
    "files": "file_mgr",
    "notification": "notification",
}
ROLES = [f"flatrender_{c}{s}" for c in CONTEXTS for s in ("", "_system")]
# What a CHECK says across columns the catalogue cannot tell.
SAMPLES = SampleRows(
    {
        "identity.mfa_factors": {"kind": "totp", "secret_enc": b"s"},
        "identity.one_time_tokens": {"token_hash": b"t"},
        "identity.invitations": {"email": "a@example.com"},
        "identity.discount_codes": {"percent": 10},
        "content.project_containers": {"sharing": "none"},
        "content.shared_colors": {"default_value": "#aabbcc"},
        "studio.saved_shared_colors": {"value": "#aabbcc"},
        "studio.saved_audio": {"source": "file", "object_key": "k"},
        "render.frame_repair_jobs": {"attempt": 1},
    }
)


@pytest.fixture
async def two_tenants(superuser: Any) -> Any:
    """A row of each of two tenants in every tenant table; foreign keys are not asked for here."""
    mine, other = uuid4(), uuid4()
    await superuser.execute("SET session_replication_role = replica")
    found = await tenant_tables(superuser)
    for schema, table, column in found:
        for tenant in (mine, other):
            values = await SAMPLES.row(superuser, schema, table, {column: tenant})
            await insert(superuser, schema, table, values)
    await superuser.execute("SET session_replication_role = origin")
    yield mine, other, found
    await superuser.execute("SET session_replication_role = replica")
    for schema, table, column in found:
        await superuser.execute(
            f'DELETE FROM "{schema}"."{table}" WHERE "{column}" = ANY ($1::uuid[])', [mine, other]
        )


async def privileges(superuser: Any, role: str, schema: str, table: str) -> set[str]:
    """Return which of the four table privileges a role has."""
    wanted = ("SELECT", "INSERT", "UPDATE", "DELETE")
    return {
        p
        for p in wanted
        if await superuser.fetchval(
            "SELECT has_table_privilege($1, $2, $3)", role, f'"{schema}"."{table}"', p
        )
    }


async def refused(connection: Any, statement: str, *args: object) -> str:
    """Run a statement that must fail for want of rights; returns what PostgreSQL said."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError) as caught:
        await connection.execute(statement, *args)
    return str(caught.value)


async def test_no_row_of_another_tenant_is_visible_or_writable_anywhere(
    superuser: Any, connect_as: Any, two_tenants: Any
) -> None:
    mine, other, found = two_tenants
    context_of = {schema: ctx for ctx, schema in CONTEXTS.items()}
    connections = {
        schema: await connect_as(f"flatrender_{ctx}", mine) for ctx, schema in CONTEXTS.items()
    }
    seen = written = 0
    for schema, table, column in found:
        request = connections[schema]
        name = f'"{schema}"."{table}"'
        may = await privileges(superuser, f"flatrender_{context_of[schema]}", schema, table)
        if "SELECT" in may:
            rows = await request.fetch(f'SELECT "{column}" AS tenant FROM {name}')
            tenants = {row["tenant"] for row in rows}
            assert mine in tenants, f"{name}: own row not seen, the test would show nothing"
            assert other not in tenants, name
            seen += 1
        else:
            assert "permission denied" in await refused(request, f"SELECT FROM {name}")
        for act, statement in (
            ("UPDATE", f'UPDATE {name} SET "{column}" = "{column}"'),
            ("DELETE", f"DELETE FROM {name}"),
        ):
            if act in may:
                transaction = request.transaction()
                await transaction.start()
                try:
                    await request.execute("SET CONSTRAINTS ALL DEFERRED")
                    tag = await request.execute(f'{statement} WHERE "{column}" = $1', other)
                finally:
                    await transaction.rollback()
                assert tag == f"{act} 0", name
            else:
                assert "permission denied" in await refused(request, statement)
        values = await SAMPLES.row(superuser, schema, table, {column: other})
        names = ", ".join(f'"{key}"' for key in values)
        marks = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        said = await refused(
            request, f"INSERT INTO {name} ({names}) VALUES ({marks})", *values.values()
        )
        assert ("row-level security" if "INSERT" in may else "permission denied") in said, name
        if "UPDATE" in may:
            said = await refused(
                request, f'UPDATE {name} SET "{column}" = $1 WHERE "{column}" = $2', other, mine
            )
            assert "row-level security" in said, name
            written += 1
    assert seen > 70  # most tables were really looked at
    assert written > 60
    for schema, table, column in found:
        there = await superuser.fetchval(
            f'SELECT count(*) FROM "{schema}"."{table}" WHERE "{column}" = $1', other
        )
        assert there == 1, f"{schema}.{table}"


@pytest.mark.usefixtures("two_tenants")
async def test_without_a_tenant_no_row_is_visible(superuser: Any, connect_as: Any) -> None:
    for ctx, schema in CONTEXTS.items():
        unset = await connect_as(f"flatrender_{ctx}")
        emptied = await connect_as(f"flatrender_{ctx}", "")
        for where, table, _ in await tenant_tables(superuser):
            if where != schema:
                continue
            if "SELECT" not in await privileges(superuser, f"flatrender_{ctx}", schema, table):
                continue
            for connection in (unset, emptied):
                count = await connection.fetchval(f'SELECT count(*) FROM "{schema}"."{table}"')
                assert count == 0, f"{schema}.{table}"


async def test_the_system_role_sees_every_tenant(
    superuser: Any, connect_as: Any, two_tenants: Any
) -> None:
    mine, other, found = two_tenants
    context_of = {schema: ctx for ctx, schema in CONTEXTS.items()}
    for schema, table, column in found:
        system = await connect_as(f"flatrender_{context_of[schema]}_system")
        tenants = {
            row[0] for row in await system.fetch(f'SELECT "{column}" FROM "{schema}"."{table}"')
        }
        assert {mine, other} <= tenants, f"{schema}.{table}"
        await system.close()


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_can_touch_only_its_own_schema(
    superuser: Any, connect_as: Any, role: str
) -> None:
    context = role.removeprefix("flatrender_").removesuffix("_system")
    own = CONTEXTS[context]
    connection = await connect_as(role, uuid4())
    tried = 0
    for schema, table in await tables(superuser, partitions=True):
        if schema == own:
            continue
        assert not await privileges(superuser, role, schema, table), f"{schema}.{table}"
        for statement in ("SELECT FROM {}", "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}"):
            said = await refused(connection, statement.format(f'"{schema}"."{table}"'))
            assert "permission denied" in said or "must be owner" in said
        tried += 1
    assert tried > 60
    for statement in (
        "CREATE TABLE public.intruder ()",
        f'CREATE TABLE "{own}".intruder ()',
        "CREATE SCHEMA intruder",
        "CREATE TEMP TABLE intruder ()",
        "CREATE ROLE intruder",
        "SELECT public.flatrender_setup_context('intruder', 'intruder')",
        "SELECT * FROM public.flatrender_migrations",
    ):
        assert "permission denied" in await refused(connection, statement)
    attributes = await superuser.fetchrow(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication, "
        "EXISTS (SELECT FROM pg_auth_members WHERE member = r.oid), "
        "EXISTS (SELECT FROM pg_class WHERE relowner = r.oid) FROM pg_roles r WHERE rolname = $1",
        role,
    )
    assert tuple(attributes) == (False, False, False)
    other_role = next(r for r in ROLES if r != role)
    await refused(connection, f"SET ROLE {other_role}")
    await refused(connection, "SET session_replication_role = replica")
    await connection.execute("SET row_security = off")  # makes a filtered query an error, no more
    assert "row-level security" in await refused(
        connection, f'SELECT FROM "{own}".idempotency_keys'
    )


async def test_a_table_that_nobody_finished_is_out_of_reach(
    superuser: Any, connect_as: Any
) -> None:
    await superuser.execute("CREATE TABLE studio.unfinished (tenant_id uuid)")
    try:
        for role in ("flatrender_studio", "flatrender_studio_system"):
            await refused(await connect_as(role, uuid4()), "SELECT FROM studio.unfinished")
    finally:
        await superuser.execute("DROP TABLE studio.unfinished")


@pytest.mark.parametrize(
    "table",
    [
        "identity.audit_log", "identity.wallet_ledger", "identity.render_charge_ledger",
        "identity.plan_days_ledger", "identity.xp_ledger",
    ],
)  # fmt: skip
async def test_ledgers_and_the_audit_log_only_grow(
    connect_as: Any, two_tenants: tuple[UUID, UUID, Any], table: str
) -> None:
    mine, _, _ = two_tenants
    for role in ("flatrender_identity", "flatrender_identity_system"):
        connection = await connect_as(role, mine)
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") >= 1
        for statement in (
            f"UPDATE {table} SET created_at = now()",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            await refused(connection, statement)


async def test_nothing_is_granted_to_everybody(superuser: Any) -> None:
    open_to_all = await superuser.fetch(
        """
        WITH ours AS (
            SELECT n.oid, n.nspacl FROM pg_namespace n WHERE n.nspname IN
                (SELECT schema_name FROM public.flatrender_contexts UNION SELECT 'public'))
        SELECT 'function ' || p.oid::regprocedure
        FROM pg_proc p JOIN ours ON ours.oid = pronamespace,
            aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = 0
        UNION ALL
        SELECT 'table ' || c.oid::regclass FROM pg_class c JOIN ours ON ours.oid = relnamespace,
            aclexplode(c.relacl) a WHERE a.grantee = 0
        UNION ALL
        SELECT 'schema ' || ours.oid::regnamespace FROM ours, aclexplode(ours.nspacl) a
            WHERE a.grantee = 0
        UNION ALL
        SELECT 'database'
        FROM pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba))) a
            WHERE d.datname = current_database() AND a.grantee = 0
        """
    )
    assert [row[0] for row in open_to_all] == []
