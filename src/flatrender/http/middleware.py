"""The outermost ASGI layers: request context, hostile bytes, security headers, the last net.

They wrap the whole app, so unknown routes, refusals and crashes carry the same headers as
everything else (Litestar's own middleware runs only behind a matched route). They never read a
body and never know who the caller is.
"""

import logging
from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from flatrender.errors import DomainError, Invalid, NotFound
from flatrender.http.context import (
    RequestContext,
    current_request,
    new_request_id,
    well_formed_id,
)
from flatrender.http.errors import InternalError
from flatrender.http.negotiate import preferred_language
from flatrender.http.problems import MEDIA_TYPE, encode_problem
from flatrender.http.proxies import ProxyTrust
from flatrender.http.validation import field_error

log = logging.getLogger(__name__)

Header = tuple[bytes, bytes]

#: An API answer is never a page: nothing may load, frame or sniff it.
API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


class RequestContextMiddleware:
    """Sets the :class:`RequestContext` and answers X-Request-ID.

    The client's address (``scope["client"]``) and scheme are replaced by what trusted proxies
    tell, so everything below may believe them.
    """

    def __init__(self, app: ASGIApp, *, trusted_proxies: Iterable[str] = ()) -> None:
        self.app = app
        self.trust = ProxyTrust(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request or connection inside its context."""
        if scope["type"] not in (ScopeType.HTTP, ScopeType.WEBSOCKET):
            await self.app(scope, receive, send)
            return
        request = self._context(scope)
        identity = (b"x-request-id", request.request_id.encode("latin-1"))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *(h for h in message.get("headers", ()) if h[0].lower() != b"x-request-id"),
                    identity,
                ]
            await send(message)

        token = current_request.set(request)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            current_request.reset(token)

    def _context(self, scope: Scope) -> RequestContext:
        request_id = correlation_id = language = forwarded_scheme = None
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
            elif name == b"x-correlation-id":
                correlation_id = value.decode("latin-1")
            elif name == b"accept-language":
                text = value.decode("latin-1")
                language = text if language is None else f"{language},{text}"
            elif name == b"x-forwarded-for":
                forwarded.append(value.decode("latin-1"))
            elif name == b"x-forwarded-proto":
                forwarded_scheme = value.decode("latin-1").strip().lower()
        peer = scope.get("client")
        address = self.trust.client(peer[0] if peer else "", forwarded)
        if peer:
            if forwarded_scheme in ("http", "https") and self.trust.trusts(peer[0]):
                websocket = scope["type"] == ScopeType.WEBSOCKET
                secure = forwarded_scheme == "https"
                scope["scheme"] = ("ws" if websocket else "http") + ("s" if secure else "")
            if address != peer[0]:
                scope["client"] = (address, 0)
        known = well_formed_id(request_id) or new_request_id()
        return RequestContext(
            request_id=known,
            correlation_id=well_formed_id(correlation_id) or known,
            language=preferred_language(language),
            client=address,
            scheme=scope.get("scheme", "http"),
        )


class SecurityHeadersMiddleware:
    """Adds what every answer carries; a header that the answer sets itself is left alone.

    Answers are not stored by default: with an ETag they may be kept but must be asked about,
    without one ``no-store``.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int = 0) -> None:
        self.app = app
        headers = {
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "content-security-policy": API_POLICY,
        }
        if hsts_seconds:
            headers["strict-transport-security"] = f"max-age={hsts_seconds}; includeSubDomains"
        self._headers: list[Header] = [
            (name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app with its answer's headers completed."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                headers.extend(h for h in self._headers if h[0] not in present)
                if b"cache-control" not in present:
                    kept = b"private, no-cache" if b"etag" in present else b"no-store"
                    headers.append((b"cache-control", kept))
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)


class LastNetMiddleware:
    """Refuses what could not be text before routing, and lets no exception out unanswered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app inside the net."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noting_start(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        refusal = unreadable(scope)
        if refusal is not None:
            await send_problem(refusal, send)
            return
        try:
            await self.app(scope, receive, send_noting_start)
        except Exception as error:
            if started:  # the answer is half out: only cutting the connection tells the truth
                raise
            log.error("unhandled exception outside the app", exc_info=error)
            await send_problem(InternalError(), send)


def unreadable(scope: Scope) -> DomainError | None:
    """Return the refusal for a path or query that holds NUL or is no UTF-8, else None.

    PostgreSQL text holds neither; a path with NUL names nothing that could exist.
    """
    if "\x00" in scope["path"]:
        return NotFound()
    query = scope.get("query_string", b"")
    if b"%" in query:
        raw = unquote_to_bytes(query)
        if b"\x00" in raw:
            return Invalid(errors=[field_error("?", "nul_character")])
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError:
            return Invalid(errors=[field_error("?", "invalid_format")])
    elif not query.isascii() or b"\x00" in query:
        return Invalid(errors=[field_error("?", "invalid_format")])
    return None


async def send_problem(error: DomainError, send: Send) -> None:
    """Send a problem document from outside of any route."""
    status, headers, body = encode_problem(error)
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    encoded.append((b"content-type", MEDIA_TYPE.encode("ascii")))
    encoded.append((b"content-length", str(len(body)).encode("ascii")))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
