"""Cross-origin requests (the Fetch standard's CORS protocol) from exactly the configured origins.

Litestar's own middleware names methods and headers to everyone, overwrites Vary and answers
refusals as plain text; this one says nothing to strangers. Cookies are allowed across origins
only because every origin is named.
"""

from collections.abc import Iterable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS = (
    b"accept-language, authorization, content-type, idempotency-key, if-match, if-none-match, "
    b"last-event-id, x-api-key, x-correlation-id, x-csrf-token, x-request-id, x-signature, "
    b"x-tenant-key, x-timestamp"
)
_EXPOSED = (
    b"content-disposition, content-language, etag, idempotency-replayed, link, location, "
    b"ratelimit, ratelimit-policy, retry-after, x-request-id"
)
_MAX_AGE = b"600"


class CorsMiddleware:
    """Answers preflights and marks answers for origins of the list; ``*`` is no origin."""

    def __init__(self, app: ASGIApp, *, origins: Iterable[str]) -> None:
        self.app = app
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the app; answer a preflight without it."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        origin = asked = None
        for name, value in scope["headers"]:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method":
                asked = value
        allowed = origin is not None and origin in self._origins
        if scope["method"] == "OPTIONS" and origin is not None and asked is not None:
            await self._preflight(origin if allowed else None, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                _vary(headers)
                if allowed and origin is not None:
                    headers.append((b"access-control-allow-origin", origin))
                    headers.append((b"access-control-allow-credentials", b"true"))
                    headers.append((b"access-control-expose-headers", _EXPOSED))
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_marked)

    async def _preflight(self, origin: bytes | None, send: Send) -> None:
        headers = [
            (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
        ]
        if origin is not None:
            headers += [
                (b"access-control-allow-origin", origin),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _REQUEST_HEADERS),
                (b"access-control-max-age", _MAX_AGE),
            ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _vary(headers: list[tuple[bytes, bytes]]) -> None:
    """Add Origin to the Vary header, joined with what the answer varies on already."""
    values = [value for name, value in headers if name.lower() == b"vary"]
    headers[:] = [header for header in headers if header[0].lower() != b"vary"]
    headers.append((b"vary", b", ".join([*values, b"Origin"])))
