"""The outbox: rows commit with the change or not at all; the relay delivers after commit."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from flatrender.clock import uuid7
from flatrender.events import relay as relay_module
from flatrender.tasks.queue import Job
from flatrender.testing.lab import WORK, Lab, NoteWritten, Script, Work, write_note
from flatrender.testing.waiting import until

Inspect = Callable[..., Awaitable[list[asyncpg.Record]]]


async def _count(inspect: Inspect, sql: str, *args: object) -> int:
    return int((await inspect(sql, *args))[0][0])


async def _outbox(inspect: Inspect, tenant: UUID) -> int:
    return await _count(inspect, "SELECT count(*) FROM lab.outbox WHERE tenant_id = $1", tenant)


async def _notes(inspect: Inspect, tenant: UUID) -> int:
    return await _count(inspect, "SELECT count(*) FROM lab.notes WHERE tenant_id = $1", tenant)


def _readings(inspect: Inspect, tenant: UUID) -> Callable[[], Awaitable[int]]:
    return lambda: _count(
        inspect, "SELECT count(*) FROM lab_reader.readings WHERE tenant_id = $1", tenant
    )


async def test_change_and_event_commit_together(lab: Lab, inspect: Inspect, tenant: UUID) -> None:
    event_id = await lab.tell(tenant, "both")
    row = (await inspect("SELECT * FROM lab.outbox WHERE tenant_id = $1", tenant))[0]
    envelope = msgspec.json.decode(row["payload"])
    assert await _notes(inspect, tenant) == 1
    assert row["event_id"] == event_id
    assert row["published_at"] is None
    assert envelope["event_type"] == "lab.note.written.v1"
    assert envelope["tenant_id"] == str(tenant)
    assert envelope["data"]["text"] == "both"


async def test_an_exception_keeps_neither_change_nor_event(
    lab: Lab, inspect: Inspect, tenant: UUID
) -> None:
    async def act() -> None:
        async with lab.notes.db.unit_of_work(tenant) as work:
            note = await write_note(work, "gone")
            work.emit(NoteWritten(note_id=note, text="gone"))
            work.enqueue(WORK, Work(text="gone", tenant_id=tenant))
            await work.flush_outbox()
            raise RuntimeError("after the event")

    with pytest.raises(RuntimeError, match="after the event"):
        await act()
    assert await _notes(inspect, tenant) == 0
    assert await _outbox(inspect, tenant) == 0


async def test_a_commit_that_fails_keeps_neither(lab: Lab, inspect: Inspect, tenant: UUID) -> None:
    """A deferred constraint speaks at COMMIT, when the outbox rows are written already."""

    async def act() -> None:
        async with lab.notes.db.unit_of_work(tenant) as work:
            note = await write_note(work, "no twin", twin=uuid4())
            work.emit(NoteWritten(note_id=note, text="no twin"))

    with pytest.raises(Exception, match="notes_twin"):
        await act()
    assert await _notes(inspect, tenant) == 0
    assert await _outbox(inspect, tenant) == 0


async def test_a_system_transaction_tells_and_rolls_back_alike(
    lab: Lab, inspect: Inspect, tenant: UUID
) -> None:
    async with lab.notes.db.system("test") as work:
        work.emit(NoteWritten(note_id=uuid4(), text="kept"), tenant_id=tenant)

    async def act() -> None:
        async with lab.notes.db.system("test") as work:
            work.emit(NoteWritten(note_id=uuid4(), text="lost"), tenant_id=tenant)
            await work.flush_outbox()
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        await act()
    assert await _outbox(inspect, tenant) == 1


async def test_a_notification_wakes_the_relay(
    lab: Lab, inspect: Inspect, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SWEEP_SECONDS", 1e6)
    async with lab.worker():
        # The first event may be found by the start's own drain; the second can only be heard of.
        await lab.tell(tenant, "first")
        await until(_readings(inspect, tenant))
        await lab.tell(tenant, "second")

        async def both() -> bool:
            return await _readings(inspect, tenant)() == 2

        await until(both)


async def test_a_sweep_finds_what_no_notification_told(
    lab: Lab, inspect: Inspect, tenant: UUID
) -> None:
    await inspect("ALTER TABLE lab.outbox DISABLE TRIGGER wake_relay")
    try:
        async with lab.worker():
            await lab.tell(tenant, "first")
            await until(_readings(inspect, tenant))
            await lab.tell(tenant, "unheard")

            async def both() -> bool:
                return await _readings(inspect, tenant)() == 2

            await until(both)
    finally:
        await inspect("ALTER TABLE lab.outbox ENABLE TRIGGER wake_relay")


async def test_nothing_is_delivered_before_commit(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    async with lab.worker():
        async with lab.notes.db.unit_of_work(tenant) as work:
            note = await write_note(work, "open")
            work.emit(NoteWritten(note_id=note, text="open"))
            await work.flush_outbox()
            # Another tenant's event goes all the way meanwhile: the relay is awake and looks.
            await lab.tell(uuid4(), "passes by")

            async def passed() -> bool:
                return "passes by" in lab_script.calls

            await until(passed)
            assert "open" not in lab_script.calls
        await until(_readings(inspect, tenant))


async def test_two_relays_publish_a_row_once(lab: Lab, inspect: Inspect, tenant: UUID) -> None:
    for number in range(30):
        await lab.tell(tenant, f"n{number}")
    settings = lab.runtime.settings
    relays = [
        relay_module.Relay(
            lab.runtime.contexts,
            lab.runtime.subscribers(),
            lab.runtime.infra.queue,
            settings.valkey.prefix,
            time_scale=settings.core.time_scale,
        )
        for _ in range(2)
    ]
    counts = await asyncio.gather(*(relay.drain("lab") for relay in relays))
    assert sum(counts) == 30
    attempts = await inspect("SELECT max(attempts) FROM lab.outbox WHERE tenant_id = $1", tenant)
    assert attempts[0][0] == 1


async def test_an_event_delivered_twice_is_handled_once(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    gate = lab_script.gates["twice"] = asyncio.Event()
    async with lab.worker():
        await lab.tell(tenant, "twice")
        row = (await inspect("SELECT payload FROM lab.outbox WHERE tenant_id = $1", tenant))[0]
        # The same event under other job ids, as after a replay, while the first one still runs.
        for copy in ("a", "b"):
            await lab.runtime.infra.queue.enqueue(
                Job(
                    context="lab_reader",
                    queue="events",
                    name="lab.note.written.v1:read_note",
                    payload=row["payload"].encode(),
                    job_id=f"{uuid7()}-{copy}",
                )
            )
        gate.set()
        await until(_readings(inspect, tenant))
        queue = lab.runtime.infra.queue

        async def empty() -> bool:
            redis = await queue.redis()
            return not await redis.zcard(queue.queue_name("events", "lab_reader"))

        await until(empty)
    assert await _readings(inspect, tenant)() == 1
    assert lab_script.calls == ["twice"]


async def test_an_empty_valkey_loses_nothing(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    """The handler has failed and waits in Valkey for its next try when everything there goes."""
    lab_script.failures["mid-flight"] = 1
    redis = await lab.runtime.infra.queue.redis()
    async with lab.worker():
        await lab.tell(uuid4(), "before")
        await lab.tell(tenant, "mid-flight")

        async def tried() -> bool:
            return "mid-flight" in lab_script.calls

        await until(tried)
        await redis.flushdb()
        await until(_readings(inspect, tenant))
    assert await _readings(inspect, tenant)() == 1
    assert lab_script.calls.count("before") == 1  # replayed as well, and known by its inbox row


async def test_a_restarted_valkey_gets_recent_rows_again(
    lab: Lab, inspect: Inspect, tenant: UUID
) -> None:
    """Rows just handed over are handed over again; what is older than minutes was run long ago."""
    redis: Any = await lab.runtime.infra.queue.redis()
    prefix = lab.runtime.settings.valkey.prefix
    await lab.tell(tenant, "recent")
    await lab.tell(tenant, "old")
    await inspect(
        "UPDATE lab.outbox SET published_at = now() - CASE payload->'data'->>'text' "
        "WHEN 'old' THEN interval '1 hour' ELSE interval '1 second' END WHERE tenant_id = $1",
        tenant,
    )
    await redis.set(f"{prefix}:relay:mark", "another life of Valkey")
    async with lab.worker():
        await until(_readings(inspect, tenant))
    rows = await inspect("SELECT text FROM lab_reader.readings WHERE tenant_id = $1", tenant)
    assert [row["text"] for row in rows] == ["recent"]


async def test_what_happens_now_does_not_wait_behind_a_replayed_day(
    lab: Lab, inspect: Inspect, tenant: UUID
) -> None:
    """Handed over again are the latest first, a slice a second."""
    redis: Any = await lab.runtime.infra.queue.redis()
    prefix = lab.runtime.settings.valkey.prefix
    each = relay_module.REPLAYED_PER_SECOND
    count = 2 * each + 1
    async with lab.notes.db.unit_of_work(tenant) as work:
        for number in range(count):
            work.emit(NoteWritten(note_id=uuid4(), text=f"{number}"))
    await inspect(
        # Later than what other tests have told.
        "UPDATE lab.outbox SET published_at = now() "
        "+ (payload->'data'->>'text')::int * interval '1 second' WHERE tenant_id = $1",
        tenant,
    )
    await redis.delete(f"{prefix}:relay:mark")

    async def handed_over() -> Any:
        rows = await inspect(
            "SELECT (payload->'data'->>'text')::int AS number, "
            "extract(epoch FROM available_at - min(available_at) OVER ())::int AS slice "
            "FROM lab.outbox WHERE tenant_id = $1 ORDER BY 1",
            tenant,
        )
        return rows if rows[0]["slice"] else None

    async with lab.worker():
        rows = await until(handed_over)
    slices = [row["slice"] for row in rows]
    assert slices == [2] + [1] * each + [0] * each
