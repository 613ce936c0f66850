"""Authentication: once per request, and with limits and revocation in one Valkey round trip.

A route says what it wants in ``opt``:

``auth``
    ``user`` (default): a signed-in user. ``any``: a user or an API key. ``api_key``, ``node``:
    that credential. ``optional``: whoever comes; a credential that is sent must hold.
    ``public``: credentials are not looked at (login, health).
``limit``
    the name of a further limit by address (``login``), or None for no limit at all.
``critical``
    True for money and login: 503 while Valkey is away, instead of local limits.
``mfa``
    ``exempt`` for what staff may do before their second factor (enrolling one, logging out).

A bearer token or another credential in a header wins over a session in cookies.

The credential decides the tenant. Only an anonymous call is asked for a publishable tenant key
or a proven domain.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import WebSocketException
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from flatrender.clock import Clock, SystemClock
from flatrender.errors import DomainError, Unauthorized, Unavailable
from flatrender.http.context import current_request
from flatrender.http.proxies import limit_key
from flatrender.observability.metrics import AUTHENTICATION
from flatrender.security.cells import Cell
from flatrender.security.cookies import BrowserSessions, note_cookie_call
from flatrender.security.errors import (
    AmbiguousCredentials,
    CredentialRequired,
    ForeignOrigin,
    MfaRequired,
    SessionEnded,
    UnknownTenantKey,
    WrongCredential,
)
from flatrender.security.gate import Gate
from flatrender.security.limits import ANONYMOUS, USER, limit_named, refuse
from flatrender.security.permissions import PermissionBook
from flatrender.security.ports import (
    Authenticator,
    RoleLedger,
    SupportLedger,
    TenantResolver,
)
from flatrender.security.principal import (
    DEFAULT_TENANT_ID,
    Principal,
    anonymous,
    current_principal,
)
from flatrender.security.sessions import SessionCache
from flatrender.security.tokens import AccessClaims, TokenVerifier

log = structlog.get_logger(__name__)

TENANT_KEY_HEADER = "x-tenant-key"
AUTH_MODES = frozenset({"user", "any", "api_key", "node", "optional", "public"})
_COOKIE_MODES = frozenset({"user", "any", "optional"})
_OPTIONS = frozenset({"auth", "limit", "critical", "mfa"})
_TENANT_SECONDS = 60.0
_TENANTS_CACHED = 2_048
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Authentication:
    """Decides who calls. One instance per process.

    ``authenticators`` are further credentials (API keys, node signatures), each known by its
    header. ``tenants`` may be None where no context offers it: every anonymous call then belongs
    to the default tenant. ``browser`` takes sessions from cookies; without, only headers count.
    """

    def __init__(
        self,
        *,
        verifier: TokenVerifier,
        gate: Gate,
        sessions: SessionCache,
        tenants: TenantResolver | None = None,
        authenticators: Sequence[Authenticator] = (),
        browser: BrowserSessions | None = None,
        roles: RoleLedger | None = None,
        support: SupportLedger | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._verifier = verifier
        self._gate = gate
        self._sessions = sessions
        self._tenants = _TenantCache(tenants, clock or SystemClock())
        self._permissions = PermissionBook(roles, clock or SystemClock())
        self._browser = browser
        self._support = support
        self._authenticators = {a.header.encode("latin-1"): a for a in authenticators}

    async def authenticate(
        self, scope: Scope, receive: Receive
    ) -> tuple[Principal, AccessClaims | None]:
        """Return the caller of ``scope`` and, for a user, the token's claims.

        Raises a :class:`DomainError`: 401, 403 (``mfa_required``, ``wrong_credential``), 429 with
        Retry-After, 503.
        """
        opt = scope["route_handler"].opt
        # OPTIONS answers what a path takes, which anybody may know.
        mode = "public" if scope.get("method") == "OPTIONS" else opt.get("auth", "user")
        bearer, others, tenant_key, host = self._read(scope)
        claims: AccessClaims | None = None
        by_cookie = False
        if mode == "public":
            principal = anonymous(await self._tenants.resolve(tenant_key, host))
        elif bearer is not None:
            if others:
                raise AmbiguousCredentials()
            claims = await self._verifier.access(bearer)
            principal = claims.principal()
        elif others:
            if len(others) > 1:
                raise AmbiguousCredentials()
            principal = await others[0].authenticate(Request(scope, receive))
        elif (claims := await self._by_cookie(scope, mode)) is not None:
            principal = claims.principal()
            by_cookie = True
        elif mode == "optional":
            principal = anonymous(await self._tenants.resolve(tenant_key, host))
        else:
            raise CredentialRequired()
        _fits(principal, mode)
        try:
            principal = await self._pass_gate(principal, opt)
        except SessionEnded as ended:
            if by_cookie and self._browser is not None:
                ended.cookies = [*self._browser.cleared()]
            raise
        if principal.lacks_mfa and opt.get("mfa") != "exempt":
            raise MfaRequired()
        if principal.impersonator_id is not None and scope.get("method") not in _READING:
            await self._write_down(principal, scope)
        return principal, claims

    async def _write_down(self, principal: Principal, scope: Scope) -> None:
        """Write down what support asks for. What cannot be written down is not done."""
        if self._support is None:
            raise Unavailable()
        try:
            await self._support.asked(principal, str(scope.get("method", "")), scope["path"])
        except Exception as error:  # whatever keeps the ledger from writing
            log.error("support_ledger_failed", error=repr(error))
            raise Unavailable(headers={"Retry-After": "5"}) from error

    async def _by_cookie(self, scope: Scope, mode: str) -> AccessClaims | None:
        """Return the claims of the access token in the cookies, None where there is none.

        A foreign page's call is refused; on a route for everybody it is an anonymous one, so that
        a picture or a font of ours can stand in any page. WebSockets have tokens of their own.
        """
        if self._browser is None or scope["type"] != ScopeType.HTTP or mode not in _COOKIE_MODES:
            return None
        token = self._browser.access_token(scope)
        if token is None:
            return None
        try:
            self._browser.check_origin(scope)
        except ForeignOrigin:
            if mode == "optional":
                return None
            raise
        claims = await self._verifier.access(token)
        self._browser.check_csrf(scope, claims.sid)
        note_cookie_call(scope)
        return claims

    async def _pass_gate(self, principal: Principal, opt: Mapping[str, Any]) -> Principal:
        """Count the call and look at the session, together; returns the caller with what staff
        may do."""
        named = opt.get("limit", "")
        cells: list[Cell] = []
        if named is not None:
            context = current_request.get()
            address = limit_key(context.client) if context else "unknown"
            if principal.kind == "anonymous":
                cells.append(Cell(limit_named(ANONYMOUS), f"address:{address}"))
            else:
                party = f"{principal.tenant_id}:{principal.subject}"
                cells.append(Cell(limit_named(USER), party))
            if named:
                cells.append(Cell(limit_named(named), f"address:{address}"))
        critical = bool(opt.get("critical"))
        if not cells and not critical and principal.session_id is None:
            return principal
        roles_of = principal.tenant_id if principal.is_staff else None
        answer = await self._gate.check(cells, principal.session_id, roles_of=roles_of)
        refuse(answer.refused, answer.wait)
        if answer.degraded and critical:
            raise Unavailable(headers={"Retry-After": "5"})
        if principal.session_id is not None and not await self._sessions.live(
            principal.session_id, answer
        ):
            raise SessionEnded("ended")
        return await self._permissions.fill(principal, answer)

    def _read(self, scope: Scope) -> tuple[str | None, list[Authenticator], str | None, str | None]:
        """Return the bearer token, the other credentials present, the tenant key and the host."""
        bearer = tenant_key = host = None
        others: list[Authenticator] = []
        for name, value in scope["headers"]:
            if name == b"authorization":
                if bearer is not None:
                    raise AmbiguousCredentials()
                scheme, _, credential = value.decode("latin-1").partition(" ")
                bearer = credential.strip() if scheme.lower() == "bearer" else ""
            elif name == b"host":
                host = value.decode("latin-1")
            elif name == b"x-tenant-key":
                tenant_key = value.decode("latin-1")
            elif name in self._authenticators and scope["type"] == ScopeType.HTTP:
                others.append(self._authenticators[name])
        return bearer, others, tenant_key, host


class AuthenticationMiddleware:
    """Pure ASGI; listed in the app's ``middleware`` by ``DefineMiddleware(..., service=...)``, so
    that it runs behind the router and knows the route.

    Sets ``scope["user"]`` (the principal), ``scope["auth"]`` (the claims or None) and
    ``current_principal``. A refused WebSocket is closed with 4000 + the status (4401, 4403).
    """

    def __init__(self, app: ASGIApp, service: Authentication) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, then serve."""
        if scope["type"] not in (ScopeType.HTTP, ScopeType.WEBSOCKET):
            await self.app(scope, receive, send)
            return
        try:
            principal, claims = await self.service.authenticate(scope, receive)
        except DomainError as error:
            _count(scope, "refused" if isinstance(error, Unauthorized) else error.code)
            if scope["type"] == ScopeType.WEBSOCKET:
                raise WebSocketException(code=4000 + error.status, detail=error.code) from error
            raise
        AUTHENTICATION.labels(principal.kind, "accepted").inc()
        scope["user"], scope["auth"] = principal, claims
        if scope.get("method") == "OPTIONS":
            # Answered before guards: they would ask for a credential, and OPTIONS tells no secret.
            await _tell_methods(scope, send)
            return
        token = current_principal.set(principal)
        try:
            await self.app(scope, receive, send)
        finally:
            current_principal.reset(token)


async def _tell_methods(scope: Scope, send: Send) -> None:
    """Answer what a path takes (RFC 9110 section 9.3.7)."""
    handler = scope["route_handler"]
    found = (
        route
        for route in scope["litestar_app"].routes
        if isinstance(route, HTTPRoute) and handler in route.route_handlers
    )
    methods = ", ".join(sorted(next(found).methods))
    headers = [(b"allow", methods.encode())]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _count(scope: Scope, outcome: str) -> None:
    kind = "websocket" if scope["type"] == ScopeType.WEBSOCKET else "http"
    AUTHENTICATION.labels(kind, outcome).inc()


def _fits(principal: Principal, mode: str) -> None:
    """Refuse a caller whose kind the route does not want."""
    if mode in ("public", "optional"):
        return
    wanted = ("user", "api_key") if mode == "any" else (mode,)
    if principal.kind not in wanted:
        raise WrongCredential()


class _TenantCache:
    """Answers of the resolver, for a minute, known and unknown alike."""

    def __init__(self, resolver: TenantResolver | None, clock: Clock) -> None:
        self._resolver = resolver
        self._clock = clock
        self._answers: OrderedDict[tuple[str, str], tuple[float, UUID | None]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[UUID | None]] = {}

    async def resolve(self, key: str | None, host: str | None) -> UUID:
        """Return the tenant of an anonymous call; raises :class:`UnknownTenantKey`."""
        if self._resolver is None:
            return DEFAULT_TENANT_ID
        if key is not None:
            found = await self._ask("key", key) if 0 < len(key) <= 128 else None
            if found is None:
                raise UnknownTenantKey()
            return found
        name = _host_name(host)
        if name and (found := await self._ask("domain", name)) is not None:
            return found
        return DEFAULT_TENANT_ID

    async def _ask(self, kind: str, value: str) -> UUID | None:
        asked = (kind, value)
        now = self._clock.monotonic()
        known = self._answers.get(asked)
        if known is not None and now < known[0]:
            return known[1]
        task = self._asking.get(asked)
        if task is None:  # one question for all who ask the same at once
            task = self._asking[asked] = asyncio.create_task(self._lookup(kind, value))
            task.add_done_callback(lambda _: self._asking.pop(asked, None))
        found = await asyncio.shield(task)
        self._answers[asked] = (now + _TENANT_SECONDS, found)
        self._answers.move_to_end(asked)
        while len(self._answers) > _TENANTS_CACHED:
            self._answers.popitem(last=False)
        return found

    async def _lookup(self, kind: str, value: str) -> UUID | None:
        assert self._resolver is not None  # noqa: S101 - resolve() returned early otherwise
        if kind == "key":
            return await self._resolver.by_publishable_key(value)
        return await self._resolver.by_domain(value)


def _host_name(host: str | None) -> str:
    """Return the name of a Host header; empty for what cannot be a proven domain."""
    if not host or len(host) > 260 or host.startswith("["):
        return ""
    name = host.partition(":")[0].lower().removesuffix(".")
    return "" if "." not in name or name.rpartition(".")[2].isdigit() else name


def route_problems(routes: Sequence[Any]) -> list[str]:
    """Return one line per route whose ``opt`` asks for something that does not exist.

    Called once at start: a misspelt ``auth`` must not become an open door or a 500.
    """
    problems: list[str] = []
    for route in routes:
        handlers = getattr(route, "route_handlers", None) or [route.route_handler]
        for handler in handlers:
            where = f"{route.path} ({handler.handler_name})"
            problems += [f"{where}: {problem}" for problem in _option_problems(handler.opt)]
    return problems


def _option_problems(opt: Mapping[str, Any]) -> list[str]:
    problems = []
    if opt.get("auth", "user") not in AUTH_MODES:
        problems.append(f"there is no auth mode {opt['auth']!r}")
    if opt.get("mfa") not in (None, "exempt"):
        problems.append(f"there is no mfa option {opt['mfa']!r}")
    if not isinstance(opt.get("critical", False), bool):
        problems.append("critical is true or false")
    if opt.get("limit"):
        try:
            limit_named(opt["limit"])
        except LookupError as error:
            problems.append(str(error))
    return problems
