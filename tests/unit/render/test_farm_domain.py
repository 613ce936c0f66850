"""The farm's pure rules: every transition, random histories, sizes, chunks, money."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender_render.domain import (
    FRAME_MOVES,
    SHORT_SIDE,
    STEP_MOVES,
    TERMINAL,
    FrameState,
    IllegalMove,
    Step,
    cancel_refund,
    check_frame,
    check_step,
    chunks,
    gops_per_chunk,
    output_size,
    overall_progress,
    sources_of,
)


@pytest.mark.parametrize("before", list(Step))
@pytest.mark.parametrize("after", list(Step))
def test_every_step_transition(before: Step, after: Step) -> None:
    if after in STEP_MOVES[before]:
        check_step(before, after)
        assert str(before) in sources_of(after)
    else:
        with pytest.raises(IllegalMove):
            check_step(before, after)
        assert str(before) not in sources_of(after)


@pytest.mark.parametrize("before", list(FrameState))
@pytest.mark.parametrize("after", list(FrameState))
def test_every_frame_transition(before: FrameState, after: FrameState) -> None:
    if after in FRAME_MOVES[before]:
        check_frame(before, after)
    else:
        with pytest.raises(IllegalMove):
            check_frame(before, after)


@given(st.lists(st.sampled_from(list(Step)), max_size=60))
def test_random_histories_end_and_stay_ended(wishes: list[Step]) -> None:
    """Whatever reports arrive in whatever order: nothing un-cancels a job or undoes a result."""
    step = Step.QUEUED
    ended: Step | None = None
    for wish in wishes:
        if wish in STEP_MOVES[step]:
            step = wish
        if ended in (Step.DONE, Step.CANCELLED):
            assert step is ended
        if step in TERMINAL:
            ended = step


def test_every_step_can_reach_an_end() -> None:
    for start in Step:
        seen, reach = {start}, [start]
        for step in reach:
            new = STEP_MOVES[step] - seen
            seen |= new
            reach += sorted(new)
        assert seen & TERMINAL


@given(st.integers(1, 20_000), st.integers(1, 64))
def test_chunks_cover_every_frame_once_in_whole_gops(frames: int, slots: int) -> None:
    pieces = list(chunks(frames, gops=gops_per_chunk(frames, slots)))
    assert [f for p in pieces for f in (p.first, p.last)] == sorted(
        f for p in pieces for f in (p.first, p.last)
    )
    assert sum(piece.count for piece in pieces) == frames
    assert pieces[0].first == 0
    assert pieces[-1].last == frames - 1
    assert all(a.last + 1 == b.first for a, b in pairwise(pieces))
    assert all(piece.count % 60 == 0 for piece in pieces[:-1])


@given(
    st.sampled_from([(1920, 1080), (1080, 1080), (1080, 1920)]), st.sampled_from(list(SHORT_SIDE))
)
def test_output_sizes_are_even_and_named_by_the_short_side(
    size: tuple[int, int], resolution: str
) -> None:
    width, height = output_size(*size, resolution)
    assert min(width, height) == SHORT_SIDE[resolution]
    assert width % 2 == 0
    assert height % 2 == 0


def test_a_tall_4k_is_2160_by_3840() -> None:
    assert output_size(1080, 1920, "4K") == (2160, 3840)


@given(st.integers(0, 10_000), st.integers(1, 10_000))
def test_progress_and_refunds_stay_in_bounds(drawn: int, total: int) -> None:
    for step in Step:
        assert 0.0 <= overall_progress(step, drawn, total) <= 1.0
    assert 0.0 <= cancel_refund(drawn, total) <= 1.0
    assert cancel_refund(0, total) == 1.0
    assert cancel_refund(total, total) == 0.0


@given(st.integers(0, 400), st.integers(1, 400))
def test_waiting_again_takes_no_progress_away(drawn: int, total: int) -> None:
    told = {
        step: overall_progress(step, drawn, total)
        for step in (Step.PAUSED, Step.QUEUED, Step.PREPARING, Step.RENDERING)
    }
    assert len(set(told.values())) == 1
    assert overall_progress(Step.QUEUED, 0, total) == 0.0
