"""The database of one context: its two roles, its unit of work, its reads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import URL, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from flatrender.clock import Clock
from flatrender.db.connect import LazyPool, connect_arguments, limit_transactions, role_of
from flatrender.db.reads import ReadPool
from flatrender.db.unit_of_work import SystemTransaction, UnitOfWork, open_unit_of_work
from flatrender.settings import DatabaseSettings

log = structlog.get_logger(__name__)


class ContextDatabase:
    """Every door to one context's schema.

    ``unit_of_work`` writes inside a tenant, ``reads`` reads inside a tenant, ``system`` is the
    logged way out of the tenant for work that crosses tenants by nature.
    """

    def __init__(
        self, settings: DatabaseSettings, *, context: str, schema: str, clock: Clock
    ) -> None:
        self.context = context
        self.schema = schema
        self._settings = settings
        self._clock = clock
        self._engine: AsyncEngine | None = None
        self._sessions: async_sessionmaker[AsyncSession] | None = None
        self.reads = ReadPool(settings, context)
        self._request_pool = LazyPool(
            settings, connect_arguments(settings, context), settings.pool_size
        )
        self.system_pool = LazyPool(
            settings, connect_arguments(settings, context, system=True), settings.system_pool_size
        )

    @asynccontextmanager
    async def unit_of_work(self, tenant_id: UUID) -> AsyncIterator[UnitOfWork]:
        """Open one transaction inside ``tenant_id``; commits when the block ends well."""
        async with open_unit_of_work(
            self._session(),
            context=self.context,
            schema=self.schema,
            tenant_id=tenant_id,
            clock=self._clock,
        ) as work:
            yield work

    @asynccontextmanager
    async def transaction(self, tenant_id: UUID) -> AsyncIterator[Any]:
        """Open one raw transaction inside ``tenant_id`` and yield the asyncpg connection.

        For plumbing that must stand apart from a service's unit of work (idempotency records).
        """
        pool = await self._request_pool.get()
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant_id))
            yield connection

    @asynccontextmanager
    async def system(self, reason: str) -> AsyncIterator[SystemTransaction]:
        """Open one cross-tenant transaction under the system role; ``reason`` is logged."""
        log.debug("system_scope", context=self.context, reason=reason)
        pool = await self.system_pool.get()
        async with pool.acquire() as connection, connection.transaction():
            work = SystemTransaction(connection, schema=self.schema, clock=self._clock)
            yield work
            await work.flush_outbox()

    async def system_fetch(self, reason: str, sql: str, *args: object) -> list[Any]:
        """Run one cross-tenant statement by itself and return its records."""
        log.debug("system_scope", context=self.context, reason=reason)
        pool = await self.system_pool.get()
        rows: list[Any] = await pool.fetch(sql, *args)
        return rows

    async def ping(self) -> None:
        """Raise when the database does not answer."""
        pool = await self.system_pool.get()
        await pool.fetchval("SELECT 1")

    async def close(self) -> None:
        """Close every connection of this context."""
        if self._engine is not None:
            await self._engine.dispose()
        await self.reads.close()
        await self._request_pool.close()
        await self.system_pool.close()

    def _session(self) -> AsyncSession:
        if self._sessions is None:
            self._engine = create_async_engine(
                self._url(),
                pool_size=self._settings.pool_size,
                max_overflow=0,
                pool_pre_ping=False,
                pool_recycle=1800,
                connect_args={
                    "timeout": self._settings.connect_timeout,
                    "ssl": self._settings.ssl,
                    "server_settings": connect_arguments(self._settings, self.context)[
                        "server_settings"
                    ],
                },
                json_serializer=lambda value: msgspec.json.encode(value).decode(),
                json_deserializer=msgspec.json.decode,
            )
            event.listen(self._engine.sync_engine, "connect", self._connected)
            self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        return self._sessions()

    def _connected(self, connection: DBAPIConnection, _record: object) -> None:
        connection.run_async(lambda driver: limit_transactions(driver, self._settings))

    def _url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg",
            username=role_of(self.context),
            password=self._settings.password_of(self.context),
            host=self._settings.host,
            port=self._settings.port,
            database=self._settings.name,
        )
