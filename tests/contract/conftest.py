"""Databases for the contract tests of the schema: migrated, on PostgreSQL 18 and on 15."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from flatrender.db.migrations import migrate
from flatrender.testing.plugin import CONTEXTS, PASSWORD, TestDatabase


@pytest.fixture(scope="session", params=["18", "15"])
def pg_server(request: pytest.FixtureRequest) -> Any:
    """A PostgreSQL server of each supported end of the range."""
    if request.param == "15":
        return request.getfixturevalue("pg15")
    request.getfixturevalue("clone_database")  # its roles exist before a test looks at them
    return request.getfixturevalue("postgres")


@pytest.fixture(scope="session")
async def new_database(pg_server: Any, worker_number: int) -> AsyncIterator[Callable[[], Any]]:
    """Return a function that makes an empty database on the server; dropped at the end."""
    made: list[str] = []
    lock = asyncio.Lock()

    async def create(owner: str = "") -> TestDatabase:
        async with lock:
            name = f"contract_w{worker_number}_{len(made)}"
            made.append(name)
        connection = await asyncpg.connect(pg_server.dsn())
        try:
            suffix = f" OWNER {owner}" if owner else ""
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0{suffix}")
        finally:
            await connection.close()
        return TestDatabase(name, pg_server)

    yield create
    connection = await asyncpg.connect(pg_server.dsn())
    try:
        for name in made:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def run_migrations() -> Callable[[TestDatabase], Awaitable[list[str]]]:
    """Return a function that migrates a database the way ``flatrender migrate`` does."""

    async def run(database: TestDatabase) -> list[str]:
        return await migrate(
            {
                "host": database.server.host,
                "port": database.server.port,
                "user": database.server.superuser,
                "password": database.server.password,
                "database": database.name,
            },
            passwords=dict.fromkeys(CONTEXTS, PASSWORD),
        )

    return run


@pytest.fixture(scope="session")
async def schema_database(new_database: Any, run_migrations: Any) -> TestDatabase:
    """A migrated database that tests may write into under tenants of their own."""
    database: TestDatabase = await new_database()
    await run_migrations(database)
    return database


@pytest.fixture
async def superuser(schema_database: TestDatabase) -> AsyncIterator[Any]:
    """The superuser's connection to `schema_database`."""
    connection = await asyncpg.connect(schema_database.dsn())
    yield connection
    await connection.close()


@pytest.fixture
async def connect_as(schema_database: TestDatabase) -> AsyncIterator[Any]:
    """Return a function that connects as a role, inside a tenant when one is given."""
    opened: list[Any] = []

    async def connect(role: str, tenant: object = None) -> Any:
        connection = await asyncpg.connect(schema_database.dsn(role))
        opened.append(connection)
        if tenant is not None:
            await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(tenant))
        return connection

    yield connect
    for connection in opened:
        await connection.close()
