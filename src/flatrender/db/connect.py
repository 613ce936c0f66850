"""Connection settings of a context's roles, and asyncpg pools that speak JSON by msgspec."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec

from flatrender.settings import DatabaseSettings

#: Milliseconds; shorter than a lease, far longer than any pause of a healthy transaction.
IDLE_IN_TRANSACTION_MS = 15_000


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


async def keep_session(_connection: Any) -> None:
    """Skip asyncpg's RESET ALL, a round trip of its own after every use: for pools whose users
    leave nothing behind in the session but what they mean to keep."""


class LazyPool:
    """An asyncpg pool that is opened by its first use and closed with its owner."""

    def __init__(
        self,
        arguments: dict[str, Any],
        size: int,
        *,
        reset: Callable[[Any], Awaitable[None]] | None = None,
        connection_class: type[asyncpg.Connection] = asyncpg.Connection,
    ) -> None:
        self._arguments = arguments
        self._size = size
        self._reset = reset
        self._connection_class = connection_class
        self._pool: Any = None
        self._lock = asyncio.Lock()

    async def get(self) -> Any:
        """Return the open pool."""
        if self._pool is None:
            async with self._lock:
                if self._pool is None:
                    extra = {"reset": self._reset} if self._reset else {}
                    self._pool = await asyncpg.create_pool(
                        min_size=0,
                        max_size=self._size,
                        init=init_connection,
                        connection_class=self._connection_class,
                        max_inactive_connection_lifetime=300.0,
                        **extra,
                        **self._arguments,
                    )
        return self._pool

    async def close(self) -> None:
        """Close the pool, waiting a little for connections in use."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                await asyncio.wait_for(pool.close(), timeout=5)
            except TimeoutError:
                pool.terminate()
