"""Cross-origin requests (the Fetch standard's CORS protocol) from exactly the configured origins.

Litestar's own middleware names methods and headers to everyone, overwrites Vary and answers
refusals as plain text; this one says nothing to strangers. Cookies are allowed across origins
only because every origin is named.
"""

from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]

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


class CorsPolicy:
    """Marks answers and preflights for origins of the list; ``*`` is no origin."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode("ascii") for origin in origins)

    def mark(self, headers: Headers, origin: bytes | None) -> None:
        """Add to an answer's headers what ``origin`` may know; Vary names Origin to caches."""
        for index, (name, value) in enumerate(headers):
            if name.lower() == b"vary":
                headers[index] = (b"vary", value + b", Origin")
                break
        else:
            headers.append((b"vary", b"Origin"))
        if origin is not None and origin in self._origins:
            headers.append((b"access-control-allow-origin", origin))
            headers.append((b"access-control-allow-credentials", b"true"))
            headers.append((b"access-control-expose-headers", _EXPOSED))

    def preflight(self, origin: bytes) -> Headers:
        """Return the headers of the answer to a preflight; a stranger learns nothing."""
        headers = [(b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers")]
        if origin in self._origins:
            headers.append((b"access-control-allow-methods", _METHODS))
            headers.append((b"access-control-allow-headers", _REQUEST_HEADERS))
            headers.append((b"access-control-max-age", _MAX_AGE))
        return headers
