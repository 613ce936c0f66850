"""The finished OpenAPI document: Litestar's, with what it cannot know corrected and added.

Litestar documents a 400 of its own shape wherever input is read; we answer 422. Answers that the
HTTP layer gives by itself (malformed bodies, missing credentials, idempotency, our own faults)
are written in here once instead of on every handler.
"""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from flatrender.errors import DomainError, Invalid, Unauthorized, Unavailable
from flatrender.http.errors import (
    BodyTooLarge,
    InternalError,
    MalformedJson,
    PreconditionRequired,
    UnknownParameter,
    UnsupportedMediaType,
)
from flatrender.http.idempotency.errors import KeyInvalid, KeyRunning
from flatrender.http.idempotency.policy import OPT_CONTEXT, policy_of
from flatrender.http.openapi.config import (
    API_KEY,
    BEARER,
    CSRF_TOKEN,
    NODE_SIGNATURE,
    SESSION_COOKIE,
)
from flatrender.http.problems import MEDIA_TYPE, Problem, example_of
from flatrender.http.sse import EventStream
from flatrender.http.tables import MEDIA_TYPES as TABLE_TYPES
from flatrender.http.tables import TableAnswer
from flatrender.security.errors import ForeignOrigin, RateLimited, WrongCredential

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_SHARED: dict[str, type[DomainError]] = {
    "ValidationFailed": Invalid,
    "Unauthorized": Unauthorized,
    "MalformedJson": MalformedJson,
    "BodyTooLarge": BodyTooLarge,
    "UnsupportedMediaType": UnsupportedMediaType,
    "IdempotencyKeyInvalid": KeyInvalid,
    "IdempotencyRunning": KeyRunning,
    "InternalError": InternalError,
    "ForeignOrigin": ForeignOrigin,
    "WrongCredential": WrongCredential,
    "UnknownParameter": UnknownParameter,
    "PreconditionRequired": PreconditionRequired,
    "RateLimited": RateLimited,
    "Unavailable": Unavailable,
}
#: What each ``auth`` of a route takes; empty: nothing at all.
_CREDENTIALS: dict[str, tuple[str, ...]] = {
    "user": (BEARER, "cookie"),
    "any": (BEARER, "cookie", API_KEY),
    "optional": ("", BEARER, "cookie"),
    "api_key": (API_KEY,),
    "node": (NODE_SIGNATURE,),
}
#: Answers that are text as they come, and of which types.
_TEXTS: dict[Any, tuple[str, ...]] = {
    EventStream: ("text/event-stream",),
    TableAnswer: tuple(TABLE_TYPES.values()),
}
_IDEMPOTENCY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "A key of the caller's own for this act, a UUID for example (IETF "
        "draft-ietf-httpapi-idempotency-key-header). The same key with the same body gets the "
        "first answer again for 24 hours."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}


def openapi_document(app: Litestar) -> dict[str, Any]:
    """Return the whole document as plain values; the app's routes must be final."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    components = document.setdefault("components", {})
    _add_problem_schema(components.setdefault("schemas", {}))
    responses = components.setdefault("responses", {})
    responses.update({name: _response(error) for name, error in _SHARED.items()})
    handlers = _handlers(app)
    for path in document.get("paths", {}).values():
        for method in METHODS:
            if method in path:
                operation = path[method]
                handler = handlers.get(operation.get("operationId", ""))
                if handler is not None:
                    _secure(operation, method, handler.opt)
                _complete(operation, document, handler)
    return document


def _handlers(app: Litestar) -> dict[str, Any]:
    """Map explicit operation ids to their handlers."""
    return {
        handler.operation_id: handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler, _ in route.route_handler_map.values()
        if isinstance(handler.operation_id, str)
    }


def _secure(operation: dict[str, Any], method: str, opt: Mapping[str, Any]) -> None:
    """Say which credentials a context's operation takes, from what its route asks for."""
    mode = opt.get("auth", "user")
    if OPT_CONTEXT not in opt or "security" in operation or mode not in _CREDENTIALS:
        return
    cookie = [SESSION_COOKIE] if method in ("get", "head") else [SESSION_COOKIE, CSRF_TOKEN]
    named = {"cookie": cookie}
    operation["security"] = [
        {scheme: [] for scheme in named.get(credential, [credential] if credential else [])}
        for credential in _CREDENTIALS[mode]
    ]
    name = "ForeignOrigin" if "cookie" in _CREDENTIALS[mode] else "WrongCredential"
    _refer(operation.setdefault("responses", {}), 403, name)


def _complete(operation: dict[str, Any], document: dict[str, Any], handler: Any) -> None:
    responses: dict[str, Any] = operation.setdefault("responses", {})
    reads_input = bool(operation.get("parameters") or operation.get("requestBody"))
    if _is_litestars_own(responses.get("400")):
        del responses["400"]
    if "204" in responses:  # Litestar gives it a body where a handler sets cookies
        responses["204"].pop("content", None)
    if "requestBody" in operation:
        _refer(responses, 400, "MalformedJson")
        _refer(responses, 413, "BodyTooLarge")
        _refer(responses, 415, "UnsupportedMediaType")
    policy = policy_of(handler.opt) if handler is not None else None
    if policy is not None:
        parameter = dict(_IDEMPOTENCY_HEADER, required=policy.required)
        operation.setdefault("parameters", []).append(parameter)
        _refer(responses, 400, "IdempotencyKeyInvalid")
        _refer(responses, 409, "IdempotencyRunning")
    if reads_input or policy is not None:
        _refer(responses, 422, "ValidationFailed")
    if "412" in responses:  # an answer to If-Match: without it there is nothing to hold against
        _refer(responses, 428, "PreconditionRequired")
        _refer(responses, 400, "UnknownParameter")
    if handler is not None and OPT_CONTEXT in handler.opt:
        _of_contexts(responses, handler)
    if operation.get("security", document.get("security")):
        _refer(responses, 401, "Unauthorized")
    _refer(responses, 500, "InternalError")
    operation["responses"] = dict(sorted(responses.items()))


def _of_contexts(responses: dict[str, Any], handler: Any) -> None:
    """Say what stands before every handler of a context: queries are held to what the route
    knows, callers are counted, and a part that is down is told as such."""
    _refer(responses, 400, "UnknownParameter")
    if handler.opt.get("limit", "") is not None:
        _refer(responses, 429, "RateLimited")
    _refer(responses, 503, "Unavailable")
    kinds = _TEXTS.get(handler.parsed_fn_signature.return_type.annotation)
    if kinds is not None:
        responses["200"]["content"] = {kind: {"schema": {"type": "string"}} for kind in kinds}


def _refer(responses: dict[str, Any], status: int, name: str) -> None:
    """Point to a shared response unless the handler documents its own."""
    responses.setdefault(str(status), {"$ref": f"#/components/responses/{name}"})


def _is_litestars_own(response: dict[str, Any] | None) -> bool:
    content = (response or {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    return set(schema.get("properties", ())) == {"status_code", "detail", "extra"}


def _response(error: type[DomainError]) -> dict[str, Any]:
    return {
        "description": f"{error.title_en} (`{error.code}`)",
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {
                    error.code: {"summary": error.title_en, "value": dict(example_of(error))}
                },
            }
        },
    }


def _add_problem_schema(schemas: dict[str, Any]) -> None:
    _, known = msgspec.json.schema_components(
        (Problem,), ref_template="#/components/schemas/{name}"
    )
    for name, schema in known.items():
        schemas.setdefault(name, schema)
    for schema in schemas.values():
        if description := schema.get("description"):
            schema["description"] = cleandoc(description)
