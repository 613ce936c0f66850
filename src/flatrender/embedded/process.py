"""Child processes with a guarded life: own session, death with the parent, logs, crash reports.

Owns: spawning, signalling and reaping. Must never know which server it runs. Useful for any child
(``flatrender up`` runs its API and workers through it as well).
"""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from flatrender.embedded.errors import EmbeddedError

IS_WINDOWS = sys.platform == "win32"
_WRAPPER = Path(__file__).with_name("_exec.py")
_LOG_ROTATE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Command:
    """How to run one child.

    ``stop_signal`` asks it to finish in order, ``death_signal`` is what the kernel sends it when
    this process dies (Linux). ``run_as`` is (uid, gid) to drop to. ``cwd`` should be short-lived
    data of its own: relative paths keep Unix socket names below their limit of 107 bytes.
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGTERM
    run_as: tuple[int, int] | None = None
    grace: float = 15.0


@dataclass(frozen=True, slots=True)
class ServerExit:
    """A child that ended without being asked to."""

    name: str
    returncode: int
    log: Path
    log_tail: str

    @property
    def line(self) -> str:
        """Return one line for people: who died, of what, where to read more."""
        return f"{self.name} died ({describe_exit(self.returncode)}); its log is {self.log}"


def describe_exit(returncode: int) -> str:
    """Say a return code in words: ``signal SIGKILL`` or ``exit code 3``."""
    if returncode < 0:
        try:
            return f"signal {signal.Signals(-returncode).name}"
        except ValueError:
            return f"signal {-returncode}"
    return f"exit code {returncode}"


def tail(path: Path, lines: int = 12, limit: int = 16_384) -> str:
    """Return the last lines of a log, reading at most ``limit`` bytes; empty when unreadable."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - limit))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


class _Spawner:
    """One thread that forks every child and lives as long as the process.

    The kernel sends PR_SET_PDEATHSIG when the *thread* that forked ends, not the process
    (prctl(2)); forking from a short-lived worker thread would kill the servers with it.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[
            tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]
        ] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def run(self, job: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            # After a fork of this process the thread does not exist in the copy.
            if self._thread is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._jobs = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._loop, name="spawner", daemon=True)
                self._thread.start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((job, future))
        return future.result()

    def _loop(self) -> None:
        while True:
            job, future = self._jobs.get()
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001  handed to the waiting caller as it is
                future.set_exception(error)


_spawner = _Spawner()


class ManagedProcess:
    """One running child. Thread-safe; make it with `spawn`."""

    def __init__(self, command: Command, process: subprocess.Popen[bytes]) -> None:
        self.command = command
        self._process = process
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    @classmethod
    def spawn(cls, command: Command) -> "ManagedProcess":
        """Start the child in its own session, its output appended to ``command.log``.

        Raises EmbeddedError when the binary cannot be run.
        """
        command.log.parent.mkdir(parents=True, exist_ok=True)
        if command.log.exists() and command.log.stat().st_size > _LOG_ROTATE_BYTES:
            command.log.replace(command.log.with_suffix(".log.1"))
        argv = list(command.argv)
        if not IS_WINDOWS:
            uid, gid = command.run_as or (-1, -1)
            wrapper = [sys.executable, "-I", "-S", str(_WRAPPER)]
            wrapper += [str(os.getpid()), str(int(command.death_signal)), str(uid), str(gid)]
            argv = wrapper + argv

        def start() -> subprocess.Popen[bytes]:
            descriptor = os.open(command.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                return subprocess.Popen(
                    argv,
                    cwd=command.cwd,
                    env={**os.environ, **command.env},
                    stdin=subprocess.DEVNULL,
                    stdout=descriptor,
                    stderr=subprocess.STDOUT,
                    # Own session: the terminal's Ctrl-C reaches us first, and we stop in order.
                    start_new_session=not IS_WINDOWS,
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
            finally:
                os.close(descriptor)

        try:
            return cls(command, _spawner.run(start))
        except OSError as error:
            raise EmbeddedError(f"{command.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int:
        """Return the child's process id (also its process group, but on Windows)."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Return the exit status (negative: signal), or None while it runs."""
        return self._process.poll()

    def watch(self, on_exit: Callable[[ServerExit], None]) -> None:
        """Call ``on_exit`` once, from a thread, if the child ends before `ask_to_stop`."""

        def wait() -> None:
            code = self._process.wait()
            if not self._stopping.is_set():
                log = self.command.log
                on_exit(ServerExit(self.command.name, code, log, tail(log)))

        self._watcher = threading.Thread(
            target=wait, name=f"{self.command.name}-watch", daemon=True
        )
        self._watcher.start()

    def ask_to_stop(self) -> None:
        """Send the stop signal and return at once; `wait_stopped` finishes the job."""
        self._stopping.set()
        if self._process.poll() is not None:
            return
        if IS_WINDOWS:
            self._process.terminate()
        else:
            self._process.send_signal(self.command.stop_signal)

    def wait_stopped(self, grace: float | None = None) -> None:
        """Wait up to ``grace`` seconds (default: the command's), then kill the whole group."""
        try:
            self._process.wait(self.command.grace if grace is None else grace)
        except BaseException as error:
            self.kill()  # too slow, or a second Ctrl-C while waiting
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            if not IS_WINDOWS:
                _kill_group(self.pid)  # helpers that outlived their leader
        if self._watcher is not None and self._watcher is not threading.current_thread():
            self._watcher.join(5)

    def kill(self) -> None:
        """End the child and its group now, without order, and reap it."""
        self._stopping.set()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def identity(pid: int) -> str | None:
    """Return what tells a live process from a later one with the same pid; None when it is gone.

    Its start time and command line. Windows has no cheap way to ask: always None there.
    """
    if IS_WINDOWS:
        return None
    if sys.platform == "linux":
        try:
            # Field 22 of stat is the start time (proc_pid_stat(5)); the name before it may hold
            # spaces and parentheses. A zombie has an empty command line and counts as gone.
            started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, IndexError):
            return None
        text = words.replace(b"\0", b" ").decode("utf-8", "replace")
        return f"{started} {text}" if text else None
    shown = subprocess.run(
        ["ps", "-o", "lstart=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return shown.stdout.strip() or None


def end_orphan(pid: int, known: str, stop_signal: int, grace: float = 10.0) -> bool:
    """Stop a child that outlived an earlier supervisor. True when one was found.

    ``known`` is its `identity`, noted while it ran: a pid alone may be somebody else's by now.
    """
    if identity(pid) != known:
        return False
    deadline = time.monotonic() + grace
    os.kill(pid, stop_signal)
    while identity(pid) == known:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = time.monotonic() + grace
        time.sleep(0.02)
    return True
