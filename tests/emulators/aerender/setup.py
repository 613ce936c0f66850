"""Puts the emulator's two programs into a folder, and makes bundles for it."""

import io
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aerender import project as projects

Json = dict[str, Any]
_EMULATORS = Path(__file__).resolve().parents[1]


class Installation:
    """One emulated After Effects. ``aerender`` is the path to its program."""

    def __init__(self, root: Path, year: int = 2024) -> None:
        self.home = root / f"Adobe After Effects {year}"
        self.home.mkdir(parents=True)
        self.aerender = self.home / "aerender"
        for name, module in (("aerender", "aerender_main"), ("AfterFX", "afterfx_main")):
            program = self.home / f"{name}.py"
            program.write_text(
                "import sys\nfrom pathlib import Path\n"
                f"sys.path.insert(0, {str(_EMULATORS)!r})\n"
                f"from aerender.{module} import main\n"
                f"main(Path({str(self.home)!r}), {year - 2000})\n"
            )
            launcher = self.home / name
            launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')
            launcher.chmod(0o755)

    def behave(self, **programs: Json | Sequence[Json]) -> None:
        """Say what goes wrong from now on; see ``behaviour``."""
        for ran in self.home.glob("*.ran"):
            ran.unlink()
        (self.home / "behaviour.json").write_text(json.dumps(programs))

    def runs(self, program: str) -> int:
        """Return how often a program ran since ``behave``."""
        return len(list(self.home.glob(f"{program}.*.ran")))

    def arguments(self) -> list[str]:
        """Return the last command line of ``aerender``."""
        found: list[str] = json.loads((self.home / "aerender.last").read_text())
        return found

    def stubborn(self) -> int:
        """Return the id of the grandchild that stays behind."""
        return int((self.home / "stubborn.pid").read_text())


def bundle(
    project: Json, files: Mapping[str, bytes] | None = None, manifest: Json | None = None
) -> bytes:
    """Return a bundle: a project, its files, and ``flatrender.json`` where given."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("project.aep", projects.encode(project))
        for name, data in (files or {}).items():
            archive.writestr(name, data)
        if manifest is not None:
            archive.writestr("flatrender.json", json.dumps(manifest))
    return buffer.getvalue()


def comp(number: int, name: str, lottie: Json, layers: Sequence[Json] | None = None) -> Json:
    """Return a composition of a Lottie drawing's size, rate and length."""
    return {"id": number, "type": "comp", "name": name, "w": lottie["w"], "h": lottie["h"],
            "fr": lottie["fr"], "op": lottie["op"],
            "layers": list(lottie["layers"] if layers is None else layers)}  # fmt: skip


def footage(number: int, file: str, width: int, height: int) -> Json:
    """Return footage: a picture of the bundle."""
    return {"id": number, "type": "footage", "name": file.rpartition("/")[2], "file": file,
            "w": width, "h": height}  # fmt: skip
