"""Runs alone in a process that bounds itself: reads one project or bundle and prints the scan.

Memory, time and output are capped by the kernel before a byte is read, so a hostile file costs this
process and nothing else. Answers ``{"scan": ...}`` or ``{"errors": [...]}`` on standard output.
"""

import contextlib
import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from flatrender.errors import FieldError
from flatrender.template.problems import PackageRefused
from flatrender.template.project_scan import ProjectScan
from flatrender_content.aep.bundle import scan_file

MEMORY = 3 << 30
SECONDS = 60
ANSWER_BYTES = 64 << 20


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the process prints: one of the two."""

    scan: ProjectScan | None = None
    errors: list[FieldError] = []


def main(path: str, name: str) -> None:
    """Print what ``path`` holds; ``name`` is what a bare project is called."""
    _bound()
    try:
        answer = Answer(scan=scan_file(Path(path), name=name))
    except PackageRefused as refused:
        answer = Answer(errors=list(refused.errors)[:100])
    data = msgspec.json.encode(answer)
    if len(data) > ANSWER_BYTES:
        raise SystemExit(f"the answer is {len(data)} bytes")
    sys.stdout.buffer.write(data)


def _bound() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # no rlimits on Windows
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
