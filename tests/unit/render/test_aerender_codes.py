"""Which failure a run that ended is."""

import pytest

from flatrender_render.engines.aerender.failures import CODES, EXIT_CODES, Outcome, classify
from flatrender_render.farm import failures as farm

ECHO = "aerender ERROR: Runtime error in After Effects."
TEXT = "After Effects error: Error reading the text layer. Skipping..."


def code(status: int | None, *errors: str, expired: str = "") -> str | None:
    """Return the code of an outcome."""
    found = classify(Outcome(status=status, errors=errors, expired=expired))
    return found[0] if found else None


def test_a_clean_exit_is_no_failure() -> None:
    assert code(0) is None


@pytest.mark.parametrize(("status", "name"), EXIT_CODES.items())
def test_exit_statuses(status: int, name: str) -> None:
    assert code(status) == name


@pytest.mark.parametrize("status", [-9, -11, 4, 255, None])
def test_other_statuses_are_deaths(status: int | None) -> None:
    assert code(status) == "process_died"


def test_a_line_that_names_its_cause_comes_before_its_echo_a_watchdog_and_the_status() -> None:
    assert code(9, ECHO, TEXT) == "text_layer_broken"
    assert code(0, TEXT) == "text_layer_broken"
    assert code(-9, TEXT, expired="frame") == "text_layer_broken"


def test_a_watchdog_comes_before_an_echo() -> None:
    assert code(-9, ECHO, expired="open") == "open_timeout"


def test_an_echo_alone_still_fails() -> None:
    assert code(0, ECHO) == "ae_runtime"


def test_every_code_that_comes_out_is_published() -> None:
    lines = [ECHO, TEXT, "aerender ERROR: unheard of"]
    phases = ["launch", "open", "frame", "exit"]
    found = {code(s, line) for s in (0, 1, 9) for line in lines}
    found |= {code(-9, expired=phase) for phase in phases} | {code(s) for s in (1, 2, 77)}
    assert found <= CODES


#: What the farm's built-in rules make of them.
@pytest.mark.parametrize(
    ("name", "message", "status", "class_"),
    [
        ("fonts_missing", "missing fonts: Vazirmatn Bold", None, "node"),
        ("footage_missing", "missing footage: a.png", None, "template"),
        ("comp_missing", "aerender ERROR: No comp was found with the given name.", 1, "template"),
        ("binding_failed", "s/headline: bound to no layer", None, "template"),
        ("package_broken", "no project", None, "template"),
        ("licence_refused", "aerender ERROR: licensing has stopped working", 9, "licence"),
        ("out_of_memory", "After Effects error: out of memory", 9, "resource"),
        ("instance_refused", "another instance of After Effects is already running", 1, "node"),
        ("frame_timeout", "no sign", -9, "node"),
        ("process_died", "exit status -11", -11, "node"),
        ("ae_socket", "exit status 11", 11, "transient"),
        ("ae_script", "exit status 5", 5, "template"),
        ("aerender_runtime", "exit status 7", 7, "node"),
        ("ae_runtime", ECHO, 9, "node"),
        ("node_ae_missing", "no After Effects on this machine", None, "node"),
    ],
)  # fmt: skip
def test_the_farm_knows_what_to_do(
    name: str, message: str, status: int | None, class_: str
) -> None:
    verdict = farm.classify(name, message, engine="aerender", exit_code=status)
    assert verdict.error_class == class_
    assert name in CODES
