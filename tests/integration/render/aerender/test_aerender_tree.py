"""A program and all that it starts, as one thing: ended whole, and nothing else with it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from flatrender_render.engines.aerender import leash
from flatrender_render.engines.aerender.processtree import ProcessTree

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

ENVIRONMENT = {"PATH": os.environ["PATH"]}
STAYS = "import signal; signal.signal(15, 1); print('up', flush=True)\nwhile True: signal.pause()"
#: A child in a session of its own whose parent is gone: only a subreaper still knows it.
ORPHAN = (
    "import os, subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {STAYS!r}], start_new_session=True,"
    " stdout=subprocess.PIPE)\n"
    "child.stdout.readline()\n"
    "print(child.pid, flush=True)\n"
    "child.returncode = 0\n"
)


def alive(pid: int) -> bool:
    """Return whether a process runs: what is dead and not yet collected does not."""
    return leash._stat(pid) is not None


def said(tree: ProcessTree) -> str:
    """Return the first thing that a program prints."""
    while not (block := tree.output(1)):
        assert block is not None, "it ended silently"
    return block.decode()


def python(code: str) -> list[str]:
    """Return the command of a Python program."""
    return [sys.executable, "-c", code]


def test_a_status_and_all_output_come_through(tmp_path: Path) -> None:
    code = "import sys; print('out'); sys.stderr.write('err'); sys.exit(7)"
    with ProcessTree(python(code), ENVIRONMENT, tmp_path) as tree:
        output = b""
        while (block := tree.output(1)) is not None:
            output += block
        tree.end()
        assert tree.poll() == 7
    assert sorted(output.replace(b"err", b" err ").split()) == [b"err", b"out"]


def test_a_child_that_left_the_session_ends_with_the_tree(tmp_path: Path) -> None:
    code = ORPHAN + "import signal\nwhile True: signal.pause()"
    with ProcessTree(python(code), ENVIRONMENT, tmp_path) as tree:
        orphan = int(said(tree))
        assert alive(orphan)
        assert tree.poll() is None
    assert not alive(orphan)
    assert not alive(tree.pid)


def test_an_orphan_that_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    with ProcessTree(python(ORPHAN), ENVIRONMENT, tmp_path) as tree:
        orphan = int(said(tree))
        while tree.output(1) is not None:
            pass
        tree.end()
        assert tree.poll() == 0
    assert not alive(orphan)


def test_nobody_else_is_touched(tmp_path: Path) -> None:
    with subprocess.Popen(python(STAYS), stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with ProcessTree(python(STAYS), ENVIRONMENT, tmp_path) as tree:
            said(tree)
        assert not alive(tree.pid)
        assert alive(other.pid)
        other.kill()


def test_a_process_id_that_was_given_anew_is_left_alone() -> None:
    with subprocess.Popen(python(STAYS), stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        leash.kill(other.pid, "1")  # the process that was meant started then
        assert alive(other.pid)
        leash.kill(other.pid, leash.table()[other.pid][1])
        assert other.wait() == -signal.SIGKILL


def test_the_tree_dies_with_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "import sys, signal; from pathlib import Path\n"
        "from flatrender_render.engines.aerender.processtree import ProcessTree\n"
        f"tree = ProcessTree([sys.executable, '-c', {STAYS!r}], {ENVIRONMENT!r}, Path('/'))\n"
        "while not tree.output(1): pass\n"
        "print(tree.pid, flush=True)\n"
        "while True: signal.pause()\n"
    )
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, cwd=tmp_path) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        watched = os.pidfd_open(pid)
        try:
            starter.kill()
            assert select.select([watched], [], [], 60)[0], "it outlived its starter"
        finally:
            os.close(watched)


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ProcessTree([str(tmp_path / "nothing")], ENVIRONMENT, tmp_path)
