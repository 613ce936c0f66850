"""The statistics that benches report."""

import pytest

from flatrender.testing.rounds import medians, percentile, ratio, turns


def test_a_ratio_is_taken_within_each_round() -> None:
    # The machine was ten times slower in the second round, for both alike.
    rounds = [
        {"ours": 90.0, "bare": 100.0},
        {"ours": 8.0, "bare": 10.0},
        {"ours": 95.0, "bare": 100.0},
    ]
    assert ratio(rounds, "ours", "bare") == pytest.approx(0.9)
    assert ratio(rounds, "bare", "bare") == 1.0
    assert medians(rounds) == {"ours": 90.0, "bare": 100.0}


def test_every_contestant_runs_once_a_round_and_takes_every_place() -> None:
    order = turns(["a", "b", "c"], 3)
    assert order == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (50, 2.0), (51, 3.0), (75, 3.0), (99, 4.0), (100, 4.0)]
)
def test_percentiles_are_values_that_were_seen(percent: float, value: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_nothing_measured_is_an_error() -> None:
    for broken in (lambda: medians([]), lambda: ratio([], "a", "b"), lambda: percentile([], 50)):
        with pytest.raises(ValueError, match=r"no rounds|needs values"):
            broken()
