"""The arithmetic of patience, on a clock that the test turns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrender_render.engines.aerender.watchdog import Patience, Watchdog, percentile

PATIENCE = Patience(
    launch=10, open=20, first_frame=30, frame=5, frame_ceiling=100, factor=4, exit=7
)


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def dog(clock: Clock) -> Watchdog:
    """A watchdog at launch."""
    return Watchdog(PATIENCE, clock)


def spent(dog: Watchdog, clock: Clock, seconds: float, phase: str) -> None:
    """Check that this much is borne in the phase, and no more."""
    clock.now += seconds
    assert dog.expired() is None
    clock.now += 0.01
    assert dog.expired() == phase


def test_launch(dog: Watchdog, clock: Clock) -> None:
    spent(dog, clock, 10, "launch")


def test_open_begins_with_the_first_output_and_more_output_does_not_prolong_it(
    dog: Watchdog, clock: Clock
) -> None:
    clock.now += 9
    dog.output()
    clock.now += 15
    dog.output()
    spent(dog, clock, 5, "open")


def test_the_first_frame_has_more_time(dog: Watchdog, clock: Clock) -> None:
    dog.output()
    dog.opened()
    spent(dog, clock, 30, "frame")


def test_between_frames_the_floor_holds_for_fast_ones(dog: Watchdog, clock: Clock) -> None:
    for _ in range(20):
        dog.frame()
        clock.now += 0.1
    dog.frame()
    spent(dog, clock, 5, "frame")


def test_slow_frames_make_it_patient(dog: Watchdog, clock: Clock) -> None:
    for _ in range(10):
        dog.frame()
        clock.now += 3
    dog.frame()
    spent(dog, clock, 12, "frame")


def test_one_slow_frame_among_many_does_not(dog: Watchdog, clock: Clock) -> None:
    for number in range(60):
        dog.frame()
        clock.now += 4.9 if number == 30 else 0.1
    dog.frame()
    assert dog.limit == 5


def test_patience_has_a_ceiling(dog: Watchdog, clock: Clock) -> None:
    dog.frame()
    clock.now += 60
    dog.frame()
    assert dog.limit == 100


def test_old_frames_are_forgotten(dog: Watchdog, clock: Clock) -> None:
    for seconds in [20.0] * 10 + [0.1] * 70:
        dog.frame()
        clock.now += seconds
    assert dog.limit == 5


def test_after_the_end_only_leaving_is_left(dog: Watchdog, clock: Clock) -> None:
    dog.frame()
    dog.finished()
    clock.now += 4
    dog.frame()
    dog.finished()
    spent(dog, clock, 3, "exit")


def test_work_may_be_seen_before_anything_is_printed(dog: Watchdog) -> None:
    dog.frame()
    assert dog.phase == "frame"


@settings(deadline=None)
@given(
    st.lists(st.floats(0.001, 500), max_size=100),
    st.lists(st.integers(1, 8), min_size=100, max_size=100),
)
def test_the_limit_stays_between_floor_and_ceiling(waits: list[float], bursts: list[int]) -> None:
    clock = Clock()
    dog = Watchdog(PATIENCE, clock)
    dog.frame()
    for wait, burst in zip(waits, bursts, strict=False):
        clock.now += wait
        dog.frame(burst)
        assert PATIENCE.frame <= dog.limit <= PATIENCE.frame_ceiling
        assert dog.expired() is None


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_this_share_does_not_pass(
    values: list[float], share: float
) -> None:
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
