"""OpenID Connect's rules by themselves."""

from typing import Any

import pytest

from flatrender_identity.errors import OauthFailed
from flatrender_identity.oidc import (
    GOOGLE_ISSUER,
    ProviderDocument,
    authorization_url,
    challenge_of,
    check_claims,
    check_sender,
    is_scope,
    person_of,
)
from flatrender_identity.services.policies import is_page


def _document(**changes: Any) -> ProviderDocument:
    return ProviderDocument(
        issuer="https://id.example",
        authorization_endpoint=changes.pop("endpoint", "https://id.example/a"),
        token_endpoint="https://id.example/t",
        jwks_uri="https://id.example/k",
        **changes,
    )


def test_the_challenge_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("endpoint", "begins"),
    [
        ("https://id.example/a", "https://id.example/a?response_type=code&"),
        ("https://id.example/a?p=1", "https://id.example/a?p=1&response_type=code&"),
    ],
)
def test_the_authorization_address_keeps_its_own_query(endpoint: str, begins: str) -> None:
    url = authorization_url(
        _document(endpoint=endpoint),
        client_id="us",
        redirect_uri="https://us.example/back",
        scopes=["email", "openid", "email"],
        state="s",
        nonce="n",
        verifier="v" * 43,
    )
    assert url.startswith(begins)
    assert "scope=openid%20email&" in url
    assert "v" * 43 not in url


def test_an_answer_names_its_sender_where_the_provider_says_so() -> None:
    loud = _document(authorization_response_iss_parameter_supported=True)
    check_sender(loud, "https://id.example")
    check_sender(_document(), None)
    for document, iss in ((loud, None), (loud, "https://id.example/"), (_document(), "x")):
        with pytest.raises(OauthFailed):
            check_sender(document, iss)


@pytest.mark.parametrize("told", [GOOGLE_ISSUER, "accounts.google.com"])
def test_google_names_itself_in_two_ways(told: str) -> None:
    claims = {"iss": told, "aud": "us", "exp": 200, "iat": 100, "nonce": "n", "sub": "1"}
    check_claims(claims, issuer=GOOGLE_ISSUER, client_id="us", nonce="n", now=150.0)
    with pytest.raises(OauthFailed):
        check_claims(claims, issuer="https://id.example", client_id="us", nonce="n", now=150.0)


@pytest.mark.parametrize("exp", [89, True, "200", None])
def test_an_id_token_that_is_over_or_has_no_time(exp: object) -> None:
    claims = {"iss": "i", "aud": "us", "exp": exp, "iat": 100, "nonce": "n", "sub": "1"}
    with pytest.raises(OauthFailed):
        check_claims(claims, issuer="i", client_id="us", nonce="n", now=150.0)


def test_who_a_provider_speaks_of() -> None:
    claims = {"sub": "1", "email": "Sara@Example.com", "email_verified": True}
    assert person_of(claims, "i").email == "sara@example.com"
    for proven in (False, None, "yes", [True], 1):
        assert person_of({**claims, "email_verified": proven}, "i").email is None
    assert person_of({**claims, "email": "no address"}, "i").email is None
    assert person_of({**claims, "name": "a\u202eb", "locale": "de"}, "i").name == ""
    assert person_of({**claims, "name": " سارا ", "locale": "en-GB"}, "i").name == "سارا"


def test_scopes_are_tokens() -> None:
    assert is_scope("https://www.googleapis.com/auth/userinfo.email")
    assert not any(map(is_scope, ("", "a b", 'a"', "a\\", "ا", "a\n")))


@pytest.mark.parametrize(
    ("url", "public", "near"),
    [
        ("https://app.example/x?y=1", True, True),
        ("http://localhost:3000/x", False, True),
        ("http://app.example/x", False, False),
        ("https://a@app.example/", False, False),
        ("https://app.example\\@evil.example/", False, False),
        ("https://app.example/\x00", False, False),
        ("https://app.example/#x", False, False),
        ("https://app.example:0/", False, False),
        ("//app.example/", False, False),
    ],
)
def test_pages_that_may_receive_tokens(url: str, public: bool, near: bool) -> None:
    assert (is_page(url), is_page(url, loopback=True)) == (public, near)
