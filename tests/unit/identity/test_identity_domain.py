"""Identity's pure rules hold for whatever comes."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender_identity import domain
from flatrender_identity.domain import RefreshToken

MONEY = st.integers(0, 10**12)
# from 2020 to 2040
INSTANTS = st.integers(1_577_836_800, 2_208_988_800).map(lambda t: datetime.fromtimestamp(t, UTC))
ZONES = st.sampled_from(["Asia/Tehran", "UTC", "Europe/Berlin", "America/New_York",
                         "Pacific/Auckland", "Asia/Kathmandu"])  # fmt: skip
KEYS = st.binary(min_size=16, max_size=32)


@given(st.floats(0, 100_000), MONEY, MONEY)
def test_a_charge_pays_every_begun_second(seconds: float, rate: int, least: int) -> None:
    charge = domain.render_charge(seconds, rate, least)
    assert isinstance(charge, int)
    assert charge >= least
    assert charge >= rate * seconds - 1e-3 * rate or charge == least
    assert charge <= max(least, rate * (int(seconds) + 1))
    assert charge <= domain.render_charge(seconds + 1, rate, least)


@pytest.mark.parametrize("seconds", [-1.0, -1e-9, float("nan"), float("inf"), float("-inf")])
def test_no_charge_of_what_is_no_time(seconds: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        domain.render_charge(seconds, 1000, 0)


@given(MONEY, st.floats(allow_nan=False))
def test_a_refund_is_never_more_than_the_charge(charge: int, fraction: float) -> None:
    back = domain.refund(charge, fraction)
    assert 0 <= back <= charge
    if fraction >= 1:
        assert back == charge
    if fraction <= 0:
        assert back == 0


@given(INSTANTS, ZONES)
def test_a_day_ends_at_local_midnight_within_a_day(now: datetime, zone: str) -> None:
    ends = domain.day_ends(now, zone)
    assert timedelta(0) < ends - now <= timedelta(hours=25)  # a day of 25 hours in autumn
    there = ends.astimezone(ZoneInfo(zone))
    assert domain.local_day(ends - timedelta(seconds=1), zone) == domain.local_day(now, zone)
    assert domain.local_day(ends, zone) == domain.local_day(now, zone) + timedelta(days=1)
    assert (there.minute, there.second) == (0, 0)


@given(INSTANTS, st.text(max_size=20))
def test_any_text_for_a_zone_is_survived(now: datetime, name: str) -> None:
    domain.day_ends(now, name)
    assert domain.is_zone(name) in (True, False)


@given(st.uuids(), st.integers(0, 999_999_999), KEYS)
def test_a_refresh_token_says_what_was_put_in(session: UUID, counter: int, key: bytes) -> None:
    token = RefreshToken(session, counter)
    assert domain.read_refresh(key, domain.issue_refresh(key, token)) == token


@given(st.uuids(), st.integers(0, 10_000), KEYS, st.data())
def test_a_changed_refresh_token_is_none(
    session: UUID, counter: int, key: bytes, data: st.DataObject
) -> None:
    text = domain.issue_refresh(key, RefreshToken(session, counter))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda c: c != text[place]))
    assert domain.read_refresh(key, text[:place] + other + text[place + 1 :]) is None
    assert domain.read_refresh(key + b"x", text) is None


@given(st.text(max_size=200), KEYS)
def test_any_text_for_a_refresh_token_is_survived(text: str, key: bytes) -> None:
    assert domain.read_refresh(key, text) is None


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 60), INSTANTS)
def test_a_refresh_is_judged_by_its_counter(
    presented: int, stored: int, age: float, now: datetime
) -> None:
    verdict = domain.judge_refresh(presented, stored, now - timedelta(seconds=age), now).action
    if presented == stored:
        assert verdict == "rotate"
    elif presented == stored - 1 and age <= 10:
        assert verdict == "repeat"
    elif presented != stored - 1 or age > 10.001:
        assert verdict == "kill"


@given(st.text(max_size=300))
def test_a_normal_address_is_normal_again(text: str) -> None:
    address = domain.normalise_email(text)
    if address is not None:
        assert domain.normalise_email(address) == address
        assert len(address) <= 254
        assert address.count("@") == 1
        assert not any(c.isspace() or ord(c) < 32 for c in address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("sara@example.ir", "sara@example.ir"),
        (" Sara.Amini+News@Example.IR ", "sara.amini+news@example.ir"),
        ("o'neil!#$%&*/=?^_`{|}~-@example.com", "o'neil!#$%&*/=?^_`{|}~-@example.com"),
        ("a@b\u00fccher.example", "a@xn--bcher-kva.example"),
        ("a@\uff45xample.com", "a@example.com"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_address_is_kept_as_it_is_sent_to(text: str, address: str) -> None:
    assert domain.normalise_email(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "@example.com",
        "a@",
        "a@example",
        "<b>@example.com",
        "a b@example.com",
        '"a b"@example.com',
        "a(comment)@example.com",
        "a,b@example.com",
        "a;b@example.com",
        "a\\b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a@b@example.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@-example.com",
        "a@example-.com",
        "a@exa_mple.com",
        "a@example..com",
        "a@example.com.",
        "a@example.com\x00",
        "s\u0430ra@example.com",
        "\u202ea@example.com",
        "a@xn--a.example",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 64}.com",
        f"a@{'b.' * 130}com",
        "a@" + "\u0627" * 100_000,
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert domain.normalise_email(text) is None


@given(st.emails())
def test_case_and_blanks_make_no_other_address(email: str) -> None:
    found = domain.normalise_email(email)
    if found is not None and email.isascii():
        assert domain.normalise_email(f"  {email.upper()}\n") == found
