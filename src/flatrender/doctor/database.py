"""PostgreSQL: reachable per role, new enough, migrated, and the roles no stronger than they must.

The roles are the second wall between tenants and between contexts, so their powers are read back
from the server and not believed.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import asyncpg
from asyncpg.exceptions import (
    InterfaceError,
    InvalidAuthorizationSpecificationError,
    InvalidCatalogNameError,
    InvalidPasswordError,
    PostgresError,
    TooManyConnectionsError,
)
from msgspec import Struct

from flatrender.clock import SystemClock
from flatrender.db.connect import connect_arguments, role_of
from flatrender.db.migrations import MigrationError, MigrationStatus, status
from flatrender.doctor.finding import (
    PATIENCE,
    Finding,
    error,
    judge_clock,
    limited,
    ok,
    reason,
    warning,
)
from flatrender.plugin import PluginError, discover, migration_directories
from flatrender.settings import Settings

OLDEST_POSTGRES = 150_000
# Tables with a tenant column whose row-level security is not forced are open to their owner's
# mistakes; a partition is reached through its parent, whose policies apply.
_OPEN_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition
   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
 ORDER BY 1
"""
_ROLE_FACTS = """
SELECT r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb,
       (SELECT count(*) FROM pg_class c
         WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p')) AS owned,
       ARRAY(SELECT n.nspname::text FROM pg_namespace n
              WHERE n.nspname = ANY($1::text[]) AND n.nspname <> $2
                AND has_schema_privilege(r.oid, n.oid, 'USAGE')) AS foreign_schemas
  FROM pg_roles r WHERE r.rolname = current_user
"""


class RoleFacts(Struct, frozen=True, kw_only=True):
    """What the server says a role may do."""

    name: str
    superuser: bool
    bypasses_rls: bool
    creates_roles: bool
    creates_databases: bool
    owned_tables: int
    foreign_schemas: list[str]


async def examine_database(settings: Settings) -> list[Finding]:
    """Ask the server as every role of every context."""
    try:
        schemas = {name: plugin.manifest.schema for name, plugin in discover().items()}
    except (PluginError, ImportError):
        return []  # the machine's findings say so
    where = f"{settings.database.host}:{settings.database.port}"
    first = next(iter(schemas))
    try:
        connection = await _connect(connect_arguments(settings.database, first))
    except (OSError, TimeoutError, PostgresError, InterfaceError) as fault:
        return [judge_unreachable(where, settings.database.name, role_of(first), fault)]
    try:
        findings = await _server(connection, where, settings, len(schemas))
    finally:
        await connection.close()
    roles = await asyncio.gather(
        *(
            _role(settings, name, schemas, system=system)
            for name in schemas
            for system in (False, True)
        )
    )
    merged = [finding for group in roles for finding in group]
    faults = [finding for finding in merged if finding.level != "ok"]
    findings += faults or [ok(f"{len(merged)} database roles may do what they must and no more")]
    findings.append(await _migrations(settings))
    return findings


async def _connect(arguments: Mapping[str, Any]) -> Any:
    return await limited(asyncpg.connect(**{**arguments, "timeout": PATIENCE}))


async def _server(connection: Any, where: str, settings: Settings, contexts: int) -> list[Finding]:
    before = time.monotonic()
    now = await connection.fetchval("SELECT clock_timestamp()")
    travel = (time.monotonic() - before) / 2
    skew = (now - SystemClock().now()).total_seconds() + travel
    version = connection.get_server_version()
    # Since version 10 the second number of a release is what the client calls micro.
    number = version.major * 10_000 + version.micro
    allowed = int(await connection.fetchval("SHOW max_connections"))
    pools = settings.database
    budget = contexts * (pools.pool_size + pools.read_pool_size + pools.system_pool_size)
    findings = [
        judge_version(where, number),
        judge_clock("PostgreSQL", skew),
        judge_connections(budget, allowed),
    ]
    for name, bad in (("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")):
        if settings.production and await connection.fetchval(f"SHOW {name}") == bad:
            findings.append(error(f"PostgreSQL runs with {name} = {bad}", f"set {name} = on"))
    return findings


async def _role(
    settings: Settings, context: str, schemas: Mapping[str, str], *, system: bool
) -> list[Finding]:
    name = role_of(context, system=system)
    try:
        connection = await _connect(connect_arguments(settings.database, context, system=system))
    except (OSError, TimeoutError, PostgresError, InterfaceError) as fault:
        where = f"{settings.database.host}:{settings.database.port}"
        return [judge_unreachable(where, settings.database.name, name, fault)]
    try:
        row = await limited(
            connection.fetchrow(_ROLE_FACTS, list(schemas.values()), schemas[context])
        )
        facts = RoleFacts(
            name=name,
            superuser=row["rolsuper"],
            bypasses_rls=row["rolbypassrls"],
            creates_roles=row["rolcreaterole"],
            creates_databases=row["rolcreatedb"],
            owned_tables=row["owned"],
            foreign_schemas=row["foreign_schemas"],
        )
        findings = judge_role(facts)
        if not system:
            found = await limited(connection.fetch(_OPEN_TABLES, schemas[context]))
            if tables := [row[0] for row in found]:
                findings.append(judge_open_tables(tables))
        return findings
    finally:
        await connection.close()


async def _migrations(settings: Settings) -> Finding:
    database = settings.database
    arguments = {
        "host": database.host,
        "port": database.port,
        "database": database.name,
        "user": database.migrator_user,
        "password": database.migrator_password,
        "timeout": PATIENCE,
    }
    if not database.migrator_password:
        return ok("migrations: not looked at (FLATRENDER_DATABASE_MIGRATOR_PASSWORD is not here)")
    try:
        return judge_migrations(
            await limited(status(arguments, directories=migration_directories()))
        )
    except (OSError, TimeoutError, PostgresError, MigrationError) as fault:
        return error(
            f"the migrations cannot be read: {reason(fault)}",
            "check FLATRENDER_DATABASE_MIGRATOR_USER and its password",
        )


def judge_unreachable(where: str, database: str, role: str, fault: BaseException) -> Finding:
    """Say why a role could not log in, and what to do for the usual causes."""
    what = f"PostgreSQL at {where} refuses {role}: {reason(fault)}"
    if isinstance(fault, InvalidPasswordError):
        return error(what, "set FLATRENDER_DATABASE_PASSWORD and run `flatrender migrate`")
    if isinstance(fault, InvalidCatalogNameError):
        return error(what, f"create the database: createdb {database}")
    if isinstance(fault, InvalidAuthorizationSpecificationError):
        return error(what, "run `flatrender migrate`, which makes the roles")
    if isinstance(fault, TooManyConnectionsError):
        return error(what, "raise max_connections or lower FLATRENDER_DATABASE_POOL_SIZE")
    if isinstance(fault, (OSError, TimeoutError)):
        return error(
            f"PostgreSQL does not answer at {where}: {reason(fault)}",
            "start it, or correct FLATRENDER_DATABASE_HOST and FLATRENDER_DATABASE_PORT",
        )
    return error(what, "check the server's log")


def judge_version(where: str, number: int) -> Finding:
    """Judge ``server_version_num``-like ``number`` (major * 10000 + minor)."""
    shown = f"PostgreSQL {number // 10_000}.{number % 10_000} at {where}"
    if number < OLDEST_POSTGRES:
        return error(f"{shown} is too old", "upgrade to PostgreSQL 15 or newer")
    return ok(shown)


def judge_connections(budget: int, allowed: int) -> Finding:
    """Judge one process's pools at their fullest against the server's limit."""
    text = f"one process may open {budget} of PostgreSQL's {allowed} connections"
    if budget > allowed:
        return error(text, "raise max_connections or lower FLATRENDER_DATABASE_POOL_SIZE")
    if budget * 2 > allowed:
        return warning(text, "two processes will not fit: raise max_connections or put a pooler")
    return ok(text)


def judge_role(facts: RoleFacts) -> list[Finding]:
    """Judge one role's powers: each that it must not have is an error of its own."""
    faults = [
        (facts.superuser, "is a superuser", f"ALTER ROLE {facts.name} NOSUPERUSER"),
        (facts.bypasses_rls, "bypasses row-level security", f"ALTER ROLE {facts.name} NOBYPASSRLS"),
        (facts.creates_roles, "may create roles", f"ALTER ROLE {facts.name} NOCREATEROLE"),
        (facts.creates_databases, "may create databases", f"ALTER ROLE {facts.name} NOCREATEDB"),
        (
            facts.owned_tables > 0,
            f"owns {facts.owned_tables} tables",
            f"REASSIGN OWNED BY {facts.name} TO the migrator's role",
        ),
        (
            bool(facts.foreign_schemas),
            f"may enter {', '.join(facts.foreign_schemas)}",
            f"REVOKE ALL ON SCHEMA {', '.join(facts.foreign_schemas)} FROM {facts.name}",
        ),
    ]
    found = [error(f"role {facts.name} {what}", fix) for bad, what, fix in faults if bad]
    return found or [ok(f"role {facts.name}")]


def judge_open_tables(tables: list[str]) -> Finding:
    """Judge tenant tables without forced row-level security; ``tables`` is not empty."""
    return error(
        f"tenant tables without forced row-level security: {', '.join(tables)}",
        "ALTER TABLE ... ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    )


def judge_migrations(lines: list[MigrationStatus]) -> Finding:
    """Judge the ledger against the files."""
    edited = [line.name for line in lines if line.state == "edited"]
    pending = [line.name for line in lines if line.state == "pending"]
    if edited:
        return error(
            f"migrations changed after they were applied: {', '.join(edited)}",
            "restore the files and put the change into a new migration",
        )
    if pending:
        return error(f"migrations are pending: {', '.join(pending)}", "run `flatrender migrate`")
    return ok(f"all {len(lines)} migrations are applied")
