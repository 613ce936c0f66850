"""``AfterFX -noui -r SCRIPT``: runs a script of ours as ES3 in a model of After Effects."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import dukpy
from PIL import Image

from aerender import es3
from aerender import project as projects
from aerender.behaviour import behaviour, hang
from aerender.core import end, stay_behind
from aerender.lines import VERSION

DOM = [Path(__file__).with_name(name) for name in ("dom.js", "dom_read.js", "dom_es3.js")]


class _Host:
    """What the model of After Effects asks of the system."""

    def __init__(self, script: Path, wrong: dict[str, Any]) -> None:
        self._script = script
        self._wrong = wrong
        self.quit_asked = False

    def settings(self) -> str:
        """Return what is known of this run."""
        return json.dumps({"script": str(self._script), "version": VERSION,
                           "deaf": self._wrong.get("deaf", []),
                           "substitute": self._wrong.get("substitute", []),
                           "directions": not self._wrong.get("old", False)})  # fmt: skip

    def read_text(self, path: str, encoding: str) -> str:
        """Read a file as text; without a declared encoding, as bytes."""
        return Path(path).read_text("utf-8" if encoding == "UTF-8" else "latin-1")

    def write_text(self, path: str, text: str) -> bool:
        """Write a file as text; a step of long work is where it may hang or die."""
        name = Path(path).name
        if name == "result.json.part" and self._wrong.get("result") == "none":
            end(0)  # somebody closed it
        if name == f"step-{self._wrong.get('at', 0) + 1}.part":
            if self._wrong.get("hang") == "frames":
                hang()
            if "crash" in self._wrong:
                os.kill(os.getpid(), self._wrong["crash"])
        data = text.encode()
        if name == "result.json.part":
            data = _spoiled(data, self._wrong.get("result", ""))
        Path(path).write_bytes(data)
        return True

    def rename(self, path: str, target: str) -> bool:
        """Rename a file; a file that is there stays, as with ExtendScript."""
        if Path(target).exists():
            return False
        Path(path).rename(target)
        return True

    def exists(self, path: str) -> bool:
        """Return whether there is such a file."""
        return Path(path).is_file()

    def picture_size(self, path: str) -> str:
        """Return a picture's width and height."""
        with Image.open(path) as picture:
            return json.dumps(picture.size)

    def read_project(self, path: str) -> str:
        """Return a project as JSON, or why there is none."""
        if self._wrong.get("hang") == "open":
            hang()
        try:
            return json.dumps(projects.read(Path(path)))
        except projects.ProjectUnreadable as error:
            return str(error)

    def write_project(self, path: str, text: str) -> None:
        """Save a project."""
        if self._wrong.get("hang") == "frames":
            hang()
        if not self._wrong.get("unsaved"):
            projects.write(Path(path), json.loads(text))

    def quit(self) -> None:
        """Leave once the script is over."""
        self.quit_asked = True


def _spoiled(data: bytes, fault: str) -> bytes:
    """Return a result as a disk that fills up or another encoding would leave it."""
    if fault == "truncated":
        return data[: len(data) // 2]
    return data.decode().encode("utf-16") if fault == "utf16" else data


def main(home: Path, _version: int) -> None:
    """Run a script."""
    wrong = behaviour("AfterFX", home)
    if wrong.get("stubborn"):
        stay_behind(home)
    if wrong.get("hang") == "launch":
        hang()
    for line in wrong.get("lines", []):
        print(line, flush=True)
    if wrong.get("refuse"):
        print("After Effects error: Another instance of After Effects is already running.",
              flush=True)  # fmt: skip
        hang()
    if wrong.get("handed"):
        end(0)
    if sys.argv[1:3] != ["-noui", "-r"] or len(sys.argv) != 4:
        end(2)
    script = Path(sys.argv[3])
    source = script.read_text("utf-8")
    if found := es3.problems(source):
        print(f"After Effects error: Unable to execute script at line {found[0]}", flush=True)
        end(5)
    host = _Host(script, wrong)
    runtime = dukpy.JSInterpreter()
    for name in ("settings", "read_text", "write_text", "rename", "exists", "picture_size",
                 "read_project", "write_project", "quit"):  # fmt: skip
        runtime.export_function(name, getattr(host, name))
    runtime.evaljs("\n".join(part.read_text() for part in DOM) + "\n;0")
    if "crash" in wrong and "at" not in wrong:
        end(9)
    try:
        runtime.evaljs(source + "\n;0")
    except dukpy.JSRuntimeError as error:
        print(f"After Effects error: Unable to execute script. {error}", flush=True)
        end(5)
    if wrong.get("hang") == "done" or not host.quit_asked:
        hang()
    end(int(wrong.get("exit", 0)))
