"""Tasks: retried with back-off, delayed, put back, buried, replayed; nothing is lost on the way."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import EntryPoint
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest
from arq.constants import job_key_prefix
from click.testing import CliRunner, Result

from flatrender import plugin as plugin_module
from flatrender.cli.dead_letters import dead_letters
from flatrender.tasks import worker as worker_module
from flatrender.tasks.queue import Job
from flatrender.tasks.task import RetryLater
from flatrender.testing.lab import ALONE, HANG, WORK, Lab, Script, Work
from flatrender.testing.waiting import until

Inspect = Callable[..., Awaitable[list[asyncpg.Record]]]
_WORKER = """
import asyncio
from flatrender.settings import load_settings
from flatrender.testing.lab import open_lab
from flatrender.tasks.service import WorkerService

async def main():
    async with open_lab(load_settings()) as lab:
        await WorkerService(lab.runtime).run()

asyncio.run(main())
"""


async def _ask(lab: Lab, tenant: UUID, text: str, *, delay: float = 0.0) -> None:
    async with lab.notes.db.unit_of_work(tenant) as work:
        work.enqueue(WORK, Work(text=text, tenant_id=tenant), delay=delay)


def _texts(inspect: Inspect, tenant: UUID) -> Callable[[], Awaitable[list[str]]]:
    async def read() -> list[str]:
        rows = await inspect("SELECT text FROM lab.notes WHERE tenant_id = $1 ORDER BY id", tenant)
        return [row["text"] for row in rows]

    return read


def _letters(
    inspect: Inspect, schema: str = "lab"
) -> Callable[[], Awaitable[list[asyncpg.Record]]]:
    return lambda: inspect(f"SELECT * FROM {schema}.dead_letters")


async def test_a_failing_task_is_tried_again_until_it_works(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    lab_script.failures["shaky"] = 2
    async with lab.worker():
        await _ask(lab, tenant, "shaky")
        assert await until(_texts(inspect, tenant)) == ["shaky"]
    assert lab_script.calls == ["shaky"] * 3
    assert await _letters(inspect)() == []


async def test_payloads_stay_out_of_the_logs(
    lab: Lab, inspect: Inspect, tenant: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with lab.worker():
        await _ask(lab, tenant, "private words")
        await until(_texts(inspect, tenant))
    assert "private words" not in caplog.text


async def test_the_wait_between_tries_doubles(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab_script.failures["slow down"] = -1
    asked: list[float] = []

    def note(*, defer: float) -> Exception:
        asked.append(defer)
        return worker_module_retry(defer=defer)

    worker_module_retry: Any = worker_module.Retry
    monkeypatch.setattr(worker_module, "Retry", note)
    monkeypatch.setattr(worker_module.random, "uniform", lambda _low, _high: 1.0)
    async with lab.worker():
        await _ask(lab, tenant, "slow down")
        await until(_letters(inspect))
    scale = lab.runtime.settings.core.time_scale
    assert asked == pytest.approx([0.2 * scale, 0.4 * scale])


async def test_a_delayed_task_waits_for_its_time(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    async with lab.worker():
        await _ask(lab, tenant, "tomorrow", delay=86_400)
        await _ask(lab, tenant, "now")
        await until(_texts(inspect, tenant))
        assert lab_script.calls == ["now"]
        # Its time comes: the next sweep takes it.
        await inspect("UPDATE lab.outbox SET available_at = now() WHERE published_at IS NULL")

        async def both() -> bool:
            return await _texts(inspect, tenant)() == ["now", "tomorrow"]

        await until(both)


async def test_a_task_that_asks_for_later_without_counting_is_never_buried(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    lab_script.later["not yet"] = RetryLater(0.1, counts=False)
    async with lab.worker():
        await _ask(lab, tenant, "not yet")

        async def often() -> bool:
            return len(lab_script.calls) > 2 * WORK.max_attempts

        await until(often)
        assert await _letters(inspect)() == []
        lab_script.later.clear()
        await until(_texts(inspect, tenant))


async def test_a_task_that_asks_for_later_and_counts_uses_up_its_attempts(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    lab_script.later["again"] = RetryLater(0.1)
    async with lab.worker():
        await _ask(lab, tenant, "again")
        (letter,) = await until(_letters(inspect))
    assert letter["attempts"] == WORK.max_attempts == lab_script.calls.count("again")
    assert letter["tenant_id"] == tenant


async def test_a_task_that_is_alone_does_not_run_beside_itself(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    gate = lab_script.gates["first"] = asyncio.Event()
    queue = lab.runtime.infra.queue
    redis = await queue.redis()

    async def ask(text: str) -> None:
        order = Work(text=text, tenant_id=tenant)
        await queue.enqueue_task("lab", ALONE.queue, ALONE.name, order, job_id=f"{tenant}:{text}")

    async def over(text: str) -> bool:
        return not await redis.exists(f"{job_key_prefix}{tenant}:{text}")

    async def wrote_two() -> bool:
        return len(await _texts(inspect, tenant)()) == 2

    async with lab.worker():
        await ask("first")
        await until(lambda: _truth("first" in lab_script.calls))
        await ask("second")
        await until(lambda: over("second"))
        gate.set()
        await until(lambda: over("first"))
        await ask("third")
        await until(wrote_two)
    assert await _texts(inspect, tenant)() == ["first", "third"]


async def _truth(value: bool) -> bool:
    return value


async def test_a_payload_that_no_longer_fits_is_buried_not_lost(lab: Lab, inspect: Inspect) -> None:
    async with lab.worker():
        await lab.runtime.infra.queue.enqueue(
            Job(context="lab", queue="default", name=WORK.name, payload=b'{"other": 1}')
        )
        (letter,) = await until(_letters(inspect))
    assert msgspec.json.decode(letter["payload"]) == {"other": 1}
    assert "text" in letter["error"]


async def test_a_letter_that_cannot_be_written_keeps_its_job(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID
) -> None:
    """PostgreSQL refuses the dead letter for a while: it is written once it can be."""
    lab_script.failures["unlucky"] = -1
    await inspect("ALTER TABLE lab.dead_letters RENAME TO dead_letters_away")
    try:
        async with lab.worker():
            await _ask(lab, tenant, "unlucky")

            async def tried_again() -> bool:
                return len(lab_script.calls) > WORK.max_attempts

            try:
                await until(tried_again)
            finally:
                await inspect("ALTER TABLE lab.dead_letters_away RENAME TO dead_letters")
            assert await until(_letters(inspect))
    finally:
        await inspect("ALTER TABLE IF EXISTS lab.dead_letters_away RENAME TO dead_letters")


@pytest.fixture
def operator(
    monkeypatch: pytest.MonkeyPatch, lab_environment: dict[str, str]
) -> Callable[..., Awaitable[Result]]:
    """Return a function that runs ``flatrender dead-letters`` where only the lab is installed."""
    points = [
        EntryPoint("lab", "flatrender.testing.lab:LabPlugin", plugin_module.GROUP),
        EntryPoint("lab_reader", "flatrender.testing.lab:ReaderPlugin", plugin_module.GROUP),
    ]
    monkeypatch.setattr(plugin_module, "entry_points", lambda group: points)
    for name, value in lab_environment.items():
        monkeypatch.setenv(name, value)

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, dead_letters, list(arguments))

    return run


async def test_dead_letters_are_listed_and_replayed(
    lab: Lab,
    lab_script: Script,
    inspect: Inspect,
    tenant: UUID,
    operator: Callable[..., Awaitable[Result]],
) -> None:
    """A handler of an event fails for good, leaves nothing, and works after a replay."""
    lab_script.failures["poison"] = -1
    async with lab.worker():
        await lab.tell(tenant, "poison")
        (letter,) = await until(_letters(inspect, "lab_reader"))
        readings = "SELECT * FROM lab_reader.readings WHERE tenant_id = $1"
        assert letter["kind"] == "event"
        assert letter["attempts"] == 3
        assert await inspect(readings, tenant) == []

        listed = await operator("list")
        assert str(letter["id"]) in listed.output
        assert "told to fail: poison" in listed.output

        lab_script.failures.clear()
        replayed = await operator("replay", str(letter["id"]))
        assert replayed.exit_code == 0, replayed.output
        await until(lambda: inspect(readings, tenant))
        assert str(letter["id"]) not in (await operator("list")).output
        assert "replayed" in (await operator("list", "--all")).output

        missing = await operator("replay", "00000000-0000-0000-0000-00000000dead")
        assert missing.exit_code == 1
        assert "no dead letter" in missing.output


async def test_a_killed_worker_loses_no_task(
    lab: Lab, inspect: Inspect, tenant: UUID, lab_environment: dict[str, str]
) -> None:
    """SIGKILL in the middle of a task: when its lease is over another worker runs it again."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WORKER),
        env={**os.environ, **lab_environment, "LAB_HANG": "1"},
    )
    try:
        async with lab.notes.db.unit_of_work(tenant) as work:
            job = work.enqueue(HANG, Work(text="long", tenant_id=tenant))
        texts = await until(_texts(inspect, tenant))
        assert texts == [f"long began in {process.pid}"]
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    redis = await lab.runtime.infra.queue.redis()
    lease = f"arq:in-progress:{job}"
    assert await redis.pttl(lease) > 0
    async with lab.worker():
        await redis.pexpire(lease, 1)  # as if its time had passed

        async def again() -> bool:
            return f"long began in {os.getpid()}" in await _texts(inspect, tenant)()

        await until(again)


async def test_a_worker_that_is_told_to_stop_puts_a_long_task_back(
    lab: Lab, lab_script: Script, inspect: Inspect, tenant: UUID, lab_settings: Any
) -> None:
    gate = lab_script.gates["long"] = asyncio.Event()

    async def began() -> bool:
        return bool(lab_script.calls)

    async def queued() -> bool:
        queue = lab.runtime.infra.queue
        redis = await queue.redis()
        return bool(await redis.zcard(queue.queue_name("default", "lab")))

    async with lab.worker() as service:
        service.grace = 0.01
        await _ask(lab, tenant, "long")
        await until(began)
    assert await queued()
    gate.set()
    async with lab.worker():
        await until(_texts(inspect, tenant))
