"""Structured logs: one event a line, JSON or for a console, with the request's context.

Everything passes the redaction (``redaction.py``) on its way out, records of third-party
libraries included. Bodies are never logged by anybody.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from opentelemetry import trace

from flatrender.http.context import current_request
from flatrender.observability.redaction import MASK, is_secret_name, redact, redact_text
from flatrender.security.principal import current_principal
from flatrender.security.support import impersonator
from flatrender.settings import ObservabilitySettings

#: Libraries that write URLs, headers or SQL arguments at info or debug.
_QUIET = ("httpx", "httpcore", "hpack", "asyncio", "urllib3", "minio", "aiosmtplib", "authlib")
_OWN_KEYS = frozenset({"event", "level", "logger", "timestamp"})


def configure_logging(settings: ObservabilitySettings, *, stream: TextIO | None = None) -> None:
    """Send the logs of this process, structlog's and the standard library's, to ``stream``
    (standard error by default). Called once at start; calling again replaces the former setup."""
    number = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_context,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty())
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                *shared,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Tracebacks become text first, so that the redaction sees them as well.
                structlog.processors.format_exc_info,
                redact_event,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(number)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The access line holds the raw query; the request log of our own does not.
    logging.getLogger("uvicorn.access").disabled = True


def add_context(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add whose act this line belongs to: request, correlation, tenant, user, trace."""
    request = current_request.get()
    if request is not None:
        event.setdefault("request_id", request.request_id)
        if request.correlation_id != request.request_id:
            event.setdefault("correlation_id", request.correlation_id)
    principal = current_principal.get()
    if principal is not None:
        event.setdefault("tenant_id", str(principal.tenant_id))
        if principal.user_id is not None:
            event.setdefault("user_id", str(principal.user_id))
    acting = impersonator()
    if acting is not None:
        event.setdefault("impersonator_id", str(acting))
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event.setdefault("trace_id", format(span.trace_id, "032x"))
    return event


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Mask secrets by field name and by shape, at any depth."""
    clean: dict[str, Any] = {}
    for key, value in event.items():
        if key in _OWN_KEYS:
            clean[key] = redact_text(value) if isinstance(value, str) else value
        elif is_secret_name(key) and not isinstance(value, bool):
            clean[key] = MASK if value else value
        else:
            clean[key] = redact(value, key)
    return clean
