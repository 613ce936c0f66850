"""The outermost layers: language, client address, request ids, security headers, CORS, last net."""

import logging
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Response, get
from litestar.types import Receive, Scope, Send

from flatrender.http import context
from flatrender.http.middleware import EdgeMiddleware
from flatrender.http.negotiate import preferred_language
from flatrender.http.proxies import ProxyTrust, limit_key, normalise
from flatrender.http.settings import HttpSettings
from flatrender.testing.http import client_of, make_app

ORIGIN = "https://app.example.ir"


@get("/whoami")
async def whoami() -> dict[str, Any]:
    request = context.current_request.get()
    assert request is not None
    found: dict[str, Any] = msgspec.to_builtins(request)
    return found


@get("/own-headers")
async def own_headers() -> Response[str]:
    return Response(
        "x",
        headers={
            "Content-Security-Policy": "sandbox",
            "Cache-Control": "public, max-age=9",
            "Vary": "Accept-Encoding",
            "X-Request-ID": "forged-by-a-handler",
        },
    )


@get("/versioned")
async def versioned() -> Response[str]:
    return Response("x", headers={"ETag": '"v1"'})


@get("/boom")
async def boom() -> None:
    raise RuntimeError("hidden words")


HANDLERS = [whoami, own_headers, versioned, boom]


async def _get(path: str, settings: HttpSettings | None = None, **options: Any) -> httpx.Response:
    app, _ = make_app(HANDLERS, settings)
    peer = options.pop("peer", ("127.0.0.1", 1))
    method = options.pop("method", "GET")
    async with client_of(app, peer=peer) as client:
        return await client.request(method, path, **options)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "fa"),
        ("", "fa"),
        ("*", "fa"),
        ("fa", "fa"),
        ("fa-IR,fa;q=0.9,en;q=0.8", "fa"),
        ("prs-AF", "fa"),
        ("en", "en"),
        ("en-US,en;q=0.9", "en"),
        ("EN-gb", "en"),
        ("en;q=0.5, fa;q=0.4", "en"),
        ("en;q=0.4, fa;q=0.5", "fa"),
        ("en, fa", "en"),
        ("fa, en", "fa"),
        ("de", "en"),
        ("de, en;q=0", "fa"),
        ("de, *;q=0.1", "fa"),
        ("fa;q=0", "en"),
        ("fa;q=0, *", "en"),
        ("en;q=0, *", "fa"),
        ("en;q=0.2, *;q=0.8", "fa"),
        ("fa;q=nonsense, en;q=0.1", "en"),
        ("en" + ",de" * 400, "fa"),
    ],
)
def test_language_follows_preference(header: str | None, expected: str) -> None:
    assert preferred_language(header) == expected


@given(st.text(max_size=80))
def test_language_never_fails(header: str) -> None:
    assert preferred_language(header) in ("fa", "en")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger's header is not believed
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),  # the left part can be forged
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1, 10.2.0.3"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
        ("10.0.0.1", ["198.51.100.1, junk"], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1:443"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::5]:443"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ffff::1", ["2001:db8::5"], "2001:db8::5"),
        ("", ["198.51.100.1"], "unknown"),
    ],
)
def test_client_address_behind_proxies(peer: str, forwarded: list[str], expected: str) -> None:
    trust = ProxyTrust(["10.0.0.0/8", "2001:db8:ffff::/48"])
    assert trust.client(peer, forwarded) == expected


def test_without_configured_proxies_nothing_is_believed() -> None:
    assert ProxyTrust().client("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


def test_limits_count_ipv6_by_64() -> None:
    assert limit_key("2001:db8:1:2:3:4:5:6") == limit_key("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert limit_key("2001:db8:1:3::9") != limit_key("2001:db8:1:2::9")
    assert limit_key("198.51.100.1") == limit_key("::ffff:198.51.100.1") == "198.51.100.1"
    assert limit_key("junk") == "unknown"
    assert normalise("fe80::1%eth0") == "fe80::1"


async def test_the_context_knows_client_scheme_and_language() -> None:
    settings = HttpSettings(trusted_proxies=["10.0.0.0/8"])
    headers = {
        "X-Forwarded-For": "198.51.100.7",
        "X-Forwarded-Proto": "https",
        "X-Request-ID": "req-12345678",
        "X-Correlation-ID": "flow-12345678",
        "Accept-Language": "en",
        "User-Agent": "Panel/2.1 " + "x" * 500,
    }
    believed = (await _get("/whoami", settings, headers=headers, peer=("10.1.1.1", 5))).json()
    assert believed == {
        "request_id": "req-12345678",
        "correlation_id": "flow-12345678",
        "language": "en",
        "client": "198.51.100.7",
        "scheme": "https",
        "user_agent": ("Panel/2.1 " + "x" * 500)[:400],
        "impersonator_id": None,
    }
    stranger = (await _get("/whoami", settings, headers=headers, peer=("203.0.113.9", 5))).json()
    assert (stranger["client"], stranger["scheme"]) == ("203.0.113.9", "http")


@pytest.mark.parametrize(
    "bad", ["short", "a" * 129, "has space", "x\ty-123456", "<script>\"'", "-12345678"]
)
async def test_ids_that_could_forge_a_log_are_replaced(bad: str) -> None:
    answer = await _get("/whoami", headers={"X-Request-ID": bad})
    assert answer.json()["request_id"] == answer.headers["x-request-id"] != bad
    assert answer.json()["correlation_id"] == answer.headers["x-request-id"]
    assert len(answer.headers["x-request-id"]) == 32


async def test_the_context_ends_with_its_request() -> None:
    await _get("/whoami")
    assert context.current_request.get() is None
    assert context.correlation_id() is None


@pytest.mark.parametrize("path", ["/whoami", "/nowhere", "/boom"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    answer = await _get(path, HttpSettings(hsts_seconds=31536000))
    headers = answer.headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"]


async def test_no_hsts_unless_configured() -> None:
    assert "strict-transport-security" not in (await _get("/whoami")).headers


async def test_a_handlers_own_headers_stay_but_never_its_request_id() -> None:
    answer = await _get("/own-headers")
    assert answer.headers.get_list("content-security-policy") == ["sandbox"]
    assert answer.headers["cache-control"] == "public, max-age=9"
    assert answer.headers["vary"] == "Accept-Encoding, Origin"
    assert "forged" not in answer.headers["x-request-id"]
    assert (await _get("/versioned")).headers["cache-control"] == "private, no-cache"


async def test_cors_names_exactly_the_configured_origins() -> None:
    settings = HttpSettings(cors_origins=[ORIGIN])
    good = await _get("/whoami", settings, headers={"Origin": ORIGIN})
    assert good.headers["access-control-allow-origin"] == ORIGIN
    assert good.headers["access-control-allow-credentials"] == "true"
    assert "x-request-id" in good.headers["access-control-expose-headers"]
    for foreign in (
        "https://evil.example",
        ORIGIN + ".evil.example",
        "http://app.example.ir",
        "null",
        ORIGIN.upper(),
    ):
        answer = await _get("/whoami", settings, headers={"Origin": foreign})
        assert not [name for name in answer.headers if name.startswith("access-control")], foreign
        assert answer.headers["vary"] == "Origin"


async def test_preflights_are_answered_for_our_origins_only() -> None:
    settings = HttpSettings(cors_origins=[ORIGIN])
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "if-match"}
    good = await _get("/whoami", settings, method="OPTIONS", headers={"Origin": ORIGIN, **asked})
    assert good.status_code == 204
    assert "PATCH" in good.headers["access-control-allow-methods"]
    assert "if-match" in good.headers["access-control-allow-headers"]
    assert "idempotency-key" in good.headers["access-control-allow-headers"]
    bad = await _get(
        "/whoami", settings, method="OPTIONS", headers={"Origin": "https://evil.example", **asked}
    )
    assert not [name for name in bad.headers if name.startswith("access-control")]


async def test_refusals_and_crashes_are_readable_across_origins() -> None:
    settings = HttpSettings(cors_origins=[ORIGIN])
    for path in ("/nowhere", "/boom", "/whoami?a=%ff"):
        answer = await _get(path, settings, headers={"Origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN, path


@pytest.mark.parametrize(
    "origin",
    ["*", "https://*.example.ir", "https://a.ir/", "https://A.ir", "app.ir", "https://u@a.ir"],
)
def test_origins_that_match_nothing_are_refused_at_start(origin: str) -> None:
    with pytest.raises(ValueError, match=r"origin|must be"):
        HttpSettings(cors_origins=[origin])


def test_production_wants_a_key_and_https() -> None:
    problems = HttpSettings(cors_origins=["http://a.ir"]).production_problems()
    assert len(problems) == 3
    fine = HttpSettings(
        cursor_key="k" * 32, public_url="https://api.ir", cors_origins=["https://a.ir"]
    )
    assert fine.production_problems() == []


def test_pages_for_development_are_refused_in_production() -> None:
    assert not HttpSettings().development_pages
    problems = HttpSettings(development_pages=True).production_problems()
    assert "FLATRENDER_HTTP_DEVELOPMENT_PAGES: is for development and tests" in problems


async def test_the_last_net_answers_what_the_app_lets_through(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("hidden words")

    app: Any = EdgeMiddleware(broken)
    transport = httpx.ASGITransport(app)
    with caplog.at_level(logging.ERROR):
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
            answer = await client.get("/")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert "hidden" not in answer.text
    assert caplog.records


async def test_a_half_sent_answer_is_cut_and_not_mended() -> None:
    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {"type": "http", "path": "/", "headers": [], "query_string": b""}
    with pytest.raises(RuntimeError, match="late"):
        await EdgeMiddleware(half)(scope, None, send)  # type: ignore[arg-type] # never received from
    assert [message["type"] for message in sent] == ["http.response.start"]
