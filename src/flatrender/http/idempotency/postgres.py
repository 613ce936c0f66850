"""Idempotency records in PostgreSQL, in the context's own schema and inside the tenant.

Each call is one short transaction that sets ``app.tenant_id`` first: row-level security sees the
records like any other rows of the tenant.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from flatrender.http.idempotency.store import (
    Answer,
    Claimed,
    Done,
    Entry,
    Outcome,
    Reused,
    Running,
)

#: Opens a transaction inside a tenant and yields an asyncpg connection (or its like).
Transactions = Callable[[UUID], AbstractAsyncContextManager[Any]]

_BEGIN = """
INSERT INTO {schema}.idempotency_keys AS k
  (tenant_id, subject, key, route, request_hash, state, locked_until, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8)
ON CONFLICT (tenant_id, subject, key) DO UPDATE SET
  route = excluded.route, request_hash = excluded.request_hash, state = 'running',
  status = NULL, headers = NULL, body = NULL, locked_until = excluded.locked_until,
  created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE k.expires_at <= $7
   OR (k.state = 'running' AND k.locked_until <= $7 AND k.request_hash = excluded.request_hash)
RETURNING k.locked_until
"""
_LOOK = """
SELECT request_hash, state, status, headers::text, body, locked_until
FROM {schema}.idempotency_keys WHERE tenant_id = $1 AND subject = $2 AND key = $3
"""
_FINISH = """
UPDATE {schema}.idempotency_keys
SET state = 'done', status = $5, headers = $6::text::jsonb, body = $7, expires_at = $8
WHERE tenant_id = $1 AND subject = $2 AND key = $3 AND locked_until = $4
RETURNING 1
"""
_RELEASE = """
DELETE FROM {schema}.idempotency_keys
WHERE tenant_id = $1 AND subject = $2 AND key = $3 AND locked_until = $4 AND state = 'running'
RETURNING 1
"""
#: Forgets records past their time; run by the system role, which sees every tenant.
PURGE_SQL = "DELETE FROM {schema}.idempotency_keys WHERE expires_at <= $1"


class PostgresIdempotencyStore:
    """An :class:`IdempotencyStore` over one context's ``idempotency_keys``."""

    def __init__(self, schema: str, transactions: Transactions) -> None:
        self._transactions = transactions
        quoted = '"' + schema.replace('"', '""') + '"'
        self._begin, self._look, self._finish, self._release = (
            sql.format(schema=quoted) for sql in (_BEGIN, _LOOK, _FINISH, _RELEASE)
        )

    async def begin(
        self, entry: Entry, *, now: datetime, locked_until: datetime, expires_at: datetime
    ) -> Outcome:
        """Claim the key or say who has it; the upsert locks the row, so exactly one wins."""
        async with self._transactions(entry.tenant_id) as connection:
            fence = await connection.fetchval(
                self._begin,
                entry.tenant_id,
                entry.subject,
                entry.key,
                entry.route,
                entry.request_hash,
                locked_until,
                now,
                expires_at,
            )
            if fence is not None:
                return Claimed(fence)
            row = await connection.fetchrow(self._look, *_key(entry))
        if bytes(row["request_hash"]) != entry.request_hash:
            return Reused()
        unfinished = row["status"] is None
        if row["state"] == "running" or (unfinished and row["locked_until"] > now):
            return Running(row["locked_until"])
        if unfinished:
            return Done(None)
        headers = msgspec.json.decode(row["headers"], type=list[tuple[str, str]])
        return Done(Answer(status=row["status"], headers=headers, body=bytes(row["body"])))

    async def finish(
        self, entry: Entry, fence: datetime, answer: Answer | None, *, expires_at: datetime
    ) -> bool:
        """Keep the answer under our own fence only."""
        status, headers, body = None, None, None
        if answer is not None:
            status, body = answer.status, answer.body
            headers = msgspec.json.encode(answer.headers).decode()
        async with self._transactions(entry.tenant_id) as connection:
            kept = await connection.fetchval(
                self._finish, *_key(entry), fence, status, headers, body, expires_at
            )
        return kept is not None

    async def release(self, entry: Entry, fence: datetime) -> bool:
        """Delete our own claim unless a transaction has been committed under it."""
        async with self._transactions(entry.tenant_id) as connection:
            gone = await connection.fetchval(self._release, *_key(entry), fence)
        return gone is not None


def _key(entry: Entry) -> tuple[UUID, str, str]:
    return entry.tenant_id, entry.subject, entry.key


def pool_transactions(pool: Callable[[], Awaitable[Any]]) -> Transactions:
    """Return transactions over an asyncpg pool (``pool`` gives it, opened on first use)."""

    @asynccontextmanager
    async def open_transaction(tenant_id: UUID) -> AsyncIterator[Any]:
        async with (await pool()).acquire() as connection, connection.transaction():
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant_id))
            yield connection

    return open_transaction


def unit_of_work_transactions(
    open_work: Callable[[UUID], AbstractAsyncContextManager[Any]],
) -> Transactions:
    """Return transactions over a context's ``unit_of_work`` (tenant set, SQLAlchemy session).

    The records then share the context's connection pool instead of needing one more.
    """

    @asynccontextmanager
    async def open_transaction(tenant_id: UUID) -> AsyncIterator[Any]:
        async with open_work(tenant_id) as work:
            connection = await work.session.connection()
            raw = await connection.get_raw_connection()
            yield raw.driver_connection

    return open_transaction
