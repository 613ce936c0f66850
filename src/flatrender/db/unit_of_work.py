"""The unit of work: one transaction, its changes and what it tells the world.

A service opens one, changes rows through repositories, adds events and tasks, and leaves the
block: everything commits together before the answer starts, or nothing happened. Nobody calls
commit in the middle.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from flatrender.clock import Clock
from flatrender.events.envelope import Event
from flatrender.events.outbox import OutboxBuffer
from flatrender.http.idempotency.claim import settle
from flatrender.tasks.task import Task

_SET_TENANT = text("SELECT set_config('app.tenant_id', :tenant, true)")
_INSERT_OUTBOX = """
INSERT INTO {schema}.outbox (event_id, kind, name, tenant_id, payload, queue, headers, available_at)
VALUES (:event_id, :kind, :name, :tenant_id, CAST(:payload AS jsonb), :queue,
        CAST(:headers AS jsonb), now() + make_interval(secs => CAST(:delay AS float8)))
"""


class UnitOfWork:
    """One open transaction of one context. Made by ``ContextDatabase.unit_of_work``."""

    def __init__(
        self, session: AsyncSession, *, schema: str, tenant_id: UUID | None, clock: Clock
    ) -> None:
        self.session = session
        self.tenant_id = tenant_id
        self._schema = schema
        self._outbox = OutboxBuffer(clock, tenant_id)

    @property
    def tenant(self) -> UUID:
        """The tenant of this transaction; a cross-tenant transaction has none and fails here."""
        if self.tenant_id is None:
            raise RuntimeError("this unit of work has no tenant")
        return self.tenant_id

    def emit(
        self, event: Event, *, user_id: UUID | None = None, tenant_id: UUID | None = None
    ) -> UUID:
        """Tell ``event`` after commit; returns its id."""
        return self._outbox.emit(event, user_id=user_id, tenant_id=tenant_id)

    def enqueue(self, task: Task, payload: msgspec.Struct, *, delay: float = 0.0) -> UUID:
        """Run ``task`` after commit."""
        return self._outbox.enqueue(task, payload, delay=delay)

    async def execute(self, sql: str, **parameters: Any) -> Any:
        """Run one SQL statement with ``:name`` parameters inside the transaction."""
        return await self.session.execute(text(sql), parameters)

    async def flush_outbox(self) -> None:
        """Write the collected rows; called once, just before commit."""
        if not self._outbox.rows:
            return
        await self.session.execute(
            text(_INSERT_OUTBOX.format(schema=self._schema)),
            [
                {
                    "event_id": row.event_id,
                    "kind": row.kind,
                    "name": row.name,
                    "tenant_id": row.tenant_id,
                    "payload": msgspec.json.encode(row.payload).decode(),
                    "queue": row.queue,
                    "headers": msgspec.json.encode(row.headers).decode(),
                    "delay": row.delay,
                }
                for row in self._outbox.rows
            ],
        )
        self._outbox.rows.clear()


@asynccontextmanager
async def open_unit_of_work(
    session: AsyncSession, *, context: str, schema: str, tenant_id: UUID | None, clock: Clock
) -> AsyncIterator[UnitOfWork]:
    """Begin, set the tenant, yield, write the outbox, commit; roll back on any exception.

    The request's Idempotency-Key is settled in the same transaction, so an act whose process
    dies between commit and answer is known to be done.
    """
    async with session, session.begin():
        if tenant_id is not None:
            await session.execute(_SET_TENANT, {"tenant": str(tenant_id)})
        work = UnitOfWork(session, schema=schema, tenant_id=tenant_id, clock=clock)
        yield work
        await work.flush_outbox()
        await settle(context, schema, work.execute)


class SystemTransaction:
    """A transaction of the cross-tenant role on a raw connection: claims, relay, sweeps.

    ``emit`` and ``enqueue`` behave as in :class:`UnitOfWork`; an event must name its tenant.
    """

    def __init__(self, connection: Any, *, schema: str, clock: Clock) -> None:
        self.connection = connection
        self._schema = schema
        self._outbox = OutboxBuffer(clock, None)

    def emit(self, event: Event, *, tenant_id: UUID | None, user_id: UUID | None = None) -> UUID:
        """Tell ``event`` of a tenant after commit; returns its id."""
        return self._outbox.emit(event, tenant_id=tenant_id, user_id=user_id)

    def enqueue(self, task: Task, payload: msgspec.Struct, *, delay: float = 0.0) -> UUID:
        """Run ``task`` after commit."""
        return self._outbox.enqueue(task, payload, delay=delay)

    async def fetch(self, sql: str, *args: object) -> list[Any]:
        """Return all records of ``sql``."""
        rows: list[Any] = await self.connection.fetch(sql, *args)
        return rows

    async def fetchrow(self, sql: str, *args: object) -> Any:
        """Return the first record of ``sql`` or None."""
        return await self.connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object) -> Any:
        """Return the first column of the first record or None."""
        return await self.connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object) -> str:
        """Run ``sql`` and return its command tag."""
        tag: str = await self.connection.execute(sql, *args)
        return tag

    async def flush_outbox(self) -> None:
        """Write the collected rows; called once, just before commit."""
        if self._outbox.rows:
            sql, columns = self._outbox.statement(self._schema)
            await self.connection.execute(sql, *columns)
            self._outbox.rows.clear()
