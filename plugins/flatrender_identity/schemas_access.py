"""Requests and answers around one-time links and codes, passwords and addresses."""

from typing import Annotated

from msgspec import Meta, Struct

from flatrender.errors import FieldError, FieldInvalid, Invalid
from flatrender.security.principal import Role
from flatrender.text import check_lines
from flatrender_identity.addresses import Address, normalise_mobile
from flatrender_identity.domain import normalise_email
from flatrender_identity.policy import TenantPolicy
from flatrender_identity.schemas import Code, Email, Locale, Mobile, Password, SessionMode

Identifier = Annotated[
    str, Meta(min_length=3, max_length=254, examples=["sara@example.ir", "+989121234567"])
]
#: Three signs at least: blanks are no reason.
Reason = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=500,
        pattern=r"\S\s*\S\s*\S",
        examples=["asked for by its owner"],
    ),
]
LinkToken = Annotated[str, Meta(min_length=1, max_length=200)]


class IdentifierBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An e-mail address or a mobile number."""

    identifier: Identifier


class ProofBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came by message: the link's ``token``, or the ``code`` with the address it went to."""

    token: LinkToken | None = None
    identifier: Identifier | None = None
    code: Code | None = None

    def __post_init__(self) -> None:
        """Demand one of the two forms."""
        check_proof(self.token, self.identifier, self.code)


class RecoverBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The link's ``token`` or the ``code`` with its address, and the new password."""

    token: LinkToken | None = None
    identifier: Identifier | None = None
    code: Code | None = None
    password: Password

    def __post_init__(self) -> None:
        """Demand one of the two forms."""
        check_proof(self.token, self.identifier, self.code)


class LinkSignInBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The link's ``token`` or the ``code`` with its address. ``device`` names the session."""

    token: LinkToken | None = None
    identifier: Identifier | None = None
    code: Code | None = None
    device: Annotated[str, Meta(max_length=120)] | None = None
    trusted_device_token: Annotated[str, Meta(max_length=100)] | None = None
    mode: SessionMode = "token"

    def __post_init__(self) -> None:
        """Demand one of the two forms, and a device that can be shown."""
        check_lines(self, ("device",))
        check_proof(self.token, self.identifier, self.code)


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a link."""

    token: LinkToken


class ChangePasswordBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new password. ``current_password`` is not looked at where a second factor is set up: a
    fresh one of those is wanted then."""

    current_password: Password | None = None
    new_password: Password


class ChangeEmailBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The new address; ``current_password`` as in changing it."""

    email: Email
    current_password: Password | None = None


class ChangeMobileBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The new number; ``current_password`` as in changing it."""

    mobile: Mobile
    current_password: Password | None = None


class ConfirmEmailBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The code that the new address got."""

    email: Email
    code: Code


class ConfirmMobileBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The code that the new number got."""

    mobile: Mobile
    code: Code


class NameSessionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A name for the device of a session; empty: none."""

    device_name: Annotated[str, Meta(max_length=120)]

    def __post_init__(self) -> None:
        """Refuse what would change the words beside it."""
        check_lines(self, ("device_name",))


class EndedAnswer(Struct, frozen=True):
    """How many sessions were ended."""

    ended: int


class PolicyBody(TenantPolicy, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tenant's rules, and why they change."""

    reason: Reason

    def __post_init__(self) -> None:
        """Refuse a domain that is none, and what would change the log's other words."""
        super().__post_init__()
        check_lines(self, ("reason",))


class RotateKeysBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why the signing key changes. ``withdraw_old`` takes all keys of before out of use."""

    reason: Reason
    withdraw_old: bool = False

    def __post_init__(self) -> None:
        """Refuse what would change the log's other words."""
        check_lines(self, ("reason",))


class RotatedAnswer(Struct, frozen=True):
    """The id of the key that signs from now on."""

    kid: str


class ProvenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """``current_password`` as in changing it."""

    current_password: Password | None = None


class InviteBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to invite, as what, with which words."""

    email: Email
    role: Role
    message: Annotated[str, Meta(max_length=500)] = ""

    def __post_init__(self) -> None:
        """Refuse what would change the mail's other words."""
        check_lines(self, ("message",))


class RoleBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A role, and why it is given."""

    role: Role
    reason: Reason

    def __post_init__(self) -> None:
        """Refuse what would change the log's other words."""
        check_lines(self, ("reason",))


class AcceptBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The link's token, and the account to make."""

    token: LinkToken
    password: Password
    display_name: Annotated[str, Meta(max_length=120)] = ""
    locale: Locale = "fa"

    def __post_init__(self) -> None:
        """Refuse what would change the words beside the name."""
        check_lines(self, ("display_name",))


def check_proof(token: str | None, identifier: str | None, code: str | None) -> None:
    """Refuse anything but a token alone, or a code with its address."""
    whole = token is None and identifier is not None and code is not None
    if not whole and (token is None or identifier is not None or code is not None):
        raise FieldInvalid(
            "required",
            fa="یا token لازم است یا identifier همراه code",
            en="Send token, or identifier and code",
            at="token",
        )


def email_address(text: str, pointer: str = "/email") -> Address:
    """Return an e-mail address that was typed. Raises ``Invalid``."""
    found = normalise_email(text)
    if found is None:
        raise Invalid(
            errors=[
                FieldError(
                    pointer=pointer,
                    code="email_invalid",
                    message_fa="نشانی ایمیل درست نیست",
                    message_en="This is not an e-mail address",
                )
            ]
        )
    return Address("Email", found)


def mobile_address(text: str, pointer: str = "/mobile") -> Address:
    """Return a mobile number that was typed. Raises ``Invalid``."""
    found = normalise_mobile(text)
    if found is None:
        raise Invalid(
            errors=[
                FieldError(
                    pointer=pointer,
                    code="mobile_invalid",
                    message_fa="شمارهٔ همراه درست نیست",
                    message_en="This is not a mobile number",
                )
            ]
        )
    return Address("Mobile", found)
