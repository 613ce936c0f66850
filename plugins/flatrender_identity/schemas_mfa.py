"""Requests and answers around second factors and passkeys."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

from flatrender.errors import FieldInvalid
from flatrender.text import check_lines
from flatrender_identity.passkeys import NewCredential, RequestOptions, UsedCredential
from flatrender_identity.schemas import (
    BrowserConfirmedAnswer,
    Code,
    ConfirmedAnswer,
    Password,
    SessionMode,
)
from flatrender_identity.schemas_access import Reason
from flatrender_identity.services.passkeys import PasskeyLine

PasskeyName = Annotated[str, Meta(min_length=1, max_length=80, examples=["My phone"])]
MfaToken = Annotated[str, Meta(min_length=1, max_length=2_000)]


class MfaVerifyBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The second factor of a login: ``code`` (TOTP or recovery) or ``passkey``. With
    ``trust_device`` this device need not show it for a while, where that is allowed."""

    mfa_token: MfaToken
    code: Code | None = None
    passkey: UsedCredential | None = None
    device: Annotated[str, Meta(max_length=120)] | None = None
    trust_device: bool = False
    mode: SessionMode = "token"

    def __post_init__(self) -> None:
        """Demand one factor, and a device that can be shown."""
        check_lines(self, ("device",))
        _one_factor(self.code, self.passkey)


class MfaTokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A login that waits for its second factor."""

    mfa_token: MfaToken


class StepUpBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A second factor: ``code`` (TOTP or recovery), or ``passkey`` with the ``challenge_id`` that
    it answers."""

    code: Code | None = None
    passkey: UsedCredential | None = None
    challenge_id: UUID | None = None

    def __post_init__(self) -> None:
        """Demand one factor, a passkey with its challenge."""
        _one_factor(self.code, self.passkey)
        if (self.passkey is None) != (self.challenge_id is None):
            raise FieldInvalid(
                "required",
                fa="passkey و challenge_id با هم می‌آیند",
                en="passkey and challenge_id come together",
                at="challenge_id",
            )


class MyFactors(Struct, frozen=True):
    """What the caller can show as a second factor (``totp``, ``passkey``, ``recovery_code``), and
    how many recovery codes are left."""

    methods: list[str]
    recovery_codes_left: int


class PasskeyRequest(Struct, frozen=True):
    """Options for ``navigator.credentials.get``."""

    public_key: RequestOptions


class NewPasskeyBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A passkey that a browser has made, the challenge that it answers, and a name for it."""

    challenge_id: UUID
    credential: NewCredential
    name: PasskeyName

    def __post_init__(self) -> None:
        """Refuse what would change the words beside the name, and a name of nothing."""
        check_lines(self, ("name",))
        _named(self.name)


class NamePasskeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A name for a passkey."""

    name: PasskeyName

    def __post_init__(self) -> None:
        """Refuse what would change the words beside it, and a name of nothing."""
        check_lines(self, ("name",))
        _named(self.name)


class ResetFactorsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody's second factors go."""

    reason: Reason

    def __post_init__(self) -> None:
        """Refuse what would change the log's other words."""
        check_lines(self, ("reason",))


class BeginPasskeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``current_password`` where there is one and no second factor yet."""

    current_password: Password | None = None


class PasskeySignInBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A passkey, and the challenge that it answers. ``device`` names the session."""

    challenge_id: UUID
    passkey: UsedCredential
    device: Annotated[str, Meta(max_length=120)] | None = None
    mode: SessionMode = "token"

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("device",))


class PasskeyAnswer(ConfirmedAnswer, frozen=True, kw_only=True):
    """The passkey counts now, and these are the tokens that have it in. ``recovery_codes`` come
    with the first factor and are shown this once."""

    passkey: PasskeyLine


class BrowserPasskeyAnswer(BrowserConfirmedAnswer, frozen=True, kw_only=True):
    """The passkey counts now, and the cookies are new. ``recovery_codes`` come with the first
    factor and are shown this once."""

    passkey: PasskeyLine


def _one_factor(code: str | None, passkey: UsedCredential | None) -> None:
    if (code is None) == (passkey is None):
        raise FieldInvalid(
            "required",
            fa="یکی از code و passkey لازم است",
            en="Send code or passkey",
            at="code",
        )


def _named(name: str) -> None:
    if not name.strip():
        raise FieldInvalid("required", fa="نام لازم است", en="Needs a name", at="name")
