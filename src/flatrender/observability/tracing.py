"""Traces (OpenTelemetry) through HTTP, outbox and tasks, as W3C Trace Context carries them.

Every request and task has a trace id, exporter or not: it goes into logs and events. Spans are
recorded and sent only when an OTLP endpoint is configured. Span names and attributes hold path
templates and task names, never raw paths, queries, headers or bodies.
"""

import contextlib
from collections.abc import Iterator, Mapping
from uuid import UUID

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from flatrender.http.context import RequestContext, current_request, new_request_id
from flatrender.http.context import correlation_id as current_correlation
from flatrender.observability.metrics import path_template
from flatrender.security.support import impersonator

#: The header, beside ``traceparent`` and ``tracestate``, that ties one act's work together.
CORRELATION = "correlation_id"
#: The header that says who of support acted.
IMPERSONATOR = "impersonator_id"

_propagator = TraceContextTextMapPropagator()


class Tracing:
    """The process's tracer. One instance is current at a time (:func:`setup_tracing`)."""

    def __init__(
        self,
        *,
        service_name: str = "flatrender",
        exporter: SpanExporter | None = None,
        processor: SpanProcessor | None = None,
    ) -> None:
        resource = Resource.create({"service.name": service_name})
        if exporter is None and processor is None:
            # Valid ids at next to no cost: nothing is recorded that nobody would read.
            self.provider = TracerProvider(
                resource=resource, sampler=ALWAYS_OFF, shutdown_on_exit=False
            )
        else:
            self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if exporter is not None:
            processor = BatchSpanProcessor(exporter)
        if processor is not None:
            self.provider.add_span_processor(processor)
        self.tracer = self.provider.get_tracer("flatrender")

    def shutdown(self) -> None:
        """Send what is left and stop; blocks for at most a few seconds."""
        self.provider.shutdown()


_current = Tracing()


def setup_tracing(*, service_name: str, otlp_endpoint: str) -> Tracing:
    """Make the process's tracing from settings and return it; call ``shutdown`` at the end.

    ``otlp_endpoint`` is the collector's base URL (``http://127.0.0.1:4318``); empty sends
    nothing anywhere.
    """
    exporter: SpanExporter | None = None
    if otlp_endpoint:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        exporter = OTLPSpanExporter(endpoint=f"{otlp_endpoint.rstrip('/')}/v1/traces")
    return use_tracing(Tracing(service_name=service_name, exporter=exporter))


def use_tracing(tracing: Tracing) -> Tracing:
    """Make ``tracing`` the current one (tests keep spans in memory this way)."""
    global _current  # noqa: PLW0603 - the process has one tracer, as it has one log
    _current = tracing
    return tracing


def tracer() -> trace.Tracer:
    """Return the tracer for spans of a context's own."""
    return _current.tracer


def trace_id() -> str:
    """Return the present trace id as 32 hex digits; empty outside of any span."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def inject() -> dict[str, str]:
    """Return the headers that carry the present trace and correlation into an outbox row."""
    headers: dict[str, str] = {}
    _propagator.inject(headers)
    correlation = current_correlation()
    if correlation:
        headers[CORRELATION] = correlation
    acting = impersonator()
    if acting is not None:
        headers[IMPERSONATOR] = str(acting)
    return headers


def extract(headers: Mapping[str, str]) -> Context:
    """Return the trace context that ``headers`` carry; a fresh one when they carry none."""
    return _propagator.extract(headers, context=Context())


@contextlib.contextmanager
def _span(name: str, parent: Context, kind: SpanKind) -> Iterator[trace.Span]:
    """Start a span that says which kind of error ended it, never its text: texts hold values."""
    with _current.tracer.start_as_current_span(
        name, context=parent, kind=kind, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextlib.contextmanager
def task_span(name: str, headers: Mapping[str, str]) -> Iterator[trace.Span]:
    """Run a task's attempt inside the trace and correlation that asked for it.

    Sets the request context too, so that what the task logs and emits stays tied to the act.
    """
    correlation = headers.get(CORRELATION) or new_request_id()
    acting = headers.get(IMPERSONATOR)
    token = current_request.set(
        RequestContext(
            request_id=new_request_id(),
            correlation_id=correlation,
            impersonator_id=UUID(acting) if acting else None,
        )
    )
    try:
        with (
            _span(f"task {name}", extract(headers), SpanKind.CONSUMER) as span,
            structlog.contextvars.bound_contextvars(
                trace_id=trace_id(), correlation_id=correlation
            ),
        ):
            span.set_attribute("flatrender.task", name)
            yield span
    finally:
        current_request.reset(token)


class TracingMiddleware:
    """One server span per HTTP request, named by method and path template. Pure ASGI; wrap it
    around the whole app, inside the middleware that sets the request context."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        carried = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in (b"traceparent", b"tracestate")
        }
        method = scope["method"]
        with _span(method, extract(carried), SpanKind.SERVER) as span:
            structlog.contextvars.bind_contextvars(trace_id=trace_id())

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            try:
                await self.app(scope, receive, watched)
            finally:
                if span.is_recording():
                    template = path_template(scope)
                    span.update_name(f"{method} {template}")
                    span.set_attribute("http.request.method", method)
                    span.set_attribute("http.route", template)
                structlog.contextvars.unbind_contextvars("trace_id")
