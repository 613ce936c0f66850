"""Connection settings of a context's roles, and asyncpg pools that speak JSON by msgspec."""

import asyncio
from typing import Any

import asyncpg
import msgspec

from flatrender.settings import DatabaseSettings

#: Milliseconds; shorter than a lease, far longer than any pause of a healthy transaction.
IDLE_IN_TRANSACTION_MS = 15_000
#: A transaction is ended after as long as this many statements may last.
STATEMENTS_IN_TRANSACTION = 3


def role_of(context: str, *, system: bool = False) -> str:
    """Return the database role of a context: its request role, or the one for cross-tenant work."""
    return f"flatrender_{context}_system" if system else f"flatrender_{context}"


def connect_arguments(
    settings: DatabaseSettings, context: str, *, system: bool = False, replica: bool = False
) -> dict[str, Any]:
    """Return asyncpg's keyword arguments for one role of one context."""
    use_replica = replica and bool(settings.read_host)
    return {
        "host": settings.read_host if use_replica else settings.host,
        "port": (settings.read_port or settings.port) if use_replica else settings.port,
        "database": settings.name,
        "user": role_of(context, system=system),
        "password": settings.password_of(context),
        "timeout": settings.connect_timeout,
        "ssl": settings.ssl,
        "server_settings": {
            "application_name": f"flatrender:{context}{':system' if system else ''}",
            "statement_timeout": str(int(settings.statement_timeout * 1000)),
            # Whoever is cut off in the middle of a transaction keeps its locks no longer than a
            # lease lasts: what it held is taken back, not waited for.
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            "timezone": "UTC",
        },
    }


async def init_connection(connection: asyncpg.Connection) -> None:
    """Let json and jsonb travel as Python values, encoded by msgspec."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda value: msgspec.json.encode(value).decode(),
            decoder=msgspec.json.decode,
            format="text",
        )


async def limit_transactions(connection: asyncpg.Connection, settings: DatabaseSettings) -> None:
    """Let the server end transactions that last too long: PostgreSQL 17 and later can.

    A process may stand still (a paused machine) between a statement's Parse and its Bind. There
    its session counts as active and no statement runs, so neither of the other two limits ends
    it, and its locks would stay for as long as it stands.
    """
    if connection.get_server_version().major >= 17:
        longest = int(settings.statement_timeout * 1000) * STATEMENTS_IN_TRANSACTION
        await connection.execute(f"SET transaction_timeout = {longest}")


async def _keep_session(_connection: Any) -> None:
    """Skip asyncpg's RESET ALL, a round trip of its own after every use: our sessions keep nothing
    but what they mean to keep. An open transaction is rolled back all the same."""


class LazyPool:
    """An asyncpg pool that is opened by its first use and closed with its owner."""

    def __init__(
        self,
        settings: DatabaseSettings,
        arguments: dict[str, Any],
        size: int,
        *,
        connection_class: type[asyncpg.Connection] = asyncpg.Connection,
    ) -> None:
        self._settings = settings
        self._arguments = arguments
        self._size = size
        self._connection_class = connection_class
        self._pool: Any = None
        self._lock = asyncio.Lock()

    async def get(self) -> Any:
        """Return the open pool."""
        if self._pool is None:
            async with self._lock:
                if self._pool is None:
                    self._pool = await asyncpg.create_pool(
                        min_size=0,
                        max_size=self._size,
                        init=self._init,
                        reset=_keep_session,
                        connection_class=self._connection_class,
                        max_inactive_connection_lifetime=300.0,
                        **self._arguments,
                    )
        return self._pool

    async def _init(self, connection: asyncpg.Connection) -> None:
        await init_connection(connection)
        await limit_transactions(connection, self._settings)

    async def close(self) -> None:
        """Close the pool, waiting a little for connections in use."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), timeout=5)
            except TimeoutError:
                pool.terminate()
