"""Prometheus metrics: the one registry, the kernel's own metrics and the HTTP middleware.

Labels are names that we chose (path templates, task names, contexts), never ids, addresses or
anything a caller can type: a series per caller would fill the memory of whoever scrapes.
"""

import hmac
from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from litestar import Request, get
from litestar.enums import ScopeType
from litestar.response import Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from flatrender.errors import NotFound

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

# Of the text format (Prometheus, "Exposition formats"); Litestar adds the charset to text itself.
CONTENT_TYPE = "text/plain; version=0.0.4"
UNROUTED = "unrouted"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_WORK = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)

HTTP_REQUESTS = Counter(
    "flatrender_http_requests_total",
    "Answered requests by method, path template and status.",
    ("method", "path", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "flatrender_http_request_seconds",
    "Time until the last byte of the answer was handed to the server.",
    ("method", "path"),
    buckets=_LATENCY,
    registry=REGISTRY,
)
HTTP_IN_FLIGHT = Gauge(
    "flatrender_http_requests_in_flight", "Requests being answered now.", registry=REGISTRY
)
AUTHENTICATION = Counter(
    "flatrender_authentication_total",
    "Authenticated requests by credential and outcome.",
    ("credential", "outcome"),
    registry=REGISTRY,
)
LIMITED = Counter(
    "flatrender_rate_limited_total", "Refusals by limit policy.", ("policy",), registry=REGISTRY
)
VALKEY_UP = Gauge(
    "flatrender_valkey_up",
    "1 while the limiter reaches Valkey, 0 while it runs on local limits.",
    registry=REGISTRY,
)
OUTBOUND = Counter(
    "flatrender_outbound_total",
    "Calls through the outbound door by purpose and outcome.",
    ("purpose", "outcome"),
    registry=REGISTRY,
)
TASK_RUNS = Counter(
    "flatrender_task_runs_total",
    "Finished attempts of tasks and event deliveries.",
    ("task", "outcome"),
    registry=REGISTRY,
)
TASK_SECONDS = Histogram(
    "flatrender_task_seconds",
    "Time of one attempt of a task.",
    ("task",),
    buckets=_WORK,
    registry=REGISTRY,
)
OUTBOX_RELAYED = Counter(
    "flatrender_outbox_relayed_total", "Outbox rows handed on.", ("context",), registry=REGISTRY
)
OUTBOX_LAG = Histogram(
    "flatrender_outbox_lag_seconds",
    "Age of the oldest row of a batch when it was handed on.",
    ("context",),
    buckets=_WORK,
    registry=REGISTRY,
)

M = TypeVar("M", Counter, Gauge, Histogram)
_made: dict[str, Counter | Gauge | Histogram] = {}


def metric(kind: type[M], name: str, help_text: str, labels: tuple[str, ...] = ()) -> M:
    """Return a context's own metric ``flatrender_<name>``, made on first use.

    A second call with the same name returns the same object, so that plugins may be built twice
    in one process (tests). Raises ``ValueError`` when the name belongs to another kind.
    """
    full = f"flatrender_{name}"
    found = _made.get(full)
    if found is None:
        found = _made[full] = kind(full, help_text, labels, registry=REGISTRY)
    if not isinstance(found, kind):
        raise ValueError(f"{full} is a {type(found).__name__}")
    return found


def observe_gauge(name: str, help_text: str, read: Callable[[], float]) -> None:
    """Publish a gauge ``flatrender_<name>`` that is read when somebody scrapes (queue lengths,
    farm sizes). ``read`` must be cheap and must not block: let a task refresh what it returns."""
    metric(Gauge, name, help_text).set_function(read)


class MetricsMiddleware:
    """Counts and times HTTP requests by path template. Pure ASGI; wrap it around the whole app,
    so that unrouted requests are counted too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        status = 500  # what the client saw when nothing was sent

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        begun = perf_counter()
        HTTP_IN_FLIGHT.inc()
        try:
            await self.app(scope, receive, watched)
        finally:
            HTTP_IN_FLIGHT.dec()
            method = scope["method"] if scope["method"] in _METHODS else "other"
            path = path_template(scope)
            HTTP_REQUESTS.labels(method, path, str(status)).inc()
            HTTP_SECONDS.labels(method, path).observe(perf_counter() - begun)


def path_template(scope: Any) -> str:
    """Return the matched route's template (``/v1/renders/{job_id}``), never the raw path."""
    template = scope.get("path_template")
    return template if isinstance(template, str) and template else UNROUTED


def render() -> bytes:
    """Return every metric in the text format."""
    return generate_latest(REGISTRY)


def metrics_handler(token: str) -> Any:
    """Return the handler of ``GET /metrics``.

    With a token the scraper sends it as a bearer; without one only a peer on the loopback gets
    an answer. Everybody else sees what a missing route answers.
    """

    @get(
        "/metrics",
        operation_id="readMetrics",
        include_in_schema=False,
        opt={"auth": "public", "limit": None},
        sync_to_thread=False,
    )
    def read_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        """Return the process's metrics."""
        if not _may_scrape(request, token):
            raise NotFound()
        return Response(render(), media_type=CONTENT_TYPE)

    return read_metrics


def _may_scrape(request: Request[Any, Any, Any], token: str) -> bool:
    if token:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(given.encode(), token.encode())
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    peer = request.client.host if request.client else ""
    # A local reverse proxy also connects from the loopback: what it forwards is not local.
    return not forwarded and (peer in ("127.0.0.1", "::1"))
