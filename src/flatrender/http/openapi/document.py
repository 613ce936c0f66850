"""The finished OpenAPI document: Litestar's, with what it cannot know corrected and added.

Litestar documents a 400 of its own shape wherever input is read; we answer 422. Answers that the
HTTP layer gives by itself (malformed bodies, missing credentials, idempotency, our own faults)
are written in here once instead of on every handler.
"""

from inspect import cleandoc
from typing import Any

import msgspec
from litestar import Litestar
from litestar.routes import HTTPRoute

from flatrender.errors import DomainError, Invalid, Unauthorized
from flatrender.http.errors import (
    BodyTooLarge,
    InternalError,
    MalformedJson,
    UnsupportedMediaType,
)
from flatrender.http.idempotency.errors import KeyInvalid, KeyRunning
from flatrender.http.idempotency.policy import policy_of
from flatrender.http.problems import MEDIA_TYPE, Problem, example_of

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
                _complete(operation, document, handlers.get(operation.get("operationId", "")))
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


def _complete(operation: dict[str, Any], document: dict[str, Any], handler: Any) -> None:
    responses: dict[str, Any] = operation.setdefault("responses", {})
    reads_input = bool(operation.get("parameters") or operation.get("requestBody"))
    if _is_litestars_own(responses.get("400")):
        del responses["400"]
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
    if operation.get("security", document.get("security")):
        _refer(responses, 401, "Unauthorized")
    _refer(responses, 500, "InternalError")
    operation["responses"] = dict(sorted(responses.items()))


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
