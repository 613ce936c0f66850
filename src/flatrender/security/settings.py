"""Settings of the security layer. Holds values and their production rules; never reads the
environment and never prints a secret."""

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct

#: Shorter root secrets are refused in production.
MIN_SECRET_LENGTH = 32
#: The longest life of an access token, in seconds (15 minutes).
MAX_ACCESS_SECONDS = 900
#: How long a verifier believes what it read about keys: a withdrawn one is refused by then.
KEY_SECONDS = 60.0

PROXY_SCHEMES = ("http", "socks5")


class SecuritySettings(Struct, frozen=True, kw_only=True):
    """Who may call, with what, and where this process may call. Times are seconds.

    ``secret_key`` is the root of every key that protects data at rest (encryption, keyed hashes,
    refresh tokens); all processes of one deployment share it. After a rotation the former ones
    stay in ``old_secret_keys`` until everything is encrypted anew. Empty means a well-known
    development key, which production refuses.

    ``issuer`` and ``audience`` go into every token and are demanded of every token.

    ``allow_loopback`` opens the outbound door to this machine (tests, development).
    ``outbound_proxies`` maps destinations to proxies (``http://[user:password@]host:port`` or
    ``socks5://...``): an exact host (``oauth2.googleapis.com``), a domain with everything below
    it (``.googleapis.com``) or ``*`` for all the rest. A named destination is resolved by its
    proxy, because the networks that need one often lie about it; ``*`` is resolved and checked
    here and only dialled through the proxy.

    ``device_token_days`` is how long after a login its device keeps tries of its own.

    ``password_memory_kib`` and ``password_passes`` are argon2id's m and t (the defaults follow
    OWASP's password storage advice); ``password_threads`` bounds how many hashes run at once.
    """

    issuer: str = "flatrender-identity"
    audience: str = "flatrender"
    secret_key: str = ""
    old_secret_keys: list[str] = []
    access_token_seconds: Annotated[int, Meta(ge=30, le=MAX_ACCESS_SECONDS)] = MAX_ACCESS_SECONDS
    refresh_sliding_seconds: Annotated[int, Meta(ge=60)] = 14 * 86_400
    refresh_absolute_seconds: Annotated[int, Meta(ge=60)] = 90 * 86_400
    device_token_days: Annotated[int, Meta(ge=1, le=3_650)] = 180
    step_up_seconds: Annotated[int, Meta(ge=60, le=3600)] = 900
    cookie_secure: bool = True
    allow_loopback: bool = False
    outbound_proxies: dict[str, str] = {}
    password_memory_kib: Annotated[int, Meta(ge=8, le=1 << 20)] = 19_456
    password_passes: Annotated[int, Meta(ge=1, le=20)] = 2
    password_threads: Annotated[int, Meta(ge=1, le=64)] = 2

    def __post_init__(self) -> None:
        """Refuse proxies that could never be dialled; raises ``ValueError`` without the URL,
        which may hold a password."""
        for destination, proxy in self.outbound_proxies.items():
            parts = urlsplit(proxy)
            if parts.scheme not in PROXY_SCHEMES or not parts.hostname or parts.port is None:
                raise ValueError(
                    f"outbound_proxies: {destination} needs http://host:port or socks5://host:port"
                )
            if parts.path not in ("", "/") or parts.query or parts.fragment:
                raise ValueError(f"outbound_proxies: {destination} has more than host and port")

    def __repr__(self) -> str:
        return f"SecuritySettings(issuer={self.issuer!r}, ...)"

    def production_problems(self) -> list[str]:
        """Return one line per value that production must not run with."""
        problems = []
        if len(self.secret_key) < MIN_SECRET_LENGTH:
            problems.append(
                f"FLATRENDER_SECURITY_SECRET_KEY: needs at least {MIN_SECRET_LENGTH} characters"
            )
        if self.allow_loopback:
            problems.append("FLATRENDER_SECURITY_ALLOW_LOOPBACK: is for development and tests")
        if not self.cookie_secure:
            problems.append("FLATRENDER_SECURITY_COOKIE_SECURE: must be true")
        if self.password_memory_kib < 12_288 or self.password_passes < 1:  # OWASP's smallest set
            problems.append("FLATRENDER_SECURITY_PASSWORD_MEMORY_KIB: needs at least 12288")
        if self.refresh_absolute_seconds < self.refresh_sliding_seconds:
            problems.append(
                "FLATRENDER_SECURITY_REFRESH_ABSOLUTE_SECONDS: is shorter than the sliding time"
            )
        return problems
