"""The leash: a small process that starts a program, holds its whole tree and can end it.

Run by ``processtree`` as ``python -I -S leash.py STATUS_FD PROGRAM ARGS...`` on POSIX. After
Effects is a process of its own that ``aerender`` starts and may leave behind, so ending the parent
ends nothing. The leash is what they are all descended from: on Linux orphans return to it (it is
their subreaper), elsewhere they share its child's process group. It ends the tree when it is told
to (a byte on standard input), when whoever started it dies (end of file there), and when the
program has ended (what is left behind is nobody's). It touches no process that is not a
descendant of its own, each verified by its start time at the moment of the signal.

Standard library only, and no import of ours: it must start in milliseconds.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SWEEP_SECONDS = 0.02
_ROUNDS = 500  # ten seconds: what the kernel cannot end by then, nobody can


def table() -> dict[int, tuple[int, str]]:
    """Return every process: id -> (parent's id, start time in some unit of the system)."""
    if sys.platform == "linux":
        found = {}
        for name in os.listdir("/proc"):  # noqa: PTH208 - no pathlib here, see above
            if name.isdigit() and (entry := _stat(int(name))):
                found[int(name)] = entry
        return found
    listed = subprocess.run(
        ["/bin/ps", "-A", "-o", "pid=,ppid=,lstart="], capture_output=True, text=True, check=False
    ).stdout
    rows = (line.split(None, 2) for line in listed.splitlines())
    return {int(row[0]): (int(row[1]), row[2].strip()) for row in rows if len(row) == 3}


def _stat(pid: int) -> tuple[int, str] | None:
    """Read ``/proc/PID/stat`` (proc(5)): parent and start time; None for the dead."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - see above
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {b"Z", b"X"} else (int(fields[1]), fields[19].decode())


def descendants(root: int, processes: dict[int, tuple[int, str]]) -> dict[int, str]:
    """Return the start times of all processes below ``root``."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in processes.items():
        children.setdefault(parent, []).append(pid)
    found: dict[int, str] = {}
    stack = list(children.get(root, ()))
    while stack:
        pid = stack.pop()
        if pid not in found:
            found[pid] = processes[pid][1]
            stack += children.get(pid, ())
    return found


def kill(pid: int, started: str) -> None:
    """End one process if it is still the one that started then."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "linux":
            os.kill(pid, signal.SIGKILL)
            return
        handle = os.pidfd_open(pid)  # the handle stays with the process, whatever becomes of pid
        try:
            now = _stat(pid)
            if now is not None and now[1] == started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


class Tree:
    """The child and all below it. ``status`` is the child's once it ended (negative: a signal)."""

    def __init__(self, child: int) -> None:
        self.child = child
        self.status: int | None = None

    def reap(self) -> None:
        """Collect the dead: the child, and orphans of its that came to us."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid == self.child:
                    self.status = os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """End every descendant, also those that appear meanwhile, and wait until none is left."""
        for _ in range(_ROUNDS):
            below = descendants(os.getpid(), table())
            if sys.platform != "linux" and self.status is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.child, signal.SIGKILL)
            for pid, started in below.items():
                kill(pid, started)
            self.reap()
            if not below:
                return
            time.sleep(_SWEEP_SECONDS)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value)


def _unlimited() -> None:
    """Lift the memory limit of render processes: it is theirs, not After Effects'."""
    import resource

    with contextlib.suppress(ValueError, OSError):
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def main() -> None:
    """Start the program; hold its tree until it ends or is to end; write its status."""
    status_file = int(sys.argv[1])
    os.set_inheritable(status_file, False)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _unlimited()
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        child = subprocess.Popen(
            sys.argv[2:],
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=lambda: _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # noqa: PLW1509 - one thread
        )
    except OSError as error:
        os.write(status_file, f"failed {error.errno} {error.strerror}\n".encode())
        return
    os.write(status_file, f"started {child.pid}\n".encode())
    tree = Tree(child.pid)
    for end in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), end)  # the pipe ends with the tree, not with us
    while tree.status is None:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if 0 in ready:
            break  # told to, or nobody is left to tell
        tree.reap()
    tree.end()
    child.returncode = tree.status
    os.write(status_file, f"ended {tree.status}\n".encode())


if __name__ == "__main__":
    main()
