"""Idempotency-Key over HTTP with real records: the same act asked for many times is done once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from litestar import Response, Router, post
from litestar.enums import ScopeType
from litestar.params import FromPath, JSONBody
from litestar.types import ASGIApp, Receive, Scope, Send

from flatrender.clock import SystemClock
from flatrender.db.context import ContextDatabase
from flatrender.errors import Conflict, Forbidden, NotFound
from flatrender.http.body import RequestBody
from flatrender.http.idempotency import claim as claims
from flatrender.http.idempotency.errors import ClaimLost
from flatrender.http.idempotency.postgres import (
    PURGE_SQL,
    PostgresIdempotencyStore,
    Transactions,
    pool_transactions,
    unit_of_work_transactions,
)
from flatrender.http.settings import HttpSettings
from flatrender.security.principal import Principal, current_principal
from flatrender.testing.http import client_of, make_app
from flatrender.testing.plugin import TestDatabase

KEY = "k" * 32


class Act(RequestBody):
    what: str


class MovableClock(SystemClock):
    """A clock that tests push forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class World:
    """What the handlers did, and how they behave next."""

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()
        self.database: ContextDatabase | None = None
        self.break_after_commit = False


class CallerMiddleware:
    """Stands where authentication stands: the caller comes from two headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == ScopeType.HTTP
        headers = dict(scope["headers"])
        if b"x-tenant" not in headers:
            await self.app(scope, receive, send)
            return
        principal = Principal(
            kind="user",
            tenant_id=UUID(headers[b"x-tenant"].decode()),
            user_id=UUID(headers[b"x-user"].decode()),
        )
        token = current_principal.set(principal)
        try:
            await self.app(scope, receive, send)
        finally:
            current_principal.reset(token)


def _handlers(world: World) -> Router:
    @post("/acts", opt={"idempotent": True, "query": ("x",)})
    async def act(data: JSONBody[Act]) -> Response[dict[str, Any]]:
        world.acts.append(data.what)
        return Response(
            {"number": len(world.acts), "secret": "shown-once"},
            status_code=201,
            headers={"Location": f"/acts/{len(world.acts)}", "Set-Cookie": "sid=1"},
        )

    @post("/other", opt={"idempotent": "required"})
    async def other(data: JSONBody[Act]) -> int:
        world.acts.append(data.what)
        return len(world.acts)

    @post("/plain")
    async def plain(data: JSONBody[Act]) -> int:
        world.acts.append(data.what)
        return len(world.acts)

    @post("/slow", opt={"idempotent": True})
    async def slow(data: JSONBody[Act]) -> int:
        world.acts.append(data.what)
        world.started.set()
        await world.go_on.wait()
        return len(world.acts)

    @post("/fails/{kind:str}", opt={"idempotent": True})
    async def fails(kind: FromPath[str]) -> None:
        world.acts.append(kind)
        faults: dict[str, Exception] = {
            "403": Forbidden(),
            "404": NotFound(),
            "409": Conflict(),
            "500": RuntimeError("bug"),
        }
        raise faults[kind]

    @post("/large", opt={"idempotent": True})
    async def large() -> str:
        world.acts.append("large")
        return "x" * 300_000

    @post("/empty", opt={"idempotent": True}, status_code=204)
    async def empty() -> None:
        world.acts.append("empty")

    @post("/settled", opt={"idempotent": True})
    async def settled(data: JSONBody[Act]) -> int:
        assert world.database is not None
        principal = current_principal.get()
        assert principal is not None
        async with world.database.unit_of_work(principal.tenant_id) as work:
            world.started.set()
            await world.go_on.wait()
            await claims.settle("studio", "studio", work.execute)
        world.acts.append(data.what)
        if world.break_after_commit:
            raise RuntimeError("the process died here")
        return len(world.acts)

    return Router(
        "/",
        route_handlers=[act, other, plain, slow, fails, large, empty, settled],
        opt={"context": "studio"},
    )


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture(params=["pool", "unit_of_work"])
async def transactions(
    request: pytest.FixtureRequest, migrated_database: TestDatabase, world: World
) -> AsyncIterator[Transactions]:
    """Both ways of giving the store its transactions, under the context's own request role."""
    settings = migrated_database.settings(pool_size=6)
    database = ContextDatabase(settings, context="studio", schema="studio", clock=SystemClock())
    world.database = database
    if request.param == "unit_of_work":
        yield unit_of_work_transactions(database.unit_of_work)
    else:
        dsn = migrated_database.dsn("flatrender_studio")
        async with asyncpg.create_pool(dsn, min_size=0, max_size=6) as pool:

            async def get() -> Any:
                return pool

            yield pool_transactions(get)
    await database.close()


@pytest.fixture
async def client(
    world: World, clock: MovableClock, transactions: Transactions
) -> AsyncIterator[httpx.AsyncClient]:
    store = PostgresIdempotencyStore("studio", transactions)
    app, _ = make_app(
        [_handlers(world)],
        HttpSettings(cursor_key=KEY),
        stores={"studio": store}.__getitem__,
        clock=clock,
        middleware=[CallerMiddleware],
    )
    caller = {"X-Tenant": str(uuid4()), "X-User": str(uuid4()), "Accept-Language": "en"}
    async with client_of(app, headers=caller, raise_app_exceptions=False) as made:
        yield made


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


async def test_a_repeat_gets_the_first_answer_again(
    client: httpx.AsyncClient, world: World
) -> None:
    key = _key()
    first = await client.post("/acts", json={"what": "a"}, headers=key)
    again = await client.post("/acts", json={"what": "a"}, headers=key)
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert again.headers["location"] == "/acts/1"
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert "set-cookie" in first.headers
    assert "set-cookie" not in again.headers
    assert first.headers["x-request-id"] != again.headers["x-request-id"]
    assert world.acts == ["a"]


async def test_an_empty_answer_is_given_again(client: httpx.AsyncClient, world: World) -> None:
    key = _key()
    answers = [await client.post("/empty", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert world.acts == ["empty"]


async def test_without_a_key_or_the_opt_every_request_acts(
    client: httpx.AsyncClient, world: World
) -> None:
    key = _key()
    for _ in range(2):
        await client.post("/acts", json={"what": "a"})
        await client.post("/plain", json={"what": "p"}, headers=key)
    assert world.acts == ["a", "p", "a", "p"]


async def test_another_body_or_route_under_the_key_is_refused(
    client: httpx.AsyncClient, world: World
) -> None:
    key = _key()
    await client.post("/acts", json={"what": "a"}, headers=key)
    for path, body in (("/acts", "b"), ("/other", "a"), ("/acts?x=1", "a")):
        answer = await client.post(path, json={"what": body}, headers=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert world.acts == ["a"]


async def test_a_key_may_be_demanded(client: httpx.AsyncClient, world: World) -> None:
    answer = await client.post("/other", json={"what": "a"})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    answer = await client.post("/other", json={"what": "a"}, headers={"Idempotency-Key": "a b"})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")
    assert world.acts == []


async def test_a_repeat_meanwhile_is_told_to_wait(client: httpx.AsyncClient, world: World) -> None:
    key = _key()
    first = asyncio.create_task(client.post("/slow", json={"what": "a"}, headers=key))
    await world.started.wait()
    meanwhile = await client.post("/slow", json={"what": "a"}, headers=key)
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_running")
    assert 1 <= int(meanwhile.headers["retry-after"]) <= 60
    world.go_on.set()
    assert (await first).json() == 1
    assert (await client.post("/slow", json={"what": "a"}, headers=key)).json() == 1
    assert world.acts == ["a"]


async def test_of_many_at_once_one_acts(client: httpx.AsyncClient, world: World) -> None:
    key = _key()
    answers = await asyncio.gather(
        *(client.post("/acts", json={"what": "a"}, headers=key) for _ in range(20))
    )
    assert world.acts == ["a"]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum("idempotency-replayed" not in a.headers for a in answers if a.is_success) == 1


@pytest.mark.parametrize(("kind", "times"), [("403", 2), ("409", 2), ("500", 2), ("404", 1)])
async def test_passing_refusals_and_faults_free_the_key(
    client: httpx.AsyncClient, world: World, kind: str, times: int
) -> None:
    key = _key()
    answers = [await client.post(f"/fails/{kind}", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [int(kind)] * 2
    assert len(world.acts) == times


async def test_refused_input_is_kept_like_any_answer(
    client: httpx.AsyncClient, world: World
) -> None:
    key = _key()
    answers = [await client.post("/acts", json={"bad": 1}, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert world.acts == []


async def test_a_lock_runs_out_and_the_late_first_cannot_overwrite(
    client: httpx.AsyncClient, world: World, clock: MovableClock
) -> None:
    key = _key()
    first = asyncio.create_task(client.post("/slow", json={"what": "a"}, headers=key))
    await world.started.wait()
    clock.ahead = timedelta(seconds=61)
    world.go_on.set()
    second = await client.post("/slow", json={"what": "a"}, headers=key)
    await first
    again = await client.post("/slow", json={"what": "a"}, headers=key)
    assert len(world.acts) == 2
    assert again.json() == second.json()


async def test_keys_end_after_a_day(
    client: httpx.AsyncClient, world: World, clock: MovableClock
) -> None:
    key = _key()
    await client.post("/acts", json={"what": "a"}, headers=key)
    clock.ahead = timedelta(hours=23, minutes=59)
    await client.post("/acts", json={"what": "a"}, headers=key)
    assert world.acts == ["a"]
    clock.ahead = timedelta(hours=24, minutes=1)
    other_body = await client.post("/acts", json={"what": "b"}, headers=key)
    assert other_body.status_code == 201
    assert world.acts == ["a", "b"]


async def test_keys_belong_to_one_caller(client: httpx.AsyncClient, world: World) -> None:
    key = _key()
    await client.post("/acts", json={"what": "a"}, headers=key)
    for foreign in ({"X-User": str(uuid4())}, {"X-Tenant": str(uuid4())}):
        answer = await client.post("/acts", json={"what": "a"}, headers={**key, **foreign})
        assert "idempotency-replayed" not in answer.headers
    assert world.acts == ["a"] * 3


async def test_strangers_are_told_apart_by_address(client: httpx.AsyncClient, world: World) -> None:
    key = _key()
    app: Any = client._transport.app  # type: ignore[attr-defined] # ASGITransport
    for peer in ("198.51.100.1", "198.51.100.2"):
        transport = httpx.ASGITransport(app, client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as stranger:
            await stranger.post("/acts", json={"what": "a"}, headers=key)
            await stranger.post("/acts", json={"what": "a"}, headers=key)
    assert world.acts == ["a", "a"]


async def test_too_large_an_answer_is_not_kept_and_the_act_not_repeated(
    client: httpx.AsyncClient, world: World, clock: MovableClock
) -> None:
    key = _key()
    assert len((await client.post("/large", headers=key)).content) >= 300_000
    clock.ahead = timedelta(seconds=61)
    again = await client.post("/large", headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_answer_lost")
    assert world.acts == ["large"]


async def test_an_act_whose_answer_was_lost_is_not_done_twice(
    client: httpx.AsyncClient, world: World, clock: MovableClock
) -> None:
    world.break_after_commit = True
    world.go_on.set()
    key = _key()
    first = await client.post("/settled", json={"what": "a"}, headers=key)
    assert first.status_code == 500
    clock.ahead = timedelta(seconds=61)
    again = await client.post("/settled", json={"what": "a"}, headers=key)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_answer_lost")
    assert world.acts == ["a"]


async def test_who_outlives_the_lock_cannot_commit_beside_the_successor(
    client: httpx.AsyncClient, world: World, clock: MovableClock
) -> None:
    key = _key()
    first = asyncio.create_task(client.post("/settled", json={"what": "a"}, headers=key))
    await world.started.wait()
    clock.ahead = timedelta(seconds=61)
    second = asyncio.create_task(client.post("/settled", json={"what": "a"}, headers=key))
    world.started.clear()
    await world.started.wait()
    world.go_on.set()
    assert (await second).status_code == 201
    late = await first
    assert (late.status_code, late.json()["code"]) == (409, ClaimLost.code)
    assert world.acts == ["a"]


async def test_the_table_reveals_neither_request_nor_answer(
    client: httpx.AsyncClient, migrated_database: TestDatabase
) -> None:
    key = _key()
    await client.post("/acts", json={"what": "a"}, headers=key)
    connection = await asyncpg.connect(migrated_database.dsn())
    try:
        row = await connection.fetchrow(
            "SELECT * FROM studio.idempotency_keys WHERE key = $1", key["Idempotency-Key"]
        )
    finally:
        await connection.close()
    assert row["state"] == "done"
    assert b"shown-once" not in bytes(row["body"])
    assert "sid=1" not in row["headers"]
    assert row["expires_at"] - row["created_at"] >= timedelta(hours=24)


async def test_another_tenant_sees_no_record(
    client: httpx.AsyncClient, migrated_database: TestDatabase
) -> None:
    key = _key()
    await client.post("/acts", json={"what": "a"}, headers=key)
    connection = await asyncpg.connect(migrated_database.dsn("flatrender_studio"))
    count = "SELECT count(*) FROM studio.idempotency_keys WHERE key = $1"
    try:
        assert await connection.fetchval(count, key["Idempotency-Key"]) == 0
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('app.tenant_id', $1, true)", client.headers["x-tenant"]
            )
            assert await connection.fetchval(count, key["Idempotency-Key"]) == 1
    finally:
        await connection.close()


async def test_the_system_role_forgets_what_is_past(
    client: httpx.AsyncClient, migrated_database: TestDatabase
) -> None:
    key = _key()
    await client.post("/acts", json={"what": "a"}, headers=key)
    connection = await asyncpg.connect(migrated_database.dsn("flatrender_studio_system"))
    exists = "SELECT count(*) FROM studio.idempotency_keys WHERE key = $1"
    purge: Callable[[datetime], Any] = lambda at: connection.execute(  # noqa: E731 # one place
        PURGE_SQL.format(schema="studio") + " AND key = $2", at, key["Idempotency-Key"]
    )
    try:
        await purge(datetime.now(UTC))
        assert await connection.fetchval(exists, key["Idempotency-Key"]) == 1
        await purge(datetime.now(UTC) + timedelta(hours=25))
        assert await connection.fetchval(exists, key["Idempotency-Key"]) == 0
    finally:
        await connection.close()
