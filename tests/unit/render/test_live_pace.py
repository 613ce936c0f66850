"""What one watcher of a render is told, and when."""

from typing import Any

from flatrender_render.audience import Pace

HELLO = {"progress": 0.0, "step": "Queued"}


def progress(value: float, **more: Any) -> dict[str, Any]:
    return {"type": "progress", "progress": value, "step": "Rendering", **more}


def test_progress_comes_at_most_twice_a_second_and_is_the_latest() -> None:
    pace = Pace(HELLO)
    assert pace.take(progress(0.1)) is None
    assert pace.due(100.0) == progress(0.1)
    pace.take(progress(0.2))
    pace.take(progress(0.3))
    assert pace.due(100.4) is None
    assert abs((pace.wait(100.4) or 0) - 0.1) < 1e-9
    assert pace.due(100.5) == progress(0.3)
    assert pace.wait(100.6) is None


def test_progress_never_goes_back() -> None:
    pace = Pace(HELLO)
    pace.take(progress(0.6))
    pace.take(progress(0.4))
    told = pace.due(1.0)
    assert told is not None
    assert told["progress"] == 0.6


def test_what_comes_late_names_no_step_that_is_over() -> None:
    pace = Pace(HELLO)
    pace.take(progress(0.9))
    change = pace.take({"type": "step_change", "step": "Encoding", "progress": 0.95})
    assert change == {"type": "step_change", "step": "Encoding", "progress": 0.95}
    assert pace.due(1.0) is None, "overtaken"
    pace.take(progress(0.9))
    told = pace.due(1.0)
    assert told is not None
    assert (told["step"], told["progress"]) == ("Encoding", 0.95)


def test_a_repair_does_not_take_progress_back() -> None:
    pace = Pace(HELLO)
    pace.take({"type": "step_change", "step": "Encoding", "progress": 0.95})
    change = pace.take({"type": "step_change", "step": "Repairing"})
    assert change is not None
    assert (change["step"], change["progress"]) == ("Repairing", 0.95)


def test_a_preview_comes_at_most_every_two_seconds_and_is_not_lost() -> None:
    pace = Pace(HELLO)
    pace.take(progress(0.1, preview_b64="one"))
    pace.take(progress(0.2))
    first = pace.due(10.0)
    assert first is not None
    assert first["preview_b64"] == "one"
    pace.take(progress(0.3, preview_b64="two"))
    second = pace.due(10.5)
    assert second is not None
    assert "preview_b64" not in second
    pace.take(progress(0.4))
    third = pace.due(12.0)
    assert third is not None
    assert third["preview_b64"] == "two"


def test_other_messages_pass_at_once() -> None:
    pace = Pace(HELLO)
    message = {"type": "frame_repair", "attempt": 1}
    assert pace.take(message) == message
