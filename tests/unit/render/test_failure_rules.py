"""Failure rules: what each known failure means, and patterns that cannot take for ever."""

from typing import Any

import pytest

from flatrender_render.domain import BLAMED, ErrorClass
from flatrender_render.farm.failures import RuleBook, Symptoms
from flatrender_render.farm.rules import BUILTIN, MAX_LINE, DangerousPattern, check_pattern

BOOK = RuleBook(BUILTIN)


def rule(code: str = "internal", message: str = "", **more: Any) -> str:
    """Return the code of the rule that judges a failure."""
    found = BOOK.match(Symptoms(code=code, message=message, **more))
    assert found is not None
    return found[0].code


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("WARNING:After Effects warning: Project has missing fonts.", "ae_missing_fonts"),
        ("aerender ERROR: No comp was found with the given name.", "ae_no_comp"),
        ("aerender ERROR: Runtime error in After Effects.", "ae_error_line"),
        ("After Effects error: Error reading the text layer. Skipping...", "ae_text_layer"),
        (
            r"WARNING:After Effects warning: logged one error  error: Unable to Render: "
            r"File Not Found C:\a.mov",
            "ae_missing_footage",
        ),
        ("After Effects error: Out of memory. (23 :: 40)", "memory_line"),
        (
            "After Effects is already running, another instance is not allowed",
            "ae_refuses_instance",
        ),
    ],
)
def test_lines_of_aerender(line: str, expected: str) -> None:
    assert rule(message=f"PROGRESS: 1\n{line}\nend", engine="aerender", exit_code=0) == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [(1, "ae_application"), (2, "ae_usage"), (3, "ae_usage"), (5, "ae_script"),
     (7, "ae_runtime"), (9, "ae_runtime"), (11, "ae_socket"), (77, "unknown")],
)  # fmt: skip
def test_exit_codes_of_aerender(status: int, expected: str) -> None:
    assert rule(engine="aerender", exit_code=status) == expected
    assert rule(engine="lottie", exit_code=status) == "unknown", "they are of one engine"


@pytest.mark.parametrize(
    ("code", "expected"),
    [("lottie_cycle", "template_fault"), ("package_lost", "template_fault"),
     ("asset_lost", "input_fault"), ("worker_hung", "watchdog"), ("open_timeout", "watchdog"),
     ("worker_crashed", "process_died"), ("node_lost", "process_died"),
     ("disk_full", "disk_full"), ("out_of_memory", "out_of_memory"),
     ("proof_failed", "proof_failed"), ("store_unavailable", "storage_unavailable"),
     ("whatever", "unknown")],
)  # fmt: skip
def test_codes_of_engines(code: str, expected: str) -> None:
    assert rule(code) == expected


def test_no_rule_blames_a_node_for_a_template_or_a_job_for_a_node() -> None:
    for one in BUILTIN:
        if one.error_class in BLAMED:
            assert one.action in ("fail_now", "back_off"), one.code
        else:
            assert one.action != "fail_now" or one.code == "job_too_old", one.code
        assert one.explanation_fa
        assert one.explanation_en
    assert {one.error_class for one in BUILTIN} == set(ErrorClass)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)*b", "(?:a?){30}a{30}", ".*.*=", r"(a)\1", "x*", "[", "(" * 400,
     ".{0,120}.{0,120}z", "(a|b|ab)*c", "a" * 301, "(?:(?=a)){60000}b",
     "(?:a(?=[ab]{900})){900}c", r"x?(?:(?:\b){3000}){3000}y", "(?:a(?:b(?<!c))){2,}d"],
)  # fmt: skip
def test_patterns_that_could_take_for_ever_are_refused(pattern: str) -> None:
    with pytest.raises(DangerousPattern):
        check_pattern(pattern)


def test_a_pattern_that_is_allowed_sees_only_the_beginning_of_a_line() -> None:
    book = RuleBook(
        [BUILTIN[-1].__class__(
            code="x", error_class=ErrorClass.NODE, action="elsewhere", pattern="end.*now",
            explanation_fa="f", explanation_en="e",
        )]
    )  # fmt: skip
    seen = Symptoms(code="c", message="a" * MAX_LINE + "end now")
    assert book.match(seen) is None
    assert book.match(Symptoms(code="c", message="a" * (MAX_LINE - 7) + "end now")) is not None
