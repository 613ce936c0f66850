"""Folders for attempts: each gone with its attempt, or, when its process was killed, by the next.

Several workers of a machine may share the place. Who works in a folder holds a lock of the system's
on it, which ends with the process; a folder that nobody holds is nobody's.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from flatrender.clock import random_token

if sys.platform != "win32":
    import fcntl

#: A folder is locked just after it was made: so many seconds nobody else looks at it.
YOUNG_SECONDS = 60.0


class Scratch:
    """Folders below ``place``. On Windows, without such locks, a place belongs to one node."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._mine: dict[Path, int | None] = {}

    def take(self) -> Path:
        """Return a new folder of this process's."""
        self._place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{random_token(4)}-", dir=self._place))
        self._mine[folder] = _lock(folder)
        return folder

    def give_up(self, folder: Path) -> None:
        """Remove a folder of this process's. Blocks."""
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(self._mine.pop(folder))

    def sweep(self) -> None:
        """Remove what dead processes left. Blocks."""
        if not self._place.is_dir():
            return
        before = time.time() - YOUNG_SECONDS
        for found in self._place.iterdir():
            # Gone meanwhile, or held by a worker that lives.
            with contextlib.suppress(OSError):
                if found not in self._mine and found.stat().st_mtime < before:
                    handle = _lock(found)
                    shutil.rmtree(found, ignore_errors=True)
                    _unlock(handle)


def _lock(folder: Path) -> int | None:
    """Hold a folder. Raises ``OSError`` when somebody else does."""
    if sys.platform == "win32":
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _unlock(handle: int | None) -> None:
    if handle is not None:
        os.close(handle)
