"""How long a render still takes: what others took at first, its own pace later."""

from hypothesis import given
from hypothesis import strategies as st

from flatrender_render.audience import mark_of
from flatrender_render.farm.tempo import eta_seconds


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert eta_seconds(drawn=0, total=100, spent=None, typical=None) is None
    assert eta_seconds(drawn=0, total=100, spent=3.0, typical=None) is None


def test_others_jobs_give_the_first_guess() -> None:
    assert eta_seconds(drawn=0, total=100, spent=None, typical=0.5) == 51.0


def test_its_own_pace_takes_over() -> None:
    early = eta_seconds(drawn=6, total=600, spent=6.0, typical=0.1)
    late = eta_seconds(drawn=540, total=600, spent=540.0, typical=0.1)
    assert early is not None
    assert late is not None
    assert early < 594 * 0.5, "six slow frames do not say much"
    assert 60 * 0.85 < late - 1.0 <= 60


@given(
    drawn=st.integers(0, 1000),
    more=st.integers(0, 1000),
    spent=st.none() | st.floats(0, 1e5),
    typical=st.none() | st.floats(0, 100),
)
def test_it_is_never_negative_and_zero_frames_left_is_only_the_end(
    drawn: int, more: int, spent: float | None, typical: float | None
) -> None:
    left = eta_seconds(drawn=drawn, total=drawn + more, spent=spent, typical=typical)
    if left is not None:
        assert left >= 1.0
        assert more or left == 1.0


@given(text=st.text(max_size=30))
def test_any_text_is_a_mark_or_none(text: str) -> None:
    found = mark_of(text)
    assert found is None or 0 <= found.progress <= 1


def test_marks_read_what_messages_say() -> None:
    found = mark_of("1795270168086-4200")
    assert found is not None
    assert (found.moment, found.progress) == (1795270168086, 0.42)
    assert mark_of(None) is None
    assert mark_of("x-1") is None
