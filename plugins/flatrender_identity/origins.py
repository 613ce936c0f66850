"""Hosts of pages, and which of them lie on which. Pure; no I/O."""

import re
from urllib.parse import urlsplit

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def is_host(text: str) -> bool:
    """True for a host name in lower case (RFC 1123 section 2.1)."""
    return len(text) <= 253 and _HOST.fullmatch(text) is not None


def within(host: str, rp_id: str) -> bool:
    """True when a page of ``host`` may name ``rp_id`` as its relying party."""
    return host == rp_id or host.endswith(f".{rp_id}")


def host_of(origin: str) -> str:
    """Return the host name of an origin, in lower case."""
    return (urlsplit(origin).hostname or "").lower()
