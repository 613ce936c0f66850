"""After Effects itself, as ``aerender`` starts it: a process of its own that draws the frames."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from aerender import project as projects
from aerender.behaviour import hang
from aerender.lines import Log

_FORMATS = {"TIFF Sequence with Alpha": "TIFF", "PNG Sequence": "PNG"}


def stay_behind(home: Path) -> None:
    """Start a grandchild that leaves the session and stays; say its id in ``stubborn.pid``."""
    code = (
        "import os, signal, sys\n"
        "for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(one, signal.SIG_IGN)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(home / "stubborn.pid")],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()


def render(order: dict[str, str], wrong: dict[str, Any], home: Path) -> int:
    """Render as ordered; return the exit status."""
    log = Log(wrong.get("language", "en"), drop="drop" in wrong, garbage="garbage" in wrong)
    if wrong.get("stubborn"):
        stay_behind(home)
    if wrong.get("hang") == "launch":
        hang()
    if wrong.get("banner") != "last":
        log.banner()
    if wrong.get("refuse"):
        log.line("aerender ERROR: After Effects can not render for aerender. Another instance of "
                 "aerender is already running.")  # fmt: skip
        hang()
    if wrong.get("hang") == "open":
        hang()
    path = Path(order["-project"])
    try:
        project = projects.read(path)
    except projects.ProjectUnreadable as error:
        log.line(f"After Effects error: Unable to open project. {error}")
        return 9
    comp = projects.comp_named(project, order["-comp"])
    if comp is None:
        log.line("aerender ERROR: No comp was found with the given name.")
        return 1
    if order["-OMtemplate"] not in _FORMATS:
        log.line("aerender ERROR: No output module template was found with the given name.")
        return 1
    for name in projects.missing_footage(project, path.parent):
        log.line("WARNING:After Effects warning: logged one error  error: Unable to Render: "
                 f"File Not Found C:\\footage\\{name}")  # fmt: skip
    if wrong.get("substitute"):
        log.line("WARNING:After Effects warning: Project has missing fonts.")
    for line in wrong.get("lines", []):
        log.line(line)
    first, last = int(order["-s"]), int(order["-e"])
    log.starting(comp["name"], comp["fr"], comp["op"])
    _frames(order, wrong, log, project, comp, (first, last))
    if wrong.get("hang") == "done":
        log.finished(comp["name"])
        hang()
    if "error" in wrong:
        log.line(wrong["error"])
    log.finished(comp["name"])
    if wrong.get("banner") == "last":
        log.banner()
    return int(wrong.get("exit", 0))


def _frames(
    order: dict[str, str],
    wrong: dict[str, Any],
    log: Log,
    project: projects.Json,
    comp: projects.Json,
    span: tuple[int, int],
) -> None:
    import io

    import numpy as np
    import skia
    from PIL import Image

    from flatrender_render.engines.lottie.animation import Animation

    lottie, colors = projects.lottie_of(project, comp, Path(order["-project"]).parent)
    animation = Animation.parse(lottie)
    animation = animation.with_slots({k: v for k, v in colors.items() if k in animation.slots})
    width, height = comp["w"], comp["h"]
    pixels = np.zeros((height, width, 4), np.uint8)
    info = skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    surface = skia.Surface.MakeRasterDirect(info, pixels)
    frames = list(range(span[0], span[1] + 1))
    if wrong.get("mfr"):
        random.Random(7).shuffle(frames)
    spoiled = set(wrong.get("of", frames))
    for number, frame in enumerate(frames):
        if wrong.get("at", 0) == number:
            if wrong.get("hang") == "frames":
                hang()
            if "crash" in wrong:
                sys.stdout.flush()
                os.kill(os.getpid(), wrong["crash"])
        fault = wrong.get("output", "") if frame in spoiled else ""
        surface.getCanvas().clear(0xFF000000)
        if fault != "black":
            animation.draw(surface.getCanvas(), frame)
        picture = Image.fromarray(np.ascontiguousarray(pixels[..., 2::-1]))
        if fault == "small":
            picture = picture.resize((width // 2, height // 2))
        buffer = io.BytesIO()
        picture.save(buffer, _FORMATS[order["-OMtemplate"]])
        data = buffer.getvalue()
        if fault == "truncated":
            data = data[: len(data) // 2]
        if fault != "none":
            _write(_path(order["-output"], frame), data)
        if not wrong.get("quiet"):
            log.frame(frame, number + 1, comp["fr"])


def _path(pattern: str, frame: int) -> Path:
    """Put the frame's number where ``[#####]`` stands, as wide as that."""
    head, _, rest = pattern.partition("[")
    marks, _, tail = rest.partition("]")
    return Path(f"{head}{frame:0{len(marks)}d}{tail}")


def _write(path: Path, data: bytes) -> None:
    """Write in place and in pieces, as After Effects does: readers see it grow."""
    with path.open("wb", buffering=0) as file:
        middle = len(data) // 2
        file.write(data[:middle])
        file.write(data[middle:])


def end(status: int) -> None:
    """Leave without waiting for anything."""
    sys.stdout.flush()
    os._exit(status)


SIGNALS = {"segfault": int(signal.SIGSEGV), "kill": int(signal.SIGKILL)}
