"""The transactional outbox: events and deferred tasks, written with the change they tell of.

Rows go into the context's own ``outbox`` table in the transaction of the change. After commit
the database notifies the relay, which hands them on; a sweep finds what a notification missed.
"""

from typing import Any
from uuid import UUID

import msgspec

from flatrender.clock import Clock, uuid7
from flatrender.events.envelope import Envelope, Event
from flatrender.observability.tracing import inject
from flatrender.tasks.task import Task

INSERT_SQL = """
INSERT INTO {schema}.outbox (event_id, kind, name, tenant_id, payload, queue, headers, available_at)
SELECT r.e, r.k, r.n, r.t, r.p, r.q, r.h, now() + make_interval(secs => r.delay)
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::jsonb[], $6::text[], $7::jsonb[],
            $8::float8[]) AS r(e, k, n, t, p, q, h, delay)
"""


class OutboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row to write. ``kind`` is ``event`` or ``task``; ``delay`` counts in seconds, by the
    database's clock: one of ours that is wrong must not hold it back."""

    event_id: UUID
    kind: str
    name: str
    tenant_id: UUID | None
    payload: object
    queue: str | None
    headers: dict[str, str]
    delay: float = 0.0


class OutboxBuffer:
    """Collects what one transaction wants to tell, in order."""

    def __init__(self, clock: Clock, tenant_id: UUID | None) -> None:
        self._clock = clock
        self._tenant_id = tenant_id
        self.rows: list[OutboxRow] = []

    def emit(
        self,
        event: Event,
        *,
        tenant_id: UUID | None = None,
        user_id: UUID | None = None,
        event_id: UUID | None = None,
    ) -> UUID:
        """Queue ``event`` and return its id. ``user_id`` defaults to the event's own field."""
        now = self._clock.now()
        headers = inject()
        identifier = event_id or uuid7(now)
        tenant = tenant_id or self._tenant_id
        data = msgspec.to_builtins(event)
        about = user_id or getattr(event, "user_id", None)
        envelope = Envelope(
            event_id=identifier,
            event_type=type(event).event_type,
            event_time=now,
            tenant_id=tenant,
            user_id=about,
            trace_id=headers.get("traceparent", "")[3:35],
            correlation_id=headers.get("correlation_id", str(identifier)),
            producer=type(event).producer,
            data=data,
        )
        self.rows.append(
            OutboxRow(
                event_id=identifier,
                kind="event",
                name=envelope.event_type,
                tenant_id=tenant,
                payload=msgspec.to_builtins(envelope),
                queue=None,
                headers=headers,
            )
        )
        return identifier

    def enqueue(self, task: Task, payload: msgspec.Struct, *, delay: float = 0.0) -> UUID:
        """Queue a task to run after commit, ``delay`` seconds later at the earliest."""
        now = self._clock.now()
        identifier = uuid7(now)
        self.rows.append(
            OutboxRow(
                event_id=identifier,
                kind="task",
                name=task.name,
                tenant_id=self._tenant_id,
                payload=msgspec.to_builtins(payload),
                queue=task.queue,
                headers=inject(),
                delay=delay,
            )
        )
        return identifier

    def statement(self, schema: str) -> tuple[str, list[list[Any]]]:
        """Return the one INSERT for all rows and its arguments (asyncpg style)."""
        columns: list[list[Any]] = [
            [row.event_id for row in self.rows],
            [row.kind for row in self.rows],
            [row.name for row in self.rows],
            [row.tenant_id for row in self.rows],
            [row.payload for row in self.rows],
            [row.queue for row in self.rows],
            [row.headers for row in self.rows],
            [row.delay for row in self.rows],
        ]
        return INSERT_SQL.format(schema=schema), columns
