"""A process that stands still in the middle of a transaction keeps its locks for a while only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest
from asyncpg.exceptions import InterfaceError

from flatrender.clock import SystemClock
from flatrender.db.context import ContextDatabase
from flatrender.embedded import PostgresEndpoint
from flatrender.testing.lab import Lab, write_note
from flatrender.testing.plugin import PASSWORD, TestDatabase

Inspect = Callable[..., Awaitable[list[asyncpg.Record]]]
_LIMIT = "SELECT current_setting('transaction_timeout', true)"
pytestmark = pytest.mark.usefixtures("lab")


@pytest.fixture
async def hasty(lab_database: TestDatabase) -> AsyncIterator[ContextDatabase]:
    """The lab's database for a deployment whose transactions may last 1.2 seconds."""
    settings = lab_database.settings(statement_timeout=0.4)
    database = ContextDatabase(settings, context="lab", schema="lab", clock=SystemClock())
    yield database
    await database.close()


async def test_every_door_limits_its_transactions(hasty: ContextDatabase) -> None:
    tenant = uuid4()
    async with hasty.unit_of_work(tenant) as unit:
        assert (await unit.execute(_LIMIT)).scalar_one() == "1200ms"
    for _ in range(2):  # the second time with what the first gave back
        async with hasty.transaction(tenant) as connection:
            assert await connection.fetchval(_LIMIT) == "1200ms"
        async with hasty.system("a look") as work:
            assert await work.fetchval(_LIMIT) == "1200ms"
        assert await hasty.reads.value(tenant, _LIMIT) == "1200ms"


async def test_locks_of_who_stands_still_before_a_bind_are_given_up(
    hasty: ContextDatabase, lab: Lab, inspect: Inspect
) -> None:
    tenant = uuid4()
    async with lab.notes.db.unit_of_work(tenant) as unit:
        await write_note(unit, "wanted by two")
    change = "UPDATE lab.notes SET text = text || '!' WHERE tenant_id = $1"

    with contextlib.suppress(InterfaceError):  # what is left of the transaction, at the end
        async with hasty.transaction(tenant) as connection:
            await connection.execute(change, tenant)
            await connection.prepare("SELECT text FROM lab.notes")  # Parse, and no Bind
            number = connection.get_server_pid()
            seen = await inspect("SELECT state FROM pg_stat_activity WHERE pid = $1", number)
            # Sooner than the limit of the idle would end it, if it held.
            await asyncio.wait_for(inspect(change, tenant), 10)
            connection.terminate()
    assert [row["state"] for row in seen] == ["active"]
    (row,) = await inspect("SELECT text FROM lab.notes WHERE tenant_id = $1", tenant)
    assert row["text"] == "wanted by two!"


async def test_a_server_that_knows_no_such_limit_is_spoken_to_without(
    pg15: PostgresEndpoint,
) -> None:
    root = await asyncpg.connect(pg15.dsn())
    try:
        with contextlib.suppress(asyncpg.DuplicateObjectError):
            await root.execute(f"CREATE ROLE flatrender_older LOGIN PASSWORD '{PASSWORD}'")
    finally:
        await root.close()
    settings = TestDatabase("postgres", pg15).settings()
    database = ContextDatabase(settings, context="older", schema="older", clock=SystemClock())
    try:
        async with database.unit_of_work(uuid4()) as unit:
            assert (await unit.execute(_LIMIT)).scalar_one() is None
        assert await database.reads.value(uuid4(), "SELECT 1") == 1
    finally:
        await database.close()
