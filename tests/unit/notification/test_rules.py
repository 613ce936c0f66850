"""Notification's pure rules: who wants what, when to try again, what a message says."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender_notification.domain import (
    BACK_OFF_SECONDS,
    Channel,
    NotificationType,
    retry_after,
    wanted,
)
from flatrender_notification.messages import MESSAGES, one_line, write


@pytest.mark.parametrize("kind", get_args(NotificationType))
@pytest.mark.parametrize("channel", get_args(Channel))
def test_a_choice_counts_but_for_security(kind: str, channel: str) -> None:
    off, on = (
        wanted(kind, channel, {(kind, channel): False}),
        wanted(kind, channel, {(kind, channel): True}),
    )
    assert on
    assert off == (kind == "AccountSecurity" and channel in ("InApp", "Email"))


def test_defaults() -> None:
    assert wanted("RenderCompleted", "Email", {})
    assert not wanted("Marketing", "Email", {})
    assert wanted("Marketing", "InApp", {})
    assert not wanted("RenderCompleted", "SMS", {})


def test_the_back_off_grows_and_ends() -> None:
    waits = [retry_after(n) for n in range(1, len(BACK_OFF_SECONDS) + 2)]
    assert waits == [*sorted(BACK_OFF_SECONDS), None]


@given(st.text())
def test_a_header_never_breaks(text: str) -> None:
    assert not set(one_line(text)) & {chr(c) for c in range(32)}


@pytest.mark.parametrize("code", MESSAGES)
@pytest.mark.parametrize("locale", ["fa", "en"])
@given(value=st.text(max_size=50))
def test_no_value_becomes_markup_or_a_template(code: str, locale: str, value: str) -> None:
    names = ("project", "plan", "resolution", "seconds", "reason_fa", "reason_en")
    plain = write(code, dict.fromkeys(names, ""), locale, "https://x.example/?a=1&b=2")
    written = write(code, dict.fromkeys(names, value), locale, "https://x.example/?a=1&b=2")
    assert written.html.count("<") == plain.html.count("<")
    assert "&amp;b=2" in written.html
    assert "\n" not in written.subject
