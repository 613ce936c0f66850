"""A started app behind a real port, and a line to it that can be cut."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn

from flatrender.http.drain import Drain, DrainingServer


class _Server(DrainingServer):
    """A server that leaves the test process's signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Served:
    """An app behind a real port. ``address`` is ``host:port``; ``running`` ends with the server."""

    def __init__(self, address: str, server: DrainingServer, running: "asyncio.Task[None]") -> None:
        self.address = address
        self.server = server
        self.running = running


@contextlib.asynccontextmanager
async def serving(app: Any, drain: Drain) -> AsyncIterator[Served]:
    """Serve an app that has started already; leaving the block stops the server."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(
            app, lifespan="off", ws="websockets-sansio", log_config=None, access_log=False
        )
        server = _Server(config, drain)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield Served("{}:{}".format(*listening.getsockname()), server, running)
        finally:
            server.should_exit = True
            await running


@contextlib.asynccontextmanager
async def serve_app(app: Any) -> AsyncIterator[str]:
    """Serve an app that has started already; yields ``host:port``."""
    async with serving(app, Drain()) as served:
        yield served.address


class Line:
    """A TCP line to ``target`` (host:port) that can be cut and healed; ``address`` is its near end.

    Cut, it drops every open connection and refuses new ones by closing them at once. ``bytes``
    counts what went towards the target.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.is_cut = False
        self.bytes = 0
        self.address = ""

    async def __aenter__(self) -> "Line":
        """Open the line."""
        self._server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.address = "{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Close it."""
        self.cut()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    def cut(self) -> None:
        """Drop everything."""
        self.is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def heal(self) -> None:
        """Let new connections through."""
        self.is_cut = False

    async def accept(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        if self.is_cut:
            near_out.transport.abort()
            return
        host, _, port = self._target.rpartition(":")
        try:
            far_in, far_out = await asyncio.open_connection(host, int(port))
        except OSError:
            near_out.transport.abort()
            return
        ends = {near_out, far_out}
        self._writers |= ends
        try:
            await asyncio.gather(
                self._pump(near_in, far_out, count=True), self._pump(far_in, near_out, count=False)
            )
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, count: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if count:
                    self.bytes += len(data)
                target.write(data)
                await target.drain()
            if target.can_write_eof():
                target.write_eof()
