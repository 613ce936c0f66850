"""The context of one request: its id, correlation, language and client, for logs and answers.

Set once by the outermost middleware, read anywhere below it. It never holds the principal (see
``security.principal``) nor anything secret.
"""

import re
from contextvars import ContextVar
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.http.negotiate import DEFAULT_LANGUAGE, Language

#: What we accept as an id from outside: printable, no separators that could forge a log line.
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{7,127}\Z")


class RequestContext(Struct, frozen=True, kw_only=True):
    """What is known about a request before it is routed.

    ``client`` is the caller's address as the trusted proxies tell it, ``user_agent`` what the
    program calls itself, cut to 400 characters. ``correlation_id`` ties the requests, events and
    tasks of one act together; it is the request id unless the caller named one.
    ``impersonator_id`` is known here in tasks only, of what a request of support asked for.
    """

    request_id: str
    correlation_id: str
    language: Language = DEFAULT_LANGUAGE
    client: str = "unknown"
    scheme: str = "http"
    user_agent: str = ""
    impersonator_id: UUID | None = None


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)


def new_request_id() -> str:
    """Return a fresh, time-ordered request id."""
    return uuid7().hex


def well_formed_id(value: str | None) -> str | None:
    """Return ``value`` when it may be used as an id (8 to 128 safe characters), else None."""
    return value if value and _WELL_FORMED.match(value) else None


def request_id() -> str:
    """Return the present request's id; a fresh one outside of any request."""
    context = current_request.get()
    return context.request_id if context else new_request_id()


def correlation_id() -> str | None:
    """Return the correlation id for events and tasks, None outside of any request."""
    context = current_request.get()
    return context.correlation_id if context else None


def language() -> Language:
    """Return the language to answer in."""
    context = current_request.get()
    return context.language if context else DEFAULT_LANGUAGE


def client_address() -> str:
    """Return the caller's address, ``unknown`` where there is none."""
    context = current_request.get()
    return context.client if context else "unknown"


def user_agent() -> str:
    """Return what the caller's program calls itself, empty where it does not or there is none."""
    context = current_request.get()
    return context.user_agent if context else ""
