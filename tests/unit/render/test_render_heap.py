"""Memory that a render process frees stays with it until it has no work."""

import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, resource
from flatrender_render.engines.heap import give_back, keep_freed

def resident():
    with open("/proc/self/statm") as facts:
        return int(facts.read().split()[1]) * resource.getpagesize()

keep_freed()
before = resident()
for _ in range(3):
    blocks = [bytearray(b"x" * 2**23) for _ in range(8)]
    del blocks
kept = resident() - before
give_back()
print(kept, resident() - before)
"""


def _glibc() -> bool:
    import platform

    return platform.libc_ver()[0] == "glibc"


@pytest.mark.skipif(not _glibc(), reason="only glibc's heap is told")
def test_freed_blocks_stay_until_they_are_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )
    kept, left = map(int, done.stdout.split())
    assert kept >= 56 * 2**20  # of 64
    assert left < 16 * 2**20
