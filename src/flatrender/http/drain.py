"""Draining: telling live streams that the server is about to stop.

A server waits for open connections before it ends the app's lifespan, so streams that wait for
the lifespan would hold it up for ever. The serving process calls :meth:`Drain.begin` when it is
told to stop (:class:`DrainingServer` does, :func:`drained_by_signals` where a supervisor makes
the servers); every stream then ends by itself.
"""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn


class Drain:
    """A one-way signal, safe to give from any thread or signal handler."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # re-entrant: a signal may strike inside wait()
        self._begun = False
        self._events: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    @property
    def begun(self) -> bool:
        """True once the process is stopping."""
        return self._begun

    def begin(self) -> None:
        """Tell every stream to end; asking twice is fine."""
        with self._lock:
            self._begun = True
            waiting = list(self._events)
        for loop, event in waiting:
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def wait(self) -> None:
        """Return when the process is stopping."""
        entry = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            if self._begun:
                return
            self._events.add(entry)
        try:
            await entry[1].wait()
        finally:
            with self._lock:
                self._events.discard(entry)


class DrainingServer(uvicorn.Server):
    """uvicorn that begins the drain at the first SIGINT or SIGTERM."""

    def __init__(self, config: uvicorn.Config, drain: Drain) -> None:
        super().__init__(config)
        self._drain = drain

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin the drain, then stop as uvicorn does."""
        self._drain.begin()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: Any = None) -> None:
        """Stop; covers stops that come by no signal (a request limit, ``should_exit``)."""
        self._drain.begin()
        await super().shutdown(sockets)


@contextmanager
def drained_by_signals(drain: Drain) -> Iterator[None]:
    """Begin ``drain`` when uvicorn is told to stop, while the block lasts.

    For servers made by uvicorn itself (several worker processes): their signal handlers are in
    place when the app starts, so ours goes before them. Anything else is left alone.
    """
    replaced: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            handler = signal.getsignal(number)
            server = getattr(handler, "__self__", None)
            if isinstance(server, uvicorn.Server) and not isinstance(server, DrainingServer):
                replaced[number] = handler
                signal.signal(number, _before(drain, handler))
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


def _before(drain: Drain, handler: Any) -> Any:
    def handle(number: int, frame: FrameType | None) -> None:
        drain.begin()
        handler(number, frame)

    return handle
