"""When something in the outbox is due is the database's word, whatever clock its writer has."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg

from flatrender.clock import SystemClock
from flatrender.db.context import ContextDatabase
from flatrender.testing.lab import WORK, Work
from flatrender.testing.plugin import TestDatabase


class Ahead(SystemClock):
    """A machine's clock that is hours ahead."""

    def now(self) -> datetime:
        """Return an instant that has not come."""
        return datetime.now(UTC) + timedelta(hours=3)


async def test_a_writer_whose_clock_is_ahead_holds_nothing_back(lab_database: TestDatabase) -> None:
    database = ContextDatabase(lab_database.settings(), context="lab", schema="lab", clock=Ahead())
    tenant = uuid4()
    payload = Work(text="now", tenant_id=tenant)
    try:
        async with database.unit_of_work(tenant) as work:
            work.enqueue(WORK, payload)
        async with database.system("a task of a sweep") as sweep:
            sweep.enqueue(WORK, payload)
    finally:
        await database.close()
    connection = await asyncpg.connect(lab_database.dsn())
    try:
        rows = await connection.fetch(
            "SELECT available_at <= now() AS due FROM lab.outbox WHERE payload->>'tenant_id' = $1",
            str(tenant),
        )
    finally:
        await connection.close()
    assert [row["due"] for row in rows] == [True, True]
