"""The live inbox over a real server: hello, then what arrives; render tickets open nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uvicorn

from flatrender.contracts.identity import TokenIssuer
from flatrender.security import vigil
from flatrender.testing.platform import Person, Platform
from flatrender.testing.waiting import until
from flatrender_notification.services.inbox import Ping, channel_of


@pytest.fixture
async def address(platform: Platform) -> AsyncIterator[str]:
    """The platform's app behind a real server on the loopback."""
    config = uvicorn.Config(
        platform.app, port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    async def up() -> bool:
        return server.started

    await until(up)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await serving


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def _ticket(platform: Platform, person: Person) -> str:
    answer = await platform.client.post("/v1/notifications/stream-token", headers=person.headers)
    assert answer.status_code == 201, answer.text
    assert answer.json()["sse_url"].endswith(answer.json()["token"])
    return str(answer.json()["token"])


@pytest.mark.parametrize("credential", ["ticket", "bearer"])
async def test_hello_then_what_arrives(
    platform: Platform, address: str, render_fails: Any, credential: str
) -> None:
    person, other = await platform.person(), await platform.person()
    await render_fails(platform, person, project_name="earlier")

    async def counted() -> bool:
        answer = await platform.client.get("/v1/notifications/unread-count", headers=person.headers)
        return bool(answer.json()["unread"] == 1)

    await platform.until(counted)
    query = {"token": await _ticket(platform, person)} if credential == "ticket" else {}
    headers = {"Accept-Language": "en", **(person.headers if credential == "bearer" else {})}
    async with (
        httpx.AsyncClient(timeout=30) as client,
        client.stream(
            "GET", f"{address}/v1/notifications/stream", params=query, headers=headers
        ) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = _events(answer.aiter_lines())
        assert await anext(events) == ("hello", {"type": "hello", "unread": 1})
        await render_fails(platform, other, project_name="not mine")
        await render_fails(platform, person, project_name="live")
        seen: list[str] = []
        async for name, data in events:  # what was counted at hello may be told once more
            assert name == "notification"
            seen.append(data["notification"]["title"])
            if len(seen) == 2 or "live" in seen[0]:
                break
        assert seen[-1] == "“live” could not be rendered"
        assert set(seen[:-1]) <= {"“earlier” could not be rendered"}


@pytest.mark.parametrize("told", [False, True], ids=["silent", "told"])
@pytest.mark.parametrize("credential", ["ticket", "bearer"])
async def test_an_open_inbox_ends_with_its_session(
    platform: Platform,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    credential: str,
    told: bool,
) -> None:
    """Silent, the next look ends it; told something, that is looked at first and never sent."""
    monkeypatch.setattr(vigil, "VIGIL_SECONDS", 3_600.0 if told else 0.05)
    person = await platform.person()
    query = {"token": await _ticket(platform, person)} if credential == "ticket" else {}
    headers = person.headers if credential == "bearer" else {}
    url = f"{address}/v1/notifications/stream"
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("GET", url, params=query, headers=headers) as answer,
    ):
        events = _events(answer.aiter_lines())
        assert (await anext(events))[0] == "hello"
        await platform.client.post("/v1/auth/logout", headers=person.headers)
        if told:
            news = Ping(user_id=person.id, notification_id=uuid4())
            await platform.runtime.infra.hub.publish(channel_of(person.id), news)
        async with asyncio.timeout(10):
            rest = [event async for event in events]
    assert [(name, data["code"]) for name, data in rest] == [("error", "session_ended")]


async def test_a_render_ticket_opens_no_inbox(platform: Platform) -> None:
    person = await platform.person()
    issuer = platform.runtime.port(TokenIssuer)
    render = await issuer.watch(
        tenant_id=person.tenant_id, user_id=person.id, job_id=uuid4(), seconds=60
    )
    for query in ({"token": render}, {"token": "nonsense"}, {"token": person.access_token}, {}):
        async with asyncio.timeout(10):  # a stream that opens would never end
            answer = await platform.client.get("/v1/notifications/stream", params=query)
        assert answer.status_code == 401, query
        assert answer.headers["content-type"].startswith("application/problem+json")
