"""Live progress over a real server: WebSocket and server-sent events, as browsers speak them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from jsonschema import Draft202012Validator
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from flatrender.http.drain import Drain
from flatrender.security import vigil
from flatrender.testing.platform import Platform, run_platform
from flatrender.testing.serving import Served, serving
from flatrender_render.farm import claims
from flatrender_render.farm.link import Failure
from flatrender_render.farm.local import LocalLink
from flatrender_render.live import channel
from flatrender_render.stream_schema import render_stream_schema

PUBLISHED = Draft202012Validator(render_stream_schema())
ORDER = ["Queued", "Rendering", "Encoding", "Uploading", "Validating", "Done"]


def at(served: Served, url: str) -> str:
    """Return a public URL of ours with this server's address in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{served.address}{parts.path}?{parts.query}"


def watch(served: Served, ticket: Any) -> Any:
    """Open the WebSocket of a ticket."""
    url = at(served, ticket["ws_url"])
    return connect(url, subprotocols=["flatrender.v1"])  # type: ignore[list-item]  # a NewType of str


@pytest.fixture(scope="session")
async def served(platform: Platform) -> AsyncIterator[Served]:
    """The platform's app on a free port."""
    async with serving(platform.app, Drain()) as running:
        yield running


async def ticket_of(customer: Any, job: Any) -> Any:
    """Return a watch ticket."""
    answer = await customer.call("POST", f"/v1/renders/{job['id']}/watch-token")
    assert answer.status_code == 201, answer.text
    return answer.json()


async def all_of(live: Any) -> list[Any]:
    """Return every message until the server closes, without the pings of a slow machine.

    Each is as published, whatever the test is about.
    """
    messages = [json.loads(text) async for text in live]
    for message in messages:
        PUBLISHED.validate(message)
    return [message for message in messages if message["type"] != "ping"]


async def events_of(url: str, opened: asyncio.Event | None = None) -> list[tuple[str, Any]]:
    """Return every event of a stream; ``opened`` is set once it is open."""
    found = []
    async with httpx.AsyncClient(timeout=60) as client, client.stream("GET", url) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        if opened is not None:
            opened.set()
        name = ""
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
                if name != "error":  # a problem document
                    PUBLISHED.validate(found[-1][1])
    return found


def said(messages: list[Any]) -> list[Any]:
    """Return messages without their ids, which tell when they were said."""
    return [{k: v for k, v in message.items() if k != "id"} for message in messages]


def check_story(messages: list[Any], job_id: str) -> None:
    """A watcher's messages: hello first, never backwards, one end."""
    assert messages[0]["type"] == "hello"
    assert messages[0]["protocol"] == "flatrender.v1"
    assert {m["job_id"] for m in messages} == {job_id}
    shown = [m["progress"] for m in messages if "progress" in m]
    assert shown == sorted(shown)
    assert all(0 <= value <= 1 for value in shown)
    steps = [ORDER.index(m["step"]) for m in messages if "step" in m]
    assert steps == sorted(steps)
    assert [m["type"] for m in messages].count("done") == 1
    assert messages[-1]["type"] == "done"


async def test_a_watcher_sees_a_render_from_the_beginning_to_the_end(
    lot: Any, served: Served, frozen: Any
) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    ticket = await ticket_of(customer, job)
    async with watch(served, ticket) as live:
        assert live.subprotocol == "flatrender.v1"
        hello = json.loads(await live.recv())
        assert hello["type"] == "hello"
        assert (hello["progress"], hello["total_frames"]) == (0.0, 120)
        frozen.thaw()
        messages = [hello, *await all_of(live)]
        assert live.close_code == 1000
    check_story(messages, job["id"])
    kinds = [m["type"] for m in messages]
    assert "progress" in kinds
    changes = [m["step"] for m in messages if m["type"] == "step_change"]
    assert changes[-3:] == ["Encoding", "Uploading", "Validating"]
    told = next(m for m in messages if m["type"] == "progress")
    assert {"step", "progress", "current_frame", "total_frames", "eta_seconds", "active_nodes",
            "message"} <= set(told)  # fmt: skip
    done = messages[-1]
    ended = await customer.ended(job["id"])
    export = await customer.get(f"/v1/exports/{ended['export_id']}")
    assert done["export_id"] == export["id"]
    assert done["output_url"] == export["url"]
    assert done["thumbnail_url"] == export["thumbnail_url"]
    assert done["duration_sec"] == 4.0
    assert done["size_bytes"] == export["size_bytes"]
    assert done["compute_seconds"] > 0


async def test_a_repair_is_told(lot: Any, platform: Platform, served: Served, frozen: Any) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    await customer.claimed(job["id"])
    await customer.hold(job["id"], "audio")
    async with watch(served, await ticket_of(customer, job)) as live:
        frozen.thaw()
        key = await customer.drawn(job["id"], 1)
        await platform.runtime.infra.storage.delete(key)
        await customer.hold(job["id"], "audio", held=False)
        messages = await all_of(live)
    (repair,) = [m for m in messages if m["type"] == "frame_repair"]
    assert repair["missing_frames"] == 60
    assert repair["corrupt_frames"] == 0
    assert (repair["attempt"], repair["max_attempts"]) == (1, 3)
    steps = [m["step"] for m in messages if m["type"] == "step_change"]
    assert "Repairing" in steps
    assert steps[-3:] == ["Encoding", "Uploading", "Validating"]
    shown = [m["progress"] for m in messages if "progress" in m]
    assert shown == sorted(shown)
    assert messages[-1]["type"] == "done"


async def test_a_lost_attempt_is_told_and_the_render_goes_on(
    lot: Any, platform: Platform, served: Served, frozen: Any
) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    row = await customer.claimed(job["id"])
    context = platform.runtime.plugins["render"].context
    async with context.db.system("claim of a test") as work:
        claim = await claims.attempt_of(
            work, frame_job_id=row["id"], epoch=row["epoch"], node_id=row["node_id"]
        )
    assert claim is not None
    async with watch(served, await ticket_of(customer, job)) as live:
        told = Failure(code="worker_crashed", message="signal 9")
        await LocalLink(context, row["node_id"]).fail(claim, told)
        frozen.thaw()
        messages = await all_of(live)
    assert [m["event"] for m in messages if m["type"] == "node_event"] == ["worker_crashed"]
    assert messages[-1]["type"] == "done"
    await platform.sql(
        "UPDATE render.nodes SET consecutive_failures = 0, rest_until = NULL WHERE id = $1",
        row["node_id"],
    )


async def test_a_preview_is_a_small_picture(lot: Any, served: Served, frozen: Any) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    async with watch(served, await ticket_of(customer, job)) as live:
        frozen.thaw()
        messages = await all_of(live)
    previews = [m["preview_b64"] for m in messages if "preview_b64" in m]
    assert previews
    assert all(p.startswith("data:image/jpeg;base64,") for p in previews)
    assert all(len(p) < 20_000 for p in previews)


async def test_who_comes_again_in_the_middle_sees_the_rest(
    lot: Any, served: Served, frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    ticket = await ticket_of(customer, job)
    async with watch(served, ticket) as first:
        assert json.loads(await first.recv())["type"] == "hello"
    async with watch(served, ticket) as second:
        hello = json.loads(await second.recv())
        frozen.thaw()
        check_story([hello, *await all_of(second)], job["id"])


async def test_events_carry_the_same_and_latecomers_get_hello_and_the_end(
    lot: Any, served: Served, frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    ticket = await ticket_of(customer, job)
    watching = asyncio.create_task(events_of(at(served, ticket["sse_url"])))
    await customer.claimed(job["id"])
    frozen.thaw()
    events = await watching
    assert [name for name, _ in events] == [message["type"] for _, message in events]
    check_story([message for _, message in events], job["id"])
    await customer.ended(job["id"])

    late = [message for _, message in await events_of(at(served, ticket["sse_url"]))]
    async with watch(served, ticket) as live:
        assert said(await all_of(live)) == said(late)
        assert live.close_code == 1000
    assert [message["type"] for message in late] == ["hello", "done"]
    assert said(late[-1:]) == said([events[-1][1]])


async def test_a_cancelled_and_a_failed_job_end_their_streams(
    lot: Any, platform: Platform, served: Served, frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    async with watch(served, await ticket_of(customer, job)) as live:
        await live.recv()
        await customer.call("POST", f"/v1/renders/{job['id']}/cancel")
        assert (await all_of(live))[-1]["type"] == "cancelled"
    other = await customer.submit()
    async with watch(served, await ticket_of(customer, other)) as live:
        await live.recv()
        await platform.sql(
            "UPDATE render.render_jobs SET deadline_at = now() WHERE id = $1", other["id"]
        )
        failed = (await all_of(live))[-1]
    assert (failed["type"], failed["code"]) == ("failed", "job_too_old")
    assert failed["retryable"] is True
    assert failed["message"]
    assert failed["message_fa"]


async def closed_with(url: str) -> int | None:
    """Return the code a socket is closed with."""
    async with connect(url, subprotocols=["flatrender.v1"]) as live:  # type: ignore[list-item]  # a NewType of str
        with pytest.raises(ConnectionClosed):
            await live.recv()
        return live.close_code


async def test_tokens_open_one_job_only(lot: Any, served: Served, frozen: Any) -> None:
    customer = await lot.customer()
    job, other = await customer.submit(), await customer.submit()
    ticket = await ticket_of(customer, job)
    good = at(served, ticket["ws_url"])
    assert await closed_with(good.replace(job["id"], other["id"])) == 4403
    assert await closed_with(good[:-4] + "AAAA") == 4401
    assert await closed_with(good.partition("?")[0]) == 4401
    bearer = customer.person.access_token
    assert await closed_with(f"{good.partition('?')[0]}?token={bearer}") == 4401
    async with httpx.AsyncClient() as client:
        stream = at(served, ticket["sse_url"])
        wrong = await client.get(stream.replace(job["id"], other["id"]))
        none = await client.get(stream.partition("?")[0])
    assert (wrong.status_code, none.status_code) == (404, 401)


async def test_open_streams_end_with_their_session(
    lot: Any, served: Served, frozen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen job never ends: the streams end because the session did."""
    monkeypatch.setattr(vigil, "VIGIL_SECONDS", 0.05)
    customer = await lot.customer()
    ticket = await ticket_of(customer, await customer.submit())
    opened = asyncio.Event()
    watching = asyncio.create_task(events_of(at(served, ticket["sse_url"]), opened))
    async with watch(served, ticket) as live:
        assert json.loads(await live.recv())["type"] == "hello"
        await opened.wait()
        await customer.call("POST", "/v1/auth/logout")
        async with asyncio.timeout(10):
            await all_of_or_closed(live)
            events = await watching
    assert (live.close_code, live.close_reason) == (4401, "session_ended")
    assert [name for name, _ in events if name in {"hello", "error"}] == ["hello", "error"]
    assert (events[-1][1]["code"], events[-1][1]["status"]) == ("session_ended", 401)


async def test_a_busy_stream_ends_with_its_session_too(
    lot: Any, platform: Platform, served: Served, frozen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vigil, "VIGIL_SECONDS", 0.05)
    customer = await lot.customer()
    job = await customer.submit()
    step = {"type": "step_change", "job_id": job["id"], "step": "Rendering", "progress": 0.0}

    over = asyncio.Event()

    async def chatter() -> None:
        while not over.is_set():
            await platform.runtime.infra.hub.publish(channel(UUID(job["id"])), step)

    async with watch(served, await ticket_of(customer, job)) as live:
        await live.recv()
        talking = asyncio.create_task(chatter())
        try:
            await live.recv()
            await customer.call("POST", "/v1/auth/logout")
            async with asyncio.timeout(20):
                await all_of_or_closed(live)
        finally:
            over.set()
            await talking
    assert live.close_code == 4401


async def all_of_or_closed(live: Any) -> None:
    """Read until the connection ends, however it does."""
    with contextlib.suppress(ConnectionClosed):
        await all_of(live)


async def test_a_stopping_server_tells_watchers_to_come_back(
    lot: Any, server_environment: dict[str, str], frozen: Any
) -> None:
    customer = await lot.customer()
    job = await customer.submit()
    ticket = await ticket_of(customer, job)
    async with run_platform(server_environment, worker=False) as other:
        drain = other.runtime.infra.drain
        async with serving(other.app, drain) as served, watch(served, ticket) as live:
            assert json.loads(await live.recv())["type"] == "hello"
            served.server.should_exit = True
            with contextlib.suppress(ConnectionClosed):
                await all_of(live)
            assert live.close_code == 1012


async def test_a_watcher_that_comes_back_goes_on_where_it_was(
    lot: Any, served: Served, frozen: Any
) -> None:
    customer = await lot.customer("long")
    job = await customer.submit()
    ticket = await ticket_of(customer, job)
    await customer.claimed(job["id"])
    await customer.platform.sql(
        "INSERT INTO render.frame_repair_jobs (tenant_id, job_id, frame_job_id, first_frame, "
        "last_frame, defect, attempt, corrupt_frames) SELECT tenant_id, job_id, id, 0, 59, "
        "'corrupt', 1, 60 FROM render.frame_jobs WHERE job_id = $1 AND kind = 'video' LIMIT 1",
        UUID(job["id"]),
    )
    left_off = "1600000000000-4200"
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream(
            "GET", at(served, ticket["sse_url"]), headers={"Last-Event-ID": left_off}
        ) as answer,
    ):
        lines = answer.aiter_lines()
        seen: list[Any] = []
        ids: list[str] = []
        async for line in lines:
            if line.startswith("id: "):
                ids.append(line.removeprefix("id: "))
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
            if len(seen) == 2:
                break
    assert (seen[0]["type"], seen[0]["progress"], seen[0]["resumed"]) == ("hello", 0.42, True)
    assert (seen[1]["type"], seen[1]["corrupt_frames"]) == ("frame_repair", 60)
    assert ids == [message["id"] for message in seen]
    async with watch(served, {"ws_url": f"{ticket['ws_url']}&last_event_id={left_off}"}) as live:
        hello = json.loads(await live.recv())
        assert hello["progress"] == 0.42
        assert json.loads(await live.recv())["type"] == "frame_repair"
        frozen.thaw()
        rest = await all_of(live)
    shown = [m["progress"] for m in rest if "progress" in m]
    assert shown == sorted(shown)
    assert min(shown) >= 0.42
    await customer.ended(job["id"])
