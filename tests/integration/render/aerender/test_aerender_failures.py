"""Everything that After Effects does wrong, each ending as its own failure.

The hangs are waited for half a second in the phase that they are in and a minute in all others:
only the right watchdog can end them.
"""

import os
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from flatrender_render.engines.aerender.failures import AerenderFailed
from flatrender_render.media.errors import ProofFailed, Stopped

SOON = 0.5


def failure(bound: Any, wrong: dict[str, Any], **patience: float) -> AerenderFailed:
    """Render three frames while this goes wrong; return how it failed."""
    with pytest.raises(AerenderFailed) as caught:
        bound.render(wrong, last=2, **patience)
    assert not list(bound.session._folder.glob("frames-*")), "pictures were left behind"
    return caught.value


@pytest.mark.parametrize("phase", ["launch", "open"])
def test_hangs_before_rendering(bound: Any, phase: str) -> None:
    assert failure(bound, {"hang": phase}, **{phase: SOON}).code == f"{phase}_timeout"


def test_hangs_between_frames_and_nothing_of_it_survives(bound: Any) -> None:
    wrong = {"hang": "frames", "at": 2, "stubborn": True}
    assert failure(bound, wrong, frame=SOON, factor=1.0).code == "frame_timeout"
    with pytest.raises(ProcessLookupError):
        os.kill(bound.desk.ae.stubborn(), 0)


@pytest.mark.parametrize("where", ["done", "exit"])
def test_work_that_is_done_is_taken_from_one_who_does_not_leave(bound: Any, where: str) -> None:
    frames = bound.render({"hang": where, "stubborn": True}, last=2, exit=SOON)
    assert all(np.array_equal(frames[n], bound.frames[n]) for n in range(3))
    with pytest.raises(ProcessLookupError):
        os.kill(bound.desk.ae.stubborn(), 0)


def test_an_error_line_condemns_also_one_who_does_not_leave(bound: Any) -> None:
    line = "After Effects error: Error reading the text layer. Skipping..."
    wrong = {"hang": "done", "lines": [line]}
    assert failure(bound, wrong, exit=SOON).code == "text_layer_broken"


def test_a_dialog_of_another_instance_is_named(bound: Any) -> None:
    assert failure(bound, {"refuse": True}, open=SOON).code == "instance_refused"


@pytest.mark.parametrize("deadly", [signal.SIGSEGV, signal.SIGKILL])
def test_after_effects_crashes_amid_the_frames(bound: Any, deadly: int) -> None:
    found = failure(bound, {"crash": int(deadly), "at": 1})
    assert found.code == "ae_runtime"
    assert "Runtime error in After Effects" in str(found)


@pytest.mark.parametrize(
    ("status", "code"),
    [(1, "ae_application"), (2, "ae_usage"), (3, "ae_syntax"), (5, "ae_script"),
     (7, "aerender_runtime"), (9, "ae_runtime"), (11, "ae_socket"), (42, "process_died")],
)  # fmt: skip
def test_exit_statuses(bound: Any, status: int, code: str) -> None:
    found = failure(bound, {"exit": status, "early": True})
    assert (found.code, found.exit_code) == (code, status)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("After Effects error: Out of memory. (23516K requested) Unable to allocate.",
         "out_of_memory"),
        ("WARNING:After Effects warning: Project has missing fonts.", "fonts_missing"),
        ("WARNING:After Effects warning: logged one error  error: Unable to Render: File Not "
         "Found C:\\logo.png", "footage_missing"),
        ("aerender ERROR: After Effects error: licensing has stopped working", "licence_refused"),
        ("After Effects error: could not write the file, disk full", "disk_full"),
        ("aerender ERROR: something that nobody has seen before", "ae_error_line"),
    ],
)  # fmt: skip
def test_an_error_line_fails_a_run_that_exits_with_0(bound: Any, line: str, code: str) -> None:
    found = failure(bound, {"error": line})
    assert found.code == code
    assert line in str(found)


def test_a_template_of_the_output_that_is_not_there(bound: Any) -> None:
    settings = bound.session._settings
    bound.session._settings = bound.desk.engine(output_template="Nobody's").settings
    try:
        assert failure(bound, {}).code == "output_template_missing"
    finally:
        bound.session._settings = settings


@pytest.mark.parametrize(
    ("wrong", "kind", "frames"),
    [
        ({"output": "none"}, "missing", (0, 1, 2, 3)),
        ({"output": "none", "of": [5]}, "missing", (1,)),
        ({"output": "truncated", "of": [5, 7]}, "truncated", (1, 3)),
        ({"output": "small", "of": [6]}, "wrong_size", (2,)),
        ({"output": "black", "of": [4, 6]}, "black", (0, 2)),
    ],
)
def test_bad_pictures_behind_a_good_exit(
    bound: Any, wrong: dict[str, Any], kind: str, frames: tuple[int, ...]
) -> None:
    with pytest.raises(ProofFailed) as caught:
        bound.render(wrong, first=4, last=7)
    assert (caught.value.kind, caught.value.frames) == (kind, frames)


def test_a_cancel_ends_the_whole_tree(bound: Any) -> None:
    asked: Iterator[bool] = iter([False] * 3)

    def should_stop() -> bool:
        # Once the grandchild that would stay is there, nobody wants the frames any more.
        return (bound.desk.ae.home / "stubborn.pid").exists() and next(asked, True)

    (bound.desk.ae.home / "stubborn.pid").unlink(missing_ok=True)
    with pytest.raises(Stopped):
        bound.render({"hang": "frames", "stubborn": True}, should_stop=should_stop)
    with pytest.raises(ProcessLookupError):
        os.kill(bound.desk.ae.stubborn(), 0)


def test_a_good_run_after_all_that(bound: Any) -> None:
    frames = bound.render()
    assert all(np.array_equal(frames[n], bound.frames[n]) for n in bound.frames)
