"""What a route says about idempotency, and how the header is read."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from flatrender.http.idempotency.errors import KeyInvalid, KeyMissing

HEADER = b"idempotency-key"
#: Keys in a handler's ``opt``: the policy, and whose table holds the records.
OPT_IDEMPOTENT = "idempotent"
OPT_CONTEXT = "context"

# RFC 9651 string: quoted, visible ASCII and space, backslash before a quote or backslash.
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"\Z')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]+\Z")  # no quote, comma or semicolon
_MAX_KEY = 255


class IdempotencyPolicy(Struct, frozen=True, kw_only=True):
    """How one route takes keys.

    ``lock_seconds`` is how long a request may run before a repeat may take over; choose it well
    above the slowest honest answer.
    """

    required: bool = False
    lock_seconds: float = 60.0
    context: str = ""


def policy_of(opt: Mapping[str, Any]) -> IdempotencyPolicy | None:
    """Read a handler's ``opt``: ``True``, ``"required"`` or an :class:`IdempotencyPolicy`."""
    value = opt.get(OPT_IDEMPOTENT)
    context = str(opt.get(OPT_CONTEXT, ""))
    if isinstance(value, IdempotencyPolicy):
        return (
            value
            if value.context
            else IdempotencyPolicy(
                required=value.required, lock_seconds=value.lock_seconds, context=context
            )
        )
    if value is True:
        return IdempotencyPolicy(context=context)
    if value == "required":
        return IdempotencyPolicy(required=True, context=context)
    return None


def read_key(headers: Iterable[tuple[bytes, bytes]], policy: IdempotencyPolicy) -> str | None:
    """Return the key, None when absent and optional.

    The draft's quoted string and the bare token that most clients send are the same key. Raises
    :class:`KeyMissing` and :class:`KeyInvalid`.
    """
    values = [value for name, value in headers if name == HEADER]
    if not values:
        if policy.required:
            raise KeyMissing
        return None
    if len(values) > 1:
        raise KeyInvalid
    text = values[0].decode("latin-1").strip()
    if quoted := _QUOTED.match(text):
        key = re.sub(r"\\(.)", r"\1", quoted.group(1))
    elif _BARE.match(text):
        key = text
    else:
        raise KeyInvalid
    if not 1 <= len(key) <= _MAX_KEY:
        raise KeyInvalid
    return key
