"""`flatrender demo` ends: past its time limit everything is stopped, and it says so."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


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
def folder(tmp_path: Path) -> Path:
    """Where the demo keeps its data."""
    return tmp_path / "data"


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
