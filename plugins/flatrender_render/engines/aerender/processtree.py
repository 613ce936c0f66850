"""A program with everything it starts, as one thing that can be ended.

Owns starting, its output, its status and ending the whole tree and nothing else: by the leash on
POSIX (see there), by a job object on Windows. When this process dies, the tree dies with it.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
_BLOCK = 8192
_GIVE_UP = 15.0  # seconds; the leash itself gives up after ten


class ProcessTree:
    """A started program. ``output`` gives what it prints; ``end`` stops all of it.

    Raises ``OSError`` when the program cannot be started. Use as a context manager: leaving it
    ends the tree.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self._blocks: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._closed = False
        self.status: int | None = None
        if sys.platform == "win32":
            from flatrender_render.engines.aerender.windows_job import Job

            self._job = Job()
            self._process = self._job.start(command, environment, folder)
            self.pid = self._process.pid
        else:
            self._start(command, environment, folder)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "ProcessTree":
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the tree."""
        self.end()

    def output(self, seconds: float) -> bytes | None:
        """Return what was printed, waiting up to ``seconds``: empty for nothing, None at the end.

        The end is when the program and all that it started have ended or closed their output.
        """
        if self._closed:
            return None
        try:
            block = self._blocks.get(timeout=seconds)
            while block is not None and not self._blocks.empty():
                more = self._blocks.get()
                if more is None:
                    self._closed = True
                    break
                block += more
        except queue.Empty:
            return b""
        if block is None:
            self._closed = True
        return block

    def poll(self) -> int | None:
        """Return the program's status once it and its whole tree have ended, else None."""
        if self.status is None and self._process.poll() is not None:
            self._settle()
        return self.status

    def end(self) -> None:
        """End the program and everything it started; returns when all of it is gone."""
        if sys.platform == "win32":
            self._job.close()
        elif self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_GIVE_UP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._settle()
        self._reader.join(_GIVE_UP)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        reading, writing = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), str(writing), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                env=dict(environment),
                cwd=folder,
                start_new_session=True,  # signals to our group are not for it: it sees us go
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._report = os.fdopen(reading, "r", encoding="utf-8")
        first = self._report.readline().split(None, 2)
        if first[:1] != ["started"]:
            self._process.communicate()
            self._report.close()
            number, reason = (int(first[1]), first[2]) if len(first) == 3 else (0, "no leash")
            raise OSError(number, reason.strip(), command[0])
        self.pid = int(first[1])

    def _read(self) -> None:
        pipe = self._process.stdout
        if pipe is not None:
            with contextlib.suppress(OSError, ValueError):  # closed under us: the end as well
                while block := os.read(pipe.fileno(), _BLOCK):
                    self._blocks.put(block)
        self._blocks.put(None)

    def _settle(self) -> None:
        """Take the status that the leash wrote last; -9 when it could write none."""
        if self.status is not None:
            return
        if sys.platform == "win32":
            self._job.close()
            self.status = self._process.returncode
            return
        words = self._report.read().split()
        self._report.close()
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        number = words[-1] if words else ""
        self.status = int(number) if number.lstrip("-").isdigit() else -9
