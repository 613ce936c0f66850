"""Run as a script by `flatrender.embedded.process`: become the server, tied to its parent's life.

Arguments: parent pid, death signal (0: none), uid, gid (-1: keep), then the command. It runs with
``-I -S`` and the standard library only, so the step costs about 15 ms. It exists because doing
this in ``preexec_fn`` would run Python in a fork of a threaded process.
"""

import os
import sys


def main(argv: list[str]) -> None:
    """Drop to uid and gid, ask the kernel for the death signal, and exec the command."""
    parent, death_signal, uid, gid = (int(value) for value in argv[:4])
    command = argv[4:]
    prctl = None
    if death_signal and sys.platform == "linux":
        # Loaded before the drop: the interpreter may lie where only root can read.
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # prctl comes after setuid: a change of credentials clears the setting (prctl(2)).
    if prctl is not None:
        pr_set_pdeathsig = 1
        prctl(pr_set_pdeathsig, death_signal, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before prctl: nobody would ever tell us
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  argv list, no shell: this is the point


if __name__ == "__main__":
    main(sys.argv[1:])
