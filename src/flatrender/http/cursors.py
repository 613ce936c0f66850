"""Opaque signed cursors: where an endless list goes on.

A cursor holds the sort values of the last row seen and an HMAC that ties them to one list: its
route, filters, order and owner. Changed, foreign or cut, it is refused; it never widens what the
caller may see, since filters and tenant always come from the request itself.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from flatrender.errors import FieldError, Invalid

_VERSION = b"\x01"
_MAC_BYTES = 16  # 128 bits: forging needs an online guess per try
_MAX_LENGTH = 1024


class CursorInvalid(Invalid):
    """The cursor was changed, cut, or belongs to another list."""

    code = "cursor_invalid"
    title_fa = "نشانگر صفحه معتبر نیست"
    title_en = "The cursor is not valid"
    detail_fa = "فهرست را از صفحهٔ نخست بخوانید."
    detail_en = "Read the list again from its first page."

    def __init__(self) -> None:
        super().__init__(
            errors=[
                FieldError(
                    pointer="?cursor",
                    code="cursor_invalid",
                    message_fa=self.title_fa,
                    message_en=self.title_en,
                )
            ]
        )


class CursorSigner:
    """Makes and reads the cursors of one deployment."""

    def __init__(self, key: bytes) -> None:
        """Derive the signing key; ``key`` may serve other purposes as well."""
        self._key = hmac.digest(key, b"flatrender cursor v1", hashlib.sha256)

    def encode(self, values: Sequence[Any], *, binding: bytes) -> str:
        """Return the cursor behind a row with these sort values."""
        payload = _VERSION + msgspec.msgpack.encode(list(values))
        return base64.urlsafe_b64encode(self._mac(payload, binding) + payload).rstrip(b"=").decode()

    def decode(self, cursor: str, types: Sequence[Any], *, binding: bytes) -> list[Any]:
        """Return the sort values in ``cursor`` as ``types``; raises :class:`CursorInvalid`."""
        if len(cursor) > _MAX_LENGTH or not cursor.isascii():
            raise CursorInvalid
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CursorInvalid from None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, binding)):
            raise CursorInvalid
        if payload[:1] != _VERSION:
            raise CursorInvalid
        try:
            values = msgspec.msgpack.decode(payload[1:], type=list[Any])
            if len(values) != len(types):
                raise CursorInvalid
            return [
                msgspec.convert(value, kind, strict=False)
                for value, kind in zip(values, types, strict=True)
            ]
        except msgspec.MsgspecError:
            raise CursorInvalid from None

    def _mac(self, payload: bytes, binding: bytes) -> bytes:
        # The binding is hashed first: a fixed length leaves no room to shift bytes between the two.
        bound = hashlib.sha256(binding).digest()
        return hmac.digest(self._key, bound + payload, hashlib.sha256)[:_MAC_BYTES]


def binding(route: str, *, sort: str, filters: Mapping[str, Any] | None = None) -> bytes:
    """Return the bytes that name one list: its route (operation id), order and filters.

    ``filters`` should hold the tenant, and the user where the list is a user's own. Values are
    anything msgspec encodes; the order of the keys does not matter.
    """
    return msgspec.json.encode([route, sort, filters or {}], order="deterministic")
