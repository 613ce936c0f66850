"""Running a script of ours in After Effects: fixed code, an order as data, a result as a file.

Owns the desk that a run works at: ``common.jsx`` and the script as one file, ``sidecar.json``, the
signs ``started`` and ``opened``, one ``step-N`` for each step of long work, and ``result.json``.
What an order and a result say is the caller's.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from flatrender.clock import random_token
from flatrender_render.engines.aerender.command import script_command
from flatrender_render.engines.aerender.driver import Ended, Signs, drive, judge
from flatrender_render.engines.aerender.failures import AerenderFailed
from flatrender_render.engines.aerender.installs import Install
from flatrender_render.engines.aerender.watchdog import Patience

T = TypeVar("T", bound="ScriptResult")

RESULT_BYTES: Final = 256 * 2**20


class ScriptResult(Protocol):
    """What every result says: how it went (``done`` or ``failed``), and for which order."""

    @property
    def state(self) -> str: ...
    @property
    def nonce(self) -> str: ...
    @property
    def message(self) -> str: ...


class Desk:
    """Where one run of a script happens: a folder of its own in ``folder``."""

    def __init__(self, folder: Path, name: str, order: Struct) -> None:
        here = Path(__file__).parent
        self.folder = folder / f"{name}-{random_token(4)}"
        self.folder.mkdir()
        self.script = self.folder / f"{name}.jsx"
        self.script.write_bytes(script_source(here / f"{name}.jsx").encode())
        # ASCII: whatever a machine takes for its encoding, these bytes mean the same.
        data = json.dumps(msgspec.to_builtins(order))
        (self.folder / "sidecar.json").write_text(data, encoding="ascii")
        self.result = self.folder / "result.json"

    def look(self) -> Signs:
        """Return the signs of life that lie here."""
        return Signs(
            frames=sum(1 for _ in self.folder.glob("step-*[0-9]")),
            started=(self.folder / "started").exists(),
            opened=(self.folder / "opened").exists(),
            done=self.result.exists(),
        )

    def run(
        self,
        install: Install,
        *,
        environment: dict[str, str],
        patience: Patience,
        should_stop: Callable[[], bool],
    ) -> Ended:
        """Run the script to its end, whatever that is; raises as ``drive`` does."""
        return drive(
            script_command(install, self.script),
            environment=environment,
            folder=self.folder,
            patience=patience,
            look=self.look,
            should_stop=should_stop,
        )

    def require(self, ended: Ended) -> None:
        """Raise ``AerenderFailed`` where a run left no result.

        It says nothing against the project: the program was closed, or never ran the script. A
        second After Effects hands its script to the one that runs already, and leaves with 0.
        """
        if self.result.exists():
            return
        judge(ended)
        if not (self.folder / "started").exists():
            said = "After Effects left without running the script: another instance may run"
            raise AerenderFailed("instance_refused", said, log=ended.tail)
        raise AerenderFailed("process_died", "After Effects left in the middle", log=ended.tail)

    def read(self, kind: type[T], nonce: str, code: str) -> T:
        """Return the result. Raises ``AerenderFailed``: with ``code`` when it is none that ended
        well, or another run's; ``process_died`` when it was not written to its end."""
        try:
            if self.result.stat().st_size > RESULT_BYTES:
                raise AerenderFailed(code, "the script's result is too large")
            found = msgspec.json.decode(self.result.read_bytes(), type=kind)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AerenderFailed("process_died", f"no result of the script: {error}") from error
        if found.state != "done":
            raise AerenderFailed(code, found.message or "the script failed")
        if found.nonce != nonce:
            raise AerenderFailed(code, "the result is of another run")
        return found


def script_source(script: Path) -> str:
    """Return a script as After Effects gets it: what all share, then its own."""
    common = script.with_name("common.jsx").read_text("utf-8")
    return f"{common}\n{script.read_text('utf-8')}"
