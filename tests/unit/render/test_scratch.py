"""What killed processes leave on a machine's disk goes; what lives stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from flatrender_render.farm.scratch import YOUNG_SECONDS, Scratch

_HOLDER = """
import sys, time
from pathlib import Path
from flatrender_render.farm.scratch import Scratch

folder = Scratch(Path(sys.argv[1])).take()
(folder / "segment.mp4").write_bytes(b"frames")
print(folder.name, flush=True)
time.sleep(600)
"""


def age(folder: Path) -> None:
    """Let a folder be older than it is."""
    then = folder.stat().st_mtime - YOUNG_SECONDS - 1
    os.utime(folder, (then, then))


def test_a_folder_goes_with_its_attempt_and_stays_until_then(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "scratch")
    scratch.sweep()  # nothing is there yet
    one, two = scratch.take(), scratch.take()
    age(one)
    scratch.sweep()
    Scratch(tmp_path / "scratch").sweep()
    assert one.is_dir()
    (one / "part").write_bytes(b"x")
    scratch.give_up(one)
    assert not one.exists()
    assert two.is_dir()
    scratch.give_up(two)


def test_what_a_killed_process_left_goes_and_what_a_living_one_holds_stays(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        folder = tmp_path / holder.stdout.readline().strip()
        scratch = Scratch(tmp_path)
        age(folder)
        scratch.sweep()
        assert (folder / "segment.mp4").is_file()
        holder.send_signal(signal.SIGKILL)
        holder.wait(30)
        scratch.sweep()
        assert not folder.exists()
    finally:
        holder.kill()
        holder.wait(30)
        if holder.stdout is not None:
            holder.stdout.close()


def test_a_folder_that_was_just_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    Scratch(tmp_path).sweep()
    assert (tmp_path / "new").is_dir()
