"""Workers that tests start and end: in this process, or as a process of their own."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx

from flatrender.runtime import Runtime
from flatrender.settings import load_settings
from flatrender.tasks.service import WorkerService
from flatrender.testing.platform import FAST, from_anywhere
from flatrender.testing.waiting import until


class Worker:
    """A worker in this process, beside the API."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.service = WorkerService(runtime)
        self.task = asyncio.create_task(self.service.run(handle_signals=False))

    @property
    def runner(self) -> Any:
        """What claims and draws for it."""
        runner = import_module("flatrender_render.farm.runner").Runner
        return self.runtime.plugins["render"].context.get(runner)

    @property
    def pool(self) -> Any:
        """Its render processes."""
        return self.runner.pool

    async def stop(self, grace: float = 20.0) -> None:
        """Tell it to stop and wait until it has."""
        self.service.grace = grace
        self.service.stop()
        await self.task


@contextlib.asynccontextmanager
async def worker(environment: Mapping[str, str]) -> AsyncIterator[Worker]:
    """A worker in this process, on the servers that ``environment`` names."""
    async with Runtime(load_settings({**FAST, **environment})) as runtime:
        running = Worker(runtime)
        try:
            yield running
        finally:
            await running.stop()
    del running, runtime
    # arq's own read of its queue, cut off half-way by a stop without grace, leaves a pipeline
    # behind: it is collected here, so that no other test pays for it.
    gc.collect()


@contextlib.asynccontextmanager
async def process(
    environment: Mapping[str, str], *command: str, under: Sequence[str] = ()
) -> AsyncIterator[asyncio.subprocess.Process]:
    """``flatrender worker`` (or another command of it) as a process of its own; killed at the end,
    whether it runs or stands still. ``under`` is a command that becomes it (``prlimit ...``)."""
    running = await asyncio.create_subprocess_exec(
        *under,
        sys.executable,
        "-m",
        "flatrender",
        *(command or ("worker",)),
        env={**os.environ, **FAST, **environment},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.send_signal(signal.SIGCONT)
            running.kill()
        await running.wait()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def api_process(environment: Mapping[str, str], url: str) -> AsyncIterator[httpx.AsyncClient]:
    """``flatrender serve`` as a process of its own, ready at ``url`` (a free port of this machine);
    yields a client of it."""
    async with (
        process(environment, "serve", "--port", str(httpx.URL(url).port)),
        httpx.AsyncClient(
            base_url=url, timeout=60, event_hooks={"request": [from_anywhere]}
        ) as client,
    ):

        async def ready() -> bool:
            try:
                return (await client.get("/health/ready")).status_code == 200
            except httpx.TransportError:
                return False

        await until(ready)
        yield client


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def lives(pid: int) -> bool:
    """Whether a process runs (one that ended and that nobody waits for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
