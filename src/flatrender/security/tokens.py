"""Signed tokens: ES256 JWTs of one issuer (RFC 7519, 7515; access tokens after RFC 9068).

A token's ``typ`` says what it is for, and a token of one kind never passes as another. The
header may hold ``alg``, ``typ`` and ``kid`` and nothing else, so no header can bring its own key
(``jku``, ``jwk``, ``x5u``) or extension (``crit``). Keys come only from the key source.
"""

import asyncio
import binascii
import hashlib
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, Self, TypeVar
from uuid import UUID

import msgspec
import structlog
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from msgspec import Struct

from flatrender.clock import Clock, SystemClock, uuid7
from flatrender.security.errors import InvalidToken, TokenExpired
from flatrender.security.principal import Principal, Role
from flatrender.security.settings import MAX_ACCESS_SECONDS, SecuritySettings

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=Struct)

ALGORITHM = "ES256"
ACCESS = "at+jwt"
MFA_PENDING = "mfa+jwt"
WATCH = "watch+jwt"

#: The clocks of our own machines may differ by this much.
SKEW_SECONDS = 60
#: The longest life of any token that is not an access token.
MAX_PURPOSE_SECONDS = 86_400
_MAX_TOKEN = 4_096
_CACHED_TOKENS = 8_192


class PublicJwk(Struct, frozen=True, kw_only=True):
    """A public P-256 key as the JWKS shows it (RFC 7517)."""

    kid: str
    x: str
    y: str
    kty: Literal["EC"] = "EC"
    crv: Literal["P-256"] = "P-256"
    use: Literal["sig"] = "sig"
    alg: Literal["ES256"] = "ES256"


class Jwks(Struct, frozen=True, kw_only=True):
    """The document behind ``/.well-known/jwks.json``."""

    keys: list[PublicJwk]


class KeySource(Protocol):
    """Where public keys come from; identity offers it."""

    async def verification_keys(self) -> Sequence[PublicJwk]:
        """Return every key whose tokens may still be believed."""
        ...


class SigningKey:
    """A private P-256 key. Its id is the RFC 7638 thumbprint, so it cannot be chosen."""

    def __init__(self, key: ECKey) -> None:
        self._key = key
        members = key.as_dict(private=False)
        self.public = PublicJwk(kid=key.thumbprint(), x=str(members["x"]), y=str(members["y"]))

    @classmethod
    def generate(cls) -> Self:
        """Make a new key."""
        return cls(ECKey.generate_key("P-256", private=True))

    @classmethod
    def from_pem(cls, pem: str) -> Self:
        """Read what :meth:`to_pem` wrote; raises ``ValueError`` for another kind of key."""
        key = ECKey.import_key(pem)
        if key.curve_name != "P-256" or not key.is_private:
            raise ValueError("a signing key is a private P-256 key")
        return cls(key)

    def to_pem(self) -> str:
        """Return the private key as PKCS#8 PEM: encrypt it before it is stored."""
        return self._key.as_pem(private=True).decode()

    @property
    def kid(self) -> str:
        """The key's id."""
        return self.public.kid

    @property
    def key(self) -> ECKey:
        """The key itself, for signing."""
        return self._key


class Actor(Struct, frozen=True):
    """Who acts in another's name (RFC 8693 section 4.1)."""

    sub: UUID


class AccessClaims(Struct, frozen=True, kw_only=True):
    """What an access token says. ``mfa_at`` is Unix time, 0 for none; ``act`` is who of support
    acts in the account; see :class:`Principal`."""

    user_id: UUID
    tenant_id: UUID
    role: Role
    sid: UUID
    exp: int
    mfa_at: int = 0
    mfa_required: bool = False
    act: Actor | None = None

    def principal(self) -> Principal:
        """Return the caller that this token names."""
        return Principal(
            kind="user",
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            role=self.role,
            session_id=self.sid,
            mfa_at=self.mfa_at,
            mfa_required=self.mfa_required,
            impersonator_id=self.act.sub if self.act else None,
        )


class WatchClaims(Struct, frozen=True, kw_only=True):
    """What a watch token says: this user may watch this job, while session ``sid`` lives."""

    user_id: UUID
    tenant_id: UUID
    job_id: UUID
    exp: int
    sid: UUID | None = None


class TokenSigner:
    """Issues tokens under the current key."""

    def __init__(
        self, key: SigningKey, settings: SecuritySettings, clock: Clock | None = None
    ) -> None:
        self._key = key
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._access_seconds = settings.access_token_seconds
        self._clock = clock or SystemClock()

    @property
    def kid(self) -> str:
        """The id of the current key."""
        return self._key.kid

    def use(self, key: SigningKey) -> None:
        """Sign with ``key`` from now on (rotation). Publish it a minute before: verifiers ask for
        an unknown key id every ten seconds at most."""
        self._key = key

    def access(
        self,
        *,
        user_id: UUID,
        tenant_id: UUID,
        role: Role,
        session_id: UUID,
        mfa_at: int = 0,
        mfa_required: bool = False,
        impersonator_id: UUID | None = None,
        most: int | None = None,
    ) -> tuple[str, int]:
        """Return an access token and its life in seconds: ``most`` where its session ends before
        the token would."""
        claims: dict[str, object] = {
            "user_id": str(user_id),
            "tenant_id": str(tenant_id),
            "role": role,
            "sid": str(session_id),
            "sub": str(user_id),
            "mfa_at": mfa_at,
            "mfa_required": mfa_required,
        }
        if impersonator_id is not None:
            claims["act"] = {"sub": str(impersonator_id)}
        seconds = self._access_seconds if most is None else min(self._access_seconds, max(1, most))
        return self._sign(ACCESS, claims, seconds), seconds

    def watch(
        self,
        *,
        user_id: UUID,
        tenant_id: UUID,
        job_id: UUID,
        seconds: int = 300,
        session_id: UUID | None = None,
    ) -> str:
        """Return a token for the live stream of one job; it dies with the session."""
        claims = {"user_id": str(user_id), "tenant_id": str(tenant_id), "job_id": str(job_id)}
        if session_id is not None:
            claims["sid"] = str(session_id)
        return self.issue(WATCH, claims, seconds)

    def issue(self, typ: str, claims: Mapping[str, object], seconds: int) -> str:
        """Return a token for a purpose of its own. ``claims`` are JSON values.

        Raises ``ValueError`` for an access token (see :meth:`access`) or a life above a day.
        """
        if typ == ACCESS or not typ.endswith("+jwt"):
            raise ValueError(f"{typ!r} is not a purpose's type")
        if not 0 < seconds <= MAX_PURPOSE_SECONDS:
            raise ValueError("a token lives from a second to a day")
        return self._sign(typ, claims, seconds)

    def _sign(self, typ: str, claims: Mapping[str, object], seconds: int) -> str:
        now = int(self._clock.now().timestamp())
        payload = {
            **claims,
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + seconds,
            "jti": uuid7().hex,
        }
        header = {"alg": ALGORITHM, "typ": typ, "kid": self._key.kid}
        return jws.serialize_compact(
            header, msgspec.json.encode(payload), self._key.key, algorithms=[ALGORITHM]
        )


class KeyRing:
    """The public keys, prepared for verifying.

    Asks the source again for an unknown key id, at most every ``min_seconds`` however many
    foreign ids arrive, and anyway after ``max_seconds``, so that a withdrawn key dies. When the
    source fails the known keys stay in use.
    """

    def __init__(
        self,
        source: KeySource,
        clock: Clock | None = None,
        *,
        min_seconds: float = 10.0,
        max_seconds: float = 300.0,
    ) -> None:
        self._source = source
        self._clock = clock or SystemClock()
        self._min = min_seconds
        self._max = max_seconds
        self._keys: dict[str, ECKey] = {}
        self._asked = float("-inf")
        self._lock = asyncio.Lock()

    def fresh(self, kid: str) -> ECKey | None:
        """Return a key without asking anybody; None when unknown or due for a refresh."""
        if self._clock.monotonic() - self._asked > self._max:
            return None
        return self._keys.get(kid)

    async def get(self, kid: str) -> ECKey | None:
        """Return the key with this id, asking the source when that may help; None if there is
        none."""
        key = self.fresh(kid)
        if key is not None:
            return key
        async with self._lock:
            age = self._clock.monotonic() - self._asked
            if age > self._max or (kid not in self._keys and age > self._min):
                await self._refresh()
        return self._keys.get(kid)

    async def _refresh(self) -> None:
        self._asked = self._clock.monotonic()
        try:
            found = await self._source.verification_keys()
        except Exception as error:  # noqa: BLE001 - whatever fails there, known keys go on here
            log.warning("key_source_failed", error=repr(error), known=len(self._keys))
            return
        self._keys = {
            jwk.kid: self._keys.get(jwk.kid) or ECKey.import_key(msgspec.to_builtins(jwk))
            for jwk in found
        }


class _Header(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of what a header may say."""

    alg: Literal["ES256"]
    typ: str
    kid: str


class _Registered(Struct, frozen=True):
    iss: str
    aud: str
    iat: int
    exp: int
    jti: str


_headers = msgspec.json.Decoder(_Header)
_registered = msgspec.json.Decoder(_Registered)


class TokenVerifier:
    """Verifies tokens; raises :class:`InvalidToken` or :class:`TokenExpired`.

    A token that was verified once is remembered by its SHA-256, so that the next request with it
    costs no elliptic curve; its times and its key are looked at every time.
    """

    def __init__(
        self, ring: KeyRing, settings: SecuritySettings, clock: Clock | None = None
    ) -> None:
        self._ring = ring
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._clock = clock or SystemClock()
        self._seen: OrderedDict[bytes, tuple[str, AccessClaims]] = OrderedDict()

    async def access(self, token: str) -> AccessClaims:
        """Return the claims of an access token."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._seen.get(digest)
        if known is not None and self._ring.fresh(known[0]) is not None:
            if self._clock.now().timestamp() >= known[1].exp:
                del self._seen[digest]
                raise TokenExpired("expired")
            self._seen.move_to_end(digest)
            return known[1]
        kid, claims = await self._verify(token, ACCESS, AccessClaims, MAX_ACCESS_SECONDS)
        self._seen[digest] = (kid, claims)
        if len(self._seen) > _CACHED_TOKENS:
            self._seen.popitem(last=False)
        return claims

    async def verify(self, token: str, typ: str, kind: type[T]) -> T:
        """Return the claims of a token of one purpose as ``kind``."""
        if typ == ACCESS:
            raise ValueError("access tokens are verified by access()")
        return (await self._verify(token, typ, kind, MAX_PURPOSE_SECONDS))[1]

    async def watch(self, token: str) -> WatchClaims:
        """Return the claims of a watch token."""
        return await self.verify(token, WATCH, WatchClaims)

    async def _verify(self, token: str, typ: str, kind: type[T], max_seconds: int) -> tuple[str, T]:
        header = _read_header(token)
        if header.typ != typ:
            raise InvalidToken("typ")
        key = await self._ring.get(header.kid)
        if key is None:
            raise InvalidToken("kid")
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
        except (JoseError, ValueError) as error:
            raise InvalidToken("signature") from error
        try:
            registered = _registered.decode(payload)
            claims = msgspec.json.decode(payload, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidToken("claims") from error
        self._check(registered, max_seconds)
        return header.kid, claims

    def _check(self, claims: _Registered, max_seconds: int) -> None:
        now = self._clock.now().timestamp()
        if claims.iss != self._issuer:
            raise InvalidToken("iss")
        if claims.aud != self._audience:
            raise InvalidToken("aud")
        if claims.iat > now + SKEW_SECONDS or claims.exp - claims.iat > max_seconds:
            raise InvalidToken("iat")
        if now >= claims.exp:
            raise TokenExpired("expired")


def _read_header(token: str) -> _Header:
    if len(token) > _MAX_TOKEN or token.count(".") != 2 or not token.isascii():
        raise InvalidToken("form")
    head = token.partition(".")[0]
    try:
        return _headers.decode(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (msgspec.DecodeError, binascii.Error, UnicodeDecodeError) as error:
        raise InvalidToken("header") from error


def jwks(keys: Iterable[PublicJwk]) -> Jwks:
    """Return the key set to publish, in a stable order."""
    return Jwks(keys=sorted(keys, key=lambda key: key.kid))


class StaticKeys:
    """A key source of fixed keys, for tests and tools."""

    def __init__(self, *keys: SigningKey) -> None:
        self._keys: Any = [key.public for key in keys]

    async def verification_keys(self) -> Sequence[PublicJwk]:
        """Return the keys."""
        return list(self._keys)
