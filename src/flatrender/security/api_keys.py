"""The form of API keys: ``frk_<key id>.<secret><checksum>``. Storage and lookup are identity's.

The id names the row, so a lookup never depends on the secret; the checksum lets a scanner or a
client see a typing mistake without asking us. Of the secret only a keyed hash is stored
(``secrets.KeyedHash`` with purpose ``api_key``), because it is random and needs no slow hash.
"""

import re
import secrets
import zlib
from uuid import UUID

from msgspec import Struct

from flatrender.security.secrets import KeyedHash, Secret

PREFIX = "frk_"
PUBLISHABLE_PREFIX = "frp_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43  # 256 bits in base 62
_CHECK_LENGTH = 6  # CRC-32 in base 62
_FORM = re.compile(rf"frk_([0-9a-f]{{32}})\.([0-9A-Za-z]{{{_SECRET_LENGTH + _CHECK_LENGTH}}})\Z")


class ParsedKey(Struct, frozen=True, kw_only=True):
    """A well-formed key. ``text`` is the whole of it, which is what is hashed."""

    key_id: UUID
    text: Secret


class NewKey(Struct, frozen=True, kw_only=True):
    """A key just made: ``text`` is shown once, ``digest`` is stored, ``hint`` may be listed."""

    key_id: UUID
    text: Secret
    digest: bytes
    hint: str


def make_key(key_id: UUID, hasher: KeyedHash) -> NewKey:
    """Make the key of row ``key_id``."""
    body = f"{PREFIX}{key_id.hex}.{_random(_SECRET_LENGTH)}"
    text = body + _checksum(body)
    return NewKey(
        key_id=key_id,
        text=Secret(text),
        digest=hasher.digest(text),
        hint=f"{PREFIX}{key_id.hex[:8]}…{text[-4:]}",
    )


def parse_key(text: str) -> ParsedKey | None:
    """Return the parts of a key, or None when it has not the form or the checksum of one."""
    match = _FORM.match(text)
    if match is None or _checksum(text[:-_CHECK_LENGTH]) != text[-_CHECK_LENGTH:]:
        return None
    return ParsedKey(key_id=UUID(hex=match[1]), text=Secret(text))


def make_publishable_key() -> str:
    """Make a tenant's publishable key: it names the tenant in pages and grants nothing."""
    body = PUBLISHABLE_PREFIX + _random(24)
    return body + _checksum(body)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number = zlib.crc32(text.encode())
    digits = ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits
