"""Secrets at rest: encryption bound to its place, keyed hashes, and values that never print.

Every key is derived from the root secret (``SecuritySettings.secret_key``) for one purpose by
HKDF-SHA256 (RFC 5869), so no two purposes share one. It never logs and never stores anything.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import NoReturn, Self
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from flatrender.security.settings import SecuritySettings

#: Used when no root secret is set; production refuses to start without one.
DEVELOPMENT_SECRET = "flatrender development root secret: known to everybody"  # noqa: S105 - refused in production
_SALT = b"flatrender/v1"
_VERSION = "e1"
_NONCE_BYTES = 12
_MASK = "••••••"


class DecryptionError(Exception):
    """A stored value cannot be opened: another key, another place, or it was changed.

    The text never holds the value.
    """


class Secret:
    """A string that does not show itself: not in logs, tracebacks, f-strings, JSON or pickles.

    ``reveal`` is the one way to the text. Comparison takes constant time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text."""
        return self._value

    def masked(self) -> str:
        """Return what a settings page may show."""
        return mask(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, _spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not serialised")


class Place(Struct, frozen=True):
    """Where a secret lives. It is authenticated with the value (GCM's associated data), so a
    ciphertext copied into another row, column or table does not open."""

    context: str
    table: str
    column: str
    row: str | UUID

    def to_bytes(self) -> bytes:
        """Return an unambiguous encoding (lengths first)."""
        parts = [p.encode() for p in (self.context, self.table, self.column, str(self.row))]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive_key(secret: str, purpose: str, length: int = 32) -> bytes:
    """Return the key for ``purpose`` under the root ``secret`` (HKDF-SHA256)."""
    return HKDF(
        algorithm=SHA256(), length=length, salt=_SALT, info=f"flatrender/{purpose}".encode()
    ).derive(secret.encode())


def root_secrets(settings: SecuritySettings) -> list[str]:
    """Return the root secrets, the current one first."""
    return [settings.secret_key or DEVELOPMENT_SECRET, *settings.old_secret_keys]


class Encryptor:
    """AES-256-GCM with a key ring: encrypts under the first key, opens under any.

    A ciphertext is text: ``e1.<key id>.<base64url of nonce and sealed value>``.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise ValueError("an Encryptor needs at least one root secret")
        self._ring: dict[str, AESGCM] = {}
        for secret in secrets:
            key_id = derive_key(secret, "encryption/id", 4).hex()
            self._ring.setdefault(key_id, AESGCM(derive_key(secret, "encryption")))
        self._current = next(iter(self._ring))

    @classmethod
    def from_settings(cls, settings: SecuritySettings) -> Self:
        """Make the ring from ``secret_key`` and ``old_secret_keys``."""
        return cls(root_secrets(settings))

    def encrypt(self, value: str | bytes | Secret, place: Place) -> str:
        """Return ``value`` sealed for ``place``."""
        if isinstance(value, Secret):
            value = value.reveal()
        data = value.encode() if isinstance(value, str) else value
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._ring[self._current].encrypt(nonce, data, place.to_bytes())
        return f"{_VERSION}.{self._current}.{base64.urlsafe_b64encode(sealed).decode()}"

    def decrypt_bytes(self, stored: str, place: Place) -> bytes:
        """Return the bytes sealed in ``stored``; raises :class:`DecryptionError`."""
        version, _, rest = stored.partition(".")
        key_id, _, body = rest.partition(".")
        key = self._ring.get(key_id)
        if version != _VERSION or key is None:
            raise DecryptionError(
                f"{place.context}.{place.table}.{place.column}: sealed under an unknown key"
            )
        try:
            sealed = base64.b64decode(body, altchars=b"-_", validate=True)
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.to_bytes())
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise DecryptionError(
                f"{place.context}.{place.table}.{place.column}: changed, or not of this row"
            ) from error

    def decrypt(self, stored: str, place: Place) -> Secret:
        """Return the text sealed in ``stored``; raises :class:`DecryptionError`."""
        return Secret(self.decrypt_bytes(stored, place).decode())

    def needs_rotation(self, stored: str) -> bool:
        """True when ``stored`` is not sealed under the current key: encrypt it anew."""
        return not stored.startswith(f"{_VERSION}.{self._current}.")


class KeyedHash:
    """HMAC-SHA256 under a derived key: what a stolen table cannot be searched with.

    For random values (API keys, refresh tokens, recovery codes); passwords take argon2id.
    """

    def __init__(self, secrets: Sequence[str], purpose: str) -> None:
        self._keys = [derive_key(secret, f"hash/{purpose}") for secret in secrets]

    @classmethod
    def from_settings(cls, settings: SecuritySettings, purpose: str) -> Self:
        """Make the hash for one purpose (``api_key``, ``refresh``, ``recovery_code``)."""
        return cls(root_secrets(settings), purpose)

    def digest(self, value: str | bytes) -> bytes:
        """Return the 32 bytes to store, under the current root secret."""
        return _hmac(self._keys[0], value)

    def matches(self, value: str | bytes, digest: bytes) -> bool:
        """True when ``digest`` was made from ``value`` under any root secret; constant time."""
        found = False
        for key in self._keys:
            found |= hmac.compare_digest(_hmac(key, value), digest)
        return found


def _hmac(key: bytes, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return hmac.digest(key, data, hashlib.sha256)


def mask(value: str) -> str:
    """Return what may be shown of a secret: nothing of a short one, else its last four."""
    if not value:
        return ""
    return _MASK + value[-4:] if len(value) >= 16 else _MASK


def keeps_stored(value: str | None, stored: str | None) -> bool:
    """True when a form sent nothing new: empty, or the unchanged mask of what is stored."""
    return not value or (stored is not None and value == mask(stored))
