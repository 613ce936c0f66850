"""Settings of the HTTP layer: values and their production rules. Never reads the environment."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

#: Shorter keys are refused in production: an HMAC-SHA256 key should not be guessable.
MIN_KEY_LENGTH = 32


class HttpSettings(Struct, frozen=True, kw_only=True):
    """How this process speaks HTTP. Sizes are bytes, times are seconds.

    ``cors_origins`` are exact origins (``https://app.example.ir``), never patterns.
    ``cursor_key`` signs cursors and keys the idempotency records; processes of one deployment
    share it. An empty key means one that is drawn at start: fine for one development process.
    ``trusted_proxies`` are addresses or networks whose X-Forwarded-* headers are believed.
    ``hsts_seconds`` 0 sends no Strict-Transport-Security.
    ``development_pages`` offers the contexts' pages to try things with in a browser.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    public_url: str = "http://127.0.0.1:8000"
    cors_origins: list[str] = []
    trusted_proxies: list[str] = []
    body_limit_bytes: Annotated[int, Meta(ge=1024, le=1 << 30)] = 1 << 20
    json_depth: Annotated[int, Meta(ge=4, le=200)] = 64
    hsts_seconds: Annotated[int, Meta(ge=0)] = 0
    docs_enabled: bool = True
    development_pages: bool = False
    cursor_key: str = ""

    def __post_init__(self) -> None:
        """Refuse origins and networks that could never match; raises ``ValueError``."""
        for origin in self.cors_origins:
            check_origin(origin)
        for network in self.trusted_proxies:
            ipaddress.ip_network(network, strict=False)

    def production_problems(self) -> list[str]:
        """Return one line per value that production must not run with."""
        problems = []
        if len(self.cursor_key) < MIN_KEY_LENGTH:
            problems.append(
                f"FLATRENDER_HTTP_CURSOR_KEY: needs at least {MIN_KEY_LENGTH} characters"
            )
        if urlsplit(self.public_url).scheme != "https":
            problems.append("FLATRENDER_HTTP_PUBLIC_URL: must be https")
        if self.development_pages:
            problems.append("FLATRENDER_HTTP_DEVELOPMENT_PAGES: is for development and tests")
        problems.extend(
            f"FLATRENDER_HTTP_CORS_ORIGINS: {origin} is not https"
            for origin in self.cors_origins
            if not origin.startswith("https://")
        )
        return problems


def check_origin(origin: str) -> None:
    """Raise ``ValueError`` unless ``origin`` is a serialised origin (RFC 6454 section 6.2)."""
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.hostname or "*" in origin:
        raise ValueError(f"{origin!r} is not an exact http(s) origin")
    if origin != f"{parts.scheme}://{parts.netloc}".lower() or "@" in parts.netloc:
        raise ValueError(f"{origin!r} must be scheme://host[:port] in lower case, nothing else")
