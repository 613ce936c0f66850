"""A message of what support caused says so in the reader's language, everywhere it is read."""

import pytest

from flatrender_notification.messages import BY_SUPPORT, short, write


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("fa", "در این هنگام پشتیبانی در حساب شما کار می‌کرد."),
        ("en", "Support was acting in your account at that time."),
    ],
)
def test_the_line_is_there_only_when_support_acted(locale: str, words: str) -> None:
    params = {"plan": "plus"}
    marked = {**params, BY_SUPPORT: "1"}
    mail = write("plan_activated", marked, locale)
    assert words in mail.text
    assert words in mail.html
    assert words in short("plan_activated", marked, locale)
    plain = write("plan_activated", params, locale)
    assert words not in plain.text + plain.html + short("plan_activated", params, locale)
