"""What waits is due by the servers' clocks, whatever clock its writer has: in the outbox by the
database's, on a queue by Valkey's."""

import secrets
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from flatrender.clock import SystemClock
from flatrender.db.context import ContextDatabase
from flatrender.tasks.queue import Job, QueueClient
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


@pytest.mark.parametrize("hours", [-3, 3])
async def test_a_queue_is_filled_by_valkeys_clock(
    server_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    queue = QueueClient(
        server_environment["FLATRENDER_VALKEY_URL"], f"clock-{secrets.token_hex(4)}"
    )
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    redis = await queue.redis()
    before = (await redis.time())[0]
    later = datetime.fromtimestamp(before, UTC) + timedelta(hours=1)
    for job_id, run_at in (
        ("now", None),
        ("past", datetime(2020, 1, 1, tzinfo=UTC)),
        ("1h", later),
    ):
        job = Job(
            context="lab", queue="default", name="x", payload=b"{}", run_at=run_at,
            job_id=f"{queue.queue_name('default', 'lab')}:{job_id}",
        )  # fmt: skip
        await queue.enqueue(job)
    name = queue.queue_name("default", "lab")
    found = await redis.zrange(name, 0, -1, withscores=True)
    after = (await redis.time())[0] + 1
    scores = {one.decode().rpartition(":")[2]: score / 1000 for one, score in found}
    await redis.delete(name)
    await queue.close()
    assert before - 1 <= scores["now"] <= after
    assert before - 1 <= scores["past"] <= after
    assert scores["1h"] == later.timestamp()
