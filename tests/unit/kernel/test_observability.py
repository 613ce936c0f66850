"""Logs, metrics, traces, health: they tell what happened and never a secret."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import get
from litestar.params import FromPath
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import Counter, Gauge

from flatrender.errors import NotFound
from flatrender.http.context import RequestContext, correlation_id, current_request
from flatrender.observability import metrics, tracing
from flatrender.observability.health import HealthRegistry, health_handlers
from flatrender.observability.logs import configure_logging
from flatrender.observability.redaction import MASK, is_secret_name, redact, redact_text, redact_url
from flatrender.security.principal import Principal, current_principal
from flatrender.security.secrets import Secret
from flatrender.security.settings import SecuritySettings
from flatrender.settings import (
    DatabaseSettings,
    ObservabilitySettings,
    Settings,
    StorageSettings,
    ValkeySettings,
)
from flatrender.testing.http import client_of, make_app

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJ1c2VyX2lkIjoiMSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ"


# Redaction


@pytest.mark.parametrize(
    "name",
    [
        "password", "new_password", "Authorization", "proxy-authorization", "Set-Cookie", "token",
        "access_token", "refresh_token", "client_secret", "api_key", "X-API-Key", "private_key",
        "signing_secret", "otp", "signature", "webhook-signature", "cookie", "body", "credentials",
    ],
)  # fmt: skip
def test_secret_fields_are_masked_by_name(name: str) -> None:
    assert is_secret_name(name)
    assert redact({name: "plain words"}) == {name: MASK}
    assert redact({"deep": [{name: ["a", "b"]}]}) == {"deep": [{name: MASK}]}


@pytest.mark.parametrize(
    "name",
    [
        "idempotency_key",
        "object_key",
        "public_key",
        "user_id",
        "path",
        "tokens_used",
        "keys",
        "status",
    ],
)
def test_innocent_fields_are_not(name: str) -> None:
    assert redact({name: "plain words"}) == {name: "plain words"}


@pytest.mark.parametrize(
    "secret",
    [
        JWT,
        "Bearer abcdefgh12345678",
        "Basic dXNlcjpwYXNzd29yZA==",
        "frk_0123456789abcdef0123456789abcdef.SomeSecretText0123456789",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "fr1.0123456789abcdef0123456789abcdef.7.89abcdef0123456789abcdef01234567",
        "fo1.0123456789abcdef0123456789abcdef.dQw4w9WgXcQ_APA91bHun4MxP5egoKMwt2KZFBaFUH",
        "ft1.dQw4w9WgXcQ-APA91bHun4MxP5egoKMwt2KZFBaFUH",
        "bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMG\n-----END PRIVATE KEY-----",
    ],
)
def test_secrets_are_masked_by_their_shape(secret: str) -> None:
    for text in (secret, f"before {secret} after", f"x='{secret}'"):
        masked = redact_text(text)
        assert MASK in masked
        assert secret.rsplit(maxsplit=1)[-1] not in masked


def test_values_of_secret_names_are_masked_and_others_stay() -> None:
    asked = "/a?page=2&token=hunter2!&odd?my_code=123&x=1;state=s"
    assert redact_text(asked) == f"/a?page=2&token={MASK}&odd?my_code={MASK}&x=1;state={MASK}"
    link = "https://a.example/link#reset_password=fo1.0123456789abcdef0123456789abcdef.abc&lang=fa"
    assert redact_text(link) == f"https://a.example/link#reset_password={MASK}&lang=fa"


def test_no_text_is_gone_through_again_and_again() -> None:
    """What could begin a secret's name at every place and never ends it: hours, if each beginning
    was followed to the end."""
    for beginning in ("?token", "&state;code", "?" * 7):
        text = (beginning * 8_192)[:8_000]
        assert redact_text(text) == text


def test_urls_keep_their_place_and_lose_their_secrets() -> None:
    cases = {
        "https://api.kavenegar.com/v1/4D7A6B5C4A3B2C1D0E9F8A7B6C5D4E3F/sms/send.json?receptor=0912":
            "https://api.kavenegar.com/v1/***/sms/send.json?receptor=***",
        "https://api.telegram.org/bot123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage":
            "https://api.telegram.org/bot***/sendMessage",
        "https://user:pass@hooks.example:8443/in#frag": "https://hooks.example:8443/in",
        "https://fcm.googleapis.com/fcm/send/dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH":
            "https://fcm.googleapis.com/fcm/send/***",
        "https://x.example/v1/renders/01a1fd7b-7253-7e02-bd1c-b2463d101f9c":
            "https://x.example/v1/renders/01a1fd7b-7253-7e02-bd1c-b2463d101f9c",
        "http://[::1]:8000/a": "http://[::1]:8000/a",
        "http://[broken": MASK,
    }  # fmt: skip
    for url, shown in cases.items():
        assert redact_url(url) == shown


@settings(deadline=None)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
))  # fmt: skip
def test_redaction_takes_anything(value: Any) -> None:
    redact(value)
    redact_url(str(value))


# Logs


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    stream = io.StringIO()
    configure_logging(ObservabilitySettings(log_level="debug"), stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    logging.getLogger("uvicorn.access").disabled = False


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_tells_whose_act_it_is(lines: io.StringIO) -> None:
    request = current_request.set(
        RequestContext(request_id="req-12345", correlation_id="cor-12345")
    )
    caller = current_principal.set(
        Principal(kind="user", tenant_id=UUID(int=1), user_id=UUID(int=2))
    )
    try:
        with tracing.tracer().start_as_current_span("x"):
            structlog.get_logger("flatrender.test").info("render_submitted", job="j1")
            logging.getLogger("third.party").warning("odd %s", "thing")
    finally:
        current_principal.reset(caller)
        current_request.reset(request)
    ours, theirs = read(lines)
    assert (ours["event"], ours["job"], ours["level"]) == ("render_submitted", "j1", "info")
    assert theirs["event"] == "odd thing"
    for line in (ours, theirs):
        assert line["request_id"] == "req-12345"
        assert line["correlation_id"] == "cor-12345"
        assert line["tenant_id"] == str(UUID(int=1))
        assert line["user_id"] == str(UUID(int=2))
        assert len(line["trace_id"]) == 32
        assert line["timestamp"].endswith("Z")


def test_lines_of_support_and_of_what_it_asked_for_name_who_acts(lines: io.StringIO) -> None:
    acting = Principal(
        kind="user", tenant_id=UUID(int=1), user_id=UUID(int=2), impersonator_id=UUID(int=9)
    )
    log = structlog.get_logger("flatrender.test")
    caller = current_principal.set(acting)
    try:
        log.info("asked")
        headers = tracing.inject()
    finally:
        current_principal.reset(caller)
    with tracing.task_span("later", headers):
        log.info("done")
        assert tracing.inject()["impersonator_id"] == str(UUID(int=9))
    with tracing.task_span("another", {}):
        log.info("somebody else's")
    told = {line["event"]: line.get("impersonator_id") for line in read(lines)}
    assert told == {
        "asked": str(UUID(int=9)),
        "done": str(UUID(int=9)),
        "somebody else's": None,
    }


def test_no_secret_reaches_a_line(lines: io.StringIO) -> None:
    log = structlog.get_logger("flatrender.test")
    log.info("x", password="hunter2!", headers={"Authorization": f"Bearer {JWT}"})
    log.warning("calling https://a.example/?token=hunter2!&page=2", secret=Secret("hunter2!"))
    log.info("y", data=b"hunter2!", value=Secret("hunter2!"), url="https://u:hunter2!@a.example/")
    logging.getLogger("lib").error(
        "got %s", f"Authorization: Bearer {JWT}", extra={"token": "hunter2!"}
    )
    try:
        raise RuntimeError(f"refused with Bearer {JWT}")
    except RuntimeError:
        log.exception("failed")
    text = lines.getvalue()
    assert len(read(lines)) == 5
    assert "hunter2!" not in text
    assert JWT not in text
    assert "page=2" in text


def test_settings_do_not_show_their_secrets(lines: io.StringIO) -> None:
    settings = Settings(
        security=SecuritySettings(
            secret_key="hunter2!", outbound_proxies={"*": "http://u:hunter2!@proxy:1"}
        ),
        database=DatabaseSettings(password="hunter2!", passwords={"identity": "hunter2!"}),
        valkey=ValkeySettings(url="redis://:hunter2!@127.0.0.1:6379/0"),
        storage=StorageSettings(secret_key="hunter2!"),
    )
    structlog.get_logger("flatrender.test").info("started", settings=settings)
    assert "127.0.0.1" in lines.getvalue()
    assert "hunter2!" not in lines.getvalue()
    assert "hunter2!" not in f"{settings.security} {settings.security!r}"


def test_libraries_that_write_urls_are_quiet(lines: io.StringIO) -> None:
    for name in ("httpx", "httpcore.connection", "uvicorn.access", "minio"):
        logging.getLogger(name).info("GET https://api.telegram.org/bot1:x/y")
    assert lines.getvalue() == ""


# Metrics and traces


@get("/things/{thing:str}")
async def thing(thing: FromPath[str]) -> str:
    if thing == "missing":
        raise NotFound()
    if thing == "broken":
        raise RuntimeError("hidden")
    return tracing.inject()["traceparent"]


def count(method: str, path: str, status: str) -> float:
    found = metrics.REGISTRY.get_sample_value(
        "flatrender_http_requests_total", {"method": method, "path": path, "status": status}
    )
    return found or 0.0


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    made = tracing.Tracing(processor=SimpleSpanProcessor(exporter))
    before = tracing._current
    tracing.use_tracing(made)
    yield exporter
    tracing.use_tracing(before)
    made.shutdown()


async def call(*paths: str, method: str = "GET", **headers: str) -> list[httpx.Response]:
    handlers = [thing, metrics.metrics_handler("scrape-token")]
    app, _ = make_app(handlers)
    app.asgi_handler = metrics.MetricsMiddleware(tracing.TracingMiddleware(app.asgi_handler))
    async with client_of(app) as client:
        return [await client.request(method, path, headers=headers) for path in paths]


async def test_requests_are_counted_by_template_never_by_what_was_typed() -> None:
    template = "/things/{thing}"
    before = [count("GET", template, s) for s in ("200", "404", "500")]
    unrouted = count("GET", metrics.UNROUTED, "404")
    await call("/things/a", "/things/b", "/things/missing", "/things/broken", "/nowhere/1")
    after = [count("GET", template, s) for s in ("200", "404", "500")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1]
    assert count("GET", metrics.UNROUTED, "404") == unrouted + 1
    assert metrics.REGISTRY.get_sample_value("flatrender_http_requests_in_flight") == 0
    text = metrics.render().decode()
    assert "/things/a" not in text
    assert "nowhere" not in text


async def test_an_invented_method_makes_no_series() -> None:
    await call("/things/a", method="HUNTER2")
    assert "HUNTER2" not in metrics.render().decode()


async def test_only_the_scraper_reads_metrics() -> None:
    (without,) = await call("/metrics")
    (wrong,) = await call("/metrics", authorization="Bearer scrape-tokem")
    (right,) = await call("/metrics", authorization="Bearer scrape-token")
    (missing,) = await call("/things/missing")
    assert without.status_code == wrong.status_code == 404
    assert without.json()["code"] == missing.json()["code"] == "not_found"
    assert right.status_code == 200
    assert right.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "flatrender_http_requests_total" in right.text


async def test_without_a_token_only_this_machine_reads_metrics() -> None:
    app, _ = make_app([metrics.metrics_handler("")])
    async with client_of(app, peer=("127.0.0.1", 1)) as client:
        assert (await client.get("/metrics")).status_code == 200
        proxied = await client.get("/metrics", headers={"x-forwarded-for": "203.0.113.1"})
        assert proxied.status_code == 404
    async with client_of(app, peer=("10.0.0.9", 1)) as client:
        assert (await client.get("/metrics")).status_code == 404


async def test_a_trace_goes_through_a_request_into_a_task(spans: InMemorySpanExporter) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    (answer,) = await call(
        "/things/5f0c?token=hunter2", traceparent=f"00-{trace}-b7ad6b7169203331-01"
    )
    carried = {"traceparent": answer.text.strip('"'), tracing.CORRELATION: "cor-12345"}
    with tracing.task_span("render.chunk", carried):
        assert tracing.trace_id() == trace
        assert correlation_id() == "cor-12345"
        assert tracing.inject()[tracing.CORRELATION] == "cor-12345"
    assert correlation_id() is None
    request, task = spans.get_finished_spans()
    assert (request.name, task.name) == ("GET /things/{thing}", "task render.chunk")
    for span in (request, task):
        assert span.context is not None
        assert format(span.context.trace_id, "032x") == trace
    assert request.attributes is not None
    assert request.attributes["http.response.status_code"] == 200
    shown = request.to_json()
    assert "5f0c" not in shown
    assert "hunter2" not in shown


async def test_a_crash_marks_its_span_without_its_words(spans: InMemorySpanExporter) -> None:
    await call("/things/broken")
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert "hidden" not in span.to_json()


async def test_an_error_that_escapes_leaves_its_kind_in_the_span_and_no_words(
    spans: InMemorySpanExporter,
) -> None:
    async def broken(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError("hunter2")

    scope: Any = {"type": "http", "method": "GET", "path": "/x", "headers": []}
    with pytest.raises(RuntimeError):
        await tracing.TracingMiddleware(broken)(scope, broken, broken)  # type: ignore[arg-type]  # never called
    with pytest.raises(RuntimeError), tracing.task_span("t", {}):
        raise RuntimeError("hunter2")
    finished = spans.get_finished_spans()
    assert [span.status.description for span in finished] == ["RuntimeError", "RuntimeError"]
    assert not any("hunter2" in span.to_json() for span in finished)


async def test_without_an_exporter_there_are_ids_and_no_spans() -> None:
    with tracing.tracer().start_as_current_span("x") as span:
        assert len(tracing.trace_id()) == 32
        assert not span.is_recording()
    assert tracing.inject() == {}


def test_a_hostile_traceparent_starts_a_new_trace() -> None:
    for value in ("", "00-0-0-0", "zz", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\x00" * 60):
        with tracing.task_span("t", {"traceparent": value}):
            assert len(tracing.trace_id()) == 32
            assert set(tracing.trace_id()) != {"0"}


def test_a_metric_of_ones_own_is_made_once() -> None:
    first = metrics.metric(Counter, "test_events_total", "x", ("kind",))
    assert metrics.metric(Counter, "test_events_total", "x", ("kind",)) is first
    with pytest.raises(ValueError, match="Counter"):
        metrics.metric(Gauge, "test_events_total", "x")
    metrics.observe_gauge("test_queue", "x", lambda: 7.0)
    assert metrics.REGISTRY.get_sample_value("flatrender_test_queue") == 7.0


# Health


async def _ready(registry: HealthRegistry) -> httpx.Response:
    app, _ = make_app(health_handlers(registry))
    async with client_of(app) as client:
        assert (await client.get("/health/live")).json() == {"status": "ok", "checks": {}}
        return await client.get("/health/ready")


async def test_ready_names_each_check_and_hides_its_words() -> None:
    registry = HealthRegistry(timeout=0.05)
    answer = await _ready(registry)
    assert answer.status_code == 200

    async def fine() -> None: ...

    async def broken() -> None:
        raise ConnectionError("password=hunter2 at 10.0.0.5")

    registry.add("fine", fine)
    registry.add("broken", broken)
    registry.add("stuck", asyncio.Event().wait)
    answer = await _ready(registry)
    body = answer.json()
    assert answer.status_code == 503
    assert body["status"] == "failed"
    states = {name: check["status"] for name, check in body["checks"].items()}
    assert states == {"fine": "ok", "broken": "failed", "stuck": "timeout"}
    assert all(check["seconds"] >= 0 for check in body["checks"].values())
    assert "hunter2" not in answer.text
    assert "10.0.0.5" not in answer.text


async def test_a_crowd_of_probes_runs_the_checks_once() -> None:
    runs = 0

    async def counted() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0)

    registry = HealthRegistry()
    registry.add("counted", counted)
    reports = await asyncio.gather(*(registry.report() for _ in range(50)))
    assert runs == 1
    assert all(report.status == "ok" for report in reports)


async def test_a_stopping_process_is_not_ready() -> None:
    registry = HealthRegistry()
    registry.stop()
    answer = await _ready(registry)
    assert (answer.status_code, answer.json()["status"]) == (503, "stopping")
