"""The pytest plugin: real servers, one migrated database per worker, and nothing until asked.

Loaded by every pytest run on a machine that has FlatRender installed, so it imports nothing heavy
at its top. Offers session fixtures only; what a test changes in them stays for the next test of
the same worker, so tests use their own tenants (or `clone_database` for a database of their own).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from flatrender.embedded import Endpoints, PostgresEndpoint
    from flatrender.settings import DatabaseSettings, StorageSettings, ValkeySettings
    from flatrender.testing.platform import Platform
    from flatrender.testing.servers import Broker

T = TypeVar("T")
CONTEXTS = ("identity", "content", "studio", "render", "files", "notification")
PASSWORD = "test-only-password"  # noqa: S105  of roles in a throw-away cluster on the loopback
TEMPLATE = "flatrender_template"
_TEMPLATE_LOCK = 0x7465_7374  # "test"
_BROKER = pytest.StashKey["Broker"]()


@dataclass(frozen=True, slots=True)
class TestDatabase:
    """One database with the whole schema in it."""

    __test__ = False

    name: str
    server: PostgresEndpoint

    def dsn(self, role: str | None = None) -> str:
        """Return a libpq URI, as ``role`` (``flatrender_studio``) or as the superuser."""
        return self.server.dsn(self.name, user=role, password=PASSWORD if role else None)

    def settings(self, **changes: Any) -> DatabaseSettings:
        """Return kernel settings for it; ``changes`` replace single fields."""
        from flatrender.settings import DatabaseSettings

        values: dict[str, Any] = {
            "host": self.server.host,
            "port": self.server.port,
            "name": self.name,
            "password": PASSWORD,
            "migrator_user": self.server.superuser,
            "migrator_password": self.server.password,
            "pool_size": 2,
            "read_pool_size": 2,
            "system_pool_size": 2,
        }
        return DatabaseSettings(**{**values, **changes})


def run_async(work: Awaitable[T]) -> T:
    """Run a coroutine to its end in a loop of its own, whether or not a loop runs here."""

    async def finish() -> T:
        return await work

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, finish()).result()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers at the end of the run, failed and interrupted runs included."""
    broker = config.stash.get(_BROKER, None)
    if broker is not None:
        broker.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each xdist worker where to ask; runs in the controller."""
    address = _broker(node.config).address
    node.workerinput["flatrender_servers"] = (address.host, address.port, address.key.hex())


def _broker(config: pytest.Config) -> Broker:
    broker = config.stash.get(_BROKER, None)
    if broker is None:
        from flatrender.testing.servers import Broker

        broker = config.stash[_BROKER] = Broker()
    return broker


def _servers(config: pytest.Config, name: str) -> Endpoints:
    from flatrender.testing.servers import Address, ask

    worker = getattr(config, "workerinput", None)
    if worker is None:
        return _broker(config).servers.get(name)
    host, port, key = worker["flatrender_servers"]
    return ask(Address(host, port, bytes.fromhex(key)), name)


@pytest.fixture(scope="session")
def worker_number(request: pytest.FixtureRequest) -> int:
    """0 without xdist, else 1 for gw0, 2 for gw1 and so on."""
    worker = getattr(request.config, "workerinput", None)
    return int(worker["workerid"].removeprefix("gw")) + 1 if worker else 0


@pytest.fixture(scope="session")
def endpoints(request: pytest.FixtureRequest) -> Endpoints:
    """PostgreSQL 18, Valkey and S3, shared by all workers of this run."""
    return _servers(request.config, "main")


@pytest.fixture(scope="session")
def postgres(endpoints: Endpoints) -> PostgresEndpoint:
    """The PostgreSQL 18 server with its superuser."""
    assert endpoints.postgres is not None
    return endpoints.postgres


@pytest.fixture(scope="session")
def postgres_dsn(postgres: PostgresEndpoint) -> str:
    """The superuser's URI of the maintenance database ``postgres``."""
    return postgres.dsn()


@pytest.fixture(scope="session")
def pg15(request: pytest.FixtureRequest) -> PostgresEndpoint:
    """A PostgreSQL 15 server; the test is skipped where its binaries are not found."""
    from flatrender.testing.servers import PG15_PLACES, find_pg15

    if find_pg15() is None:
        pytest.skip(
            "no PostgreSQL 15 binaries: set FLATRENDER_PG15_BIN or install them in one of "
            + ", ".join(PG15_PLACES)
        )
    found = _servers(request.config, "pg15").postgres
    assert found is not None
    return found


@pytest.fixture(scope="session")
def clone_database(
    postgres: PostgresEndpoint, worker_number: int
) -> Iterator[Callable[[], TestDatabase]]:
    """Return a function that makes one more migrated database; all are dropped at the end."""
    run_async(_ensure_template(postgres))
    made: list[str] = []

    def clone() -> TestDatabase:
        name = f"flatrender_w{worker_number}_{len(made)}"
        run_async(_execute(postgres.dsn(), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
        made.append(name)
        return TestDatabase(name, postgres)

    yield clone
    for name in made:
        run_async(_execute(postgres.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def empty_database(
    postgres: PostgresEndpoint, worker_number: int
) -> Iterator[Callable[[], TestDatabase]]:
    """Return a function that makes one more database with nothing in it; dropped at the end."""
    made: list[str] = []

    def create() -> TestDatabase:
        name = f"flatrender_e{worker_number}_{len(made)}"
        run_async(_execute(postgres.dsn(), f"CREATE DATABASE {name} TEMPLATE template0"))
        made.append(name)
        return TestDatabase(name, postgres)

    yield create
    for name in made:
        run_async(_execute(postgres.dsn(), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def migrated_database(clone_database: Callable[[], TestDatabase]) -> TestDatabase:
    """This worker's own database with the whole schema."""
    return clone_database()


@pytest.fixture(scope="session")
def database_settings(migrated_database: TestDatabase) -> DatabaseSettings:
    """Kernel settings for `migrated_database`."""
    return migrated_database.settings()


@pytest.fixture(scope="session")
def valkey_url(endpoints: Endpoints, worker_number: int) -> str:
    """This worker's own numbered Valkey database, empty at the start of the run."""
    assert endpoints.valkey is not None
    return endpoints.valkey.url(worker_number)


@pytest.fixture(scope="session")
def valkey_settings(valkey_url: str, worker_number: int) -> ValkeySettings:
    """Kernel settings for `valkey_url`, with a prefix (channels are not split by database)."""
    from flatrender.settings import ValkeySettings

    return ValkeySettings(url=valkey_url, prefix=f"t{worker_number}")


@pytest.fixture(scope="session")
def object_store_config(endpoints: Endpoints, worker_number: int) -> StorageSettings:
    """Kernel settings of the store, with a bucket of this worker that exists already."""
    from flatrender.embedded.seaweed import create_bucket
    from flatrender.settings import StorageSettings

    assert endpoints.s3 is not None
    bucket = f"flatrender-w{worker_number}"
    create_bucket(endpoints.s3, bucket)
    return StorageSettings(
        endpoint=endpoints.s3.endpoint,
        access_key=endpoints.s3.access_key,
        secret_key=endpoints.s3.secret_key,
        region=endpoints.s3.region,
        bucket=bucket,
    )


@pytest.fixture(scope="session")
def server_environment(
    migrated_database: TestDatabase,
    valkey_settings: ValkeySettings,
    object_store_config: StorageSettings,
) -> dict[str, str]:
    """``FLATRENDER_*`` variables that point a process at this worker's servers."""
    server = migrated_database.server
    return {
        "FLATRENDER_ENVIRONMENT": "test",
        "FLATRENDER_DATABASE_HOST": server.host,
        "FLATRENDER_DATABASE_PORT": str(server.port),
        "FLATRENDER_DATABASE_NAME": migrated_database.name,
        "FLATRENDER_DATABASE_PASSWORD": PASSWORD,
        "FLATRENDER_DATABASE_MIGRATOR_USER": server.superuser,
        "FLATRENDER_DATABASE_MIGRATOR_PASSWORD": server.password,
        "FLATRENDER_VALKEY_URL": valkey_settings.url,
        "FLATRENDER_VALKEY_PREFIX": valkey_settings.prefix,
        "FLATRENDER_STORAGE_ENDPOINT": object_store_config.endpoint,
        "FLATRENDER_STORAGE_ACCESS_KEY": object_store_config.access_key,
        "FLATRENDER_STORAGE_SECRET_KEY": object_store_config.secret_key,
        "FLATRENDER_STORAGE_REGION": object_store_config.region,
        "FLATRENDER_STORAGE_BUCKET": object_store_config.bucket,
    }


async def _execute(dsn: str, statement: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _ensure_template(server: PostgresEndpoint) -> None:
    """Migrate the template once; the other workers wait (roles are cluster-wide and race)."""
    import asyncpg

    from flatrender.db.migrations import migrate

    connection = await asyncpg.connect(server.dsn())
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _TEMPLATE_LOCK)
        exists = await connection.fetchval(
            "SELECT true FROM pg_database WHERE datname = $1", TEMPLATE
        )
        if exists:
            return
        fresh = f"{TEMPLATE}_{hashlib.sha256(server.password.encode()).hexdigest()[:8]}"
        await connection.execute(f"DROP DATABASE IF EXISTS {fresh} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {fresh} TEMPLATE template0")
        await migrate(
            {
                "host": server.host,
                "port": server.port,
                "user": server.superuser,
                "password": server.password,
                "database": fresh,
            },
            passwords=dict.fromkeys(CONTEXTS, PASSWORD),
        )
        # Named only when it is whole: a failed migration is tried again by the next worker.
        await connection.execute(f"ALTER DATABASE {fresh} RENAME TO {TEMPLATE}")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def platform(server_environment: dict[str, str]) -> AsyncIterator[Platform]:
    """The whole platform in this process on this worker's servers: see `testing.platform`."""
    from flatrender.testing.platform import run_platform

    async with run_platform(server_environment) as running:
        yield running
