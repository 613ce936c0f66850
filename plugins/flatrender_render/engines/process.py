"""One render process as the event loop sees it: starting, talking, watching, ending.

Owns the pipes, the watchdogs' limits and the names of what can go wrong. Only process trees that
were started here are ended. What the processes are used for is the pool's.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points

import msgspec
from msgspec import Struct

from flatrender_render.engines import ENTRY_POINT
from flatrender_render.engines.work import (
    LENGTH,
    MAX_MESSAGE,
    Answer,
    Progress,
    Ready,
    Request,
)

_PLATFORMS = re.compile(r"FLATRENDER_|PG[A-Z]|AWS_")
_LOG_BYTES = 16 * 1024  # a fault handler's report of all threads fits


class PoolLimits(Struct, frozen=True, kw_only=True):
    """Watchdogs in seconds, memory in bytes of address space per process.

    ``between`` is the least time without a sign of life that counts as a hang; where frames are
    slow it grows to ``patience`` times the slowest seen. ``grace`` is how long a cancelled
    process may take to stop by itself.
    """

    launch: float = 60.0
    open: float = 120.0
    between: float = 60.0
    patience: float = 8.0
    finish: float = 120.0
    grace: float = 1.5
    memory: int = 6 * 1024**3
    nice: int = 5
    works_per_process: int = 500  # then a fresh one, so that nothing piles up for weeks


class PoolError(Exception):
    """A piece of work failed. ``code`` is stable and feeds the farm's failure rules."""

    code = "pool_error"


class WorkFailed(PoolError):
    """The process said why: an engine's, media's or package's ``code``; ``frame`` if known.

    ``exit_code`` is the status of a program that the engine drove.
    """

    def __init__(
        self, code: str, message: str, frame: int | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.exit_code = exit_code
        self.code = code
        self.message = message
        self.frame = frame


class Interrupted(PoolError):
    """The work was ended by an operator's act: nothing is wrong with it or with its engine."""

    code = "interrupted"


class WorkerCrashed(PoolError):
    """The process died. ``status`` is its exit code (negative: the signal); ``log`` its end."""

    code = "worker_crashed"

    def __init__(self, status: int | None, log: str) -> None:
        super().__init__(f"the render process ended with status {status}")
        self.status = status
        self.log = log


class WorkerHung(PoolError):
    """No sign of life; the process was ended. ``phase``: launch, open, frames or finish.

    ``seconds`` is how long was waited.
    """

    code = "worker_hung"

    def __init__(self, phase: str, seconds: float, log: str) -> None:
        super().__init__(f"no sign of life for {seconds:.1f} s ({phase})")
        self.phase = phase
        self.seconds = seconds
        self.log = log


class Watch:
    """How long to wait for the next sign of life, by phase and by the frame times seen."""

    def __init__(self, limits: PoolLimits) -> None:
        self._limits = limits
        self._slowest = 0.0
        self._last: float | None = None
        self._done = 0
        self.phase = "open"

    def sign(self, answer: Answer) -> None:
        """Take note of an answer."""
        now = asyncio.get_running_loop().time()
        if isinstance(answer, Progress):
            if self._last is not None and answer.done > self._done:
                each = (now - self._last) / (answer.done - self._done)
                self._slowest = max(self._slowest, each)
            self._last, self._done = now, answer.done
            self.phase = "finish" if answer.done == answer.total else "frames"
        elif self.phase == "open":
            self.phase = "frames"

    @property
    def seconds(self) -> float:
        """The time that may pass."""
        limits = self._limits
        if self.phase == "open":
            return limits.open
        if self.phase == "finish":
            return limits.finish
        return max(limits.between, limits.patience * self._slowest)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what only the platform needs: keys, passwords, addresses.

    A render process reads what strangers made, with libraries in C. Engines keep their own
    settings (``FLATRENDER_<ENGINE>...``).
    """
    own = {f"FLATRENDER_{one.name.upper()}" for one in entry_points(group=ENTRY_POINT)}
    own.add("FLATRENDER_SYSLIBS")
    return {
        name: value
        for name, value in environment.items()
        if not _PLATFORMS.match(name) or name.startswith(tuple(own))
    }


class RenderProcess:
    """One process and its pipes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.works = 0
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self._log = b""
        self._logger = asyncio.create_task(self._read_log())

    @classmethod
    async def start(cls, limits: PoolLimits, env: dict[str, str]) -> "RenderProcess":
        """Start a process and wait until it is ready. Raises ``WorkerHung``, ``WorkerCrashed``."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "flatrender_render.engines.worker",
            f"--memory={limits.memory}",
            f"--nice={limits.nice}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=without_secrets(env),
            start_new_session=True,  # a group of its own: its whole tree can be ended
        )
        worker = cls(process)
        try:
            async with asyncio.timeout(limits.launch):
                if not isinstance(await worker.receive(), Ready):
                    raise WorkerCrashed(None, worker.log)
        except TimeoutError:
            await worker.kill()
            raise WorkerHung("launch", limits.launch, worker.log) from None
        except BaseException:
            await worker.kill()
            raise
        return worker

    @property
    def log(self) -> str:
        """The end of what the process wrote to standard error."""
        return self._log.decode("utf-8", "replace")

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.returncode is None

    async def _read_log(self) -> None:
        assert self.process.stderr is not None  # noqa: S101  # opened above
        while block := await self.process.stderr.read(4096):
            self._log = (self._log + block)[-_LOG_BYTES:]

    async def send(self, request: Request) -> None:
        """Send a request. Raises ``WorkerCrashed``."""
        assert self.process.stdin is not None  # noqa: S101  # opened above
        body = msgspec.msgpack.encode(request)
        try:
            self.process.stdin.write(LENGTH.pack(len(body)) + body)
            await self.process.stdin.drain()
        except (ConnectionError, RuntimeError):
            raise await self._crashed() from None

    async def receive(self) -> Answer:
        """Return the next answer. Raises ``WorkerCrashed``."""
        assert self.process.stdout is not None  # noqa: S101  # opened above
        try:
            (length,) = LENGTH.unpack(await self.process.stdout.readexactly(LENGTH.size))
            if length > MAX_MESSAGE:
                raise WorkerCrashed(None, f"a message of {length} bytes")
            answer: Answer = self._decoder.decode(await self.process.stdout.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            raise await self._crashed() from None
        return answer

    async def _crashed(self) -> WorkerCrashed:
        await self.kill()
        return WorkerCrashed(self.process.returncode, self.log)

    async def kill(self) -> None:
        """End the process and everything it started."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if hasattr(os, "killpg"):
                    os.killpg(self.process.pid, signal.SIGKILL)
                else:
                    self.process.kill()
        await self.process.wait()
        await asyncio.wait([self._logger], timeout=1)
        self._logger.cancel()
        # The process is over but its pipes may not be read to the end; asyncio has no public way
        # to close them, and left open they complain from a finalizer once the loop is gone.
        self.process._transport.close()  # type: ignore[attr-defined]  # private, see above
        with contextlib.suppress(asyncio.CancelledError):
            await self._logger
