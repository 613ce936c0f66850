"""What the embedded servers do when something is killed, hangs or is interrupted."""

import asyncio
import os
import queue
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from flatrender.embedded import Command, EmbeddedError, EmbeddedStack, ManagedProcess, ServerExit
from flatrender.embedded.process import end_orphan, identity

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses pidfd and PR_SET_PDEATHSIG")


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="flatrender-embedded-test-"))
    path.chmod(0o711)
    yield path / "data"
    shutil.rmtree(path)


def wait_gone(descriptor: int, seconds: float = 20.0) -> bool:
    """Wait until the process behind a pidfd ends (a pidfd becomes readable then)."""
    ready, _, _ = select.select([descriptor], [], [], seconds)
    os.close(descriptor)
    return bool(ready)


def supervisor(folder: Path, prelude: str = "", **options: bool) -> subprocess.Popen[str]:
    """Start a process that runs a stack, prints its pids and waits for ever."""
    script = f"""
import signal, sys
from flatrender.embedded import EmbeddedStack
{textwrap.dedent(prelude)}
stack = EmbeddedStack(sys.argv[1], ports={{}}, **{options})
try:
    with stack:
        print(*stack.processes().values(), flush=True)
        signal.pause()
except KeyboardInterrupt:
    pass
"""
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )


def pids_of(process: subprocess.Popen[str]) -> list[int]:
    assert process.stdout is not None
    return [int(word) for word in process.stdout.readline().split()]


@pytest.mark.parametrize("victim", ["PostgreSQL", "Valkey", "SeaweedFS"])
def test_a_server_that_dies_is_reported_once_with_its_log(folder: Path, victim: str) -> None:
    events: queue.Queue[ServerExit] = queue.Queue()
    stack = EmbeddedStack(
        folder,
        postgres=victim == "PostgreSQL",
        valkey=victim == "Valkey",
        s3=victim == "SeaweedFS",
        ports={},
        on_exit=events.put,
    )
    with stack:
        os.kill(stack.processes()[victim], signal.SIGKILL)
        event = events.get(timeout=20)
    assert event.name == victim
    assert event.returncode == -signal.SIGKILL
    assert event.line.startswith(f"{victim} died (signal SIGKILL)")
    assert "\n" not in event.line
    assert str(event.log) in event.line
    assert event.log_tail
    assert events.empty()  # stopping the rest is no accident


def test_a_stop_is_not_reported(folder: Path) -> None:
    events: list[ServerExit] = []
    with EmbeddedStack(folder, postgres=False, s3=False, ports={}, on_exit=events.append):
        pass
    assert events == []


async def test_servers_die_with_a_killed_supervisor_and_the_next_start_recovers(
    folder: Path,
) -> None:
    first = supervisor(folder)
    with first:
        pids = pids_of(first)
        watched = [os.pidfd_open(pid) for pid in pids]
        assert len(watched) == 3
        first.kill()
    assert all([wait_gone(descriptor) for descriptor in watched])  # noqa: C419  closes every one
    with EmbeddedStack(folder, ports={}) as endpoints:
        assert endpoints.postgres
        connection = await asyncpg.connect(endpoints.postgres.dsn())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


def test_servers_that_outlived_their_supervisor_are_ended_by_the_next_start(folder: Path) -> None:
    """As on macOS, where the kernel has no death signal."""
    no_death_signal = """
        import dataclasses
        from flatrender.embedded import process
        spawn = process.ManagedProcess.spawn.__func__
        process.ManagedProcess.spawn = classmethod(
            lambda cls, command: spawn(cls, dataclasses.replace(command, death_signal=0))
        )
    """
    first = supervisor(folder, no_death_signal, postgres=False, s3=False)
    with first:
        (orphan,) = pids_of(first)
        first.kill()
    assert identity(orphan) is not None
    watched = os.pidfd_open(orphan)
    stack = EmbeddedStack(folder, postgres=False, s3=False, ports={})
    with stack:
        assert wait_gone(watched, 0)
        assert stack.processes()["Valkey"] != orphan


def test_a_stranger_with_a_remembered_pid_is_left_alone() -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert not end_orphan(stranger.pid, "123 /usr/bin/postgres -D elsewhere", signal.SIGKILL)
    assert stranger.poll() is None
    stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_ctrl_c_stops_everything_in_order(folder: Path) -> None:
    running = supervisor(folder)
    with running:
        pids = pids_of(running)
        watched = [os.pidfd_open(pid) for pid in pids]
        running.send_signal(signal.SIGINT)
    assert all([wait_gone(descriptor) for descriptor in watched])  # noqa: C419  closes every one
    assert "database system is shut down" in (folder / "logs" / "postgres.log").read_text()
    assert not (folder / "run.json").exists()
    assert not (folder / "postgres" / "postmaster.pid").exists()


@pytest.fixture
def stuck_valkey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A "Valkey" that tells its pid through a named pipe and never becomes ready."""
    pipe = tmp_path / "pid"
    os.mkfifo(pipe)
    script = tmp_path / "stuck"
    script.write_text(f"#!/bin/sh\necho $$ > {pipe}\nexec tail -f /dev/null\n")
    script.chmod(0o755)
    monkeypatch.setenv("FLATRENDER_EMBEDDED_VALKEY_BIN", str(script))
    return pipe


async def test_a_cancelled_start_leaves_nothing(folder: Path, stuck_valkey: Path) -> None:
    stack = EmbeddedStack(folder, postgres=False, s3=False, ports={}, start_timeout=40)
    start = asyncio.ensure_future(stack.start_async())
    pid = int(await asyncio.to_thread(stuck_valkey.read_text))
    watched = os.pidfd_open(pid)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):  # long before the start would give up by itself
        await asyncio.wait_for(start, 20)
    assert wait_gone(watched, 0)
    stack.folder.lock()  # the folder is free again
    stack.folder.unlock()


def test_a_server_that_never_gets_ready_is_one_clear_line(folder: Path, stuck_valkey: Path) -> None:
    reader = threading.Thread(target=stuck_valkey.read_text)
    reader.start()
    stack = EmbeddedStack(folder, postgres=False, s3=False, ports={}, start_timeout=0.3)
    with pytest.raises(EmbeddedError, match=r"Valkey did not start: it was not ready"):
        stack.start()
    reader.join()
    assert stack.processes() == {}


def test_a_server_that_dies_at_start_shows_its_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\necho something is wrong with the disk\nexit 3\n")
    script.chmod(0o755)
    monkeypatch.setenv("FLATRENDER_EMBEDDED_VALKEY_BIN", str(script))
    stack = EmbeddedStack(folder, s3=False, ports={}, durable=False)
    with pytest.raises(EmbeddedError, match=r"Valkey did not start: .*exit code 3") as refused:
        stack.start()
    assert "wrong with the disk" in refused.value.detail
    assert stack.processes() == {}  # PostgreSQL, which did start, was stopped too


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[tuple[Command, socket.socket]]:
    """A child that calls us, answers what we say, and ignores SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        code = (
            "import signal, socket, sys\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "peer = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
            "while data := peer.recv(100): peer.sendall(data)\n"
            "signal.pause()\n"
        )
        port = str(server.getsockname()[1])
        yield (
            Command(
                name="echo",
                argv=[sys.executable, "-c", code, port],
                cwd=tmp_path,
                log=tmp_path / "echo.log",
                death_signal=signal.SIGKILL,
                grace=0.05,
            ),
            server,
        )


def test_a_child_outlives_the_thread_that_asked_for_it(
    echo: tuple[Command, socket.socket],
) -> None:
    """PR_SET_PDEATHSIG looks at the forking thread: a fork from a worker thread would end here."""
    command, server = echo
    made: list[ManagedProcess] = []
    running = threading.Event()

    def ask() -> None:
        made.append(ManagedProcess.spawn(command))
        running.wait(20)

    thread = threading.Thread(target=ask)
    thread.start()
    peer, _ = server.accept()
    running.set()
    thread.join()
    # join() returns a little before the kernel's thread ends and its children are told.
    while Path(f"/proc/self/task/{thread.native_id}").exists():
        pass
    with peer:
        peer.settimeout(20)
        peer.sendall(b"alive")
        answer = peer.recv(100)
    made[0].kill()
    assert answer == b"alive"


def test_a_child_that_ignores_the_stop_signal_is_killed_after_its_grace(
    echo: tuple[Command, socket.socket],
) -> None:
    command, server = echo
    child = ManagedProcess.spawn(command)
    peer, _ = server.accept()
    with peer:
        child.ask_to_stop()
        child.wait_stopped()
    assert child.returncode == -signal.SIGKILL
