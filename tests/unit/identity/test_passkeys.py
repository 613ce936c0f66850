"""Passkeys by the standard's rules: right ones hold, anything else is one refusal."""

import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender_identity.errors_mfa import InvalidPasskey
from flatrender_identity.passkeys import (
    NewCredential,
    Passkey,
    RelyingParty,
    UsedCredential,
    check_new,
    check_used,
    creation_options,
    request_options,
)
from flatrender_identity.settings import IdentitySettings

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulators"))

from authenticator import BACKED_UP, ELIGIBLE, PRESENT, VERIFIED, Authenticator

ORIGIN = "https://app.example.ir"
PARTY = RelyingParty(rp_id="example.ir", name="نام", origins=frozenset({ORIGIN}))
CHALLENGE = bytes(range(32))
OWNER = UUID(int=7)


def _made() -> tuple[Authenticator, dict[str, Any], Passkey]:
    device = Authenticator(ORIGIN)
    options = creation_options(
        PARTY, CHALLENGE, user_id=OWNER, name="a", display_name="b", known=[]
    )
    made = device.create(msgspec.to_builtins(options))
    return device, made, check_new(PARTY, CHALLENGE, msgspec.convert(made, NewCredential))


def _used(device: Authenticator, **changes: Any) -> dict[str, Any]:
    options = msgspec.to_builtins(request_options(PARTY, CHALLENGE))
    return device.get(options, **changes)


DEVICE, MADE, PASSKEY = _made()
USED = _used(DEVICE)


def _check(used: dict[str, Any]) -> Any:
    return check_used(
        PARTY,
        CHALLENGE,
        msgspec.convert(used, UsedCredential),
        public_key=PASSKEY.public_key,
        owner=OWNER,
    )


def test_a_right_answer_says_its_count_and_copies() -> None:
    assert (_check(USED).sign_count, _check(USED).backed_up) == (1, False)
    flags = PRESENT | VERIFIED | ELIGIBLE | BACKED_UP
    assert _check(_used(DEVICE, flags=flags, sign_count=0)).backed_up is True
    with pytest.raises(InvalidPasskey):  # copied and cannot be copied
        _check(_used(DEVICE, flags=PRESENT | VERIFIED | BACKED_UP))


def _flipped(answer: dict[str, Any], place: str, position: int, bit: int) -> dict[str, Any]:
    from authenticator import b64, unb64

    response = dict(answer["response"])
    data = bytearray(unb64(response[place]))
    data[position % len(data)] ^= 1 << bit
    response[place] = b64(bytes(data))
    return {**answer, "response": response}


@given(
    st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]),
    st.integers(0, 5_000),
    st.integers(0, 7),
)
def test_no_bit_of_a_use_may_change(place: str, position: int, bit: int) -> None:
    with pytest.raises(InvalidPasskey):
        _check(_flipped(USED, place, position, bit))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode() or "AA"


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=300))
def test_bytes_of_strangers_are_refused(one: bytes, two: bytes, three: bytes) -> None:
    response = {
        "clientDataJSON": _text(one),
        "authenticatorData": _text(two),
        "signature": _text(three),
        "attestationObject": _text(two),
    }
    for client_data in (_text(one), USED["response"]["clientDataJSON"]):
        body = {**USED, "response": {**response, "clientDataJSON": client_data}}
        _refused(lambda body=body: _check(body))
    for client_data in (_text(one), MADE["response"]["clientDataJSON"]):
        body = {**MADE, "response": {**response, "clientDataJSON": client_data}}
        _refused(
            lambda body=body: check_new(PARTY, CHALLENGE, msgspec.convert(body, NewCredential))
        )


def _refused(check: Callable[[], object]) -> None:
    with pytest.raises(InvalidPasskey):
        check()


@given(st.integers(0, 400), st.integers(0, 7))
def test_a_changed_attestation_never_passes_for_the_same_passkey(position: int, bit: int) -> None:
    """Nothing signs an attestation of none: what can be changed is another passkey, or refused."""
    try:
        made = check_new(
            PARTY,
            CHALLENGE,
            msgspec.convert(_flipped(MADE, "attestationObject", position, bit), NewCredential),
        )
    except InvalidPasskey:
        return
    assert made.credential_id == PASSKEY.credential_id  # as its id in the answer says


@pytest.mark.parametrize("text", ["A", "AAAAA", "A" * 1001])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    _refused(lambda: _check({**USED, "rawId": text}))
    _refused(lambda: _check({**USED, "id": text}))


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"passkey_rp_id": "https://example.ir"}, "no host name"),
        ({"passkey_rp_id": "Example.ir"}, "no host name"),
        ({"passkey_origins": ["https://*.example.ir"]}, "origin"),
        ({"passkey_origins": ["https://example.ir/app"]}, "scheme://host"),
        ({"passkey_rp_id": "example.ir", "passkey_origins": ["https://a.ir"]}, "not on example"),
    ],
)
def test_settings_that_no_browser_takes_are_refused(values: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        IdentitySettings(**values)
