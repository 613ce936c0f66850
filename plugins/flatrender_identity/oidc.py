"""OpenID Connect as rules: what is asked of a provider and what its answers must say. Pure.

OpenID Connect Core 1.0, RFC 6749 (authorization code), RFC 7636 (PKCE, S256 only), RFC 9207
(``iss`` in the answer), RFC 9700 (security practice). A refusal's reason is for logs, never for
the caller.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, TypeGuard
from urllib.parse import quote, urlencode

from msgspec import Struct, field

from flatrender.text import line_fault
from flatrender_identity.domain import normalise_email
from flatrender_identity.errors import OauthFailed

GOOGLE_ISSUER = "https://accounts.google.com"
#: Google's tokens may name it without the scheme (its own documentation says so).
_GOOGLE_ISSUERS = (GOOGLE_ISSUER, "accounts.google.com")

#: What a button says, in Persian and in English, where nobody chose other words.
NAMES = {"google": ("گوگل", "Google"), "telegram": ("تلگرام", "Telegram")}

#: Public-key algorithms only: with none of them can a client's secret or a public key sign.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
SKEW_SECONDS = 60
#: An id_token is made for this sign-in: one that is older was made for another.
OLDEST_SECONDS = 600
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")


class ProviderDocument(Struct, frozen=True, kw_only=True):
    """A provider's discovery document (OpenID Connect Discovery 1.0 section 3), as far as used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: list[str] = field(
        default_factory=lambda: ["client_secret_basic"]
    )
    authorization_response_iss_parameter_supported: bool = False


class Person(Struct, frozen=True, kw_only=True):
    """Somebody as a provider describes them. ``email`` only where the provider has proven it."""

    issuer: str
    subject: str
    email: str | None
    name: str
    locale: str


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_url(
    document: ProviderDocument,
    *,
    client_id: str,
    redirect_uri: str,
    scopes: list[str],
    state: str,
    nonce: str,
    verifier: str,
) -> str:
    """Return where a browser is sent to sign in."""
    query = urlencode(
        {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(dict.fromkeys(["openid", *scopes])),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        },
        quote_via=quote,
    )
    endpoint = document.authorization_endpoint
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


def is_scope(text: str) -> bool:
    """True for a scope token (RFC 6749 section 3.3)."""
    return _SCOPE.fullmatch(text) is not None


def check_sender(document: ProviderDocument, iss: str | None) -> None:
    """Refuse an answer that another provider gave (RFC 9207 section 2.4).

    Raises :class:`OauthFailed`.
    """
    if iss is None:
        if document.authorization_response_iss_parameter_supported:
            raise OauthFailed("the answer names no issuer although the provider always does")
    elif iss != document.issuer:
        raise OauthFailed("the answer names another issuer")


def check_claims(
    claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now: float
) -> None:
    """Refuse an id_token that was not made for this client and this very sign-in (OpenID Connect
    Core section 3.1.3.7). Raises :class:`OauthFailed`."""
    accepted = _GOOGLE_ISSUERS if issuer == GOOGLE_ISSUER else (issuer,)
    if claims.get("iss") not in accepted:
        raise OauthFailed("id_token: iss")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or client_id not in audiences:
        raise OauthFailed("id_token: aud")
    party = claims.get("azp")
    if (len(audiences) > 1 or party is not None) and party != client_id:
        raise OauthFailed("id_token: azp")
    expires, issued = claims.get("exp"), claims.get("iat")
    if not _is_time(expires) or now >= expires + SKEW_SECONDS:
        raise OauthFailed("id_token: exp")
    if not _is_time(issued) or not now - OLDEST_SECONDS <= issued <= now + SKEW_SECONDS:
        raise OauthFailed("id_token: iat")
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise OauthFailed("id_token: nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or "\x00" in subject:
        raise OauthFailed("id_token: sub")


def person_of(claims: Mapping[str, Any], issuer: str) -> Person:
    """Return who verified claims speak of; an address that the provider has not proven is left
    out, because anybody may have typed it there."""
    told = claims.get("email_verified")
    proven = told is True or told == "true"  # some providers write it as a word
    text = claims.get("email")
    email = normalise_email(text) if proven and isinstance(text, str) else None
    name = claims.get("name")
    shown = name.strip()[:120] if isinstance(name, str) else ""
    locale = claims.get("locale")
    return Person(
        issuer=issuer,
        subject=str(claims["sub"]),
        email=email,
        name="" if line_fault(shown) else shown,
        locale="en" if isinstance(locale, str) and locale.lower().startswith("en") else "fa",
    )


def _is_time(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
