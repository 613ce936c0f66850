"""The three servers as one thing that starts, watches and stops.

Owns: the order of things and the promise that a failed or interrupted start leaves nothing
running. Must never know how a single server works.
"""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from flatrender.embedded.endpoints import Endpoints
from flatrender.embedded.errors import EmbeddedError, PortBusyError
from flatrender.embedded.folder import DataFolder, read_json, write_private
from flatrender.embedded.postgres import Postgres
from flatrender.embedded.process import ManagedProcess, ServerExit, end_orphan, identity
from flatrender.embedded.seaweed import SeaweedS3
from flatrender.embedded.server import Server, wait_ready
from flatrender.embedded.valkey import Valkey

DEFAULT_FOLDER = Path(".flatrender")
_EXPLICIT = ("postgres", "valkey", "s3")
_START_ATTEMPTS = 3


class EmbeddedStack:
    """PostgreSQL, Valkey and S3 in one data folder, for one process at a time.

    ``ports`` sets ports that must be used ("postgres", "valkey", "s3"; the environment's
    ``FLATRENDER_EMBEDDED_<NAME>_PORT`` otherwise); all others are chosen free and remembered.
    ``pg_bin`` is a folder with another PostgreSQL's ``initdb`` and ``postgres``. ``on_exit`` is
    called once from a thread when a server dies by itself. ``durable=False`` trades every
    crash guarantee for speed: for tests only. Use as a context manager, sync or async, or call
    `start` and `stop`.
    """

    def __init__(
        self,
        folder: Path | str = DEFAULT_FOLDER,
        *,
        postgres: bool = True,
        valkey: bool = True,
        s3: bool = True,
        ports: Mapping[str, int] | None = None,
        pg_bin: Path | None = None,
        allowed_origins: str = "*",
        max_connections: int = 200,
        durable: bool = True,
        min_free_bytes: int = 512 * 2**20,
        start_timeout: float = 60.0,
        on_exit: Callable[[ServerExit], None] | None = None,
    ) -> None:
        self.folder = DataFolder(Path(folder))
        self._explicit = dict(ports) if ports is not None else _ports_from_environment()
        self._min_free_bytes = min_free_bytes
        self._start_timeout = start_timeout
        self._on_exit = on_exit
        self._postgres = (
            Postgres(
                self.folder, bin_folder=pg_bin, durable=durable, max_connections=max_connections
            )
            if postgres
            else None
        )
        self._valkey = Valkey(self.folder, durable=durable) if valkey else None
        self._s3 = (
            SeaweedS3(self.folder, allowed_origins=allowed_origins, durable=durable) if s3 else None
        )
        self._processes: dict[str, ManagedProcess] = {}
        self._ports: dict[str, int] = {}
        self._state = threading.Lock()
        self._cancelled = threading.Event()

    def start(self) -> Endpoints:
        """Start what was asked for, at the same time, and return when all of it serves.

        Raises EmbeddedError (one line); then, as on KeyboardInterrupt, nothing is left running.
        """
        self._cancelled.clear()
        self.folder.create(min_free_bytes=self._min_free_bytes)
        self.folder.lock()
        try:
            self._end_orphans()
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self.endpoints()

    def endpoints(self) -> Endpoints:
        """Return where the servers listen; meaningful after `start`."""
        return Endpoints(
            postgres=self._postgres.endpoint(self._ports) if self._postgres else None,
            valkey=self._valkey.endpoint(self._ports) if self._valkey else None,
            s3=self._s3.endpoint(self._ports) if self._s3 else None,
        )

    def processes(self) -> Mapping[str, int]:
        """Return the pid of every running server by its name."""
        return {name: process.pid for name, process in self._processes.items()}

    def stop(self) -> None:
        """Stop everything in order and let go of the folder. Safe to call twice, from any thread.

        A second Ctrl-C while this waits kills what is left.
        """
        self._cancelled.set()
        with self._state:
            processes, self._processes = list(self._processes.values()), {}
        for process in processes:
            process.ask_to_stop()
        try:
            for process in processes:
                process.wait_stopped()
        except BaseException:
            for process in processes:
                process.kill()
            raise
        finally:
            if self.folder.locked:  # else the file tells of somebody else's servers
                self.folder.run_file.unlink(missing_ok=True)
            self.folder.unlock()

    def _servers(self) -> list[Server]:
        return [server for server in (self._postgres, self._valkey, self._s3) if server]

    def _start_all(self) -> None:
        servers = self._servers()
        explicit = {
            name: port
            for name, port in self._explicit.items()
            if any(name in server.port_names for server in servers)
        }
        names = [name for server in servers for name in server.port_names]
        self._ports = self.folder.ports(names, explicit)
        for attempt in range(_START_ATTEMPTS):
            try:
                self._start_together(servers)
            except PortBusyError:
                # Somebody was quicker between our look and the server's bind.
                taken = [n for s in servers for n in s.port_names if s.name not in self._processes]
                if attempt == _START_ATTEMPTS - 1 or any(name in explicit for name in taken):
                    raise
                self.folder.forget_ports(taken)
                self._ports.update(self.folder.ports(taken, {}))
                servers = [server for server in servers if server.name not in self._processes]
            else:
                break
        self._remember_processes()
        for process in list(self._processes.values()):
            process.watch(self._died)

    def _start_together(self, servers: list[Server]) -> None:
        """Start servers in threads; every one that failed has been removed when this raises."""
        with ThreadPoolExecutor(len(servers) or 1, thread_name_prefix="embedded") as pool:
            jobs = [pool.submit(self._start_one, server) for server in servers]
            try:
                wait(jobs)
            except BaseException:
                self._cancelled.set()
                raise
        errors = [error for job in jobs if (error := job.exception()) is not None]
        # A real failure says more than a lost port, which a new try may cure.
        for error in sorted(errors, key=lambda error: isinstance(error, PortBusyError)):
            raise error

    def _start_one(self, server: Server) -> None:
        command = server.prepare(self._ports, self._cancelled)
        process = ManagedProcess.spawn(command)
        with self._state:
            self._processes[server.name] = process
        try:
            wait_ready(server, process, self._cancelled, self._start_timeout)
        except BaseException:
            process.kill()
            with self._state:
                self._processes.pop(server.name, None)
            raise

    def _died(self, event: ServerExit) -> None:
        if self._on_exit is not None:
            self._on_exit(event)

    def _remember_processes(self) -> None:
        running = {
            name: {
                "pid": process.pid,
                "identity": identity(process.pid),
                "signal": int(process.command.stop_signal),
            }
            for name, process in self._processes.items()
        }
        write_private(self.folder.run_file, json.dumps(running))

    def _end_orphans(self) -> None:
        """Stop servers that outlived an earlier process: slow ones, and all where prctl is not."""
        for known in read_json(self.folder.run_file).values():
            with contextlib.suppress(KeyError, TypeError, ValueError, OSError):
                end_orphan(int(known["pid"]), str(known["identity"]), int(known["signal"]))

    def __enter__(self) -> Endpoints:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def start_async(self) -> Endpoints:
        """Do `start` without blocking the loop; cancellation stops what was started."""
        work = asyncio.ensure_future(asyncio.to_thread(self.start))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._cancelled.set()
            with contextlib.suppress(BaseException):
                await work
            await self.stop_async()
            raise

    async def stop_async(self) -> None:
        """Do `stop` without blocking the loop."""
        await asyncio.to_thread(self.stop)

    async def __aenter__(self) -> Self:
        await self.start_async()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop_async()


def _ports_from_environment() -> dict[str, int]:
    chosen: dict[str, int] = {}
    for name in _EXPLICIT:
        variable = f"FLATRENDER_EMBEDDED_{name.upper()}_PORT"
        if text := os.environ.get(variable):
            if not text.isdecimal():
                raise EmbeddedError(f"{variable} must be a port number, not {text!r}")
            chosen[name] = int(text)
    return chosen
