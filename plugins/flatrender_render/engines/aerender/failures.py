"""What can go wrong with After Effects, by stable names; the farm's failure rules match on them.

Owns the exit codes, the meaning of error lines and the one exception of this engine. Pure: knows
no process and no file. Which of these costs whom what is decided by the farm, not here.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from flatrender_render.engines import EngineError

#: ``aerender`` exits with these (Adobe's table); any other status is ``process_died``.
EXIT_CODES: Final[dict[int, str]] = {
    1: "ae_application",
    2: "ae_usage",
    3: "ae_syntax",
    5: "ae_script",
    7: "aerender_runtime",
    9: "ae_runtime",
    11: "ae_socket",
}

#: Error lines, most telling first. Localised builds keep the English of plug-ins and file names;
#: what only says "error" in another language is ``ae_error_line``.
_LINES: Final[tuple[tuple[str, re.Pattern[str]], ...]] = tuple(
    (code, re.compile(pattern, re.IGNORECASE))
    for code, pattern in (
        ("comp_missing", r"no comp was found"),
        ("output_template_missing", r"no (output module|render settings) template was found"),
        ("project_too_new", r"newer version|later version"),
        ("fonts_missing", r"missing fonts?\b|fonts? (is|are|was|were) (missing|substituted)"),
        ("instance_refused", r"already running|another instance|only one instance"),
        ("licence_refused", r"licen[cs](e|ing)|activat(e|ion)|trial|subscription|sign in"),
        ("out_of_memory", r"out of memory|unable to allocate|not enough memory|memory is full"),
        ("disk_full", r"disk (is )?full|not enough (disk )?space|no space left"),
        (
            "effects_missing",
            r"missing effect|effect .{0,120}(is )?missing|plug-?in .{0,120}missing",
        ),
        ("footage_missing", r"file not found|missing footage|footage .{0,120}missing"),
        ("project_unreadable", r"unable to open project|(file|project) .{0,120}(damaged|corrupt)"),
        ("text_layer_broken", r"error reading the text layer"),
        ("expression_broken", r"expression (error|disabled)|error in expression"),
        ("output_unwritable", r"(can(no|')t|unable to|could not) (write|create|save)"),
        ("ae_crashed", r"has crashed|crash(ed)? in progress|can.t continue"),
        ("ae_runtime", r"runtime error in after effects"),
        ("ae_script", r"unable to execute script|script .{0,120}error"),
    )
)

#: An error that says nothing we know.
UNTOLD: Final = "ae_error_line"
#: Lines that only say that something went wrong.
_ECHOES: Final = frozenset({UNTOLD, "ae_runtime"})

#: What an engine of this kind may report, for rules, docs and tests.
CODES: Final[frozenset[str]] = frozenset(
    {
        *EXIT_CODES.values(),
        *(code for code, _ in _LINES),
        "node_ae_missing",  # no After Effects on this machine, or too old for the project
        UNTOLD,
        "process_died",
        "launch_timeout",
        "open_timeout",
        "frame_timeout",
        "exit_timeout",
        "binding_failed",
        "scan_failed",
        "package_broken",
    }
)


class AerenderFailed(EngineError):
    """After Effects could not do it. ``code`` is one of ``CODES``; ``log`` the end of its log."""

    def __init__(
        self, code: str, message: str, *, exit_code: int | None = None, log: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = exit_code
        self.log = tuple(log)


class Outcome(Struct, frozen=True, kw_only=True):
    """How a run of a program ended. ``status`` is negative for a signal (POSIX).

    ``errors`` are its error lines in order. ``expired`` is the watchdog that ended it, if any.
    """

    status: int | None
    errors: tuple[str, ...] = ()
    expired: str = ""


def code_of_line(text: str) -> str:
    """Return the failure that an error line tells of."""
    return next((code for code, shape in _LINES if shape.search(text)), UNTOLD)


def classify(outcome: Outcome) -> tuple[str, str] | None:
    """Return code and message of a run that failed, None for one that may have gone well.

    A line that names its cause says more than a watchdog or a status, and condemns a run that
    exits with 0. The first such line decides: what follows is mostly its echo.
    """
    known = [(code_of_line(line), line) for line in outcome.errors]
    telling = next((pair for pair in known if pair[0] not in _ECHOES), None)
    if telling is not None:
        return telling
    if outcome.expired:
        return f"{outcome.expired}_timeout", f"After Effects gave no sign ({outcome.expired})"
    if known:
        return known[0]
    if outcome.status == 0:
        return None
    code = EXIT_CODES.get(outcome.status or 0, "process_died")
    return code, f"exit status {outcome.status}"
