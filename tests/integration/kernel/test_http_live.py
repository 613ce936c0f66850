"""Live connections through a real server: what clients see, and that a stopping server lets go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
import websockets
from litestar import Request, WebSocket, get, websocket
from litestar.response import Response
from websockets.asyncio.client import connect

from flatrender.http.drain import Drain, DrainingServer
from flatrender.http.sse import Event, EventStream, last_event_id
from flatrender.http.websocket import (
    CLOSE_BAD_TOKEN,
    CLOSE_NOT_YOURS,
    CLOSE_RESTART,
    CLOSE_SLOW,
    LiveSocket,
    accept,
    refuse,
    token_of,
)
from flatrender.testing.http import make_app


class World:
    """The server under test and what its handlers noticed."""

    def __init__(self) -> None:
        self.drain = Drain()
        self.streaming = asyncio.Event()
        self.ended = asyncio.Event()
        self.code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.port = 0
        self.server: DrainingServer | None = None
        self.serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"


class ReadyServer(DrainingServer):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config, drain)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def _handlers(world: World) -> list[Any]:
    async def numbers(start: int) -> AsyncIterator[Event]:
        try:
            for number in range(start, start + 3):
                yield Event(id=str(number), event="n", data={"n": number})
            world.streaming.set()
            await asyncio.Event().wait()
        finally:
            world.ended.set()

    @get("/events")
    async def events(request: Request[Any, Any, Any]) -> EventStream:
        start = int(last_event_id(request) or 0)
        return EventStream(numbers(start), drain=world.drain, heartbeat=0.05)

    @get("/broken")
    async def broken() -> Response[Any]:
        async def source() -> AsyncIterator[Event]:
            yield Event(data="x")
            raise RuntimeError("source broke")

        return EventStream(source(), drain=world.drain)

    @websocket("/live")
    async def live(socket: WebSocket[Any, Any, Any]) -> None:
        token = token_of(socket)
        if token is None:
            await refuse(socket, CLOSE_BAD_TOKEN, "bad token")
            return
        if token == "foreign":
            await refuse(socket, CLOSE_NOT_YOURS, "not your job")
            return
        if not await accept(socket):
            return

        async def produce(out: LiveSocket) -> None:
            try:
                if token == "flood":
                    while True:
                        out.send("x" * 65536)
                        await asyncio.sleep(0)
                out.send({"type": "hello"})
                world.streaming.set()
                await asyncio.Event().wait()
            finally:
                world.ended.set()

        # A flooded client is noticed by its queue; the short time-out only bounds the test.
        link = LiveSocket(socket, drain=world.drain, capacity=8, send_timeout=0.5)
        world.code.set_result(await link.run(produce))

    return [events, broken, live]


@asynccontextmanager
async def _running() -> AsyncIterator[World]:
    world = World()
    app, _ = make_app(_handlers(world))
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, ws="websockets-sansio", lifespan="on"
    )
    server = ReadyServer(config, world.drain)
    world.server = server
    # `serve` without its signal handlers: those belong to pytest here.
    world.serving = asyncio.create_task(server._serve())
    async with asyncio.timeout(10):
        await server.ready.wait()
    world.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield world
    finally:
        server.should_exit = True
        async with asyncio.timeout(15):
            await world.serving


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with _running() as made:
        yield made


async def _lines(response: httpx.Response, count: int) -> list[str]:
    found: list[str] = []
    async for line in response.aiter_lines():
        if line and not line.startswith(":") and not line.startswith("retry"):
            found.append(line)
        if len(found) == count:
            break
    return found


async def test_events_arrive_and_a_leaving_client_ends_them(world: World) -> None:
    async with (
        httpx.AsyncClient() as client,
        client.stream("GET", f"http://{world.url}/events") as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "content-length" not in response.headers
        assert await _lines(response, 3) == ["id: 0", "event: n", 'data: {"n":0}']
    async with asyncio.timeout(5):
        await world.ended.wait()


async def test_a_reconnecting_client_says_where_it_was(world: World) -> None:
    async with httpx.AsyncClient() as client:
        for options in ({"headers": {"Last-Event-ID": "7"}}, {"params": {"last_event_id": "7"}}):
            url = f"http://{world.url}/events"
            async with client.stream("GET", url, **options) as response:  # type: ignore[arg-type] # either kind
                assert await _lines(response, 1) == ["id: 7"]


async def test_a_stopping_server_ends_open_streams_by_itself() -> None:
    async with _running() as world, httpx.AsyncClient() as client:
        assert world.server is not None
        assert world.serving is not None
        async with client.stream("GET", f"http://{world.url}/events") as response:
            await world.streaming.wait()
            world.server.should_exit = True
            async with asyncio.timeout(10):
                text = (await response.aread()).decode()  # ends cleanly, is not cut
                await world.serving
        assert 'data: {"n":2}' in text
        assert world.ended.is_set()


async def test_a_broken_source_cuts_the_answer(world: World) -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"http://{world.url}/broken")


@pytest.mark.parametrize(
    ("query", "code"), [("", CLOSE_BAD_TOKEN), ("?token=foreign", CLOSE_NOT_YOURS)]
)
async def test_refused_sockets_show_their_close_code(world: World, query: str, code: int) -> None:
    async with connect(f"ws://{world.url}/live{query}") as socket:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_the_subprotocol_is_negotiated(world: World) -> None:
    offered = [websockets.Subprotocol("flatrender.v1")]
    async with connect(f"ws://{world.url}/live?token=t", subprotocols=offered) as socket:
        assert socket.subprotocol == "flatrender.v1"
        assert await socket.recv() == '{"type":"hello"}'


async def test_a_leaving_client_ends_the_producer(world: World) -> None:
    async with connect(f"ws://{world.url}/live?token=t") as socket:
        await socket.recv()
    async with asyncio.timeout(5):
        await world.ended.wait()
        assert await world.code == 1000


async def test_a_stopping_server_closes_sockets_with_1012() -> None:
    async with _running() as world:
        async with connect(f"ws://{world.url}/live?token=t") as socket:
            await socket.recv()
            world.drain.begin()
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CLOSE_RESTART


async def test_a_client_that_does_not_read_is_let_go(world: World) -> None:
    url = f"ws://{world.url}/live?token=flood"
    async with connect(url, max_queue=1, compression=None) as socket:
        async with asyncio.timeout(15):
            assert await world.code == CLOSE_SLOW
        assert world.ended.is_set()
        socket.transport.abort()
