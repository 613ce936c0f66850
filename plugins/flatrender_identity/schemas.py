"""Requests and answers of identity's HTTP API."""

from typing import Annotated, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from flatrender.errors import FieldInvalid
from flatrender.text import check_lines
from flatrender_identity.queries import Me

Locale = Literal["fa", "en"]
Email = Annotated[str, Meta(min_length=3, max_length=254, examples=["sara@example.ir"])]
Mobile = Annotated[str, Meta(min_length=8, max_length=40, examples=["+989121234567"])]
Password = Annotated[str, Meta(min_length=1, max_length=1024)]
SessionMode = Annotated[
    Literal["token", "browser"],
    Meta(
        description="How the session's tokens travel: `token` in the answer's body, `browser` in "
        "cookies that no script reads, with a CSRF token in the body."
    ),
]
Code = Annotated[str, Meta(min_length=6, max_length=16, examples=["123456"])]


class RegisterBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new account, by e-mail or mobile. Nothing else about it may be chosen by its owner."""

    email: Email | None = None
    mobile: Mobile | None = None
    password: Password
    display_name: Annotated[str, Meta(max_length=120)] = ""
    locale: Locale = "fa"

    def __post_init__(self) -> None:
        """Demand one address, and refuse what would change the words beside the name."""
        check_lines(self, ("display_name",))
        if (self.email is None) == (self.mobile is None):
            raise FieldInvalid(
                "required",
                fa="یکی از email و mobile لازم است",
                en="Send email or mobile",
                at="email",
            )


class Accepted(Struct, frozen=True):
    """The same for everybody; what happens next is told by mail."""

    status: Literal["accepted"] = "accepted"


class LoginBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Log in by ``identifier`` (an e-mail or a proven mobile), which ``email`` is another name of.

    ``device`` is a name for the list of sessions. ``device_token``, of an earlier answer, keeps
    a device's tries its own: nobody who guesses at the account can use them up.
    ``trusted_device_token``: of a device that need not show the second factor; a browser has it
    as a cookie.
    """

    identifier: Email | None = None
    email: Email | None = None
    password: Password
    device: Annotated[str, Meta(max_length=120)] | None = None
    device_token: Annotated[str, Meta(max_length=200)] | None = None
    trusted_device_token: Annotated[str, Meta(max_length=100)] | None = None
    mode: SessionMode = "token"

    def __post_init__(self) -> None:
        """Demand one of the two names, and a device that can be shown."""
        check_lines(self, ("device",))
        if (self.identifier is None) == (self.email is None):
            raise FieldInvalid(
                "required",
                fa="یکی از identifier و email لازم است",
                en="Send identifier or email",
                at="identifier",
            )

    @property
    def address(self) -> str:
        """The address, by whichever name it came."""
        return self.identifier or self.email or ""


class TokenAnswer(Struct, frozen=True, kw_only=True):
    """Tokens of an open session. Lives in seconds.

    ``device_token`` opens nothing; keep it after logging out and send it with the next login.
    ``trusted_device_token`` comes where the device is trusted from now on; the same for it.
    """

    access_token: str
    refresh_token: str
    device_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    refresh_expires_in: int
    user: Me
    trusted_device_token: str | None = None
    mfa_required: Literal[False] = False


class BrowserAnswer(Struct, frozen=True, kw_only=True):
    """An open session whose tokens are in cookies. Lives in seconds.

    Send ``csrf_token`` in ``X-CSRF-Token`` with every call that is not GET or HEAD. Of
    ``device_token`` see the other answer.
    """

    mode: Literal["browser"] = "browser"
    csrf_token: str
    device_token: str
    expires_in: int
    refresh_expires_in: int
    user: Me
    mfa_required: Literal[False] = False


class CsrfAnswer(Struct, frozen=True):
    """The CSRF token of the session in the cookies."""

    csrf_token: str


class MfaAnswer(Struct, frozen=True, kw_only=True):
    """The password was right; show one of ``methods`` (``totp``, ``passkey``, ``recovery_code``)
    with ``mfa_token`` at ``/v1/auth/mfa/verify``. ``trust_days``: for how long the device can be
    trusted with it, 0: not."""

    mfa_token: str
    methods: list[str]
    trust_days: int
    mfa_required: Literal[True] = True


class PasswordChangeAnswer(Struct, frozen=True, kw_only=True):
    """The password was right, and support had set it: choose another one with ``token`` at
    ``/v1/auth/recovery/complete`` within ``expires_in`` seconds, then sign in with that."""

    token: str
    expires_in: int
    password_change_required: Literal[True] = True


class RefreshBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token; a browser whose cookies hold it sends ``{}``."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=400)] | None = None


class ChangeMeBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What people may change about themselves."""

    display_name: Annotated[str, Meta(max_length=120)] | UnsetType = UNSET
    locale: Locale | UnsetType = UNSET
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Refuse what would change the words beside these."""
        check_lines(self, ("display_name",))


class CodeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A one-time code."""

    code: Code


class EnrolmentAnswer(Struct, frozen=True, kw_only=True):
    """A TOTP factor that waits for its first code."""

    factor_id: UUID
    secret: str
    otpauth_uri: str
    qr_svg: str


class RecoveryCodes(Struct, frozen=True, kw_only=True):
    """Recovery codes, shown this once."""

    recovery_codes: list[str]


class ConfirmedAnswer(Struct, frozen=True, kw_only=True):
    """The factor counts now. ``recovery_codes`` come with the first factor and are shown this
    once."""

    recovery_codes: list[str]
    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    refresh_expires_in: int
    user: Me


class BrowserConfirmedAnswer(Struct, frozen=True, kw_only=True):
    """The factor counts now, and the cookies are new. ``recovery_codes`` come with the first
    factor and are shown this once."""

    recovery_codes: list[str]
    mode: Literal["browser"] = "browser"
    csrf_token: str
    expires_in: int
    refresh_expires_in: int
    user: Me
