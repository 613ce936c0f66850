"""Queues that are empty are asked for together, and polled one by one only where work is due."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from arq.worker import Worker, func

from flatrender.clock import SystemClock
from flatrender.settings import ValkeySettings
from flatrender.tasks.due import DueQueues, DueWorker
from flatrender.tasks.queue import Job, QueueClient, deserialize, serialize
from flatrender.tasks.task import QueueName, Schedule
from flatrender.testing.lab import WORK, Lab, Work
from flatrender.testing.waiting import until

from .conftest import Inspect


@pytest.fixture
async def client(valkey_settings: ValkeySettings) -> AsyncIterator[QueueClient]:
    """A queue client with keys of this test's own."""
    made = QueueClient(valkey_settings.url, f"due-{secrets.token_hex(4)}")
    yield made
    await made.close()


def _job(queue: QueueName, *, later: float = 0.0) -> Job:
    due = SystemClock().now() + timedelta(seconds=later)
    return Job(context="lab", queue=queue, name="work", payload=b"{}", run_at=due)


async def test_a_queue_holds_what_is_due_and_not_what_comes_later(client: QueueClient) -> None:
    await client.enqueue(_job("quick"))
    await client.enqueue(_job("events", later=600.0))
    now, later, empty = (client.queue_name(q, "lab") for q in ("quick", "events", "push"))
    due = DueQueues(await client.redis(), [now, later, empty])
    assert [await due.holds(queue) for queue in (now, later, empty)] == [True, False, False]


async def test_what_comes_and_goes_is_seen(client: QueueClient) -> None:
    redis = await client.redis()
    queue = client.queue_name("quick", "lab")
    due = DueQueues(redis, [queue])
    assert not await due.holds(queue)
    await client.enqueue(_job("quick"))
    await until(lambda: due.holds(queue))
    await redis.delete(queue)

    async def gone() -> bool:
        return not await due.holds(queue)

    await until(gone)


async def test_only_a_queue_with_something_due_is_polled(
    client: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the end of what it started is seen, due or not: the place it took is free again."""
    polled: list[str] = []
    poll = Worker._poll_iteration

    async def counted(self: Worker) -> None:
        polled.append(self.queue_name)
        await poll(self)

    monkeypatch.setattr(Worker, "_poll_iteration", counted)
    ran: list[bytes] = []

    async def work(_arq: dict[str, Any], payload: bytes, _headers: dict[str, str]) -> None:
        ran.append(payload)

    redis = await client.redis()
    names = [client.queue_name(queue, "lab") for queue in ("quick", "push")]
    due = DueQueues(redis, names)
    workers = [
        DueWorker(
            functions=[func(work, name="work")],
            queue_name=name,
            redis_pool=redis,
            handle_signals=False,
            keep_result=0,
            job_serializer=serialize,
            job_deserializer=deserialize,
        )
        for name in names
    ]
    await client.enqueue(_job("quick"))
    for worker in workers:
        worker.due = due

    async def settled() -> bool:
        for worker in workers:
            await worker._poll_iteration()
        return bool(ran) and not workers[0].tasks

    await until(settled)
    assert ran == [b"{}"]
    assert {*polled} & {*names} == {names[0]}  # workers of a platform may run beside these


async def test_a_slot_that_an_emptied_valkey_forgot_is_taken_again(
    lab: Lab, inspect: Inspect, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lay on a queue went with the mark of its slot: a day would pass until the next."""
    plugin = type(lab.runtime.active["lab"])
    daily = Schedule(task=WORK, every=86_400.0, payload=Work(text="daily", tenant_id=tenant))
    monkeypatch.setattr(plugin, "manifest", replace(plugin.manifest, schedules=(daily,)))

    async def times() -> int:
        rows = await inspect("SELECT count(*) FROM lab.notes WHERE tenant_id = $1", tenant)
        return int(rows[0][0])

    async def once() -> bool:
        return await times() == 1

    async def twice() -> bool:
        return await times() == 2

    redis = await lab.runtime.infra.queue.redis()
    async with lab.worker():
        await until(once)
        await redis.flushdb()
        await until(twice)
