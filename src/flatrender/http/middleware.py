"""The outermost ASGI layer: request context, hostile bytes, security headers, CORS, the last net.

It wraps the whole app, so unknown routes, refusals and crashes carry the same headers as
everything else (Litestar's own middleware runs only behind a matched route). One layer and not
five: each costs two more coroutines per message on the hottest path. It never reads a body and
never knows who the caller is.
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
from flatrender.http.cors import CorsPolicy, Headers
from flatrender.http.errors import InternalError
from flatrender.http.negotiate import preferred_language
from flatrender.http.problems import MEDIA_TYPE, encode_problem
from flatrender.http.proxies import ProxyTrust
from flatrender.http.validation import field_error

log = logging.getLogger(__name__)

#: An API answer is never a page: nothing may load, frame or sniff it.
API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_MAX_AGENT = 400


class EdgeMiddleware:
    """What every request meets first and every answer passes last.

    Sets the :class:`RequestContext` and answers X-Request-ID. ``scope["client"]`` and the scheme
    are replaced by what trusted proxies tell, so everything below may believe them. Paths and
    queries that could not be text are refused before routing. A header that an answer sets
    itself is left alone. No exception gets out unanswered.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted_proxies: Iterable[str] = (),
        cors_origins: Iterable[str] = (),
        hsts_seconds: int = 0,
    ) -> None:
        self.app = app
        self.trust = ProxyTrust(trusted_proxies)
        self._cors = CorsPolicy(cors_origins)
        headers = {
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "content-security-policy": API_POLICY,
        }
        if hsts_seconds:
            headers["strict-transport-security"] = f"max-age={hsts_seconds}; includeSubDomains"
        self._security: Headers = [(n.encode(), v.encode()) for n, v in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request or connection inside its context."""
        if scope["type"] not in (ScopeType.HTTP, ScopeType.WEBSOCKET):
            await self.app(scope, receive, send)
            return
        request, origin, preflight = self._read(scope)
        token = current_request.set(request)
        try:
            if scope["type"] == ScopeType.HTTP:
                await self._http(scope, receive, send, origin, preflight)
            else:
                await self.app(scope, receive, send)
        finally:
            current_request.reset(token)

    async def _http(  # the ASGI triple and what was read from its headers
        self, scope: Scope, receive: Receive, send: Send, origin: bytes | None, preflight: bool
    ) -> None:
        started = False

        async def send_finished(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = list(message.get("headers", ()))
                self._finish(headers, origin)
                message["headers"] = headers
            await send(message)

        refusal = unreadable(scope)
        if refusal is not None:
            await send_problem(refusal, send_finished)
            return
        if preflight and origin is not None and scope.get("method") == "OPTIONS":
            start: Message = {
                "type": "http.response.start",
                "status": 204,
                "headers": self._cors.preflight(origin),
            }
            await send_finished(start)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        try:
            await self.app(scope, receive, send_finished)
        except Exception as error:
            if started:  # the answer is half out: only cutting the connection tells the truth
                raise
            log.error("unhandled exception outside the app", exc_info=error)
            await send_problem(InternalError(), send_finished)

    def _finish(self, headers: Headers, origin: bytes | None) -> None:
        """Complete an answer's headers.

        Answers are not stored by default: with an ETag they may be kept but must be asked
        about, without one ``no-store``.
        """
        present = {name.lower() for name, _ in headers}
        headers.extend(header for header in self._security if header[0] not in present)
        if b"cache-control" not in present:
            kept = b"private, no-cache" if b"etag" in present else b"no-store"
            headers.append((b"cache-control", kept))
        self._cors.mark(headers, origin)
        if b"x-request-id" in present:
            headers[:] = [h for h in headers if h[0].lower() != b"x-request-id"]
        request = current_request.get()
        if request is not None:
            headers.append((b"x-request-id", request.request_id.encode("latin-1")))

    def _read(self, scope: Scope) -> tuple[RequestContext, bytes | None, bool]:
        """Read the headers once: the context, Origin, and whether this asks like a preflight."""
        request_id = correlation_id = language = forwarded_scheme = None
        agent = ""
        origin: bytes | None = None
        preflight = False
        forwarded: list[str] = []
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value.decode("latin-1")
            elif name == b"x-correlation-id":
                correlation_id = value.decode("latin-1")
            elif name == b"accept-language":
                text = value.decode("latin-1")
                language = text if language is None else f"{language},{text}"
            elif name == b"user-agent":
                agent = value.decode("latin-1")[:_MAX_AGENT]
            elif name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                preflight = True
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
        context = RequestContext(
            request_id=known,
            correlation_id=well_formed_id(correlation_id) or known,
            language=preferred_language(language),
            client=address,
            scheme=scope.get("scheme", "http"),
            user_agent=agent,
        )
        return context, origin, preflight


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
