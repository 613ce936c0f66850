"""A bounded load generator: keep-alive connections over raw sockets, in a process of its own.

Reads one order per line from standard input, answers one line on standard output, ends with its
input. HTTP is spoken just far enough to know that every answer is a complete 200.
"""

import asyncio
import sys
import time
from itertools import cycle
from typing import cast

import msgspec
from msgspec import Struct

_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_PATIENCE = 15.0  # seconds for the last answers; a server that hangs ends the bench


class Order(Struct, kw_only=True):
    """Send ``requests`` (raw, in turns) to ``port`` for ``seconds`` over ``connections``."""

    port: int
    requests: list[str]
    seconds: float
    connections: int = 16


class Outcome(Struct, kw_only=True):
    """Answers, seconds and latencies in milliseconds; ``bad`` is the first answer that was no
    200."""

    answers: int
    seconds: float
    p50: float
    p99: float
    bad: str = ""


class _Connection(asyncio.Protocol):
    """One connection: one request on its way at any time."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._buffer = b""
        self._sent = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(next(self._run.requests))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_END)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(_LENGTH)
        if at < 0 or not head.startswith(b"http/1.1 200"):
            self._run.bad = self._buffer[:600].decode("latin-1")
            self._transport.close()
            return
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + len(_END) + length:
            return
        self._buffer = b""
        now = time.perf_counter()
        self._run.latencies.append(now - self._sent)
        if now < self._run.deadline:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class _Run:
    def __init__(self, order: Order) -> None:
        self.requests = cycle([request.encode("latin-1") for request in order.requests])
        self.latencies: list[float] = []
        self.bad = ""
        self.deadline = time.perf_counter() + order.seconds


async def _obey(order: Order) -> Outcome:
    loop = asyncio.get_running_loop()
    run = _Run(order)
    begun = time.perf_counter()
    made = [
        await loop.create_connection(lambda: _Connection(run), "127.0.0.1", order.port)
        for _ in range(order.connections)
    ]
    async with asyncio.timeout(order.seconds + _PATIENCE):
        await asyncio.gather(*(protocol.closed for _, protocol in made))
    seconds = time.perf_counter() - begun
    seen = sorted(run.latencies) or [float("nan")]
    return Outcome(
        answers=len(run.latencies),
        seconds=seconds,
        p50=seen[len(seen) // 2] * 1e3,
        p99=seen[int(len(seen) * 0.99)] * 1e3,
        bad=run.bad,
    )


def main() -> None:
    """Serve orders until standard input ends."""
    import uvloop

    for line in sys.stdin.buffer:
        outcome = uvloop.run(_obey(msgspec.json.decode(line, type=Order)))
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
