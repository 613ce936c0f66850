"""Authentication over HTTP and WebSocket, on a real Valkey, with every refusal as it is sent."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
from litestar import MediaType, Request, WebSocket, get, post, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.middleware import DefineMiddleware

from flatrender.clock import SystemClock
from flatrender.errors import Unauthorized
from flatrender.http.settings import HttpSettings
from flatrender.security.authentication import (
    Authentication,
    AuthenticationMiddleware,
    route_problems,
)
from flatrender.security.gate import Gate
from flatrender.security.guards import requires_role, requires_step_up
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal, current_principal
from flatrender.security.sessions import SessionCache
from flatrender.security.settings import SecuritySettings
from flatrender.security.tokens import (
    KeyRing,
    SigningKey,
    StaticKeys,
    TokenSigner,
    TokenVerifier,
)
from flatrender.testing.http import client_of, make_app
from flatrender.testing.switch import Switch

SETTINGS = SecuritySettings()
KEY = SigningKey.generate()
SIGNER = TokenSigner(KEY, SETTINGS)
PARTNER = UUID(int=77)


@get("/me")
async def me(request: Request[Any, Any, Any]) -> dict[str, Any]:
    principal = current_principal.get()
    assert principal is request.user
    found: dict[str, Any] = msgspec.to_builtins(principal)
    return found


@post("/login", opt={"auth": "public", "limit": "login"})
async def login() -> dict[str, str]:
    principal = current_principal.get()
    assert principal is not None
    return {"kind": principal.kind, "tenant_id": str(principal.tenant_id)}


@get("/catalogue", opt={"auth": "optional"})
async def catalogue() -> dict[str, str]:
    principal = current_principal.get()
    assert principal is not None
    return {"kind": principal.kind, "tenant_id": str(principal.tenant_id)}


@post("/renders", opt={"auth": "any"})
async def renders(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"kind": request.user.kind, "body": (await request.body()).decode()}


@post("/pay", opt={"critical": True})
async def pay() -> None: ...


@post("/logout", opt={"mfa": "exempt"})
async def logout() -> None: ...


@get("/admin", guards=[requires_role("admin")])
async def admin() -> None: ...


@post("/secret", guards=[requires_step_up()])
async def secret() -> None: ...


@get("/live", opt={"auth": "public", "limit": None}, media_type=MediaType.TEXT)
async def live() -> str:
    return "ok"


@get("/misspelt", opt={"auth": "pubic"})
async def misspelt() -> None: ...


@websocket("/ws")
async def ws(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept()
    await socket.send_json({"user": str(socket.user.user_id)})
    await socket.close()


HANDLERS = [me, login, catalogue, renders, pay, logout, admin, secret, live, misspelt, ws]


class Ledger:
    def __init__(self) -> None:
        self.ended: set[UUID] = set()
        self.asked = 0
        self.away = False

    async def session_live(self, session_id: UUID) -> bool:
        self.asked += 1
        if self.away:
            raise ConnectionError
        return session_id not in self.ended


class Tenants:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def by_publishable_key(self, key: str) -> UUID | None:
        self.asked.append(key)
        return PARTNER if key == "frp_partner" else None

    async def by_domain(self, host: str) -> UUID | None:
        self.asked.append(host)
        return PARTNER if host == "studio.partner.example" else None


class Keys:
    """Reads the body, as a signature would."""

    header = "x-api-key"

    async def authenticate(self, request: Request[Any, Any, Any]) -> Principal:
        body = await request.body()
        if request.headers["x-api-key"] != f"key-of-{len(body)}":
            raise Unauthorized()
        return Principal(kind="api_key", tenant_id=PARTNER, key_id=UUID(int=5))


class World:
    """One app, its client and everything behind it."""

    def __init__(self, gate: Gate, switch: Switch) -> None:
        self.gate, self.switch = gate, switch
        self.ledger, self.tenants = Ledger(), Tenants()
        verifier = TokenVerifier(KeyRing(StaticKeys(KEY)), SETTINGS)
        self.service = Authentication(
            verifier=verifier,
            gate=gate,
            sessions=SessionCache(gate, self.ledger),
            tenants=self.tenants,
            authenticators=[Keys()],
        )
        self.app, _ = make_app(
            HANDLERS,
            HttpSettings(trusted_proxies=["127.0.0.1"]),
            middleware=[DefineMiddleware(AuthenticationMiddleware, service=self.service)],
        )
        self.client: httpx.AsyncClient
        self.address = f"2001:db8:{uuid4().hex[:4]}"

    def headers(self, *, role: Any = "user", mfa: float | None = None, **more: str) -> Any:
        self.session = uuid4()
        token, _ = SIGNER.access(
            user_id=uuid4(),
            tenant_id=PARTNER,
            role=role,
            session_id=self.session,
            mfa_at=0 if mfa is None else int(time.time() - mfa),
        )
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"authorization": f"Bearer {token}", "x-forwarded-for": self.from_host(1), **named}

    def from_host(self, number: int, network: int = 0) -> str:
        """An address of this test's own /64 (or a neighbouring one)."""
        return f"{self.address}:{network:x}::{number:x}"


@pytest.fixture
async def world(valkey_url: str) -> AsyncIterator[World]:
    parts = urlsplit(valkey_url)
    login_part = f":{parts.password}@" if parts.password else ""
    async with Switch(parts.hostname or "", parts.port or 0) as switch:
        url = f"redis://{login_part}127.0.0.1:{switch.port}{parts.path}"
        gate = Gate(url, f"auth-{uuid4().hex}", clock=SystemClock())
        world = World(gate, switch)
        async with client_of(world.app) as client:
            world.client = client
            yield world
        await gate.close()


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    body: dict[str, Any] = response.json()
    assert body["code"] == code
    assert body["request_id"] == response.headers["x-request-id"]
    return body


async def test_a_token_makes_a_principal(world: World) -> None:
    answer = await world.client.get("/me", headers=world.headers(role="user"))
    body = answer.json()
    assert (body["kind"], body["tenant_id"]) == ("user", str(PARTNER))
    assert body["session_id"] == str(world.session)
    assert current_principal.get() is None


async def test_the_credential_decides_the_tenant_and_nothing_else_does(world: World) -> None:
    headers = world.headers(host="studio.other.example", x_tenant_key="frp_other")
    headers["x-tenant-id"] = str(DEFAULT_TENANT_ID)
    answer = await world.client.get("/me", headers=headers)
    assert answer.json()["tenant_id"] == str(PARTNER)
    assert world.tenants.asked == []


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer x.y.z",
        "Basic dXNlcjpwYXNz",
        "bearer \x80\xff",
        "Bearer " + "a" * 9000,
        "",
    ],
)
async def test_a_credential_that_does_not_hold_is_401(world: World, authorization: str) -> None:
    for path in ("/me", "/catalogue"):
        answer = await world.client.get(
            path, headers=[(b"authorization", authorization.encode("latin-1"))]
        )
        problem(answer, 401, "invalid_token")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_without_a_credential_401_names_the_scheme(world: World) -> None:
    answer = await world.client.get("/me")
    problem(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_two_credentials_are_refused(world: World) -> None:
    both = world.headers(x_api_key="key-of-0")
    problem(await world.client.post("/renders", headers=both), 401, "ambiguous_credentials")
    twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
    problem(await world.client.get("/me", headers=twice), 401, "ambiguous_credentials")


async def test_a_public_route_does_not_look_at_a_stale_token(world: World) -> None:
    answer = await world.client.post(
        "/login", headers={"authorization": "Bearer old", "x-forwarded-for": world.from_host(1)}
    )
    assert answer.json()["kind"] == "anonymous"


async def test_a_misspelt_mode_is_a_shut_door_and_a_problem_at_start(world: World) -> None:
    problem(await world.client.get("/misspelt"), 401, "unauthorized")
    answer = await world.client.get("/misspelt", headers=world.headers())
    problem(answer, 403, "wrong_credential")
    (line,) = route_problems(world.app.routes)
    assert "/misspelt" in line
    assert "pubic" in line


async def test_other_credentials_and_their_body(world: World) -> None:
    answer = await world.client.post("/renders", content=b"abc", headers={"x-api-key": "key-of-3"})
    assert answer.json() == {"kind": "api_key", "body": "abc"}
    answer = await world.client.post("/renders", content=b"abcd", headers={"x-api-key": "key-of-3"})
    problem(answer, 401, "unauthorized")
    answer = await world.client.get("/me", headers={"x-api-key": "key-of-0"})
    problem(answer, 403, "wrong_credential")


# Anonymous tenants


async def test_an_anonymous_call_belongs_to_the_tenant_it_names(world: World) -> None:
    async def tenant(**headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return str((await world.client.get("/catalogue", headers=named)).json()["tenant_id"])

    assert await tenant() == str(DEFAULT_TENANT_ID)
    assert await tenant(x_tenant_key="frp_partner") == str(PARTNER)
    assert await tenant(host="studio.partner.example") == str(PARTNER)
    assert await tenant(host="Studio.Partner.Example:8443") == str(PARTNER)
    assert await tenant(host="unproven.example") == str(DEFAULT_TENANT_ID)
    assert await tenant(x_forwarded_host="studio.partner.example") == str(DEFAULT_TENANT_ID)
    asked = len(world.tenants.asked)
    assert await tenant(host="studio.partner.example") == str(PARTNER)
    assert await tenant(host="unproven.example") == str(DEFAULT_TENANT_ID)
    assert len(world.tenants.asked) == asked  # known and unknown are both remembered


async def test_an_unknown_tenant_key_is_not_the_default_tenant(world: World) -> None:
    for key in ("frp_nobody", "", "x" * 500):
        answer = await world.client.get("/catalogue", headers={"x-tenant-key": key})
        problem(answer, 401, "unknown_tenant_key")


# Staff


@pytest.mark.parametrize("role", ["moderator", "admin"])
async def test_staff_without_a_second_factor_may_only_get_one(world: World, role: str) -> None:
    headers = world.headers(role=role)
    problem(await world.client.get("/me", headers=headers), 403, "mfa_required")
    problem(await world.client.get("/catalogue", headers=headers), 403, "mfa_required")
    assert (await world.client.post("/logout", headers=headers)).status_code == 201
    assert (
        await world.client.get("/me", headers=world.headers(role=role, mfa=3_000))
    ).status_code == 200


async def test_step_up_and_roles_over_http(world: World) -> None:
    answer = await world.client.post("/secret", headers=world.headers(mfa=901))
    body = problem(answer, 403, "step_up_required")
    assert "totp" in body["methods"]
    answer = await world.client.post("/secret", headers=world.headers(mfa=800))
    assert answer.status_code == 201
    answer = await world.client.get("/admin", headers=world.headers(role="moderator", mfa=1))
    problem(answer, 403, "forbidden")
    answer = await world.client.get("/admin", headers=world.headers(role="admin", mfa=1))
    assert answer.status_code == 200


# Revocation


async def test_the_very_next_call_of_an_ended_session_fails(world: World) -> None:
    headers = world.headers()
    for _ in range(3):
        assert (await world.client.get("/me", headers=headers)).status_code == 200
    assert world.ledger.asked == 1
    world.ledger.ended.add(world.session)
    await world.gate.revoke(world.session)
    problem(await world.client.get("/me", headers=headers), 401, "session_ended")
    assert (await world.client.get("/me", headers=world.headers())).status_code == 200


async def test_revocation_holds_through_an_outage_of_valkey(world: World) -> None:
    headers = world.headers()
    assert (await world.client.get("/me", headers=headers)).status_code == 200
    await world.switch.cut()
    assert (await world.client.get("/me", headers=headers)).status_code == 200  # reads go on
    world.ledger.ended.add(world.session)
    assert not await world.gate.revoke(world.session)
    problem(await world.client.get("/me", headers=headers), 401, "session_ended")


async def test_money_waits_while_valkey_is_away(world: World) -> None:
    headers = world.headers()
    assert (await world.client.post("/pay", headers=headers)).status_code == 201
    await world.switch.cut()
    answer = await world.client.post("/pay", headers=headers)
    problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"]
    assert (await world.client.get("/live")).text == "ok"


async def test_in_doubt_nobody_passes(world: World) -> None:
    world.ledger.away = True
    problem(await world.client.get("/me", headers=world.headers()), 503, "unavailable")


# Limits


async def test_login_is_limited_by_network_and_says_when_to_come_back(world: World) -> None:
    async def attempt(address: str) -> httpx.Response:
        return await world.client.post("/login", headers={"x-forwarded-for": address})

    # Ten addresses of one /64 are one subscriber.
    answers = await asyncio.gather(*(attempt(world.from_host(n)) for n in range(1, 21)))
    assert sum(answer.status_code == 201 for answer in answers) == 10
    refused = next(answer for answer in answers if answer.status_code != 201)
    problem(refused, 429, "rate_limited")
    # The limit is exact: ten in any five minutes, so the first of them must be that long ago.
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert (await attempt(world.from_host(1, network=9))).status_code == 201


async def test_a_forged_forwarded_address_buys_no_further_attempt(world: World) -> None:
    """Only what the trusted proxy wrote last counts; the rest is the caller's own typing."""
    codes = []
    for number in range(15):
        chain = f"198.51.100.{number}, {world.from_host(1)}"
        answer = await world.client.post("/login", headers={"x-forwarded-for": chain})
        codes.append(answer.status_code)
    assert codes.count(201) == 10


async def test_health_costs_no_round_trip(world: World) -> None:
    assert (await world.client.get("/live")).status_code == 200
    assert world.switch.connections == 0
    await world.client.get("/catalogue")
    assert world.switch.connections == 1


# WebSockets


async def _connect(world: World, headers: list[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    """Drive the app with one WebSocket and return what it sent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("api.test", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {},
    }
    with contextlib.suppress(WebSocketDisconnect):
        await world.app(scope, receive, send)  # type: ignore[arg-type]  # as a server sends it
    return sent


async def test_a_websocket_without_a_credential_is_closed_with_a_code(world: World) -> None:
    sent = await _connect(world, [])
    assert sent == [{"type": "websocket.close", "code": 4401, "reason": "unauthorized"}]
    token = world.headers()["authorization"].encode()
    sent = await _connect(world, [(b"authorization", token)])
    assert [message["type"] for message in sent] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]
