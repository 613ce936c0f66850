"""What may be written down: secrets out of log events, URLs and header maps. Pure functions.

Redaction is the net below the rule that nobody logs secrets. It works by the name of a field and
by the shape of a value, and it never lets a value through because it could not parse it.
"""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

MASK = "***"
_MAX_DEPTH = 6
_MAX_TEXT = 8_192

_SECRET_NAME = re.compile(
    r"(?i)(?:^|[_\-.])(?:password|passwd|pwd|passphrase|secret|secrets|token|tokens|jwt|bearer|"
    r"authorization|proxy[_-]authorization|cookie|cookies|set[_-]cookie|credential|credentials|"
    r"otp|totp|signature|body|"
    r"(?:api|access|private|secret|signing|encryption|cursor|x[_-]api|tenant)[_-]?key)s?$"
)
#: Names that end like a secret and hold none.
_INNOCENT = frozenset({"idempotency_key", "public_key", "object_key", "cache_key", "max_tokens"})

_SHAPES = (
    # A compact JWS: three base64url parts, the first an encoded JSON object.
    re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*)?"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\bfrk_[A-Za-z0-9]+\.[A-Za-z0-9]+"),  # our API keys
    re.compile(r"\bf[dort]1\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)*"),  # our opaque tokens
    re.compile(r"\bwhsec_[A-Za-z0-9+/=_-]{8,}"),  # Standard Webhooks secrets
    re.compile(r"\bbot\d{5,}:[A-Za-z0-9_-]{20,}"),  # Telegram, in a path
    re.compile(r"(?<=://)[^/\s@:]*:[^/\s@]+(?=@)"),  # user:password@ of any URL
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
    ),
)
#: A name ends where the next one may begin: whatever text comes, it is gone through once.
_QUERY_SECRET = re.compile(
    r"(?i)([?&;](?=[^=?&;#\s]*"
    r"(?:token|key|secret|password|signature|credential|code|state|otp|sig))"
    r"[^=?&;#\s]*=)[^&#\s\"']*"
)
_LONG_SEGMENT = re.compile(r"(?=[^/]*[0-9])[A-Za-z0-9_\-=%:.]{24,}")
_UUID = re.compile(r"(?i)[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def is_secret_name(name: str) -> bool:
    """True when a field of this name is never written down."""
    return name.lower() not in _INNOCENT and _SECRET_NAME.search(name) is not None


def redact_text(text: str) -> str:
    """Return ``text`` with everything masked that has the shape of a secret."""
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + "…"
    for shape in _SHAPES:
        text = shape.sub(MASK, text)
    return _QUERY_SECRET.sub(rf"\1{MASK}", text)


def redact(value: object, name: str = "", depth: int = 0) -> object:
    """Return ``value`` fit for a log: masked by name, by shape, cut at a depth of six."""
    if value is None or isinstance(value, (bool, int, float)):
        return MASK if name and is_secret_name(name) and not isinstance(value, bool) else value
    if name and is_secret_name(name):
        return MASK if value else value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, msgspec.Struct):  # settings, claims: their repr would show everything
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {str(key): redact(item, str(key), depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [redact(item, "", depth + 1) for item in value]
    return redact_text(str(value))


def redact_url(url: str) -> str:
    """Return a URL for logs: no user info, no query values, no fragment, no secret in the path.

    Providers put keys into paths (Kavenegar ``/v1/{key}/sms/send.json``, Telegram
    ``/bot{token}/sendMessage``, push endpoints), so long segments with digits are masked; ids
    (UUIDs) stay.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        return MASK
    if ":" in host:
        host = f"[{host}]"
    path = "/".join(_redact_segment(segment) for segment in parts.path.split("/"))
    names = [pair.partition("=")[0] for pair in parts.query.split("&") if pair]
    query = "?" + "&".join(f"{redact_text(name)}={MASK}" for name in names) if names else ""
    scheme = f"{parts.scheme}://" if parts.scheme else ""
    return f"{scheme}{host}{port}{path}{query}"


def _redact_segment(segment: str) -> str:
    if _UUID.fullmatch(segment):
        return segment
    if re.fullmatch(r"bot\d+:.*", segment) or re.fullmatch(r"(?i)bot\d+%3a.*", segment):
        return f"bot{MASK}"
    if _LONG_SEGMENT.fullmatch(segment):
        return MASK
    return redact_text(segment)
