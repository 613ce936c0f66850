"""Passkeys: what a browser is asked for and what its answer must hold (WebAuthn Level 3). Pure.

The parties' rules are here, the cryptography is ``webauthn``'s (py_webauthn). Whatever is wrong
with an answer, the refusal is the same; why is for logs and tests.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import webauthn
from msgspec import Meta, Struct, convert, field
from webauthn.helpers import options_to_json_dict, parse_client_data_json
from webauthn.helpers import structs as wire
from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm

from flatrender_identity.errors_mfa import InvalidPasskey

T = TypeVar("T")

#: How long a browser may take, in milliseconds; a challenge lives as long.
TIMEOUT_MS = 300_000
CHALLENGE_BYTES = 32
_ALGORITHMS = [
    Algorithm.ECDSA_SHA_256,
    Algorithm.EDDSA,
    Algorithm.RSASSA_PKCS1_v1_5_SHA_256,
]
_TRANSPORTS = frozenset(transport.value for transport in wire.AuthenticatorTransport)

Base64Url = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]*$", min_length=1, max_length=2_000)]
#: An attestation may hold certificates.
LongBase64Url = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]*$", min_length=1, max_length=40_000)]


class RelyingParty(Struct, frozen=True, kw_only=True):
    """For whom passkeys are made: a host name, and the origins of pages that may ask for them.

    ``loopback`` lets any port of ``http://localhost`` pass, for development.
    """

    rp_id: str
    name: str
    origins: frozenset[str]
    loopback: bool = False

    def takes(self, origin: str) -> bool:
        """True for a page that may ask."""
        if origin in self.origins:
            return True
        return self.loopback and (
            origin == "http://localhost" or _is_port(origin.removeprefix("http://localhost:"))
        )


class Descriptor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A passkey that is named to the browser."""

    id: str
    type: Literal["public-key"]
    transports: list[str] = []


class PartyEntity(Struct, frozen=True):
    """The relying party as the browser sees it."""

    id: str
    name: str


class UserEntity(Struct, frozen=True, rename="camel"):
    """The owner of a passkey as their devices name them; ``id`` is base64url."""

    id: str
    name: str
    display_name: str


class Parameters(Struct, frozen=True):
    """An algorithm that a passkey may have (COSE)."""

    type: Literal["public-key"]
    alg: int


class Selection(Struct, frozen=True, rename="camel"):
    """What an authenticator must be able to do."""

    resident_key: str
    require_resident_key: bool
    user_verification: str


class CreationOptions(Struct, frozen=True, kw_only=True, rename="camel"):
    """``PublicKeyCredentialCreationOptionsJSON``: for ``parseCreationOptionsFromJSON`` and then
    ``navigator.credentials.create``."""

    rp: PartyEntity
    user: UserEntity
    challenge: str
    pub_key_cred_params: list[Parameters]
    timeout: int
    exclude_credentials: list[Descriptor] = []
    authenticator_selection: Selection
    attestation: str


class RequestOptions(Struct, frozen=True, kw_only=True, rename="camel"):
    """``PublicKeyCredentialRequestOptionsJSON``: for ``parseRequestOptionsFromJSON`` and then
    ``navigator.credentials.get``. No ``allowCredentials``: the browser offers what it has."""

    challenge: str
    timeout: int
    rp_id: str
    allow_credentials: list[Descriptor] = []
    user_verification: str


class AttestationResponse(Struct, frozen=True, kw_only=True):
    """What ``create`` answers; browsers add fields of their own, which are not looked at."""

    client_data_json: LongBase64Url = field(name="clientDataJSON")
    attestation_object: LongBase64Url = field(name="attestationObject")
    transports: Annotated[list[Annotated[str, Meta(max_length=40)]], Meta(max_length=20)] = []


class NewCredential(Struct, frozen=True, kw_only=True, rename="camel"):
    """A new passkey: ``credential.toJSON()`` of ``navigator.credentials.create``."""

    id: Base64Url
    raw_id: Base64Url
    type: Literal["public-key"]
    response: AttestationResponse


class AssertionResponse(Struct, frozen=True, kw_only=True, rename="camel"):
    """What ``get`` answers."""

    client_data_json: LongBase64Url = field(name="clientDataJSON")
    authenticator_data: LongBase64Url
    signature: Base64Url
    user_handle: Annotated[str, Meta(pattern="^[A-Za-z0-9_-]*$", max_length=200)] | None = None


class UsedCredential(Struct, frozen=True, kw_only=True, rename="camel"):
    """A passkey that was used: ``credential.toJSON()`` of ``navigator.credentials.get``."""

    id: Base64Url
    raw_id: Base64Url
    type: Literal["public-key"]
    response: AssertionResponse


class Passkey(Struct, frozen=True, kw_only=True):
    """A passkey that is verified and not yet stored."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: list[str]
    aaguid: UUID
    backed_up: bool


class Assertion(Struct, frozen=True, kw_only=True):
    """What a verified use says about its passkey."""

    sign_count: int
    backed_up: bool


class Known(Struct, frozen=True, kw_only=True):
    """A stored passkey, as it is named to a browser."""

    credential_id: bytes
    transports: list[str]


def creation_options(
    party: RelyingParty,
    challenge: bytes,
    *,
    user_id: UUID,
    name: str,
    display_name: str,
    known: Sequence[Known],
) -> CreationOptions:
    """Return what a browser needs to make a passkey: discoverable, its user verified, none of
    those that the account has already."""
    made = webauthn.generate_registration_options(
        rp_id=party.rp_id,
        rp_name=party.name,
        user_id=user_id.bytes,
        user_name=name,
        user_display_name=display_name,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        attestation=wire.AttestationConveyancePreference.NONE,
        authenticator_selection=wire.AuthenticatorSelectionCriteria(
            resident_key=wire.ResidentKeyRequirement.REQUIRED,
            user_verification=wire.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_descriptors(known),
        supported_pub_key_algs=_ALGORITHMS,
    )
    return convert(options_to_json_dict(made), CreationOptions)


def request_options(
    party: RelyingParty, challenge: bytes, known: Sequence[Known] = ()
) -> RequestOptions:
    """Return what a browser needs to use a passkey: one of ``known``, or any of the party's."""
    made = webauthn.generate_authentication_options(
        rp_id=party.rp_id,
        challenge=challenge,
        timeout=TIMEOUT_MS,
        allow_credentials=_descriptors(known),
        user_verification=wire.UserVerificationRequirement.REQUIRED,
    )
    return convert(options_to_json_dict(made), RequestOptions)


def check_new(party: RelyingParty, challenge: bytes, given: NewCredential) -> Passkey:
    """Verify a new passkey (WebAuthn section 7.1). Raises :class:`InvalidPasskey`."""
    client_data = decoded(given.response.client_data_json)
    credential = wire.RegistrationCredential(
        id=given.id,
        raw_id=decoded(given.raw_id),
        response=wire.AuthenticatorAttestationResponse(
            client_data_json=client_data,
            attestation_object=decoded(given.response.attestation_object),
        ),
    )
    origin = _origin(party, client_data)
    verified = _believed(
        lambda: webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    )
    if verified.credential_id != credential.raw_id:
        raise InvalidPasskey("the attested credential is another")
    return Passkey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=sorted(_TRANSPORTS.intersection(given.response.transports)),
        aaguid=UUID(verified.aaguid),
        backed_up=verified.credential_backed_up,
    )


def check_used(
    party: RelyingParty, challenge: bytes, given: UsedCredential, *, public_key: bytes, owner: UUID
) -> Assertion:
    """Verify a use of ``owner``'s passkey (WebAuthn section 7.2), the counter apart: that is
    compared where it is stored. Raises :class:`InvalidPasskey`."""
    handle = given.response.user_handle
    if handle and decoded(handle) != owner.bytes:
        raise InvalidPasskey("the user handle is another's")
    client_data = decoded(given.response.client_data_json)
    credential = wire.AuthenticationCredential(
        id=given.id,
        raw_id=decoded(given.raw_id),
        response=wire.AuthenticatorAssertionResponse(
            client_data_json=client_data,
            authenticator_data=decoded(given.response.authenticator_data),
            signature=decoded(given.response.signature),
        ),
    )
    origin = _origin(party, client_data)
    verified = _believed(
        lambda: webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.rp_id,
            expected_origin=origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    )
    return Assertion(sign_count=verified.new_sign_count, backed_up=verified.credential_backed_up)


def decoded(text: str) -> bytes:
    """Return the bytes of unpadded base64url. Raises :class:`InvalidPasskey`."""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise InvalidPasskey("not base64url") from error


def encoded(data: bytes) -> str:
    """Return unpadded base64url."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _origin(party: RelyingParty, client_data: bytes) -> str:
    """Return the origin of the page that asked, one of the party's and not in a foreign frame."""
    said = _believed(lambda: parse_client_data_json(client_data))
    if said.cross_origin:
        raise InvalidPasskey("in a frame of another origin")
    origin: object = said.origin  # whatever JSON may hold
    if not isinstance(origin, str) or not party.takes(origin):
        raise InvalidPasskey("the origin is not the party's")
    return origin


def _believed(verify: Callable[[], T]) -> T:
    """Return what a verification found; anything that it raises is one refusal."""
    try:
        return verify()
    except Exception as error:
        raise InvalidPasskey(str(error)) from error


def _descriptors(known: Sequence[Known]) -> list[wire.PublicKeyCredentialDescriptor]:
    return [
        wire.PublicKeyCredentialDescriptor(
            id=one.credential_id,
            transports=[
                wire.AuthenticatorTransport(name) for name in one.transports if name in _TRANSPORTS
            ],
        )
        for one in known
    ]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 1 <= len(text) <= 5
