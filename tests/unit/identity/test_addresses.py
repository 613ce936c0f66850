"""Addresses as people type them, and the form they are compared in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender_identity.addresses import Address, normalise_mobile, read_address
from flatrender_identity.policy import TenantPolicy


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+989121234567", "+989121234567"),
        ("09121234567", "+989121234567"),
        ("00989121234567", "+989121234567"),
        ("۰۹۱۲ ۱۲۳ ۴۵۶۷", "+989121234567"),
        (" +98 (912) 123-45.67 ", "+989121234567"),
        ("+44 20 7946 0000", "+442079460000"),
        ("\u200e+989121234567", "+989121234567"),
        ("9121234567", None),  # neither a country nor Iran's own form
        ("+0912123456", None),
        ("+98912123456789012", None),
        ("+98912abc4567", None),
        ("", None),
        ("0" * 100, None),
    ],
)
def test_a_mobile_has_one_form(typed: str, kept: str | None) -> None:
    assert normalise_mobile(typed) == kept


@given(st.text(max_size=80))
def test_what_is_read_reads_the_same_again(typed: str) -> None:
    found = read_address(typed)
    if found is not None:
        assert read_address(found.value) == found


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_masked_mobile_hides_its_middle(number: str) -> None:
    shown = Address("Mobile", number).masked()
    assert shown.count("•") == 3
    assert len(shown.replace("•", "")) == 6


@pytest.mark.parametrize(
    ("email", "taken"),
    [("a@corp.example", True), ("a@sub.corp.example", False), ("a@corp.example.evil", False)],
)
def test_only_the_named_domains_are_taken(email: str, taken: bool) -> None:
    policy = TenantPolicy(allowed_email_domains=["Corp.Example"])
    assert policy.takes(Address("Email", email)) is taken
    assert policy.takes(Address("Mobile", "+989121234567"))
