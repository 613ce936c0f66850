"""What goes wrong in a run, as a test wrote it down: ``behaviour.json`` beside the programs.

``{"aerender": [{...}, {}], "AfterFX": {...}}``: a list is one entry per run, in order, and nothing
wrong after its end; an object is for every run. After Effects' environment is clean, so a file it
is. The fields of an entry:

- ``hang``: ``launch``, ``open`` (a dialog that no suppression covers hangs there as well),
  ``frames`` or ``done``; ``at`` is the frame (counted in the run), in AfterFX the step of a script.
- ``crash``: a signal's number at frame ``at``; ``exit``: a status, after what was to be done.
- ``lines``: more lines to print before the frames, as they are; ``error``: one after them.
- ``output``: ``none``, ``truncated``, ``black`` or ``small``, for the frames ``of`` (or all).
- ``stubborn``: a grandchild leaves the session, ignores every signal it can and stays.
- ``refuse``: a dialog says that another instance runs, and waits for a click.
- ``language``: ``en``, ``de``, ``fr``, ``ja`` or ``fa``; ``garbage``: bytes of no encoding;
  ``mfr``: frames in another order; ``banner``: ``last``; ``quiet``: no frame lines;
  ``drop``: drop-frame timecodes.
- ``result``: ``truncated``, ``utf16`` or ``none``: how a script's result is left (AfterFX only).
- ``handed``: another instance runs: the script is handed to it, and this one leaves with 0
  (AfterFX only).
- ``deaf``: names of layers whose text does not change (AfterFX only); ``substitute``: fonts that
  are replaced.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any, NoReturn


def behaviour(program: str, home: Path) -> dict[str, Any]:
    """Return what is to happen in this run of ``program``; counts the run."""
    number = _count(program, home)
    try:
        said = json.loads((home / "behaviour.json").read_text())
    except FileNotFoundError:
        return {}
    entry = said.get(program, {})
    if isinstance(entry, list):
        return entry[number] if number < len(entry) else {}
    return dict(entry)


def _count(program: str, home: Path) -> int:
    """Take the next free number: runs may begin at the same time."""
    number = 0
    while True:
        try:
            os.close(os.open(home / f"{program}.{number}.ran", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            number += 1
        else:
            return number


def hang() -> NoReturn:
    """Do nothing for ever; SIGTERM does not help."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        signal.pause()
