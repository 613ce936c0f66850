"""Many watchers of a few renders in one process: delay and processor time of the fan-out.

Real Valkey, the hub and the audience of the API process; sockets are left out, they cost the same
either way. The yardstick is watchers that each decode, pace and encode for themselves.
"""

import asyncio
import time
from typing import Any
from uuid import uuid4

import msgspec
from tests.bench.stack import heading, servers, table

from flatrender.clock import SystemClock
from flatrender.realtime import Hub
from flatrender.testing.rounds import percentile
from flatrender_render.audience import Audience, Pace, told
from flatrender_render.live import channel

JOBS, BEATS = 10, 20


def run(*, quick: bool) -> None:
    """Measure and print."""
    watchers = 500 if quick else 2000
    with servers() as environment:
        asyncio.run(_measure(environment["FLATRENDER_VALKEY_URL"], watchers))


def _message(number: int) -> dict[str, Any]:
    return {
        "type": "step_change",  # not coalesced: every one reaches every watcher
        "step": "Rendering",
        "progress": number / BEATS,
        "sent": time.perf_counter(),
        "preview_b64": "data:image/jpeg;base64," + "A" * 14_000,
    }


async def _measure(url: str, watchers: int) -> None:
    heading(f"{watchers} watchers of {JOBS} renders in one process, 14 KB messages")
    rows = []
    costs = []
    for name, shared in (("one audience a job", True), ("each for itself", False)):
        cost, delays = await _round(url, watchers, shared=shared)
        costs.append(cost)
        rows.append(
            [
                name,
                f"{cost * 1e6:.1f}",
                f"{percentile(delays, 50) * 1e3:.1f}",
                f"{percentile(delays, 99) * 1e3:.1f}",
            ]
        )
    table(["", "processor us a message and watcher", "delay p50 ms", "delay p99 ms"], rows)
    print(f"one audience costs {costs[0] / costs[1]:.2f} of what each for itself does")


async def _round(url: str, watchers: int, *, shared: bool) -> tuple[float, list[float]]:
    """Return processor seconds for each message and watcher, and delays in seconds."""
    hub = Hub(url, f"bench-{shared}")
    jobs = [uuid4() for _ in range(JOBS)]
    audience = Audience(hub, SystemClock())
    delays: list[float] = []
    ready = asyncio.Semaphore(0)

    async def nothing() -> None:
        return None

    async def together(number: int) -> None:
        async with audience.seat(jobs[number % JOBS], nothing) as (seat, _):
            ready.release()
            for beat in range(BEATS):
                one = await seat.next_message(30.0)
                assert one is not None
                if number % 50 == beat:
                    delays.append(time.perf_counter() - msgspec.json.decode(one.text)["sent"])

    async def alone(number: int) -> None:
        async with hub.listen(channel(jobs[number % JOBS]), limit=64) as listener:
            ready.release()
            pace = Pace({"progress": 0.0, "step": "Queued"})
            for beat in range(BEATS):
                data = await listener.next_message(30.0)
                assert data is not None
                message = pace.take(msgspec.json.decode(data))
                assert message is not None
                told(message, 0)
                if number % 50 == beat:
                    delays.append(time.perf_counter() - message["sent"])

    watch = together if shared else alone
    tasks = [asyncio.create_task(watch(n)) for n in range(watchers)]
    for _ in tasks:
        await ready.acquire()
    begun = time.process_time()
    for number in range(BEATS):
        for job in jobs:
            await hub.publish(channel(job), _message(number))
        await asyncio.sleep(0.1)
    await asyncio.gather(*tasks)
    spent = time.process_time() - begun
    await hub.close()
    return spent / (watchers * BEATS), delays
