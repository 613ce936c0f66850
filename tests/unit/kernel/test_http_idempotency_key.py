"""What the Idempotency-Key header may look like, and what a route says about it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender.http.idempotency.errors import KeyInvalid, KeyMissing
from flatrender.http.idempotency.policy import IdempotencyPolicy, policy_of, read_key

OPTIONAL = IdempotencyPolicy()


def _read(*values: str, policy: IdempotencyPolicy = OPTIONAL) -> str | None:
    headers = [
        (b"host", b"x"),
        *((b"idempotency-key", value.encode("latin-1")) for value in values),
    ]
    return read_key(headers, policy)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (r'"a\"b\\c d"', r"a\"b\c d".replace(r"\"", '"')),
        ("  abc ", "abc"),
        ("a" * 255, "a" * 255),
    ],
)
def test_quoted_and_bare_keys(value: str, key: str) -> None:
    assert _read(value) == key


@pytest.mark.parametrize(
    "value",
    ["", '""', '"a', 'a"', "a b", "a,b", "a;b", '"a";p=1', "a" * 256, "کلید", '"\\x"', "\x7f"],
)
def test_unreadable_keys(value: str) -> None:
    headers = [(b"idempotency-key", value.encode("utf-8"))]
    with pytest.raises(KeyInvalid):
        read_key(headers, OPTIONAL)


def test_two_headers_are_no_key() -> None:
    with pytest.raises(KeyInvalid):
        _read("a", "a")


def test_absent_keys() -> None:
    assert _read() is None
    with pytest.raises(KeyMissing):
        _read(policy=IdempotencyPolicy(required=True))


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255))
def test_any_printable_key_survives_quoting(key: str) -> None:
    quoted = '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert _read(quoted) == key


def test_policies() -> None:
    assert policy_of({}) is None
    assert policy_of({"idempotent": False}) is None
    assert policy_of({"idempotent": True, "context": "render"}) == IdempotencyPolicy(
        context="render"
    )
    assert policy_of({"idempotent": "required"}) == IdempotencyPolicy(required=True)
    own = IdempotencyPolicy(required=True, lock_seconds=5)
    assert policy_of({"idempotent": own, "context": "files"}) == IdempotencyPolicy(
        required=True, lock_seconds=5, context="files"
    )
