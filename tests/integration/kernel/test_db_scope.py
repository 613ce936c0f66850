"""Who sees what: a unit of work, reads of two tenants on few connections, the logged way out."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from flatrender.clock import SystemClock
from flatrender.db.context import ContextDatabase
from flatrender.testing.lab import Lab, write_note
from flatrender.testing.plugin import TestDatabase
from flatrender.testing.waiting import until

Inspect = Callable[..., Awaitable[list[asyncpg.Record]]]
_TEXTS = "SELECT text FROM lab.notes ORDER BY text"


@pytest.fixture
async def two(lab: Lab) -> tuple[UUID, UUID]:
    """Two tenants with two notes each."""
    pair = (uuid4(), uuid4())
    for name, tenant in zip("ab", pair, strict=True):
        async with lab.notes.db.unit_of_work(tenant) as work:
            await write_note(work, f"{name}1")
            await write_note(work, f"{name}2")
    return pair


async def test_a_query_without_a_tenant_sees_nothing(
    two: tuple[UUID, UUID], lab_database: TestDatabase
) -> None:
    connection = await asyncpg.connect(lab_database.dsn("flatrender_lab"))
    try:
        assert await connection.fetch(_TEXTS) == []
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(two[0]))
        assert [r[0] for r in await connection.fetch(_TEXTS)] == ["a1", "a2"]
    finally:
        await connection.close()


async def test_a_unit_of_work_sees_and_changes_its_tenant_only(
    lab: Lab, two: tuple[UUID, UUID], inspect: Inspect
) -> None:
    async with lab.notes.db.unit_of_work(two[0]) as work:
        assert list((await work.execute(_TEXTS)).scalars()) == ["a1", "a2"]
        changed = await work.execute("UPDATE lab.notes SET text = text || '!' RETURNING text")
        assert sorted(changed.scalars()) == ["a1!", "a2!"]
    rows = await inspect("SELECT text FROM lab.notes WHERE tenant_id = $1 ORDER BY 1", two[1])
    assert [row["text"] for row in rows] == ["b1", "b2"]


async def test_a_row_of_another_tenant_cannot_be_written(lab: Lab, two: tuple[UUID, UUID]) -> None:
    with pytest.raises(Exception, match="row-level security"):
        async with lab.notes.db.unit_of_work(two[0]) as work:
            await work.execute(
                "INSERT INTO lab.notes (id, tenant_id, text) VALUES (:id, :tenant, 'planted')",
                id=uuid4(),
                tenant=two[1],
            )


async def test_a_returned_connection_keeps_no_tenant(
    lab_database: TestDatabase, lab: Lab, two: tuple[UUID, UUID]
) -> None:
    """The pool has one connection: what one unit of work set must not be there for the next."""
    del lab
    database = ContextDatabase(
        lab_database.settings(pool_size=1), context="lab", schema="lab", clock=SystemClock()
    )
    try:
        async with database.unit_of_work(two[0]) as work:
            await work.execute("SELECT 1")
        session = database._session()
        async with session:
            left = await session.execute(text("SELECT current_setting('app.tenant_id', true)"))
            assert left.scalar_one() in (None, "")
        async with database.transaction(two[0]) as connection:
            assert len(await connection.fetch(_TEXTS)) == 2
        pool = await database._request_pool.get()
        assert await pool.fetch(_TEXTS) == []
    finally:
        await database.close()


async def test_the_way_out_of_the_tenant_is_logged(lab: Lab, two: tuple[UUID, UUID]) -> None:
    with capture_logs() as logs:
        async with lab.notes.db.system("count all notes") as work:
            texts = [
                row["text"]
                for row in await work.fetch(
                    "SELECT text FROM lab.notes WHERE tenant_id = ANY($1) ORDER BY text", list(two)
                )
            ]
        await lab.notes.db.system_fetch("look again", "SELECT 1")
    assert texts == ["a1", "a2", "b1", "b2"]
    # Another platform may run in this process: only the lab's lines are meant.
    scopes = [e for e in logs if e["event"] == "system_scope" and e["context"] == "lab"]
    assert [entry["reason"] for entry in scopes] == ["count all notes", "look again"]


async def test_a_context_cannot_read_another_contexts_tables(lab: Lab) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await lab.notes.db.system_fetch("peep", "SELECT * FROM lab_reader.readings")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await lab.notes.db.reads.value(uuid4(), "SELECT count(*) FROM lab_reader.readings")


async def test_reads_of_two_tenants_never_mix_on_two_connections(
    lab: Lab, two: tuple[UUID, UUID]
) -> None:
    """Hundreds of reads, some of them cancelled or failing half way, over a pool of two."""
    reads = lab.notes.db.reads
    expected = {two[0]: ["a1", "a2"], two[1]: ["b1", "b2"]}
    chance = random.Random(7)

    async def read(tenant: UUID) -> None:
        assert await reads.all(str, tenant, _TEXTS) == expected[tenant]

    async def broken(tenant: UUID) -> None:
        with pytest.raises(asyncpg.PostgresError):
            await reads.records(tenant, "SELECT 1 / (count(*) - count(*)) FROM lab.notes")

    async def cancelled(tenant: UUID) -> None:
        task = asyncio.create_task(reads.records(tenant, "SELECT pg_sleep(0.5)"))
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    kinds = [read] * 20 + [broken, cancelled]
    await asyncio.gather(*(chance.choice(kinds)(chance.choice(two)) for _ in range(400)))
    await asyncio.gather(*(read(tenant) for tenant in two * 10))


async def test_a_connection_that_died_comes_back_inside_the_right_tenant(
    lab: Lab, two: tuple[UUID, UUID], inspect: Inspect
) -> None:
    reads = lab.notes.db.reads
    assert await reads.all(str, two[0], _TEXTS) == ["a1", "a2"]
    await inspect(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = 'flatrender_lab' AND datname = current_database()"
    )

    async def read() -> list[str] | None:
        try:
            return await reads.all(str, two[0], _TEXTS)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            return None  # the news that the connection is gone

    assert await until(read) == ["a1", "a2"]


class Flat(msgspec.Struct, frozen=True):
    id: UUID
    number: int
    text: str | None
    at: datetime


class Keyword(msgspec.Struct, frozen=True, kw_only=True):
    id: UUID
    number: int


class Inner(msgspec.Struct, frozen=True):
    a: int
    b: list[str]


class Nested(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["x", "y"]
    inner: Inner | None
    many: list[Inner]
    raw: dict[str, Any]


async def test_rows_become_structs(lab: Lab, tenant: UUID) -> None:
    reads = lab.notes.db.reads
    identifier = uuid4()
    flat = await reads.one(Flat, tenant, "SELECT $1::uuid, 7, NULL::text, now()", identifier)
    assert flat is not None
    assert (flat.id, flat.number, flat.text) == (identifier, 7, None)
    assert flat.at.tzinfo is not None
    keyword = await reads.one(Keyword, tenant, "SELECT $1::uuid, 7", identifier)
    assert keyword == Keyword(id=identifier, number=7)
    nested = await reads.all(
        Nested,
        tenant,
        """SELECT 'x', CASE WHEN n = 1 THEN '{"a": 1, "b": ["q"]}'::jsonb END,
                  jsonb_build_array(jsonb_build_object('a', n, 'b', '[]'::jsonb)),
                  '{"k": [1]}'::jsonb
           FROM generate_series(1, 2) n""",
    )
    assert nested[0] == Nested(kind="x", inner=Inner(1, ["q"]), many=[Inner(1, [])], raw={"k": [1]})
    assert nested[1].inner is None
    assert nested[1].many == [Inner(2, [])]
    assert await reads.one(Flat, tenant, "SELECT 1 WHERE false") is None
    assert await reads.value(tenant, "SELECT $1::jsonb", {"متن": [1, None]}) == {"متن": [1, None]}


async def test_a_row_of_another_shape_is_an_error_not_a_guess(lab: Lab, tenant: UUID) -> None:
    with pytest.raises((TypeError, ValueError, msgspec.ValidationError)):
        await lab.notes.db.reads.one(Keyword, tenant, "SELECT gen_random_uuid()")
    with pytest.raises(msgspec.ValidationError):
        await lab.notes.db.reads.one(
            Nested, tenant, "SELECT 'z', NULL::jsonb, '[]'::jsonb, '{}'::jsonb"
        )
