"""Query parameters that a route does not know are refused.

A filter with a typing mistake would otherwise be no filter: the caller would get, or change,
everything. Asked of the contexts' routes only; what a route knows is read from its handler and the
handler's dependencies.
"""

from urllib.parse import parse_qsl

from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from flatrender.errors import FieldError
from flatrender.http.errors import UnknownParameter

#: As many as Litestar itself would have to read; more names than this are nobody's filter.
_MAX_FIELDS = 200


class QueryMiddleware:
    """Pure ASGI, behind the router: it knows the route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._known: dict[int, frozenset[str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 400 ``unknown_parameter``, or serve."""
        if scope["type"] == ScopeType.HTTP and scope.get("query_string"):
            check_query(scope, self._known)
        await self.app(scope, receive, send)


def check_query(scope: Scope, cache: dict[int, frozenset[str]]) -> None:
    """Raise :class:`UnknownParameter` with every name that the route does not take."""
    handler = scope["route_handler"]
    if "context" not in handler.opt:
        return
    known = cache.get(id(handler))  # handlers live as long as their app
    if known is None:
        known = cache[id(handler)] = _names(scope)
    query = scope["query_string"].decode("latin-1")
    try:
        sent = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise UnknownParameter() from error
    strange = sorted({name for name, _ in sent} - known)
    if strange:
        raise UnknownParameter(errors=[_error(name) for name in strange])


def _names(scope: Scope) -> frozenset[str]:
    """Return the query parameters of the route's handler and of what it depends on."""
    # ``opt["query"]`` names parameters that no handler reads: a signed caller's serial number.
    names: set[str] = set(scope["route_handler"].opt.get("query", ()))
    for route in scope["litestar_app"].routes:
        if isinstance(route, HTTPRoute):
            for handler, model in route.route_handler_map.values():
                if handler is scope["route_handler"]:
                    names |= {parameter.field_alias for parameter in model.expected_query_params}
    return frozenset(names)


def _error(name: str) -> FieldError:
    return FieldError(
        pointer=f"?{name[:64]}",
        code="unknown_parameter",
        message_fa="این پارامتر شناخته نیست",
        message_en="This parameter is not known",
    )
