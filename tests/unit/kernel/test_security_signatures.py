"""Signatures: the canonical form, webhooks against the published library, guards."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrender.security.errors import InvalidSignature, SignatureExpired
from flatrender.security.secrets import Secret
from flatrender.security.signatures import (
    canonical_request,
    new_webhook_secret,
    request_target,
    sign_request,
    sign_webhook,
    verify_webhook,
)

BODY = '{"type":"render.job.completed.v1","متن":"سلام"}'.encode()


def test_the_canonical_form_is_the_documented_one() -> None:
    digest = hashlib.sha256(b"{}").hexdigest()
    assert canonical_request(1700000000, "post", "/v1/renders?dry=1", b"{}") == (
        f"1700000000.POST./v1/renders?dry=1.{digest}".encode()
    )
    expected = hmac.new(b"k3y", f"1.GET./.{hashlib.sha256(b'').hexdigest()}".encode(), "sha256")
    assert sign_request(Secret("k3y"), 1, "GET", "/", b"") == expected.hexdigest()


def test_the_target_is_what_was_sent() -> None:
    scope: Any = {
        "path": "/v1/سلام",
        "raw_path": b"/v1/%D8%B3%D9%84%D8%A7%D9%85",
        "query_string": b"a=%20&b",
    }
    assert request_target(scope) == "/v1/%D8%B3%D9%84%D8%A7%D9%85?a=%20&b"
    scope["query_string"] = b""
    scope["raw_path"] = b"/v1/x?query=in-raw-path"
    assert request_target(scope) == "/v1/x"


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(1, 2**31))
def test_published_library_verifies_our_webhooks(body: bytes, number: int) -> None:
    text = body.hex()
    secret = new_webhook_secret()
    now = datetime.now(UTC)  # the library looks at the machine's clock
    headers = sign_webhook([secret], f"msg_{number}", int(now.timestamp()), text.encode())
    library = standardwebhooks.Webhook(secret.reveal())
    signed = library.sign(f"msg_{number}", now, text)
    assert headers["webhook-signature"] == signed
    verify_webhook([secret], headers, text.encode(), now=now.timestamp())


def test_after_a_rotation_both_secrets_verify() -> None:
    current, former, stranger = (new_webhook_secret() for _ in range(3))
    headers = sign_webhook([current, former], "msg_1", 1_700_000_000, BODY)
    for secret in (current, former):
        verify_webhook([secret], headers, BODY, now=1_700_000_000)
    with pytest.raises(InvalidSignature):
        verify_webhook([stranger], headers, BODY, now=1_700_000_000)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"webhook-id": "msg_2"}, InvalidSignature),
        ({"webhook-timestamp": "1700000001"}, InvalidSignature),
        ({"webhook-timestamp": "-5"}, InvalidSignature),
        ({"webhook-timestamp": "١٧٠٠٠٠٠٠٠٠"}, InvalidSignature),
        ({"webhook-signature": ""}, InvalidSignature),
        ({"webhook-signature": "v1,\udc80"}, InvalidSignature),
        ({"webhook-signature": "v2,{good}"}, InvalidSignature),
        ({"webhook-signature": "v2,xx v1,{good}"}, None),
    ],
)
def test_a_changed_message_does_not_verify(
    changes: dict[str, str], error: type[Exception] | None
) -> None:
    secret = new_webhook_secret()
    headers = sign_webhook([secret], "msg_1", 1_700_000_000, BODY)
    good = headers["webhook-signature"].removeprefix("v1,")
    headers |= {name: value.replace("{good}", good) for name, value in changes.items()}
    if error is None:
        verify_webhook([secret], headers, BODY, now=1_700_000_000)
    else:
        with pytest.raises(error):
            verify_webhook([secret], headers, BODY, now=1_700_000_000)


def test_an_old_or_early_webhook_is_refused() -> None:
    secret = new_webhook_secret()
    headers = sign_webhook([secret], str(UUID(int=1)), 1_700_000_000, BODY)
    for now in (1_700_000_301, 1_699_999_699):
        with pytest.raises(SignatureExpired):
            verify_webhook([secret], headers, BODY, now=now)
    verify_webhook([secret], headers, BODY, now=1_700_000_300)
