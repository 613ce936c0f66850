"""Command lines of ``aerender`` and ``AfterFX``, per version.

Owns the arguments and nothing else. Frames are counted from 0 and ranges include both ends, as
``-s`` and ``-e`` do.
"""

from pathlib import Path

from msgspec import Struct

from flatrender_render.engines.aerender.installs import Install


class RenderOrder(Struct, frozen=True, kw_only=True):
    """One run over a range of one composition; ``output`` holds ``[#####]`` for the number."""

    project: Path
    comp: str
    output: Path
    template: str
    first: int
    last: int
    mfr: int = 90


def render_command(install: Install, order: RenderOrder) -> list[str]:
    """Return the command that renders ``order``."""
    command = [
        install.aerender,
        "-project", str(order.project),
        "-comp", order.comp,
        "-output", str(order.output),
        "-OMtemplate", order.template,
        "-s", str(order.first),
        "-e", str(order.last),
        "-i", "1",
        "-v", "ERRORS_AND_PROGRESS",
        "-close", "DO_NOT_SAVE_CHANGES",
        "-sound", "OFF",
    ]  # fmt: skip
    if install.multi_frame:
        # Alone on the machine one run may take most of it; the rest is for encoding.
        return [*command, "-mfr", "ON", str(order.mfr)]
    return [*command, "-mp"]


def script_command(install: Install, script: Path) -> list[str]:
    """Return the command that runs a script of ours in After Effects without its window."""
    return [install.afterfx, "-noui", "-r", str(script)]
