"""Server-sent events (HTML standard, section 9.2), with heartbeats and an end.

A stream ends when its source ends or is refused, the client leaves, or the server drains; the
source's ``finally`` runs in every case. A refusal (a ``DomainError`` of the source) is told as the
last event, ``error``, with the problem document that a short request would be answered with.
A source must not hold a request's database session: that one is closed when the answer starts. It
opens a short read of its own when it needs one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send
from msgspec import Struct

from flatrender.errors import DomainError
from flatrender.http.drain import Drain
from flatrender.http.problems import encode_problem

HEARTBEAT_SECONDS = 15.0
_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold events back
}
_MAX_LAST_ID = 256


class Event(Struct, frozen=True, kw_only=True):
    """One event. ``data`` is sent as it is when text, as JSON otherwise.

    ``id`` comes back as Last-Event-ID when a browser reconnects; ``retry`` is how many
    milliseconds it should wait before it does.
    """

    data: Any = ""
    event: str = ""
    id: str = ""
    retry: int | None = None


def encode_event(event: Event) -> bytes:
    """Return an event's bytes; line breaks cannot forge fields."""
    lines = []
    if event.id:
        lines.append("id: " + _one_line(event.id))
    if event.event:
        lines.append("event: " + _one_line(event.event))
    if event.retry is not None:
        lines.append(f"retry: {event.retry:d}")
    text = event.data if isinstance(event.data, str) else msgspec.json.encode(event.data).decode()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines += [f"data: {line}" for line in text.split("\n")]
    return ("\n".join(lines) + "\n\n").encode()


def _one_line(text: str) -> str:
    return text.translate({10: None, 13: None, 0: None})


def last_event_id(request: Request[Any, Any, Any]) -> str | None:
    """Return where a reconnecting client left off, None at its first connection.

    EventSource cannot send headers of its own on a first call, so ``?last_event_id`` counts too.
    """
    value = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    return value if value and len(value) <= _MAX_LAST_ID else None


async def stream(
    source: AsyncIterator[Event | bytes],
    *,
    drain: Drain,
    heartbeat: float = HEARTBEAT_SECONDS,
    retry: int | None = None,
) -> AsyncIterator[bytes]:
    """Yield the bytes of ``source`` until it ends or the server drains.

    An event may come encoded already, where one is sent to many.

    A comment is sent after ``heartbeat`` seconds of silence, so that proxies keep the connection
    and a client that vanished is noticed. ``retry`` (ms) is told at the start.
    """
    # The first bytes go out at once: EventSource then counts the connection as open.
    yield b":\n\n" if retry is None else f"retry: {retry:d}\n\n".encode()
    stopping = asyncio.ensure_future(drain.wait())
    coming: asyncio.Task[Event | bytes] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(source))
            await asyncio.wait(
                {coming, stopping}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED
            )
            if coming.done():
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                except DomainError as error:
                    # The status is long gone: the refusal is told as the last event.
                    yield encode_event(Event(event="error", data=encode_problem(error)[2].decode()))
                    return
                finally:
                    coming = None
                yield event if isinstance(event, bytes) else encode_event(event)
            elif stopping.done():
                return
            else:
                yield b": ping\n\n"
    finally:
        for task in (coming, stopping):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                    await task
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def _next(source: AsyncIterator[Event | bytes]) -> Event | bytes:
    return await anext(source)


class _EventStreamBody(ASGIResponse):
    """Sends the stream and stops it when the client leaves."""

    _should_set_content_length = False

    def __init__(
        self, make: Callable[[], AsyncIterator[bytes]], *, headers: dict[str, str], status: int
    ) -> None:
        super().__init__(headers=headers, status_code=status, media_type="text/event-stream")
        self._make = make

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Send events while listening for the client's leaving."""
        leaving = asyncio.ensure_future(_disconnected(receive))
        sending = asyncio.ensure_future(self._send_all(send))
        try:
            await asyncio.wait({leaving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (leaving, sending):
                task.cancel()
            results = await asyncio.gather(leaving, sending, return_exceptions=True)
        fault = results[1]
        if isinstance(fault, Exception):
            raise fault

    async def _send_all(self, send: Send) -> None:
        async with contextlib.aclosing(self._make()) as chunks:  # type: ignore[type-var] # an async generator by construction
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response[None]):
    """A handler's answer: ``return EventStream(source, drain=drain)``."""

    def __init__(
        self,
        source: AsyncIterator[Event] | AsyncIterator[bytes],
        *,
        drain: Drain,
        heartbeat: float = HEARTBEAT_SECONDS,
        retry: int | None = 3000,
    ) -> None:
        super().__init__(content=None, media_type="text/event-stream", headers=dict(_HEADERS))
        self._make = lambda: stream(source, drain=drain, heartbeat=heartbeat, retry=retry)

    def to_asgi_response(
        self,
        app: Any,
        request: Request[Any, Any, Any],
        *,
        headers: dict[str, str] | None = None,
        cookies: Iterable[Cookie] | None = None,
        **options: Any,
    ) -> ASGIResponse:
        """Return the streaming ASGI answer; it is no answer to HEAD and sets no cookies."""
        del app, request, cookies, options
        return _EventStreamBody(
            self._make, headers={**(headers or {}), **self.headers}, status=self.status_code or 200
        )
