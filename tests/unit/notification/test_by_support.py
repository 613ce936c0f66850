"""A message of what support caused says so in the reader's language, everywhere it is read."""

import pytest

from flatrender_notification.messages import BEGUN, BY_SUPPORT, short, write


@pytest.mark.parametrize(
    ("locale", "mark", "words"),
    [
        ("fa", "1", "در این هنگام پشتیبانی در حساب شما کار می‌کرد."),
        ("en", "1", "Support was acting in your account at that time."),
        ("fa", BEGUN, "این کار را پشتیبانی در حساب شما آغاز کرده بود."),
        ("en", BEGUN, "Support began this in your account."),
    ],
)
def test_the_line_is_there_only_when_support_acted(locale: str, mark: str, words: str) -> None:
    params = {"plan": "plus"}
    marked = {**params, BY_SUPPORT: mark}
    mail = write("plan_activated", marked, locale)
    assert words in mail.text
    assert words in mail.html
    assert words in short("plan_activated", marked, locale)
    plain = write("plan_activated", params, locale)
    assert words not in plain.text + plain.html + short("plan_activated", params, locale)
