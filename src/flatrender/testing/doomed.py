"""API processes that are killed (SIGKILL) in the middle of a request.

``python -m flatrender.testing.doomed`` imports everything once, reads orders from its input, one
JSON object a line, and forks a process for each. That process starts the whole API on the servers
its environment names, makes the one request, and is killed after the ``after``-th statement that
the request sends. The answer line says how it ended: a signal as a negative number, as in
``Popen.returncode``, or 0 where it outlived the request.
"""

import asyncio
import os
import sys
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import Struct

from flatrender.testing.deaths import mortal


class Order(Struct, frozen=True, kw_only=True):
    """One request and how many of its statements arrive."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    after: int


async def _request(order: Order) -> None:
    from flatrender.testing.platform import run_platform

    async with run_platform(dict(os.environ), worker=False) as platform:
        with mortal(order.after, kill=True):
            await platform.client.request(
                order.method, order.path, json=order.body, headers=order.headers
            )


def main() -> None:
    """Carry out orders until the input ends."""
    import flatrender.app
    import flatrender.testing.platform  # noqa: F401 - what the forked processes need, once

    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)  # only the parent answers
            code = 1
            try:
                asyncio.run(_request(order))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


class Doomed:
    """A test's side of it. Use as a context manager."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "flatrender.testing.doomed",
            env={**os.environ, **self._environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    async def request(
        self, method: str, path: str, body: Any, headers: dict[str, str], *, after: int
    ) -> int:
        """Make a request in a process of its own; returns how the process ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = Order(method=method, path=path, headers=headers, body=body, after=after)
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        await self._process.stdin.drain()
        return int(await self._process.stdout.readline())


if __name__ == "__main__":
    main()
