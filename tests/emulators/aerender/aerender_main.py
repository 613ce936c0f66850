"""``aerender``: reads the command line and has After Effects, another process, do it."""

import json
import subprocess
import sys
from pathlib import Path

from aerender.behaviour import behaviour, hang
from aerender.core import end, render

_TAKES = {
    "-project", "-comp", "-output", "-OMtemplate", "-RStemplate", "-s", "-e", "-i", "-v", "-close",
    "-sound", "-mem_usage", "-rqindex", "-log",
}  # fmt: skip
_FLAGS = {"-mp", "-reuse", "-continueOnMissingFootage"}
_VALUES = {
    "-v": {"ERRORS", "ERRORS_AND_PROGRESS"},
    "-close": {"DO_NOT_CLOSE", "DO_NOT_SAVE_CHANGES", "SAVE_CHANGES"},
    "-sound": {"ON", "OFF"},
}


def parse(arguments: list[str], version: int) -> dict[str, str] | int:
    """Return the arguments by name, or the exit status of a bad command line."""
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        name = rest.pop(0)
        if name in _FLAGS:
            if name == "-mp" and version >= 22:
                return 2
            found[name] = ""
        elif name == "-mfr":
            if version < 22:
                return 2
            if len(rest) < 2 or rest[0] not in {"ON", "OFF"} or not rest[1].isdigit():
                return 3
            found[name] = f"{rest.pop(0)} {rest.pop(0)}"
        elif name in _TAKES:
            if not rest:
                return 3
            value = rest.pop(0)
            if value not in _VALUES.get(name, {value}):
                return 3
            found[name] = value
        else:
            return 2
    if not {"-project", "-comp", "-output", "-OMtemplate", "-s", "-e"} <= found.keys():
        return 2
    return found


def main(home: Path, version: int) -> None:
    """Run; the status is After Effects' own, 9 when it died."""
    if sys.argv[1:2] == ["--core"]:
        order, wrong = json.loads(sys.stdin.readline())
        end(render(order, wrong, home))
    wrong = behaviour("aerender", home)
    (home / "aerender.last").write_text(json.dumps(sys.argv[1:]))
    order = parse(sys.argv[1:], version)
    if isinstance(order, int):
        print("aerender ERROR: bad arguments.", flush=True)
        end(order)
    if "exit" in wrong and wrong.get("early"):
        end(wrong["exit"])
    core = subprocess.Popen(
        [sys.executable, sys.argv[0], "--core"], stdin=subprocess.PIPE, start_new_session=True
    )
    assert core.stdin is not None
    core.stdin.write(json.dumps([order, wrong]).encode() + b"\n")
    core.stdin.close()
    status = core.wait()
    if status < 0:
        print("aerender ERROR: Runtime error in After Effects.", flush=True)
        end(9)
    if wrong.get("hang") == "exit":
        hang()
    end(status)
