"""The operator's tables fit 80 columns, whatever is in them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import click
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flatrender_render.acts_cli import act_table
from flatrender_render.operator_cli import node_table, queue_line, running_table, span
from flatrender_render.services.farm_acts import FarmAct

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def node(**changes: Any) -> dict[str, Any]:
    return {
        "name": "n1", "kind": "Worker", "status": "Idle", "slots": 4, "busy_slots": 1,
        "frames_done": 1234, "consecutive_failures": 0, "rest_until": None,
        "quarantine_reason": None, "last_heartbeat_at": NOW - timedelta(seconds=3),
        "engines": "lottie", "now": NOW, **changes,
    }  # fmt: skip


@example(name="\x1b[2J", frames=0, slots=1, reason="\x1b]0;x\x07\n", engines="a\tb")
@given(
    name=st.text(min_size=1, max_size=200),
    frames=st.integers(0, 10**12),
    slots=st.integers(0, 512),
    reason=st.text(max_size=300),
    engines=st.text(max_size=100),
)
def test_no_row_is_wider_than_a_terminal(
    name: str, frames: int, slots: int, reason: str, engines: str
) -> None:
    rows = [
        node(name=name, frames_done=frames, slots=slots, engines=engines),
        node(status="Quarantined", quarantine_reason=reason),
    ]
    for line in node_table(rows):
        assert len(click.unstyle(line)) <= 80
        assert click.unstyle(line).isprintable()


def test_a_node_that_rests_says_so_and_the_sum_is_told() -> None:
    lines = [click.unstyle(x) for x in node_table([node(rest_until=NOW + timedelta(minutes=1))])]
    assert "resting" in lines[1]
    assert lines[-1] == "1 node, 1 of 4 slots busy (25%)"


@example(name="\x1b[2J", reason="\x1b]0;x\x07\n")
@given(name=st.text(max_size=90), reason=st.text(max_size=500))
def test_acts_fit_and_tell_who_what_and_why(name: str, reason: str) -> None:
    act = FarmAct(
        id=uuid4(), created_at=NOW, actor_kind="user", actor_id=uuid4(), act="node.rotate_secret",
        target_type="node", target_id=str(uuid4()), target_name=name,
        before={"secret_version": 1}, after={"secret_version": 2}, reason=reason,
        request_id=None, address="2001:db8::1",
    )  # fmt: skip
    lines = act_table([act])
    for line in lines:
        assert len(line) <= 80
        assert line.isprintable()
    assert lines[1].split()[:3] == ["2026-11-01", "00:00", "node.rotate_secret"]
    text = " ".join(" ".join(lines[2:]).split())
    assert text.startswith(f"secret_version 1 > 2; by {act.actor_id} from 2001:db8::1")


def test_pieces_at_work() -> None:
    job = uuid4()
    row = {"name": "n1", "job_id": job, "kind": "video", "first_frame": 60, "last_frame": 119,
           "done_frames": 15, "seconds": 12.0}  # fmt: skip
    lines = running_table([row, {**row, "kind": "audio"}])
    assert all(len(line) <= 80 for line in lines)
    assert str(job) in lines[1]
    assert "15/60" in lines[1]
    assert "audio" in lines[2]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-4, "0s"), (99, "99s"), (120, "2m"), (7200, "2h"), (864_000, "10d")],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_an_empty_queue_has_no_age() -> None:
    assert queue_line({"running": 0, "due": 0, "later": 0, "age": 0.0}) == (
        "0 running, 0 waiting, 0 later"
    )
