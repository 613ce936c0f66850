"""The C library's heap of a render process: what frames free stays there for the next ones.

Every frame wants the same few large blocks again. Left alone, glibc asks the kernel for each and
gives it back when it is freed; each page of a new one is a fault, which in a virtual machine took
4 to 15 % of a render's processor time (mallopt(3)). Other C libraries are left alone.
"""

import contextlib
import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4


def keep_freed() -> None:
    """Keep freed memory in this process from now on."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
            library = ctypes.CDLL(None)
            library.mallopt(_M_MMAP_MAX, 0)
            library.mallopt(_M_TRIM_THRESHOLD, -1)


def give_back() -> None:
    """Give the kernel what is free now."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
