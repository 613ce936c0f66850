"""Telegram's signature: the documented algorithm, and nothing that only looks like it."""

import pytest

from flatrender_identity.errors import OauthFailed
from flatrender_identity.telegram import person_of_answer, signature

TOKEN = "1234567890:AAHkq0Zb3x-0p7lQ2yN8wVfTq5rLmS9dEuX"
TOLD = {"id": "987654321", "first_name": "سارا", "username": "sara", "auth_date": "1800000000"}
#: Computed by openssl dgst -sha256 -mac HMAC over the sorted lines, not by this code.
KNOWN = "c3f91b09831e6d62268ef16fd6a666b7f48508f5f9476c578c4edb2a8404f52a"


def test_the_signature_is_the_documented_one() -> None:
    assert signature(TOLD, TOKEN) == KNOWN


def test_a_signed_answer_names_a_person_without_an_address() -> None:
    person = person_of_answer([*TOLD.items(), ("hash", KNOWN)], token=TOKEN, now=1_800_000_100)
    assert (person.issuer, person.subject, person.email, person.name) == (
        "https://oauth.telegram.org",
        "987654321",
        None,
        "سارا",
    )


@pytest.mark.parametrize("now", [1_800_000_301, 1_799_999_939])
def test_it_is_good_for_five_minutes(now: int) -> None:
    pairs = [*TOLD.items(), ("hash", KNOWN)]
    person_of_answer(pairs, token=TOKEN, now=1_800_000_300)
    person_of_answer(pairs, token=TOKEN, now=1_799_999_940)
    with pytest.raises(OauthFailed):
        person_of_answer(pairs, token=TOKEN, now=now)
