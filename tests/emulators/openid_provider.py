"""An OpenID provider for tests: discovery, keys, code flow with PKCE, userinfo, over real HTTP.

It follows OpenID Connect Core 1.0, RFC 6749, 7636 and 9207, and refuses what a provider refuses: an
unknown client or redirect address, a wrong secret, a code that was used, a verifier that does not
fit. ``faults`` makes it lie in one place, as a provider in wrong hands would.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

HOME = "https://testserver.local"
PAGE = "https://app.example.com/signed-in"
SECRET = "the-client-secret-of-a-test"

Send = Callable[[Any], Awaitable[None]]


class OpenIdProvider:
    """One provider. ``person`` is who signs in there; None says no.

    ``faults``: ``claims`` (put over those of the id_token; None removes one), ``alg``
    (``none``, ``HS256``), ``foreign_key``, ``iss`` (of the redirect; None leaves it out).
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.clients: dict[str, tuple[str, set[str]]] = {}
        self.person: dict[str, Any] | None = None
        self.in_userinfo_only: tuple[str, ...] = ()
        self.announces_iss = True
        self.faults: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"use": "sig", "kid": "one", "alg": "RS256"})
        self.asked: list[str] = []
        self.token_requests: list[dict[str, str]] = []
        self._codes: dict[str, dict[str, Any]] = {}
        self._access: dict[str, dict[str, Any]] = {}

    def reset(self) -> None:
        """Be honest again, with nobody there."""
        self.person, self.faults, self.in_userinfo_only = None, {}, ()
        self.announces_iss = True

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Send) -> None:
        """Serve one request (ASGI)."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        query = _fields(scope["query_string"])
        path = scope["path"]
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            await _json(send, 200, self._document())
        elif path == "/jwks":
            await _json(send, 200, {"keys": [self.key.as_dict(private=False)]})
        elif path == "/authorize":
            await self._authorize(send, query)
        elif path == "/token":
            await self._token(send, headers, _fields(body))
        elif path == "/userinfo":
            told = self._access.get(headers.get("authorization", "").removeprefix("Bearer "))
            await _json(send, 200 if told else 401, told or {"error": "invalid_token"})
        else:
            await _json(send, 404, {})

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": self.announces_iss,
        }

    async def _authorize(self, send: Send, query: dict[str, str]) -> None:
        _, redirects = self.clients.get(query.get("client_id", ""), ("", set()))
        target = query.get("redirect_uri", "")
        if target not in redirects:  # never sends anybody to an address it does not know
            await _json(send, 400, {"error": "invalid_request"})
            return
        answer = {"state": query.get("state", "")}
        good = (
            query.get("response_type") == "code"
            and "openid" in query.get("scope", "").split()
            and query.get("code_challenge_method") == "S256"
            and len(query.get("code_challenge", "")) == 43
        )
        if not good:
            answer["error"] = "invalid_request"
        elif self.person is None:
            answer |= {"error": "access_denied", "error_description": "no"}
        else:
            code = answer["code"] = secrets.token_urlsafe(24)
            self._codes[code] = {**query, "person": dict(self.person)}
        iss = self.faults.get("iss", self.issuer if self.announces_iss else None)
        if iss is not None:
            answer["iss"] = iss
        await send(
            {
                "type": "http.response.start",
                "status": 302,
                "headers": [(b"location", f"{target}?{urlencode(answer)}".encode())],
            }
        )
        await send({"type": "http.response.body", "body": b""})

    async def _token(self, send: Send, headers: dict[str, str], form: dict[str, str]) -> None:
        self.token_requests.append(form)
        client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
        basic = headers.get("authorization", "")
        if basic.startswith("Basic "):
            name, _, word = base64.b64decode(basic[6:]).decode().partition(":")
            client_id, secret = unquote(name), unquote(word)
        known = self.clients.get(client_id)
        if known is None or not secrets.compare_digest(known[0], secret):
            await _json(send, 401, {"error": "invalid_client"})
            return
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=")
        if (
            asked is None
            or asked["client_id"] != client_id
            or asked["redirect_uri"] != form.get("redirect_uri")
            or asked["code_challenge"] != challenge.decode()
        ):
            await _json(send, 400, {"error": "invalid_grant"})
            return
        access = secrets.token_urlsafe(24)
        self._access[access] = asked["person"]
        answer = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": 60,
            "id_token": self._id_token(asked, client_id, secret),
        }
        await _json(send, 200, answer)

    def _id_token(self, asked: dict[str, Any], client_id: str, secret: str) -> str:
        now = int(time.time())
        person = {k: v for k, v in asked["person"].items() if k not in self.in_userinfo_only}
        claims = {
            "iss": self.issuer,
            "aud": client_id,
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce"),
            **person,
            **self.faults.get("claims", {}),
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        alg = self.faults.get("alg", "RS256")
        if alg == "none":
            parts = ({"alg": "none", "kid": "one"}, claims)
            return ".".join(_part(json.dumps(one).encode()) for one in parts) + "."
        header = {"alg": alg, "kid": self.key.kid}
        if alg == "HS256":
            return jwt.encode(header, claims, OctKey.import_key(secret), algorithms=[alg])
        if alg == "ES256":
            return jwt.encode(header, claims, ECKey.generate_key("P-256"), algorithms=[alg])
        key = self.key
        if self.faults.get("foreign_key"):
            key = RSAKey.generate_key(2048, {"kid": "one"})
        return jwt.encode(header, claims, key, algorithms=[alg])


def _fields(text: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text.decode()).items()}


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def _json(send: Send, status: int, body: object) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def bearer(fragment: dict[str, str]) -> dict[str, str]:
    """Return the headers of who holds a fragment's tokens."""
    return {"Authorization": f"Bearer {fragment['access_token']}"}


def someone(**claims: Any) -> dict[str, Any]:
    """A person at a provider, with a proven address unless told otherwise."""
    return {
        "sub": secrets.token_hex(10),
        "email": f"o-{secrets.token_hex(6)}@example.com",
        "email_verified": True,
        "name": "Sara Test",
        "locale": "en",
        **claims,
    }


def query_of(url: str) -> dict[str, str]:
    """Return the query of an address."""
    return dict(parse_qsl(urlsplit(url).query))
