"""Hot reads: SQL to Struct, one round trip, always inside a tenant.

Each connection of the pool remembers which tenant its session is set to; the setting is sent
only when it changes. The pool is used by nothing else, so no query can run without it. Behind a
transaction-pooling proxy this would not hold: give read pools direct or session-pooled
connections.
"""

import inspect
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from flatrender.db.connect import LazyPool, connect_arguments
from flatrender.settings import DatabaseSettings

T = TypeVar("T")

_SET_TENANT = "SELECT set_config('app.tenant_id', $1, false)"
_FACTORIES: dict[type[Any], Any] = {}


class _TenantConnection(asyncpg.Connection):
    """A connection that remembers which tenant its session is set to."""

    __slots__ = ("tenant",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tenant: UUID | None = None


class ReadPool:
    """Tenant-scoped reads of one context through raw asyncpg."""

    def __init__(self, settings: DatabaseSettings, context: str) -> None:
        self._pool = LazyPool(
            settings,
            connect_arguments(settings, context, replica=True),
            settings.read_pool_size,
            connection_class=_TenantConnection,
        )

    async def records(self, tenant_id: UUID, sql: str, *args: object) -> list[Any]:
        """Run ``sql`` inside the tenant and return its records."""
        pool = await self._pool.get()
        async with pool.acquire() as proxy:
            await self._enter(proxy, tenant_id)
            rows: list[Any] = await proxy.fetch(sql, *args)
            return rows

    async def all(self, kind: type[T], tenant_id: UUID, sql: str, *args: object) -> list[T]:
        """Return every row as ``kind``: column order is field order."""
        return [_build(kind, row) for row in await self.records(tenant_id, sql, *args)]

    async def one(self, kind: type[T], tenant_id: UUID, sql: str, *args: object) -> T | None:
        """Return the first row as ``kind``, or None."""
        pool = await self._pool.get()
        async with pool.acquire() as proxy:
            await self._enter(proxy, tenant_id)
            row = await proxy.fetchrow(sql, *args)
        return None if row is None else _build(kind, row)

    async def value(self, tenant_id: UUID, sql: str, *args: object) -> Any:
        """Return the first column of the first row, or None."""
        pool = await self._pool.get()
        async with pool.acquire() as proxy:
            await self._enter(proxy, tenant_id)
            return await proxy.fetchval(sql, *args)

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _enter(self, proxy: Any, tenant_id: UUID) -> None:
        # The real connection behind the pool's proxy: the mark lives and dies with it, so a
        # reconnect starts without a tenant.
        connection: _TenantConnection = proxy._con
        if connection.tenant != tenant_id:
            connection.tenant = None
            await proxy.execute(_SET_TENANT, str(tenant_id))
            connection.tenant = tenant_id


def _build(kind: type[T], row: Sequence[Any]) -> T:
    """Make ``kind`` from a record: Structs by position, plain types from the first column.

    Structs with nested types (JSON columns) are converted by msgspec, flat ones are built
    directly, which is several times cheaper.
    """
    factory = _FACTORIES.get(kind)
    if factory is None:
        factory = _FACTORIES[kind] = _factory(kind)
    built: T = factory(row)
    return built


def _factory(kind: type[Any]) -> Any:
    if not issubclass(kind, msgspec.Struct):
        return lambda row: row[0]
    fields = msgspec.structs.fields(kind)
    names = [field.name for field in fields]
    nested = any(_needs_conversion(field.type) for field in fields)
    keyword_only = _is_keyword_only(kind)
    if nested:
        return lambda row: msgspec.convert(
            dict(zip(names, row, strict=True)), kind, strict=False, from_attributes=True
        )
    if keyword_only:
        return lambda row: kind(**dict(zip(names, row, strict=True)))
    return lambda row: kind(*row)


def _is_keyword_only(kind: type[Any]) -> bool:
    parameters = list(inspect.signature(kind).parameters.values())
    return any(parameter.kind is parameter.KEYWORD_ONLY for parameter in parameters)


def _needs_conversion(annotation: Any) -> bool:
    """True when a column's Python value is not yet the field's value (Structs, lists of them)."""
    text = str(annotation)
    return any(mark in text for mark in ("list[", "dict[", "Struct", "flatrender", "Literal"))
