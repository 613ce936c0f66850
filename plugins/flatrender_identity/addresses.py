"""Addresses that people are reached by and sign in with: e-mail and mobile. Pure; no I/O."""

import re
from typing import Literal

from msgspec import Struct

from flatrender_identity.domain import normalise_email
from flatrender_identity.services.codes import ascii_digits

AddressKind = Literal["Email", "Mobile"]

#: E.164 (ITU-T E.164 section 6.2.1): a country code that does not begin with 0, 15 digits at most.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_FILLERS = str.maketrans("", "", " -().\u200c\u200e\u200f\u00a0")
_HOME_PREFIX = "+98"


class Address(Struct, frozen=True):
    """One address in the form it is compared in and sent to."""

    kind: AddressKind
    value: str

    @property
    def channel(self) -> Literal["Email", "SMS"]:
        """The notification channel that reaches it."""
        return "Email" if self.kind == "Email" else "SMS"

    def masked(self) -> str:
        """Return the address as a message to somebody else may show it."""
        if self.kind == "Mobile":
            return f"{self.value[:4]}•••{self.value[-2:]}"
        local, _, domain = self.value.partition("@")
        return f"{local[:1]}•••@{domain}"


def normalise_mobile(text: str) -> str | None:
    """Return a mobile number in E.164 with the plus, or None when it is none.

    Digits of any script; ``00`` for the plus; a number that begins with one ``0`` is one of Iran,
    the product's home.
    """
    if len(text) > 60:
        return None
    number = ascii_digits(text.strip()).translate(_FILLERS)
    if number.startswith("00"):
        number = f"+{number[2:]}"
    elif number.startswith("0"):
        number = f"{_HOME_PREFIX}{number[1:]}"
    return number if _E164.fullmatch(number) else None


def read_address(text: str) -> Address | None:
    """Return the address that somebody typed, or None when it is none of the two kinds."""
    if "@" in text:
        email = normalise_email(text)
        return Address("Email", email) if email else None
    mobile = normalise_mobile(text)
    return Address("Mobile", mobile) if mobile else None
