"""`flatrender demo` ends: past its time limit everything is stopped, and it says so."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from flatrender.cli.local import demo as command
from flatrender.embedded import EmbeddedError, EmbeddedStack


def demo(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flatrender", "demo", "--data", str(folder), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=folder.parent,
        env={**os.environ, **environment},
    )


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that name this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:  # it has just ended
                continue
            if str(folder) in line:
                found.append(line)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo keeps its data: another account may enter it, for we may be root."""
    path = Path(tempfile.mkdtemp(prefix="flatrender-demo-test-"))
    path.chmod(0o711)
    yield path / "data"
    shutil.rmtree(path)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at /proc")
def test_a_demo_that_hangs_is_stopped_with_its_servers(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    stuck = tmp_path / "stuck"
    (folder / "marker").touch()
    stuck.write_text(f"#!/bin/sh\nexec tail -f {folder}/marker\n")
    stuck.chmod(0o755)
    ended = demo(
        "--embedded", "--time-limit", "4",
        folder=folder,
        FLATRENDER_EMBEDDED_VALKEY_BIN=str(stuck),
    )  # fmt: skip
    assert ended.returncode == 124, ended.stderr
    assert "not done within 4 s" in ended.stderr
    assert "nothing is left running" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert processes_of(folder) == []
    assert not (folder / "run.json").exists()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks at /proc")
def test_a_start_that_fails_says_why_and_leaves_nothing(folder: Path) -> None:
    """A port that was asked for is taken; the disk is full when the cluster is made."""
    full = folder.parent / "bin"
    full.mkdir()
    full.chmod(0o755)
    for name in ("initdb", "postgres"):
        (full / name).write_text("#!/bin/sh\necho 'initdb: error: No space left'; exit 1\n")
        (full / name).chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for trouble, said in (
            ({"FLATRENDER_EMBEDDED_S3_PORT": port}, f"port {port} for s3 is in use"),
            ({"FLATRENDER_EMBEDDED_PG_BIN": str(full)}, "No space left"),
        ):
            ended = demo("--embedded", "--time-limit", "100", folder=folder, **trouble)
            assert ended.returncode == 1, ended.stderr
            assert said in ended.stderr
            assert "Traceback" not in ended.stderr
            assert len(ended.stderr.strip().splitlines()) <= 3, ended.stderr
            assert processes_of(folder) == []
            assert not (folder / "run.json").exists()


def test_the_limit_never_cuts_the_cleaning_after_a_failed_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []

    def refused(_stack: EmbeddedStack) -> None:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])
        raise EmbeddedError("port 1 for s3 is in use")

    def stop(_stack: EmbeddedStack) -> None:
        left.append(signal.getitimer(signal.ITIMER_REAL)[0])

    monkeypatch.setattr(EmbeddedStack, "start", refused)
    monkeypatch.setattr(EmbeddedStack, "stop", stop)
    ended = CliRunner().invoke(command, ["--data", str(folder), "--embedded"])
    assert isinstance(ended.exception, EmbeddedError)
    running, cleaning = left
    assert running > 0
    assert cleaning == 0


def test_a_server_that_never_answers_is_not_waited_for(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ended = demo(
            "--url", address,
            folder=folder,
            FLATRENDER_DEMO_TIME_LIMIT="2",
        )  # fmt: skip
    assert ended.returncode == 124, ended.stderr
    assert "not done within 2 s" in ended.stderr
