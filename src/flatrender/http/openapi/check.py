"""What every operation of the API must say about itself; used by the contract test and the CLI."""

import re
from collections.abc import Iterator
from typing import Any

from flatrender.http.openapi.config import UNNAMED
from flatrender.http.openapi.document import METHODS
from flatrender.http.problems import MEDIA_TYPE

_OPERATION_ID = re.compile(r"[a-z][A-Za-z0-9_]*\Z")


def check_openapi(schema: dict[str, Any]) -> list[str]:
    """Return one line per fault of a document (as :func:`openapi_document` returns it).

    Every operation has its own operation id, a summary, a description, declared tags and a
    success answer; every 4xx and 5xx is a problem document, or the report that the success is as
    well, and there is at least one; numbers in the query have bounds (an unbounded one overflows a
    column, and lets NaN in); every named security scheme exists.
    """
    faults = []
    if not str(schema.get("openapi", "")).startswith("3.1"):
        faults.append("openapi: must be 3.1")
    declared = {tag["name"]: tag for tag in schema.get("tags", ())}
    faults += [
        f"tag {name}: no description" for name in declared if not declared[name].get("description")
    ]
    schemes = set(schema.get("components", {}).get("securitySchemes", {}))
    seen: dict[str, str] = {}
    for place, operation in _operations(schema):
        found = [
            *_names(operation, declared),
            *_responses(operation, schema),
            *_parameters(operation, schema),
            *_security(operation, schemes),
        ]
        operation_id = str(operation.get("operationId", ""))
        if operation_id in seen:
            found.append(f"operationId {operation_id} is also {seen[operation_id]}")
        seen[operation_id] = place
        faults += [f"{place}: {fault}" for fault in found]
    return faults


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def _names(operation: dict[str, Any], declared: dict[str, Any]) -> Iterator[str]:
    operation_id = str(operation.get("operationId", ""))
    if operation_id.startswith(UNNAMED) or not _OPERATION_ID.match(operation_id):
        yield "has no operation_id of its own"
    for name in ("summary", "description"):
        if not str(operation.get(name) or "").strip():
            yield f"has no {name}"
    tags = operation.get("tags") or []
    if not tags:
        yield "has no tags"
    yield from (f"tag {tag!r} is not declared" for tag in tags if tag not in declared)


def _responses(operation: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    responses = {status: _resolve(r, schema) for status, r in operation["responses"].items()}
    if not any(status.startswith(("1", "2", "3")) for status in responses):
        yield "documents no success"
    refusals = {status: r for status, r in responses.items() if status[0] in "45"}
    if not refusals:
        yield "documents no error"
    reports = [_report(r) for status, r in responses.items() if status not in refusals]
    for status, response in refusals.items():
        content = response.get("content") or {}
        if (report := _report(response)) is not None and report in reports:
            pass  # it answers what it was asked for: that all is not well
        elif set(content) != {MEDIA_TYPE}:
            yield f"{status} is not {MEDIA_TYPE} but {sorted(content) or 'empty'}"
        elif not str(content[MEDIA_TYPE].get("schema", {}).get("$ref", "")).endswith("Problem"):
            yield f"{status} does not refer to Problem"
        if not response.get("description"):
            yield f"{status} has no description"


def _report(response: dict[str, Any]) -> Any:
    """Return the schema of a JSON answer that is nothing but that, else None."""
    content = response.get("content") or {}
    return (
        content["application/json"].get("schema") if set(content) == {"application/json"} else None
    )


def _parameters(operation: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    for raw in operation.get("parameters", ()):
        parameter = _resolve(raw, schema)
        if parameter["in"] != "query":
            continue
        for option in _options(_resolve(parameter.get("schema", {}), schema), schema):
            if option.get("type") not in ("integer", "number"):
                continue
            low = {"minimum", "exclusiveMinimum"} & option.keys()
            high = {"maximum", "exclusiveMaximum"} & option.keys()
            if not (low and high) and "enum" not in option:
                yield f"query parameter {parameter['name']!r} has no bounds"


def _options(schema: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    options = [*schema.get("oneOf", ()), *schema.get("anyOf", ())]
    if "items" in schema:
        options.append(schema["items"])
    if not options:
        yield schema
    for option in options:
        # Litestar keeps the bounds of an optional number beside oneOf.
        inherited = {k: v for k, v in schema.items() if "imum" in k}
        yield from _options({**inherited, **_resolve(option, document)}, document)


def _security(operation: dict[str, Any], schemes: set[str]) -> Iterator[str]:
    for requirement in operation.get("security") or ():
        yield from (
            f"security scheme {name!r} is unknown" for name in requirement if name not in schemes
        )


def _resolve(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a local ``$ref``."""
    reference = value.get("$ref")
    if reference is None:
        return value
    found: Any = schema
    for step in str(reference).removeprefix("#/").split("/"):
        found = found.get(step, {})
    return dict(found)
