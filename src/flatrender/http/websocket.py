"""WebSocket manners: token, subprotocol, close codes, and a send queue that never grows.

Owns how a live connection begins, flows and ends. It never reads a token's meaning and never
knows what the messages say.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketDisconnect

from flatrender.http.drain import Drain

SUBPROTOCOL = "flatrender.v1"

CLOSE_NORMAL = 1000
CLOSE_PROTOCOL_ERROR = 1002
CLOSE_TOO_BIG = 1009
CLOSE_RESTART = 1012  # IANA registry: service restart; clients reconnect
CLOSE_TRY_LATER = 1013  # IANA registry: try again later
CLOSE_BAD_TOKEN = 4401
CLOSE_NOT_YOURS = 4403
CLOSE_SLOW = 4429

DEFAULT_CAPACITY = 64
SEND_TIMEOUT_SECONDS = 10.0
CLOSE_TIMEOUT_SECONDS = 2.0
_MAX_INCOMING = 4096
_MAX_TOKEN = 4096

Socket = WebSocket[Any, Any, Any]
_GONE = (WebSocketDisconnect, OSError, RuntimeError)


def token_of(socket: Socket) -> str | None:
    """Return ``?token=``, None when absent, repeated or absurdly long."""
    values = socket.query_params.getall("token", [])
    if len(values) != 1 or not 0 < len(values[0]) <= _MAX_TOKEN:
        return None
    return str(values[0])


async def accept(socket: Socket) -> bool:
    """Accept the connection with our subprotocol; False (and closed) when the client has others.

    A client that offers none is served as well; one that offers only protocols that we do not
    speak is closed with 1002.
    """
    offered = socket.scope.get("subprotocols") or []
    known = SUBPROTOCOL in offered
    await socket.accept(subprotocols=SUBPROTOCOL if known else None)
    if offered and not known:
        await _close(socket, CLOSE_PROTOCOL_ERROR, f"speak {SUBPROTOCOL}")
        return False
    return True


async def refuse(socket: Socket, code: int, reason: str = "") -> None:
    """Close with a code that the client can see: a refused handshake would only show HTTP 403."""
    if socket.connection_state == "init":
        offered = socket.scope.get("subprotocols") or []
        await socket.accept(subprotocols=SUBPROTOCOL if SUBPROTOCOL in offered else None)
    await _close(socket, code, reason)


class LiveSocket:
    """An accepted connection that messages are pushed to.

    ``send`` never waits. When ``capacity`` messages wait, the oldest droppable one makes room
    (progress is soon told again); when none is droppable the client is too slow and the
    connection ends with 4429. A client's ``{"type": "ping"}`` is answered with a pong; with
    ``ping_seconds`` we ping as well, for proxies that cut silent connections.
    """

    def __init__(
        self,
        socket: Socket,
        *,
        drain: Drain,
        capacity: int = DEFAULT_CAPACITY,
        send_timeout: float = SEND_TIMEOUT_SECONDS,
        ping_seconds: float | None = None,
    ) -> None:
        self.dropped = 0
        self._socket = socket
        self._drain = drain
        self._capacity = capacity
        self._send_timeout = send_timeout
        self._ping_seconds = ping_seconds
        self._queue: deque[tuple[str, bool]] = deque()
        self._wake = asyncio.Event()
        self._slow = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def send(self, message: Any, *, droppable: bool = False) -> None:
        """Queue a message (anything msgspec encodes)."""
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        if len(self._queue) >= self._capacity and not self._make_room(droppable):
            return
        self._queue.append((text, droppable))
        self._idle.clear()
        self._wake.set()

    def _make_room(self, droppable: bool) -> bool:
        for index, (_, may_go) in enumerate(self._queue):
            if may_go:
                del self._queue[index]
                self.dropped += 1
                return True
        if droppable:
            self.dropped += 1
        else:
            self._slow.set()
        return False

    async def run(self, produce: Callable[["LiveSocket"], Awaitable[None]]) -> int:
        """Serve until ``produce`` returns, the client leaves or is too slow, or the server drains.

        ``produce`` pushes with :meth:`send` and is cancelled in the last three cases. Returns
        the close code (1000 also for a client that left); an exception of ``produce`` is raised.
        """
        producing = asyncio.ensure_future(produce(self))
        writing = asyncio.ensure_future(self._write())
        reading = asyncio.ensure_future(self._read())
        draining = asyncio.ensure_future(self._drain.wait())
        slow = asyncio.ensure_future(self._slow.wait())
        extra = [asyncio.ensure_future(self._ping())] if self._ping_seconds else []
        tasks = [producing, writing, reading, draining, slow, *extra]
        try:
            await asyncio.wait(
                {producing, writing, reading, draining, slow}, return_when=asyncio.FIRST_COMPLETED
            )
            code, reason = CLOSE_NORMAL, ""
            if reading.done():
                code = reading.result() or CLOSE_NORMAL
            elif slow.done() or writing.done():
                code, reason = CLOSE_SLOW, "too slow"
            elif producing.done():
                if producing.exception() is None:
                    await self._flush(writing, reading)
            else:
                code, reason = CLOSE_RESTART, "restarting"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if producing.done() and not producing.cancelled():
            producing.result()
        await _close(self._socket, code, reason)
        return code

    async def _flush(self, *others: "asyncio.Future[Any]") -> None:
        """Let what is queued go out, unless writer or reader end first."""
        idle = asyncio.ensure_future(self._idle.wait())
        await asyncio.wait({idle, *others}, return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()

    async def _write(self) -> None:
        """Send from the queue; returns when one message cannot be sent in time."""
        while True:
            while self._queue:
                text, _ = self._queue.popleft()
                try:
                    async with asyncio.timeout(self._send_timeout):
                        await self._socket.send_text(text)
                except (TimeoutError, *_GONE):
                    return
            self._idle.set()
            self._wake.clear()
            await self._wake.wait()

    async def _read(self) -> int:
        """Answer pings until the client leaves (0) or breaks the limits (a close code)."""
        while True:
            try:
                text = await self._socket.receive_text()
            except _GONE:
                return 0
            if len(text) > _MAX_INCOMING:
                return CLOSE_TOO_BIG
            with contextlib.suppress(msgspec.DecodeError):
                message = msgspec.json.decode(text)
                if isinstance(message, dict) and message.get("type") == "ping":
                    self.send({"type": "pong"}, droppable=True)

    async def _ping(self) -> None:
        while self._ping_seconds:
            await asyncio.sleep(self._ping_seconds)
            self.send({"type": "ping"}, droppable=True)


async def _close(socket: Socket, code: int, reason: str) -> None:
    """Close; a client that takes nothing any more is left to the server's own time-outs."""
    with contextlib.suppress(TimeoutError, *_GONE):
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await socket.close(code=code, reason=reason)
