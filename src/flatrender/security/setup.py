"""The one place where the security layer meets the runtime and the app.

``SecurityServices`` belongs to every process (``infra.security``): contexts take the limiter,
passwords, signatures and keyed hashes from it. ``SecurityLayer`` belongs to the app: it binds
the ports that contexts offer into authentication.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import structlog
from litestar import Request
from litestar.di import Provide
from litestar.middleware import DefineMiddleware

from flatrender.clock import Clock
from flatrender.security.authentication import (
    Authentication,
    AuthenticationMiddleware,
    route_problems,
)
from flatrender.security.cookies import BrowserSessions
from flatrender.security.gate import Gate
from flatrender.security.limits import RateLimiter
from flatrender.security.passwords import Passwords
from flatrender.security.ports import (
    ApiKeyAuthenticator,
    NodeAuthenticator,
    ReplayLedger,
    RoleLedger,
    SessionLedger,
    SupportLedger,
    TenantResolver,
)
from flatrender.security.principal import Principal, anonymous
from flatrender.security.secrets import KeyedHash
from flatrender.security.sessions import SessionCache
from flatrender.security.settings import KEY_SECONDS, SecuritySettings
from flatrender.security.signatures import SignatureVerifier
from flatrender.security.tokens import (
    KeyRing,
    KeySource,
    StaticKeys,
    TokenVerifier,
    WatchClaims,
)
from flatrender.security.vigil import Vigil

if TYPE_CHECKING:
    from flatrender.runtime import Runtime

log = structlog.get_logger(__name__)


class SecurityServices:
    """What contexts use of the security layer; one per process, closed with it.

    ``origins`` are the pages that may call by cookie.
    """

    def __init__(
        self,
        settings: SecuritySettings,
        *,
        valkey_url: str,
        prefix: str,
        clock: Clock,
        origins: Iterable[str] = (),
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.gate = Gate(valkey_url, prefix, clock=clock)
        self.limiter = RateLimiter(self.gate)
        self.passwords = Passwords(settings)
        self.browser = BrowserSessions(settings, origins)

    def keyed_hash(self, purpose: str) -> KeyedHash:
        """Return the keyed hash of one purpose (``api_key``, ``refresh``)."""
        return KeyedHash.from_settings(self.settings, purpose)

    def signatures(self, ledger: ReplayLedger | None = None) -> SignatureVerifier:
        """Return a verifier of request signatures."""
        return SignatureVerifier(self.gate, ledger=ledger, clock=self.clock)

    def token_verifier(self, source: KeySource | None) -> TokenVerifier:
        """Return a verifier over ``source``; without one every token is refused."""
        ring = KeyRing(source or StaticKeys(), self.clock, max_seconds=KEY_SECONDS)
        return TokenVerifier(ring, self.settings, self.clock)

    def vigil(self, claims: WatchClaims, ledger: SessionLedger | None) -> Vigil:
        """Return the watch over a live stream that ``claims`` have just opened."""
        return Vigil(claims, SessionCache(self.gate, ledger), self.gate, self.clock)

    async def close(self) -> None:
        """Close connections and threads."""
        await self.gate.close()
        self.passwords.close()


class SecurityLayer:
    """Authentication of one app, made of the ports that its runtime has bound."""

    def __init__(self, runtime: "Runtime") -> None:
        services = runtime.infra.security
        source = runtime.port(KeySource)
        ledger = runtime.port(SessionLedger)
        if source is None or ledger is None:
            log.warning("users_cannot_be_authenticated", reason="no context offers keys, sessions")
        extra = [runtime.port(port) for port in (ApiKeyAuthenticator, NodeAuthenticator)]
        self.verifier = services.token_verifier(source)
        self.authentication = Authentication(
            verifier=self.verifier,
            gate=services.gate,
            sessions=SessionCache(services.gate, ledger),
            tenants=runtime.port(TenantResolver),
            authenticators=[found for found in extra if found is not None],
            browser=services.browser,
            roles=runtime.port(RoleLedger),
            support=runtime.port(SupportLedger),
            clock=services.clock,
        )

    def middleware(self) -> list[DefineMiddleware]:
        """Return the app's first middleware."""
        return [DefineMiddleware(AuthenticationMiddleware, service=self.authentication)]

    def dependencies(self) -> dict[str, Provide]:
        """Return what every handler may ask for: ``principal``."""
        return {"principal": Provide(provide_principal, sync_to_thread=False)}

    @staticmethod
    def problems(routes: Sequence[Any]) -> list[str]:
        """Return one line per route with an unknown option; the app refuses to start with any."""
        return route_problems(routes)


def provide_principal(request: Request[Any, Any, Any]) -> Principal:
    """Return the caller of this request."""
    found = request.scope.get("user")
    return found if isinstance(found, Principal) else anonymous()
