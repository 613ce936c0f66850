"""Talking to an OpenID provider: discovery, keys, the code's exchange, the person's claims.

Every call goes through the outbound door. Documents and keys are remembered for an hour; an
unknown key id asks again, at most every ten seconds. Nothing of an answer is logged.
"""

import base64
from binascii import Error as Base64Error
from collections import OrderedDict
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender.security.outbound import OutboundResponse
from flatrender.security.outbound.door import check_form
from flatrender_identity.errors import OauthFailed, OauthUnavailable
from flatrender_identity.oidc import ALGORITHMS, ProviderDocument

REMEMBER_SECONDS = 3_600.0
AGAIN_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0
MAX_BYTES = 1 << 18
_REMEMBERED = 256
_MAX_ID_TOKEN = 65_536

Key = RSAKey | ECKey


class Grant(Struct, frozen=True):
    """What a code was exchanged for."""

    id_token: str
    access_token: str = ""


class _Header(Struct, frozen=True):
    alg: str
    kid: str | None = None


class _Keys(Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Remembered(Struct, frozen=True):
    at: float
    value: Any


class Client(Struct, frozen=True, kw_only=True):
    """Who we are at a provider. ``secret`` is empty for a public client."""

    client_id: str
    secret: str
    redirect_uri: str

    def __repr__(self) -> str:
        return f"Client({self.client_id!r}, ...)"


class OidcClient:
    """Calls providers for this process."""

    def __init__(self, context: PluginContext) -> None:
        self._door = context.infra.outbound
        self._clock = context.clock
        self._https_only = not context.infra.settings.security.allow_loopback
        self._documents: OrderedDict[str, _Remembered] = OrderedDict()
        self._keys: OrderedDict[str, _Remembered] = OrderedDict()

    async def discover(
        self, issuer: str, discovery_url: str | None, *, fresh: bool = False
    ) -> ProviderDocument:
        """Return the provider's document; it must be about ``issuer``, to the letter.

        Raises :class:`OauthUnavailable`.
        """
        url = discovery_url or f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        known = None if fresh else self._recall(self._documents, url, REMEMBER_SECONDS)
        document: ProviderDocument = known.value if known else await self._read_document(url)
        if document.issuer != issuer:
            raise OauthUnavailable("the discovery document is of another issuer")
        return document

    async def exchange(
        self, document: ProviderDocument, client: Client, *, code: str, verifier: str
    ) -> Grant:
        """Exchange a code (RFC 6749 section 4.1.3). Raises :class:`OauthFailed` for a refusal,
        :class:`OauthUnavailable`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        methods = document.token_endpoint_auth_methods_supported
        if not client.secret:
            form["client_id"] = client.client_id
        elif "client_secret_basic" in methods or "client_secret_post" not in methods:
            pair = f"{quote(client.client_id, safe='')}:{quote(client.secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": client.client_id, "client_secret": client.secret}
        answer = await self._call(
            "POST", document.token_endpoint, headers=headers, content=urlencode(form).encode()
        )
        if answer.status != 200:
            raise OauthFailed(f"token endpoint: {_error_of(answer)}")
        try:
            return msgspec.json.decode(answer.body, type=Grant)
        except msgspec.DecodeError:
            raise OauthFailed("token endpoint: no id_token") from None

    async def claims(self, document: ProviderDocument, id_token: str) -> dict[str, Any]:
        """Return the claims of an id_token that the provider has signed; what they say is not
        looked at. Raises :class:`OauthFailed`, :class:`OauthUnavailable`."""
        header = _header_of(id_token)
        if header.alg not in ALGORITHMS:
            raise OauthFailed("id_token: alg")
        key = await self._key(document.jwks_uri, header)
        registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
        try:
            return dict(jwt.decode(id_token, key, registry=registry).claims)
        except (JoseError, ValueError, TypeError) as error:
            raise OauthFailed("id_token: signature") from error

    async def userinfo(self, document: ProviderDocument, grant: Grant) -> dict[str, Any]:
        """Return the claims of the userinfo endpoint, none where the provider gives none.

        Raises :class:`OauthUnavailable`.
        """
        if document.userinfo_endpoint is None or not grant.access_token:
            return {}
        if not grant.access_token.isascii() or not grant.access_token.isprintable():
            return {}
        headers = {"authorization": f"Bearer {grant.access_token}", "accept": "application/json"}
        answer = await self._call("GET", document.userinfo_endpoint, headers=headers)
        try:
            found = answer.json() if answer.status == 200 else None
        except msgspec.DecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    async def keys(self, jwks_uri: str) -> list[Key]:
        """Return the provider's public keys, asked for anew. Raises :class:`OauthUnavailable`."""
        answer = await self._call("GET", jwks_uri)
        try:
            listed = msgspec.json.decode(answer.body, type=_Keys).keys
        except msgspec.DecodeError:
            raise OauthUnavailable("the key set cannot be read") from None
        found = [key for one in listed if (key := _key_of(one)) is not None]
        if answer.status != 200 or not found:
            raise OauthUnavailable("the key set holds no key that can be used")
        self._remember(self._keys, jwks_uri, found)
        return found

    async def _key(self, jwks_uri: str, header: _Header) -> Key:
        known = self._recall(self._keys, jwks_uri, REMEMBER_SECONDS)
        keys: list[Key] = known.value if known else await self.keys(jwks_uri)
        found = _named(keys, header)
        if found is None and known and self._clock.monotonic() - known.at >= AGAIN_SECONDS:
            found = _named(await self.keys(jwks_uri), header)
        if found is None:
            raise OauthFailed("id_token: kid")
        return found

    async def _read_document(self, url: str) -> ProviderDocument:
        answer = await self._call("GET", url)
        if answer.status != 200:
            raise OauthUnavailable(f"discovery answers {answer.status}")
        try:
            document = msgspec.json.decode(answer.body, type=ProviderDocument)
        except msgspec.DecodeError:
            raise OauthUnavailable("the discovery document cannot be read") from None
        # Browsers are sent there: the door never sees this address.
        try:
            check_form(document.authorization_endpoint, https_only=self._https_only)
        except httpx.HTTPError as error:
            raise OauthUnavailable(f"authorization endpoint: {error}") from None
        self._remember(self._documents, url, document)
        return document

    async def _call(
        self,
        method: str,
        url: str,
        *,
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> OutboundResponse:
        try:
            target = str(check_form(url, https_only=self._https_only))
            return await self._door.request(
                method,
                target,
                purpose="oidc",
                headers=headers,
                content=content,
                timeout=TIMEOUT_SECONDS,
                max_bytes=MAX_BYTES,
            )
        except httpx.HTTPError as error:
            raise OauthUnavailable(str(error) or type(error).__name__) from error

    def _recall(
        self, where: OrderedDict[str, _Remembered], url: str, seconds: float
    ) -> _Remembered | None:
        known = where.get(url)
        return known if known and self._clock.monotonic() - known.at < seconds else None

    def _remember(self, where: OrderedDict[str, _Remembered], url: str, value: Any) -> None:
        where[url] = _Remembered(self._clock.monotonic(), value)
        where.move_to_end(url)
        while len(where) > _REMEMBERED:
            where.popitem(last=False)


def _header_of(token: str) -> _Header:
    head = token.partition(".")[0]
    if len(token) > _MAX_ID_TOKEN or token.count(".") != 2 or not token.isascii():
        raise OauthFailed("id_token: form")
    try:
        return msgspec.json.decode(
            base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)), type=_Header
        )
    except (msgspec.DecodeError, Base64Error, UnicodeDecodeError):
        raise OauthFailed("id_token: header") from None


def _key_of(jwk: dict[str, Any]) -> Key | None:
    """Return a public key of a kind that we verify with; others in the set are passed over."""
    kinds: dict[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}
    kind = kinds.get(str(jwk.get("kty")))
    if kind is None or jwk.get("use") not in (None, "sig"):
        return None
    try:
        return kind.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _named(keys: list[Key], header: _Header) -> Key | None:
    kind = ECKey if header.alg.startswith("ES") else RSAKey
    fitting = [key for key in keys if isinstance(key, kind)]
    if header.kid is None:
        return fitting[0] if len(fitting) == 1 else None
    return next((key for key in fitting if key.kid == header.kid), None)


def _error_of(answer: OutboundResponse) -> str:
    """Return the OAuth error word of a refusal, or its status."""
    try:
        found = answer.json()
    except msgspec.DecodeError:
        found = None
    word = found.get("error") if isinstance(found, dict) else None
    return word[:60] if isinstance(word, str) and word.isprintable() else str(answer.status)
