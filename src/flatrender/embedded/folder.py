"""The one data folder: its lock, secrets, remembered ports, and who may read what.

Owns every file of the folder that belongs to no single server. Must never hold data anywhere else,
with one exception: PostgreSQL refuses root, and when root's folder cannot be entered by another
account its cluster goes to `refuge` and ``postgres.location`` says where.
"""

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from flatrender.embedded.errors import EmbeddedError

LOOPBACK = "127.0.0.1"
LOCATION_FILE = "postgres.location"
REFUGE = "flatrender-embedded"
# Below Linux's ephemeral range (32768 and up), where an outgoing connection could take the
# remembered port while the servers are down.
_PORT_RANGE = range(15_000, 32_000)
_PORT_ATTEMPTS = 500


class DataFolder:
    """Paths and small files of one embedded installation."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.logs = self.path / "logs"
        self.run_file = self.path / "run.json"
        self._secrets_file = self.path / "secrets.json"
        self._ports_file = self.path / "ports.json"
        self._lock_file = self.path / "lock"
        self._lock_descriptor: int | None = None
        self._writing = threading.Lock()  # servers start in threads of one process

    def create(self, *, min_free_bytes: int) -> None:
        """Make the folder, or say in one line why it cannot be used.

        As root the folder may be entered (not listed) by others, because PostgreSQL runs as an
        unprivileged account below it; everything in it has modes of its own.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711 if is_root() else 0o700)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            probe = self.path / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise EmbeddedError(
                f"the data folder {self.path} cannot be used ({error.strerror or error}): "
                "make it writable or choose another one"
            ) from error
        free = shutil.disk_usage(self.path).free
        if free < min_free_bytes:
            raise EmbeddedError(
                f"only {free // 2**20} MiB are free for {self.path}, {min_free_bytes // 2**20} MiB "
                "are needed: free some space or choose a folder on another disk"
            )

    def lock(self) -> None:
        """Hold the folder for this process; the kernel lets go even after kill -9."""
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock_descriptor(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise EmbeddedError(
                    f"the lock of {self.path} cannot be taken ({error.strerror}): "
                    "choose a folder on a local disk"
                ) from error
            owner = self._lock_file.with_name("lock.pid")
            with contextlib.suppress(OSError):
                pid = owner.read_text().strip()
                raise EmbeddedError(
                    f"process {pid} already runs the servers of {self.path}: "
                    "use it, stop it, or choose another folder"
                ) from None
            raise EmbeddedError(
                f"another process already runs the servers of {self.path}: "
                "use it, stop it, or choose another folder"
            ) from None
        self._lock_descriptor = descriptor
        # Beside the lock and not in it: Windows refuses to read a locked range.
        write_private(self._lock_file.with_name("lock.pid"), str(os.getpid()))

    @property
    def locked(self) -> bool:
        """Tell whether this process holds the folder."""
        return self._lock_descriptor is not None

    def unlock(self) -> None:
        """Let go of the folder; harmless when it is not held."""
        if self._lock_descriptor is not None:
            self._lock_file.with_name("lock.pid").unlink(missing_ok=True)
            os.close(self._lock_descriptor)
            self._lock_descriptor = None

    def discard(self) -> None:
        """Remove the folder and all data, also what lies in `refuge`. The servers must be down."""
        with contextlib.suppress(OSError):
            away = Path((self.path / LOCATION_FILE).read_text("utf-8").strip())
            if away.is_absolute() and REFUGE in away.parts:  # never a path somebody else wrote
                shutil.rmtree(away.parent, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def secret(self, name: str, *, guards: Path | None = None) -> str:
        """Return the named secret, made on first use (192 random bits) and kept in mode 0600.

        ``guards`` is data that only this secret opens: when it exists and the secret is gone, a
        new secret would lock it for ever, so that is an error.
        """
        with self._writing:
            known = read_json(self._secrets_file)
            if name not in known:
                if guards is not None and guards.exists():
                    raise EmbeddedError(
                        f"{self._secrets_file} has no password for {guards}: restore the file, "
                        f"or remove {self.path} to start with nothing"
                    )
                known[name] = secrets.token_urlsafe(24)
                write_private(self._secrets_file, json.dumps(known, indent=1))
            return str(known[name])

    def ports(
        self,
        names: Iterable[str],
        explicit: Mapping[str, int],
        *,
        setting: str = "FLATRENDER_EMBEDDED_{}_PORT",
    ) -> dict[str, int]:
        """Return a free port per name: the explicit one, else the remembered one, else a new one.

        Raises EmbeddedError when an explicit port is busy, naming ``setting`` (filled with the
        server's name) as the cure; a busy remembered port is replaced.
        """
        remembered = read_json(self._ports_file)
        chosen: dict[str, int] = {}
        for name in names:
            if name in explicit:
                port = explicit[name]
                if not is_free(port):
                    raise EmbeddedError(
                        f"port {port} for {name} is in use by another program: stop that program "
                        f"or set {setting.format(name.upper())} to another port"
                    )
            else:
                port = int(remembered.get(name, 0))
                if port in chosen.values() or not is_free(port):
                    port = _pick_port({*chosen.values(), *explicit.values()})
            chosen[name] = port
        write_private(self._ports_file, json.dumps({**remembered, **chosen}, indent=1))
        return chosen

    def forget_ports(self, names: Iterable[str]) -> None:
        """Forget remembered ports, after a server lost the race for one of them."""
        remembered = read_json(self._ports_file)
        for name in names:
            remembered.pop(name, None)
        write_private(self._ports_file, json.dumps(remembered, indent=1))


def is_root() -> bool:
    """Tell whether this process is root (never so on Windows)."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def unprivileged_account() -> tuple[int, int]:
    """Return (uid, gid) of the account PostgreSQL runs as when we are root."""
    import pwd

    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise EmbeddedError(
        "PostgreSQL refuses to run as root and there is no account 'postgres' or 'nobody': "
        "run this as an ordinary user"
    )


def may_enter(folder: Path, account: tuple[int, int]) -> bool:
    """Tell by mode bits whether the account can reach into ``folder`` from the root directory."""
    uid, gid = account
    for step in (folder, *folder.parents):
        status = step.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        if not status.st_mode >> shift & 0o1:
            return False
    return True


def refuge(*names: str) -> Path:
    """Return a root-owned folder that every account can enter, for what cannot stay at home."""
    for base in (Path("/var/lib"), Path("/var/tmp"), Path(tempfile.gettempdir())):  # noqa: S108  ownership is checked below
        root = base / REFUGE
        try:
            root.mkdir(mode=0o755, exist_ok=True)
            status = root.lstat()
            # A name in a world-writable folder may have been planted by somebody else.
            if status.st_uid != os.geteuid() or status.st_mode & 0o022 or root.is_symlink():
                continue
            folder = root.joinpath(*names)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        return folder
    raise EmbeddedError(
        "PostgreSQL refuses to run as root and this folder is closed to other accounts: "
        "work in a folder that others may enter, or run this as an ordinary user"
    )


def folder_key(text: str) -> str:
    """Return a short stable name for something long, such as a path."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the loopback ``port`` now."""
    if not 0 < port < 65_536:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            # As the servers do: a port in TIME_WAIT is free. On Windows it would mean stealing.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _pick_port(taken: set[int]) -> int:
    for _ in range(_PORT_ATTEMPTS):
        port = secrets.choice(_PORT_RANGE)
        if port not in taken and is_free(port):
            return port
    raise EmbeddedError(
        f"no free port between {_PORT_RANGE.start} and {_PORT_RANGE.stop} on {LOOPBACK}: "
        "stop some servers"
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a small JSON file; empty when it is missing or damaged."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable by its owner only: never half a file after a crash."""
    with _private_temporary(path.parent) as (descriptor, temporary):
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(path)


@contextlib.contextmanager
def _private_temporary(folder: Path) -> Iterator[tuple[int, str]]:
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=".new-")  # mkstemp makes mode 0600
    try:
        yield descriptor, name
    finally:
        Path(name).unlink(missing_ok=True)


def _lock_descriptor(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
