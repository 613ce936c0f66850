"""Workers are called when their queues hold something, and look at them only then."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from arq.constants import in_progress_key_prefix
from arq.worker import Worker, func
from msgspec import structs

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


class Called:
    """A listener over some queues, and who it called; its looks can be counted."""

    def __init__(self, client: QueueClient, queues: list[str], redis: Any) -> None:
        self.due = DueQueues(redis, queues, client.calls)
        self.queues = queues

    async def by(self, seconds: float = 5.0, *, full: bool = False) -> set[str]:
        """Return the queues that were called, at least one of them."""
        waits = {q: asyncio.create_task(self.due.wait(q, full=full)) for q in self.queues}
        await asyncio.wait(waits.values(), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        found = {queue for queue, wait in waits.items() if wait.done()}
        for wait in waits.values():
            wait.cancel()
        await asyncio.gather(*waits.values(), return_exceptions=True)
        return found


@pytest.fixture
def rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a look find what nobody calls for only after a day."""
    monkeypatch.setattr("flatrender.tasks.due.LOOK_SECONDS", 86_400.0)


@pytest.fixture
async def called(client: QueueClient) -> AsyncIterator[Called]:
    """A listener over three queues, at work."""
    redis = await client.redis()
    names = [client.queue_name(queue, "lab") for queue in ("quick", "events", "push")]
    one = Called(client, names, redis)
    running = asyncio.create_task(one.due.run())
    yield one
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_queue_is_called_for_what_is_due_and_not_for_what_comes_later(
    client: QueueClient, called: Called
) -> None:
    await client.enqueue(_job("events", later=600.0))
    await client.enqueue(_job("quick"))
    assert await called.by() == {client.queue_name("quick", "lab")}


async def test_what_comes_is_called_for_at_once(
    client: QueueClient, rarely: None, called: Called
) -> None:
    redis = await client.redis()

    async def heard() -> bool:
        return bool(dict(await redis.pubsub_numsub(client.calls))[client.calls.encode()])

    await until(heard)
    await client.enqueue(_job("push"))
    assert await called.by() == {client.queue_name("push", "lab")}


async def test_what_was_put_off_is_called_for_when_it_is_due(
    client: QueueClient, rarely: None, called: Called
) -> None:
    """Also where somebody else put it there long ago: the look knows when the next one is due."""
    await client.enqueue(_job("quick", later=0.3))
    assert await called.by() == {client.queue_name("quick", "lab")}


async def test_a_lost_call_is_found_by_a_look(client: QueueClient, called: Called) -> None:
    client.calls = "nobody-listens-here"
    await client.enqueue(_job("quick"))
    assert await called.by() == {client.queue_name("quick", "lab")}


async def test_nobody_is_called_for_what_runs_already(client: QueueClient, called: Called) -> None:
    """A long job lies at the front of its queue for as long as it runs."""
    redis = await client.redis()
    await redis.set(in_progress_key_prefix + "runs", 1)
    running = structs.replace(_job("quick"), job_id="runs")
    await client.enqueue(running)
    await client.enqueue(_job("push"))
    assert await called.by() == {client.queue_name("push", "lab")}
    await redis.delete(in_progress_key_prefix + "runs")  # whoever ran it has died
    await redis.delete(client.queue_name("push", "lab"))
    names = {client.queue_name("quick", "lab")}

    async def taken_up() -> bool:
        return await called.by() == names

    await until(taken_up)


async def test_a_full_worker_is_called_for_an_end_only(client: QueueClient, called: Called) -> None:
    quick = client.queue_name("quick", "lab")
    full = asyncio.create_task(called.due.wait(quick, full=True))
    await client.enqueue(_job("quick"))
    await client.enqueue(_job("push"))
    push = client.queue_name("push", "lab")
    await called.due.wait(push, full=False)  # the same look saw both
    assert not full.done()
    called.due.ended(quick)
    await asyncio.wait_for(full, 5)


async def test_only_a_queue_with_something_due_is_polled(
    client: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the end of what it started is seen: the place it took is free again."""
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
    due = DueQueues(redis, names, client.calls)
    workers = [
        DueWorker(
            functions=[func(work, name="work")],
            queue_name=name,
            redis_pool=redis,
            handle_signals=False,
            keep_result=0,
            poll_delay=0.02,
            job_serializer=serialize,
            job_deserializer=deserialize,
        )
        for name in names
    ]
    await client.enqueue(_job("quick"))
    for worker in workers:
        worker.due = due
    running = [asyncio.create_task(due.run())]
    running += [asyncio.create_task(worker.async_run()) for worker in workers]

    async def settled() -> bool:
        return bool(ran) and not workers[0].tasks

    await until(settled)
    assert ran == [b"{}"]
    assert {*polled} & {*names} == {names[0]}  # workers of a platform may run beside these
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


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
