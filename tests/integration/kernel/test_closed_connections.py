"""What was closed stays closed, whoever still leaves, comes or speaks."""

import secrets
from typing import Any

import pytest
import redis.asyncio as redis_asyncio

from flatrender.realtime import Hub
from flatrender.tasks.queue import Job, QueueClient


async def connections(url: str, name: str) -> int:
    """Return how many connections of this name the server has."""
    async with redis_asyncio.Redis.from_url(url) as client:
        rows: list[dict[str, Any]] = await client.client_list()
    return sum(row["name"] == name for row in rows)


async def test_nothing_connects_again_after_the_close(server_environment: dict[str, str]) -> None:
    url = server_environment["FLATRENDER_VALKEY_URL"]
    name = f"hub-{secrets.token_hex(4)}"
    hub = Hub(f"{url}{'&' if '?' in url else '?'}client_name={name}", name)
    async with hub.listen("here") as listener:
        await hub.publish("here", {"type": "hello"})
        assert await listener.next_message(5) == b'{"type":"hello"}'
        assert await connections(url, name) == 2
        await hub.close()
    assert await connections(url, name) == 0, "who left after the close connected again"
    await hub.publish("here", {"type": "late"})
    async with hub.listen("here"):
        pass
    assert await connections(url, name) == 0


async def test_a_queue_that_was_closed_stays_closed(server_environment: dict[str, str]) -> None:
    prefix = f"closed-{secrets.token_hex(4)}"
    queue = QueueClient(server_environment["FLATRENDER_VALKEY_URL"], prefix)
    assert await (await queue.redis()).ping()
    await queue.close()
    job = Job(context="render", queue="default", name="late", payload=b"{}")
    with pytest.raises(ConnectionError):
        await queue.enqueue(job)
