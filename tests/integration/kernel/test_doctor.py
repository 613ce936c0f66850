"""The doctor on real servers: well, and with each thing broken that it promises to see."""

from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from flatrender.db.connect import role_of
from flatrender.doctor import Finding, examine
from flatrender.doctor.database import examine_database
from flatrender.doctor.stores import examine_store, examine_valkey
from flatrender.plugin import discover
from flatrender.settings import (
    CoreSettings,
    DatabaseSettings,
    HttpSettings,
    Settings,
    StorageSettings,
    ValkeySettings,
)
from flatrender.testing.plugin import TestDatabase


@pytest.fixture
def settings(
    database_settings: DatabaseSettings,
    valkey_settings: ValkeySettings,
    object_store_config: StorageSettings,
    tmp_path: Any,
) -> Settings:
    return Settings(
        core=CoreSettings(environment="test", data_dir=str(tmp_path)),
        database=database_settings,
        valkey=valkey_settings,
        storage=object_store_config,
        http=HttpSettings(port=0),
    )


def changed(settings: Settings, section: str, **values: Any) -> Settings:
    part = msgspec.structs.replace(getattr(settings, section), **values)
    return msgspec.structs.replace(settings, **{section: part})


def faults(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level == "error"]


async def test_a_sound_deployment_has_no_errors(settings: Settings) -> None:
    findings = await examine(settings)
    assert faults(findings) == []
    said = "\n".join(finding.what for finding in findings)
    for part in ("Python", "system libraries", "are free", "contexts are installed", "PostgreSQL",
                 "database roles", "migrations are applied", "Valkey", "objects go in and out",
                 "the clock of PostgreSQL agrees", "the clock of Valkey agrees",
                 "the clock of the object store agrees"):  # fmt: skip
        assert part in said, part
    assert all(finding.fix for finding in findings if finding.level != "ok")
    database = settings.database
    connection = await asyncpg.connect(
        host=database.host, port=database.port, user=database.migrator_user,
        password=database.migrator_password, database=database.name,
    )  # fmt: skip
    version = str(await connection.fetchval("SHOW server_version")).split()[0]
    await connection.close()
    assert f"PostgreSQL {version} at" in said


async def test_a_server_that_is_not_there_is_said_once_with_its_address(settings: Settings) -> None:
    gone = changed(settings, "database", port=1)
    gone = changed(gone, "valkey", url="redis://:secret-word@127.0.0.1:1/0")
    gone = changed(gone, "storage", endpoint="http://127.0.0.1:1")
    findings = await examine(gone)
    said = faults(findings)
    assert [line for line in said if "127.0.0.1:1" in line] == said
    assert len(said) == 3
    assert "secret-word" not in str(findings)


async def test_wrong_secrets_are_told_apart_from_dead_servers(settings: Settings) -> None:
    (password, *_) = faults(await examine_database(changed(settings, "database", password="no")))
    assert "refuses flatrender_" in password
    host = settings.valkey.url.rpartition("@")[2]
    (valkey,) = faults(await examine_valkey(changed(settings, "valkey", url=f"redis://:no@{host}")))
    assert "refuses the password" in valkey
    (store,) = faults(await examine_store(changed(settings, "storage", secret_key="wrong")))
    assert "refuses our key" in store
    (bucket,) = faults(await examine_store(changed(settings, "storage", bucket="not-there")))
    assert "no bucket not-there" in bucket


async def test_a_missing_database_and_pending_migrations_are_named(
    settings: Settings, empty_database: Callable[[], TestDatabase]
) -> None:
    missing = await examine_database(changed(settings, "database", name="not_there"))
    assert "not_there" in missing[0].fix
    bare = empty_database()
    findings = await examine_database(changed(settings, "database", name=bare.name))
    assert any(line.startswith("migrations are pending: 00_setup") for line in faults(findings))


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY", "without forced row-level security"),
        ("ALTER TABLE {table} OWNER TO {role}", "owns 1 tables"),
        ("GRANT USAGE ON SCHEMA {foreign} TO {role}", "may enter {foreign}"),
        (
            "UPDATE public.flatrender_migrations SET sha256 = 'x' WHERE number = 0",
            "changed after they were applied: 00_setup",
        ),
    ],
)
async def test_a_weakened_wall_is_seen(
    settings: Settings, clone_database: Callable[[], TestDatabase], statement: str, told: str
) -> None:
    schemas = {name: plugin.manifest.schema for name, plugin in discover().items()}
    context, other = list(schemas)[:2]
    database = clone_database()
    connection = await asyncpg.connect(database.dsn())
    table = await connection.fetchval(
        """
        SELECT c.oid::regclass::text
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relforcerowsecurity
           AND NOT c.relispartition
         LIMIT 1
        """,
        schemas[context],
    )
    names = {"table": table, "role": role_of(context), "foreign": schemas[other]}
    await connection.execute(statement.format(**names))
    await connection.close()
    findings = await examine_database(changed(settings, "database", name=database.name))
    assert any(told.format(**names) in line for line in faults(findings)), findings


async def test_eviction_and_missing_persistence_are_seen(settings: Settings) -> None:
    findings = await examine_valkey(settings)  # test servers keep no append-only file
    assert [f.fix for f in findings if f.level == "warning"] == ["set appendonly yes"]
