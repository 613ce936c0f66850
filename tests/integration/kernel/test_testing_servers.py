"""The pytest plugin's own promises: one set of servers per run, started late, never left behind."""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from multiprocessing import AuthenticationError
from pathlib import Path

import pytest

from flatrender.embedded import EmbeddedError
from flatrender.testing.servers import Broker, ask, find_pg15

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="uses pidfd")

SUITE = """
    import json, os, pathlib, signal
    import pytest

    OUT = pathlib.Path(os.environ["OUT"])

    def note(name, **facts):
        (OUT / name).write_text(json.dumps(facts))

    @pytest.mark.parametrize("number", range(4))
    def test_uses_servers(number, endpoints, valkey_url, empty_database, worker_number):
        database = empty_database()
        note(f"used-{number}", worker=worker_number, port=endpoints.postgres.port,
             valkey=valkey_url, database=database.name)

    def test_uses_none():
        note("idle")
"""
HANGS = """
    import os, pathlib

    def test_hangs(endpoints):
        pipe = pathlib.Path(os.environ["OUT"]) / "pipe"
        pipe.write_text(str(endpoints.valkey.port))
        pipe.read_text()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that other accounts may enter (pytest's own are closed, and we may be root)."""
    path = Path(tempfile.mkdtemp(prefix="flatrender-plugin-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def hanging(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A run whose only test has its servers and waits for ever."""
    (folder / "out").mkdir()
    os.mkfifo(folder / "out" / "pipe")
    run = start(folder, HANGS)
    try:
        (folder / "out" / "pipe").read_text()
        yield run
    finally:
        run.kill()
        run.communicate()


def start(folder: Path, source: str, *arguments: str, **popen: object) -> subprocess.Popen[str]:
    suite = folder / "test_suite.py"
    suite.write_text(textwrap.dedent(source))
    out, tmp = folder / "out", folder / "tmp"
    for path in (out, tmp):
        path.mkdir(exist_ok=True)
        path.chmod(0o711)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "COV_"))
    }
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull,
         "--rootdir", str(folder), str(suite), *arguments],
        env={**environment, "OUT": str(out), "TMPDIR": str(tmp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **popen,
    )  # fmt: skip


def servers_below(folder: Path) -> list[int]:
    """Return the pids of processes whose working directory lies in ``folder``."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                where = (process / "cwd").readlink()
            except OSError:
                continue
            if folder in where.parents:
                found.append(int(process.name))
    return found


def test_workers_share_servers_have_their_own_names_and_leave_nothing(folder: Path) -> None:
    run = start(folder, SUITE, "-n", "2", "--dist", "load", "--maxschedchunk", "1")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    notes = [json.loads(path.read_text()) for path in (folder / "out").glob("used-*")]
    assert len(notes) == 4
    assert len({note["port"] for note in notes}) == 1
    by_worker = {note["worker"]: note["valkey"] for note in notes}
    assert set(by_worker) == {1, 2}
    assert len(set(by_worker.values())) == 2
    assert len({note["database"] for note in notes}) == 4
    assert list((folder / "tmp").glob("flatrender-tests-*")) == []
    assert servers_below(folder) == []


def test_nothing_starts_when_no_test_asks(folder: Path) -> None:
    run = start(folder, SUITE, "-k", "none")
    output, _ = run.communicate(timeout=120)
    assert run.returncode == 0, output
    assert list((folder / "tmp").iterdir()) == []


def test_a_killed_run_takes_its_servers_along_and_the_next_one_sweeps(
    folder: Path, hanging: subprocess.Popen[str]
) -> None:
    watched = [os.pidfd_open(pid) for pid in servers_below(folder)]
    assert len(watched) >= 3
    hanging.kill()
    for descriptor in watched:
        ready, _, _ = select.select([descriptor], [], [], 20)
        os.close(descriptor)
        assert ready
    assert len(list((folder / "tmp").glob("flatrender-tests-*"))) == 1
    again = start(folder, SUITE)
    output, _ = again.communicate(timeout=120)
    assert again.returncode == 0, output
    assert list((folder / "tmp").glob("flatrender-tests-*")) == []


def test_an_interrupted_run_stops_its_servers(folder: Path, hanging: subprocess.Popen[str]) -> None:
    assert servers_below(folder)
    hanging.send_signal(signal.SIGINT)
    output, _ = hanging.communicate(timeout=60)
    assert hanging.returncode == pytest.ExitCode.INTERRUPTED, output
    assert servers_below(folder) == []
    assert list((folder / "tmp").glob("flatrender-tests-*")) == []


def test_a_worker_is_told_why_and_a_stranger_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLATRENDER_PG15_BIN", "/nowhere")
    assert find_pg15() is None
    broker = Broker()
    try:
        with pytest.raises(EmbeddedError, match="PostgreSQL 15 are not on this machine"):
            ask(broker.address, "pg15")
        stranger = type(broker.address)(broker.address.host, broker.address.port, b"guess")
        with pytest.raises(AuthenticationError):
            ask(stranger, "main")
        with pytest.raises(EmbeddedError):  # and the next honest question is answered
            ask(broker.address, "pg15")
    finally:
        broker.close()
