"""Problem details: how every refusal looks (RFC 9457), in Persian or English.

Owns the document, the exception handlers and what OpenAPI says about errors. It never tells the
caller anything about an unexpected fault but its request id, and never tells a missing thing
from one of another tenant: every 404 has the same body, request id aside.
"""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    LitestarException,
    SerializationException,
    ValidationException,
)
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct

from flatrender.errors import (
    DomainError,
    FieldError,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
)
from flatrender.http import context
from flatrender.http.errors import (
    BY_STATUS,
    BadRequest,
    InternalError,
    MalformedJson,
    MethodNotAllowed,
)
from flatrender.http.validation import field_error, from_litestar, from_msgspec

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:flatrender:problem:"
_STATUS_CLASSES: dict[int, type[DomainError]] = {
    **BY_STATUS,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    422: Invalid,
    503: Unavailable,
}
_OUTAGES = (
    ConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.TooManyConnectionsError,
)
_MISSING_PARAMETER = re.compile(r"Missing required (\w+) parameter '([^']*)'")


class ProblemField(Struct, frozen=True, kw_only=True):
    """One refused field: a JSON Pointer into the body (or ``?name``), a stable code, words."""

    pointer: str
    code: str
    detail: str = ""


class Problem(Struct, kw_only=True):
    """The answer to every request that is refused or fails (RFC 9457 section 3).

    ``code`` is stable and meant for programs, ``title`` and ``detail`` for people.
    ``request_id`` finds the request in our logs. Some codes add members of their own.
    """

    type: str
    title: str
    status: int
    code: str
    request_id: str
    detail: str = ""
    errors: list[ProblemField] = []


def problem_of(error: DomainError, *, language: str, request_id: str) -> Problem:
    """Return the document for ``error``; any 404 is the one 404."""
    if error.status == 404:
        error = NotFound()
    return Problem(
        type=_TYPE + error.code,
        title=error.title(language),
        status=error.status,
        code=error.code,
        request_id=request_id,
        detail=_detail(error, language),
        errors=[
            ProblemField(
                pointer=field.pointer,
                code=field.code,
                detail=field.message_fa if language == "fa" else field.message_en,
            )
            for field in error.errors
        ],
    )


def encode_problem(error: DomainError) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body for ``error`` in the present request's context."""
    language = context.language()
    problem = problem_of(error, language=language, request_id=context.request_id())
    members: dict[str, Any] = msgspec.to_builtins(problem)
    headers = {"content-language": language, "vary": "Accept-Language"}
    if error.status != 404:
        for name, value in error.extra.items():
            members.setdefault(name, value)
        headers.update({name.lower(): value for name, value in error.headers.items()})
    if error.status == 401:
        headers.setdefault("www-authenticate", 'Bearer realm="flatrender"')
    body = msgspec.json.encode(members, enc_hook=str)
    return error.status, headers, body


def problem_response(error: DomainError) -> Response[bytes]:
    """Return the Litestar response for ``error``."""
    status, headers, body = encode_problem(error)
    return Response(
        content=body,
        status_code=status,
        headers=headers,
        media_type=MEDIA_TYPE,
        cookies=error.cookies,
    )


def to_domain_error(error: Exception) -> DomainError:
    """Return the refusal that ``error`` means; :class:`InternalError` for what nobody expected."""
    if isinstance(error, DomainError):
        return error
    if isinstance(error, msgspec.ValidationError):
        # A body's faults are named where it is decoded (http.body); this one comes from a
        # conversion of our own, usually of the caller's values. Logged in case it was not.
        log.warning("validation error outside of a body", exc_info=error)
        return Invalid(errors=[from_msgspec(error)])
    if isinstance(error, ValidationException):
        return _from_validation(error)
    if isinstance(error, HTTPException):
        return _from_http(error)
    return InternalError()


def _from_validation(error: ValidationException) -> DomainError:
    if missing := _MISSING_PARAMETER.match(error.detail):
        kind, name = missing.groups()
        pointer = f"?{name}" if kind == "query" else f"{kind}:{name}"
        return Invalid(errors=[field_error(pointer, "required")])
    return Invalid(errors=from_litestar(error.extra))


def _from_http(error: HTTPException) -> DomainError:
    cause = error.__cause__
    if error.status_code == 400 and isinstance(cause, SerializationException):
        inner = cause.__cause__
        if isinstance(inner, msgspec.ValidationError):
            return Invalid(errors=[from_msgspec(inner)])
        return MalformedJson()
    fallback: type[DomainError] = BadRequest if error.status_code < 500 else InternalError
    kind = _STATUS_CLASSES.get(error.status_code, fallback)
    headers = {key.title(): value for key, value in (error.headers or {}).items()}
    if kind is MethodNotAllowed and "Allow" in headers:
        methods = {method.strip() for method in headers["Allow"].split(",")}
        headers["Allow"] = ", ".join(sorted(methods))
    if kind.status == error.status_code:
        return kind(headers=headers)
    return _with_status(kind, error.status_code)(headers=headers)


def _with_status(kind: type[DomainError], status: int) -> type[DomainError]:
    """Keep an unusual status (418, 423, 504 ...) under the nearest code."""
    return type(kind.__name__, (kind,), {"status": status})


def _detail(error: DomainError, language: str) -> str:
    try:
        return error.detail(language)
    except (KeyError, IndexError, ValueError):
        # A detail template that lacks its parameter must not turn a refusal into a crash.
        log.exception("problem detail of %s cannot be filled", error.code)
        return ""


def handle_expected(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer a refusal that has a name."""
    refusal = to_domain_error(error)
    if isinstance(refusal, InternalError) and not isinstance(error, DomainError):
        return handle_unexpected(_request, error)
    return problem_response(refusal)


def handle_unexpected(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Log the fault with its traceback and answer its request id, nothing else."""
    only = _only(error)
    if only is not error and (
        isinstance(only, (DomainError, HTTPException, msgspec.ValidationError))
    ):
        return handle_expected(_request, only)
    if outage_of(error) is not None:
        log.error("a part this call needs is down", exc_info=error)
        return problem_response(Unavailable(headers={"Retry-After": "5"}))
    if isinstance(error, LitestarException) and error.detail == "client disconnected prematurely":
        log.info("client left while sending its body")
        return problem_response(BadRequest())
    log.error(
        "unhandled exception",
        exc_info=error,
        extra={"request_id": context.request_id(), "exception": type(error).__qualname__},
    )
    return problem_response(InternalError())


def outage_of(error: BaseException) -> BaseException | None:
    """Return the lost connection behind ``error``: the database or a server is away, not wrong.

    Looks at causes, because drivers and SQLAlchemy wrap what happened.
    """
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return None
        if isinstance(seen, _OUTAGES):
            return seen
        seen = seen.__cause__
    return None


def _only(error: BaseException) -> BaseException:
    """Unwrap exception groups of one: task groups wrap even a single refusal."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def exception_handlers() -> dict[
    int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]
]:
    """Return the app's exception handlers: everything answers with a problem document."""
    return {
        DomainError: handle_expected,
        HTTPException: handle_expected,
        msgspec.ValidationError: handle_expected,
        Exception: handle_unexpected,
    }


def problem_responses(*errors: type[DomainError]) -> dict[int, ResponseSpec]:
    """Return what ``responses=`` of a handler needs: one entry per status with an example a code.

    ``problem_responses(NotFound, QualityLocked)``. 422 for refused input, 401 and 500 are added
    to the document by themselves where they apply (see ``http.openapi``).
    """
    grouped: dict[int, list[type[DomainError]]] = {}
    for error in errors:
        grouped.setdefault(error.status, []).append(error)
    return {status: _spec(group) for status, group in sorted(grouped.items())}


def _spec(group: list[type[DomainError]]) -> ResponseSpec:
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=" / ".join(f"{error.title_en} (`{error.code}`)" for error in group),
        media_type=MEDIA_TYPE,
        examples=[
            Example(id=error.code, summary=error.title_en, value=example_of(error))
            for error in group
        ],
    )


def example_of(error: type[DomainError]) -> Mapping[str, Any]:
    """Return an example document of one refusal for OpenAPI."""
    fields = [ProblemField(pointer="/name", code="required", detail="This field is required")]
    problem = Problem(
        type=_TYPE + error.code,
        title=error.title_en,
        status=error.status,
        code=error.code,
        request_id="0198f3a27c1d7e3f8a40b6d5c2e91f07",
        errors=fields if error is Invalid else [],
    )
    example: Mapping[str, Any] = msgspec.to_builtins(problem)
    return example


__all__ = [
    "MEDIA_TYPE",
    "FieldError",
    "Problem",
    "ProblemField",
    "encode_problem",
    "example_of",
    "exception_handlers",
    "problem_of",
    "problem_response",
    "problem_responses",
    "to_domain_error",
]
