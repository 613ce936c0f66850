"""Server-sent events and live sockets, driven by hand."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from litestar import WebSocket

from flatrender.http.drain import Drain, DrainingServer, drained_by_signals
from flatrender.http.sse import Event, encode_event, stream
from flatrender.http.websocket import (
    CLOSE_NORMAL,
    CLOSE_RESTART,
    CLOSE_SLOW,
    CLOSE_TOO_BIG,
    LiveSocket,
    accept,
    refuse,
    token_of,
)


def _parse(chunk: bytes) -> list[tuple[str, str]]:
    """Read fields as the HTML standard says (section 9.2.6)."""
    fields = []
    for line in chunk.decode().replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        name, _, value = line.partition(":")
        if name:
            fields.append((name, value.removeprefix(" ")))
    return fields


def test_events_are_encoded() -> None:
    event = Event(id="7", event="progress", data={"step": "Rendering"}, retry=500)
    assert encode_event(event) == (
        b'id: 7\nevent: progress\nretry: 500\ndata: {"step":"Rendering"}\n\n'
    )
    assert encode_event(Event(data="a\nb")) == b"data: a\ndata: b\n\n"
    assert encode_event(Event()) == b"data: \n\n"


@given(st.text(max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_text_forges_a_field(data: str, name: str, ident: str) -> None:
    fields = _parse(encode_event(Event(data=data, event=name, id=ident)))
    assert {key for key, _ in fields} <= {"id", "event", "data"}
    assert sum(key == "event" for key, _ in fields) <= 1
    sent = "\n".join(value for key, value in fields if key == "data")
    assert sent == data.replace("\r\n", "\n").replace("\r", "\n")


class Source:
    """A source that waits for what a test puts in, and notes its end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def events(self) -> AsyncIterator[Event]:
        try:
            while (event := await self.queue.get()) is not None:
                yield event
        finally:
            self.closed.set()


async def test_a_stream_opens_beats_and_ends_with_its_source() -> None:
    source = Source()
    chunks = stream(source.events(), drain=Drain(), heartbeat=0.01, retry=3000)
    assert await anext(chunks) == b"retry: 3000\n\n"
    assert await anext(chunks) == b": ping\n\n"
    source.queue.put_nowait(Event(data="one"))
    while (chunk := await anext(chunks)) == b": ping\n\n":
        pass
    assert chunk == b"data: one\n\n"
    source.queue.put_nowait(None)
    assert [chunk async for chunk in chunks if b"ping" not in chunk] == []
    assert source.closed.is_set()


async def test_a_heartbeat_never_loses_the_event_it_waits_for() -> None:
    source = Source()
    chunks = stream(source.events(), drain=Drain(), heartbeat=0.001)
    seen = []
    for number in range(50):
        source.queue.put_nowait(Event(data=str(number)))
        while (chunk := await anext(chunks)).startswith(b":"):
            pass
        seen.append(chunk)
        assert (await anext(chunks)).startswith(b":")
    assert seen == [f"data: {number}\n\n".encode() for number in range(50)]
    source.queue.put_nowait(None)
    assert all([chunk.startswith(b":") async for chunk in chunks])


async def test_a_draining_server_ends_streams() -> None:
    source, drain = Source(), Drain()
    chunks = stream(source.events(), drain=drain)
    await anext(chunks)
    rest = asyncio.ensure_future(anext(chunks, b"ended"))
    await asyncio.sleep(0)
    drain.begin()
    async with asyncio.timeout(5):
        assert await rest == b"ended"
    assert source.closed.is_set()
    assert drain.begun
    await drain.wait()  # at once, once it has begun


@pytest.mark.parametrize("waiting", [True, False])
async def test_leaving_a_stream_closes_its_source(waiting: bool) -> None:
    source = Source()
    chunks: Any = stream(source.events(), drain=Drain(), heartbeat=0.001)
    await anext(chunks)
    if not waiting:  # left between two events: nothing is awaited that could be cancelled
        source.queue.put_nowait(Event(data="x"))
        while (await anext(chunks)).startswith(b":"):
            pass
    else:
        await anext(chunks)
    await chunks.aclose()
    assert source.closed.is_set()


async def test_a_fault_of_the_source_comes_through() -> None:
    async def broken() -> AsyncIterator[Event]:
        yield Event(data="x")
        raise RuntimeError("source broke")

    chunks = stream(broken(), drain=Drain())
    assert len([await anext(chunks), await anext(chunks)]) == 2
    with pytest.raises(RuntimeError, match="source broke"):
        await anext(chunks)


def test_a_signal_to_uvicorn_begins_the_drain() -> None:
    async def app(_scope: Any, _receive: Any, _send: Any) -> None: ...

    drain = Drain()
    own = DrainingServer(uvicorn.Config(app), drain)
    own.handle_exit(signal.SIGTERM, None)
    assert drain.begun
    assert own.should_exit

    plain, drain = uvicorn.Server(uvicorn.Config(app)), Drain()
    before = signal.signal(signal.SIGTERM, plain.handle_exit)
    try:
        with drained_by_signals(drain):
            signal.raise_signal(signal.SIGTERM)
        assert drain.begun
        assert plain.should_exit
        assert signal.getsignal(signal.SIGTERM) == plain.handle_exit
    finally:
        signal.signal(signal.SIGTERM, before)


class Peer:
    """The client's end of a socket: what it sends, what reached it, and whether it takes more."""

    def __init__(self, *, query: str = "", subprotocols: tuple[str, ...] = ()) -> None:
        self.incoming: asyncio.Queue[Any] = asyncio.Queue()
        self.incoming.put_nowait({"type": "websocket.connect"})
        self.got: list[Any] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.news = asyncio.Event()
        scope: Any = {
            "type": "websocket",
            "path": "/",
            "headers": [],
            "query_string": query.encode(),
            "subprotocols": list(subprotocols),
        }
        self.socket: WebSocket[Any, Any, Any] = WebSocket(scope, self.incoming.get, self._send)

    async def _send(self, message: Any) -> None:
        await self.taking.wait()
        self.got.append(message)
        self.news.set()

    def texts(self) -> list[str]:
        return [message["text"] for message in self.got if message["type"] == "websocket.send"]

    def closed(self) -> int | None:
        codes = [m["code"] for m in self.got if m["type"] == "websocket.close"]
        return codes[0] if codes else None

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.texts()) < count:
                self.news.clear()
                await self.news.wait()


@pytest.mark.parametrize(
    ("query", "token"),
    [
        ("token=abc", "abc"),
        ("", None),
        ("token=", None),
        ("token=a&token=b", None),
        ("token=" + "a" * 5000, None),
    ],
)
def test_tokens_come_in_the_query_once(query: str, token: str | None) -> None:
    assert token_of(Peer(query=query).socket) == token


@pytest.mark.parametrize(
    ("offered", "accepted", "chosen"),
    [
        ((), True, None),
        (("flatrender.v1",), True, "flatrender.v1"),
        (("x", "flatrender.v1"), True, "flatrender.v1"),
        (("flatrender.v9",), False, None),
    ],
)
async def test_subprotocols(offered: tuple[str, ...], accepted: bool, chosen: str | None) -> None:
    peer = Peer(subprotocols=offered)
    assert await accept(peer.socket) is accepted
    assert peer.got[0]["subprotocol"] == chosen
    assert peer.closed() == (None if accepted else 1002)


async def test_refusals_show_their_code() -> None:
    peer = Peer(subprotocols=("flatrender.v1",))
    await refuse(peer.socket, 4401, "token")
    assert [message["type"] for message in peer.got] == ["websocket.accept", "websocket.close"]
    assert peer.got[0]["subprotocol"] == "flatrender.v1"
    assert (peer.got[1]["code"], peer.got[1]["reason"]) == (4401, "token")


async def _live(peer: Peer, **options: Any) -> LiveSocket:
    await accept(peer.socket)
    return LiveSocket(peer.socket, drain=options.pop("drain", Drain()), **options)


async def _run(live: LiveSocket, produce: Any) -> int:
    async with asyncio.timeout(10):
        return await live.run(produce)


async def test_everything_queued_goes_out_before_a_normal_close() -> None:
    peer = Peer()
    live = await _live(peer)

    async def produce(out: LiveSocket) -> None:
        for number in range(40):
            out.send({"n": number})

    assert await _run(live, produce) == CLOSE_NORMAL
    assert peer.texts() == [f'{{"n":{number}}}' for number in range(40)]
    assert peer.closed() == CLOSE_NORMAL


async def test_a_normal_close_waits_for_a_client_that_takes_its_time() -> None:
    peer = Peer()
    live = await _live(peer)
    peer.taking.clear()

    async def produce(out: LiveSocket) -> None:
        for number in range(5):
            out.send(number)
        asyncio.get_running_loop().call_later(0.02, peer.taking.set)

    assert await _run(live, produce) == CLOSE_NORMAL
    assert peer.texts() == ["0", "1", "2", "3", "4"]


async def test_old_progress_makes_room_and_other_messages_stay() -> None:
    peer = Peer()
    live = await _live(peer, capacity=4)
    peer.taking.clear()

    async def produce(out: LiveSocket) -> None:
        out.send("first")
        await asyncio.sleep(0)  # the writer takes it and waits for the client
        out.send("step", droppable=False)
        for number in range(10):
            out.send(f"p{number}", droppable=True)
        peer.taking.set()

    assert await _run(live, produce) == CLOSE_NORMAL
    assert peer.texts() == ["first", "step", "p7", "p8", "p9"]
    assert live.dropped == 7


async def test_who_cannot_take_what_must_be_told_is_too_slow() -> None:
    peer = Peer()
    live = await _live(peer, capacity=3, send_timeout=60)
    peer.taking.clear()
    ended = asyncio.Event()

    async def produce(out: LiveSocket) -> None:
        try:
            for number in range(20):
                out.send(number)
            await asyncio.Event().wait()
        finally:
            ended.set()
            peer.taking.set()

    assert await _run(live, produce) == CLOSE_SLOW
    assert ended.is_set()
    assert peer.closed() == CLOSE_SLOW


async def test_one_message_that_cannot_be_sent_in_time_ends_it() -> None:
    peer = Peer()
    live = await _live(peer, send_timeout=0.01)
    peer.taking.clear()

    async def produce(out: LiveSocket) -> None:
        try:
            out.send("x")
            await asyncio.Event().wait()
        finally:
            peer.taking.set()

    assert await _run(live, produce) == CLOSE_SLOW


async def test_a_client_that_leaves_ends_the_producer() -> None:
    peer = Peer()
    live = await _live(peer)
    ended = asyncio.Event()

    async def produce(_out: LiveSocket) -> None:
        peer.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    assert await _run(live, produce) == CLOSE_NORMAL
    assert ended.is_set()


async def test_draining_closes_with_1012() -> None:
    peer, drain = Peer(), Drain()
    live = await _live(peer, drain=drain)

    async def produce(_out: LiveSocket) -> None:
        drain.begin()
        await asyncio.Event().wait()

    assert await _run(live, produce) == CLOSE_RESTART
    assert peer.closed() == CLOSE_RESTART


async def test_pings_are_answered_and_noise_is_not() -> None:
    peer = Peer()
    live = await _live(peer)

    async def produce(_out: LiveSocket) -> None:
        for text in ("noise", "[]", '{"type":"other"}', '{"type":"ping"}'):
            peer.incoming.put_nowait({"type": "websocket.receive", "text": text})
        await peer.until(1)

    await _run(live, produce)
    assert peer.texts() == ['{"type":"pong"}']


async def test_we_ping_when_asked_to() -> None:
    peer = Peer()
    live = await _live(peer, ping_seconds=0.001)

    async def produce(_out: LiveSocket) -> None:
        await peer.until(2)

    await _run(live, produce)
    assert set(peer.texts()) == {'{"type":"ping"}'}


async def test_large_messages_from_clients_end_it() -> None:
    peer = Peer()
    live = await _live(peer)

    async def produce(_out: LiveSocket) -> None:
        peer.incoming.put_nowait({"type": "websocket.receive", "text": "x" * 4097})
        await asyncio.Event().wait()

    assert await _run(live, produce) == CLOSE_TOO_BIG


async def test_a_fault_of_the_producer_comes_through() -> None:
    live = await _live(Peer())

    async def produce(_out: LiveSocket) -> None:
        raise RuntimeError("producer broke")

    with pytest.raises(RuntimeError, match="producer broke"):
        await _run(live, produce)
