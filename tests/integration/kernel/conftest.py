"""The lab: two tiny contexts on a database of their own (see `flatrender.testing.lab`)."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from flatrender.settings import Settings, load_settings
from flatrender.testing import lab as lab_module
from flatrender.testing.lab import LAB_SQL, Lab, Script, open_lab
from flatrender.testing.platform import FAST
from flatrender.testing.plugin import PASSWORD, TestDatabase

Inspect = Callable[..., Awaitable[list[asyncpg.Record]]]


@pytest.fixture(scope="session")
async def lab_database(clone_database: Callable[[], TestDatabase]) -> TestDatabase:
    """A migrated database that has the lab's schemas as well."""
    database = clone_database()
    connection = await asyncpg.connect(database.dsn())
    try:
        for context in ("lab", "lab_reader"):
            await connection.execute(
                "SELECT set_config($1, $2, false)", f"flatrender.{context}_password", PASSWORD
            )
            await connection.execute(
                "SELECT set_config($1, $2, false)",
                f"flatrender.{context}_system_password",
                PASSWORD,
            )
        await connection.execute(LAB_SQL)
    finally:
        await connection.close()
    return database


@pytest.fixture
def lab_environment(
    server_environment: dict[str, str], lab_database: TestDatabase
) -> dict[str, str]:
    """Environment of a lab process; every test has its own keys in Valkey."""
    return {
        **FAST,
        **server_environment,
        "FLATRENDER_DATABASE_NAME": lab_database.name,
        "FLATRENDER_VALKEY_PREFIX": f"lab-{secrets.token_hex(4)}",
    }


@pytest.fixture
def lab_settings(lab_environment: dict[str, str]) -> Settings:
    """Settings of a lab process."""
    return load_settings(lab_environment)


@pytest.fixture
def lab_script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """A fresh script."""
    fresh = Script()
    monkeypatch.setattr(lab_module, "script", fresh)
    return fresh


@pytest.fixture
async def lab(lab_settings: Settings, lab_script: Script, inspect: Inspect) -> AsyncIterator[Lab]:
    """The lab without a worker; what earlier tests left in the outboxes is gone."""
    del lab_script
    await inspect("TRUNCATE lab.outbox, lab_reader.outbox, lab.dead_letters")
    await inspect("TRUNCATE lab_reader.dead_letters")
    async with open_lab(lab_settings) as running:
        yield running


@pytest.fixture
async def inspect(lab_database: TestDatabase) -> AsyncIterator[Inspect]:
    """Return a function that runs SQL as the superuser."""
    connection = await asyncpg.connect(lab_database.dsn())

    async def run(sql: str, *args: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await connection.fetch(sql, *args)
        return rows

    yield run
    await connection.close()


@pytest.fixture
def tenant() -> UUID:
    """A tenant id of this test's own."""
    return uuid4()
