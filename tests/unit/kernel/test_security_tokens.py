"""Tokens: everything that must not pass as an access token, and keys that come and go."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from flatrender.security.errors import InvalidToken, TokenExpired
from flatrender.security.settings import SecuritySettings
from flatrender.security.tokens import (
    ACCESS,
    MFA_PENDING,
    WATCH,
    AccessClaims,
    KeyRing,
    PublicJwk,
    SigningKey,
    StaticKeys,
    TokenSigner,
    TokenVerifier,
    WatchClaims,
    jwks,
)
from flatrender.testing.clock import HeldClock

SETTINGS = SecuritySettings()
KEY = SigningKey.generate()
FOREIGN = SigningKey.generate()
USER, TENANT, SESSION = (UUID(int=n) for n in (1, 2, 3))


class Counted:
    """A key source that counts how often it is asked."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = list(keys)
        self.asked = 0
        self.fails = False

    async def verification_keys(self) -> Sequence[PublicJwk]:
        self.asked += 1
        if self.fails:
            raise ConnectionError("the database is away")
        return [key.public for key in self.keys]


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def source() -> Counted:
    return Counted(KEY)


@pytest.fixture
def verifier(source: Counted, clock: HeldClock) -> TokenVerifier:
    return TokenVerifier(KeyRing(source, clock), SETTINGS, clock)


@pytest.fixture
def signer(clock: HeldClock) -> TokenSigner:
    return TokenSigner(KEY, SETTINGS, clock)


def access(signer: TokenSigner, **changes: Any) -> str:
    values: dict[str, Any] = {
        "user_id": USER,
        "tenant_id": TENANT,
        "role": "user",
        "session_id": SESSION,
    }
    return signer.access(**{**values, **changes})[0]


def claims_at(clock: HeldClock, **changes: Any) -> dict[str, Any]:
    now = int(clock.now().timestamp())
    good = {
        "iss": SETTINGS.issuer,
        "aud": SETTINGS.audience,
        "user_id": str(USER),
        "tenant_id": str(TENANT),
        "role": "user",
        "sid": str(SESSION),
        "mfa_at": 0,
        "jti": "x",
        "iat": now,
        "exp": now + 900,
    }
    return {**good, **changes}


def forge(
    claims: dict[str, Any], header: dict[str, Any] | None = None, key: SigningKey = KEY
) -> str:
    """Sign properly with ``key`` under any header at all."""
    full = {"alg": "ES256", "typ": ACCESS, "kid": key.kid, **(header or {})}
    head, body = (_b64(json.dumps(part).encode()) for part in (full, claims))
    return f"{head}.{body}.{_es256(key, f'{head}.{body}')}"


def _es256(key: SigningKey, signed: str) -> str:
    """Sign bytes as they are: joserfc would write the header anew."""
    private = key.key.get_op_key("sign")
    r, s = utils.decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(SHA256())))
    return _b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def refused(verifier: TokenVerifier, token: str, reason: str) -> None:
    with pytest.raises(InvalidToken) as caught:
        await verifier.access(token)
    assert caught.value.reason == reason
    assert caught.value.status == 401


async def test_an_access_token_names_its_caller(
    signer: TokenSigner, verifier: TokenVerifier, clock: HeldClock
) -> None:
    token = access(signer, role="admin", mfa_at=1_700_000_000)
    claims = await verifier.access(token)
    principal = claims.principal()
    assert (principal.kind, principal.user_id, principal.tenant_id) == ("user", USER, TENANT)
    assert (principal.role, principal.session_id, principal.mfa_at) == (
        "admin",
        SESSION,
        1_700_000_000,
    )
    body = json.loads(jws.extract_compact(token.encode()).payload)
    assert body["iss"] == "flatrender-identity"
    assert body["exp"] - body["iat"] == 900
    assert {"user_id", "tenant_id", "role", "sid", "mfa_at", "jti", "iat", "exp"} <= set(body)
    assert clock.now().timestamp() == body["iat"]


async def test_the_forging_helper_makes_good_tokens_when_nothing_is_wrong(
    verifier: TokenVerifier, clock: HeldClock
) -> None:
    claims = await verifier.access(forge(claims_at(clock)))
    assert claims.user_id == USER


async def test_alg_none_is_refused(verifier: TokenVerifier, clock: HeldClock) -> None:
    body = _b64(json.dumps(claims_at(clock)).encode())
    for alg in ("none", "None", "NONE", ""):
        head = _b64(json.dumps({"alg": alg, "typ": ACCESS, "kid": KEY.kid}).encode())
        await refused(verifier, f"{head}.{body}.", "header")


async def test_hs256_with_the_public_key_is_refused(
    verifier: TokenVerifier, clock: HeldClock
) -> None:
    head = _b64(json.dumps({"alg": "HS256", "typ": ACCESS, "kid": KEY.kid}).encode())
    signed = f"{head}.{_b64(json.dumps(claims_at(clock)).encode())}"
    public = ECKey.import_key(msgspec.to_builtins(KEY.public))
    for secret in (public.as_pem(private=False), json.dumps(public.as_dict()).encode()):
        mac = _b64(hmac.digest(secret, signed.encode(), hashlib.sha256))
        await refused(verifier, f"{signed}.{mac}", "header")


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "https://evil.example/jwks.json"},
        {"jwk": msgspec.to_builtins(FOREIGN.public)},
        {"x5u": "https://evil.example/cert.pem"},
        {"x5c": ["MIIB"]},
        {"crit": ["b64"], "b64": False},
        {"zip": "DEF"},
    ],
    ids=lambda extra: next(iter(extra)),
)
async def test_a_header_brings_no_key_and_no_extension(
    verifier: TokenVerifier, clock: HeldClock, extra: dict[str, Any]
) -> None:
    await refused(verifier, forge(claims_at(clock), extra), "header")
    signed_by_stranger = forge(claims_at(clock), {**extra, "kid": KEY.kid}, FOREIGN)
    await refused(verifier, signed_by_stranger, "header")


async def test_a_foreign_key_id_is_refused(verifier: TokenVerifier, clock: HeldClock) -> None:
    await refused(verifier, forge(claims_at(clock), key=FOREIGN), "kid")


async def test_a_foreign_key_under_a_known_id_is_refused(
    verifier: TokenVerifier, clock: HeldClock
) -> None:
    token = forge(claims_at(clock), {"kid": KEY.kid}, FOREIGN)
    await refused(verifier, token, "signature")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "somebody-else"}, "iss"),
        ({"aud": "another-service"}, "aud"),
        ({"aud": ["flatrender"]}, "claims"),
        ({"role": "root"}, "claims"),
        ({"user_id": "not-a-uuid"}, "claims"),
        ({"exp": "soon"}, "claims"),
        ({"exp": None}, "claims"),
    ],
)
async def test_claims_must_be_ours(
    verifier: TokenVerifier, clock: HeldClock, changes: dict[str, Any], reason: str
) -> None:
    await refused(verifier, forge(claims_at(clock, **changes)), reason)


async def test_a_token_that_lives_too_long_or_comes_from_the_future_is_refused(
    verifier: TokenVerifier, clock: HeldClock
) -> None:
    now = int(clock.now().timestamp())
    await refused(verifier, forge(claims_at(clock, exp=now + 901)), "iat")
    await refused(verifier, forge(claims_at(clock, iat=now + 61, exp=now + 900)), "iat")


async def test_an_expired_token_says_so_also_when_it_was_seen_before(
    signer: TokenSigner, verifier: TokenVerifier, clock: HeldClock
) -> None:
    seen, unseen = access(signer), access(signer, user_id=uuid4())
    await verifier.access(seen)
    clock.pass_time(899)
    await verifier.access(seen)
    clock.pass_time(1)
    for token in (seen, unseen):
        with pytest.raises(TokenExpired) as caught:
            await verifier.access(token)
        assert caught.value.code == "token_expired"


async def test_other_kinds_of_token_never_pass_as_access(
    signer: TokenSigner, verifier: TokenVerifier, clock: HeldClock
) -> None:
    everything = {k: v for k, v in claims_at(clock).items() if k not in ("iss", "aud", "jti")}
    everything = {k: v for k, v in everything.items() if k not in ("iat", "exp")}
    for typ in (MFA_PENDING, WATCH, "refresh+jwt"):
        await refused(verifier, signer.issue(typ, everything, 300), "typ")
    for typ in ("JWT", "at+JWT", ""):
        await refused(verifier, forge(claims_at(clock), {"typ": typ}), "typ")


async def test_purposes_do_not_stand_in_for_each_other(
    signer: TokenSigner, verifier: TokenVerifier
) -> None:
    token = signer.watch(user_id=USER, tenant_id=TENANT, job_id=SESSION)
    assert (await verifier.watch(token)).job_id == SESSION
    for wrong in (MFA_PENDING, "refresh+jwt"):
        with pytest.raises(InvalidToken):
            await verifier.verify(token, wrong, WatchClaims)
    with pytest.raises(InvalidToken):
        await verifier.watch(access(signer))
    with pytest.raises(ValueError, match="access"):
        await verifier.verify(access(signer), ACCESS, AccessClaims)


@pytest.mark.parametrize(
    ("typ", "seconds"), [(ACCESS, 60), ("JWT", 60), (WATCH, 0), (WATCH, 90_000)]
)
def test_the_signer_refuses_to_issue_what_it_should_not(
    signer: TokenSigner, typ: str, seconds: int
) -> None:
    with pytest.raises(ValueError, match=r"purpose|lives"):
        signer.issue(typ, {}, seconds)


@settings(deadline=None)
@given(st.text(max_size=200) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}"))
async def test_rubbish_is_refused_and_nothing_else_happens(text: str) -> None:
    verifier = TokenVerifier(KeyRing(StaticKeys(KEY)), SETTINGS)
    with pytest.raises(InvalidToken):
        await verifier.access(text)


#: Made once: what hypothesis draws must not depend on a fresh token.
TOKEN = access(TokenSigner(KEY, SETTINGS, HeldClock()))


@settings(deadline=None)
@given(st.data())
async def test_no_changed_character_survives(data: st.DataObject) -> None:
    clock, token = HeldClock(), TOKEN
    verifier = TokenVerifier(KeyRing(StaticKeys(KEY), clock), SETTINGS, clock)
    place = data.draw(st.integers(0, token.rindex(".") - 1))
    other = data.draw(st.sampled_from("ABCxyz019-_").filter(lambda c: c != token[place]))
    with pytest.raises(InvalidToken):
        await verifier.access(token[:place] + other + token[place + 1 :])


async def test_unknown_key_ids_do_not_load_the_source(
    source: Counted, verifier: TokenVerifier, clock: HeldClock
) -> None:
    for _ in range(50):
        await refused(verifier, forge(claims_at(clock), key=SigningKey.generate()), "kid")
    assert source.asked == 1
    clock.pass_time(11)
    await refused(verifier, forge(claims_at(clock), key=FOREIGN), "kid")
    assert source.asked == 2


async def test_keys_rotate_without_a_restart(
    source: Counted, signer: TokenSigner, verifier: TokenVerifier, clock: HeldClock
) -> None:
    old = access(signer)
    await verifier.access(old)
    clock.pass_time(11)
    source.keys.append(FOREIGN)
    signer.use(FOREIGN)
    await verifier.access(access(signer))
    await verifier.access(old)
    assert source.asked == 2


async def test_a_withdrawn_key_dies_also_for_tokens_that_were_seen(
    source: Counted, signer: TokenSigner, verifier: TokenVerifier, clock: HeldClock
) -> None:
    token = access(signer)
    await verifier.access(token)
    source.keys = [FOREIGN]
    clock.pass_time(301)
    await refused(verifier, token, "kid")


async def test_known_keys_stay_when_the_source_fails(
    source: Counted, signer: TokenSigner, verifier: TokenVerifier, clock: HeldClock
) -> None:
    token = access(signer)
    await verifier.access(token)
    source.fails = True
    clock.pass_time(301)
    assert (await verifier.access(token)).user_id == USER


def test_the_key_set_shows_public_parts_only() -> None:
    document = msgspec.to_builtins(jwks([KEY.public, FOREIGN.public]))
    assert len(document["keys"]) == 2
    for key in document["keys"]:
        assert set(key) == {"kid", "x", "y", "kty", "crv", "use", "alg"}
        assert ECKey.import_key(key).thumbprint() == key["kid"]


def test_a_signing_key_survives_storage_and_no_other_kind_does() -> None:
    assert SigningKey.from_pem(KEY.to_pem()).public == KEY.public
    for other in (
        ECKey.generate_key("P-384").as_pem(private=True),
        ECKey.generate_key("P-256").as_pem(private=False),
    ):
        with pytest.raises(ValueError, match="P-256"):
            SigningKey.from_pem(other.decode())
