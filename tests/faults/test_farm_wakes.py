"""Wake-ups that are lost, doubled, out of order, or held by somebody who died."""

from typing import Any
from uuid import UUID

import pytest
from arq.constants import in_progress_key_prefix, job_key_prefix
from msgspec import json

from flatrender.testing.workers import worker
from flatrender_render.farm.wake import WAKES_PER_SWEEP, WORK, Wake

pytestmark = pytest.mark.filterwarnings(
    "ignore:Unclosed client session <redis.asyncio.client.Pipeline:ResourceWarning"
)
_HOURS = 6 * 3600


async def no_wakes_of_its_own(customer: Any) -> None:
    """Drop the wakes that came with a submit: as if a worker had taken them and died."""
    await customer.platform.sql("DELETE FROM render.outbox WHERE kind = 'task'")


async def test_wakes_that_died_with_a_worker_do_not_hold_up_the_next(island: Any) -> None:
    """A killed worker's wakes stay marked as running for hours; the sweep's come through."""
    customer = await island.lot.customer("long", plan="plus")
    queue = customer.platform.runtime.infra.queue
    redis = await queue.redis()
    name = queue.queue_name(WORK.queue, "render")
    dead = [f"{name}:lottie:{number}" for number in range(2 * WAKES_PER_SWEEP)]
    for one in dead:
        await queue.enqueue_task("render", WORK.queue, WORK.name, Wake(), job_id=one)
        await redis.set(in_progress_key_prefix + one, b"1", ex=_HOURS)
    job = await customer.submit()
    await no_wakes_of_its_own(customer)
    async with worker(island.environment):
        assert (await customer.ended(job["id"]))["step"] == "Done"
    await redis.delete(*(in_progress_key_prefix + one for one in dead))
    await redis.delete(*(job_key_prefix + one for one in dead))
    await redis.zrem(name, *dead)


async def test_what_waits_already_is_not_put_on_the_queue_again(island: Any) -> None:
    queue = island.lot.platform.runtime.infra.queue
    redis = await queue.redis()
    name = queue.queue_name("render", "nobody")

    async def sweep(count: int) -> set[str]:
        await queue.keep_waiting(
            "nobody", "render", "render.work", Wake(), prefix=name, count=count
        )
        return {one.decode() for one in await redis.zrange(name, 0, -1)}

    assert await sweep(2) == {f"{name}:0", f"{name}:1"}
    assert await sweep(2) == {f"{name}:0", f"{name}:1"}
    await redis.set(f"{in_progress_key_prefix}{name}:0", b"1", ex=_HOURS)
    assert await sweep(2) == {f"{name}:0", f"{name}:1", f"{name}:2"}
    await redis.delete(name, f"{in_progress_key_prefix}{name}:0")


async def test_messages_delivered_twice_and_backwards_change_nothing(island: Any) -> None:
    """Everything that was ever handed to the queues comes again, the last first."""
    customer = await island.lot.customer("long", plan="pro")
    await customer.give_charge(1_000_000)
    platform = customer.platform
    queue = platform.runtime.infra.queue
    async with worker(island.environment):
        job = await customer.submit("1080p")
        assert (await customer.ended(job["id"]))["step"] == "Done"
        settled = await customer.reservation(job["id"], "Settled")
        before = (await customer.limits(), dict(settled), await _rows(platform, job["id"]))
        published = await platform.sql(
            "SELECT event_id, kind, name, queue, payload, headers FROM render.outbox "
            "WHERE payload->'data'->>'job_id' = $1 OR kind = 'task' ORDER BY id DESC",
            job["id"],
        )
        assert {row["name"] for row in published} >= {
            "render.job.queued.v1",
            "render.job.started.v1",
            "render.job.completed.v1",
        }
        subscribers = platform.runtime.subscribers()
        told = 0
        for row in [*published, *published]:
            if row["kind"] == "event":
                for context, subscription in subscribers.get(row["name"], ()):
                    await _again(queue, context, subscription.queue, subscription.name, row)
                    told += 1
            else:
                await _again(queue, "render", row["queue"], row["name"], row)
        assert told > 2

        async def drained() -> bool:
            redis = await queue.redis()
            names = {
                queue.queue_name(subscription.queue, context)
                for many in subscribers.values()
                for context, subscription in many
            } | {queue.queue_name(WORK.queue, "render")}
            return not any([await redis.zcard(name) for name in names])

        # With the timers of production each wake that finds nothing looks a second time.
        await platform.until(drained, within=240)
        await customer.reservation(job["id"], "Settled")
        (reservation,) = await platform.sql(
            "SELECT * FROM identity.render_reservations WHERE job_id = $1", UUID(job["id"])
        )
    assert (
        await customer.limits(),
        dict(reservation),
        await _rows(platform, job["id"]),
    ) == before


async def _again(queue: Any, context: str, name: str, task: str, row: Any) -> None:
    redis = await queue.redis()
    payload = row["payload"] if isinstance(row["payload"], str) else json.encode(row["payload"])
    data = payload.encode() if isinstance(payload, str) else payload
    await redis.enqueue_job(task, data, {}, _queue_name=queue.queue_name(name, context))


async def _rows(platform: Any, job_id: str) -> list[dict[str, Any]]:
    """Return everything that tells of a job's result and of who was told."""
    jobs = await platform.sql("SELECT * FROM render.render_jobs WHERE id = $1", UUID(job_id))
    exports = await platform.sql("SELECT * FROM render.exports WHERE job_id = $1", UUID(job_id))
    frames = await platform.sql(
        "SELECT * FROM render.frame_jobs WHERE job_id = $1 ORDER BY kind, index", UUID(job_id)
    )
    told = await platform.sql(
        "SELECT id, type FROM notification.notifications WHERE user_id = $1 ORDER BY id",
        jobs[0]["user_id"],
    )
    return [dict(row) for row in (*jobs, *exports, *frames, *told)]
