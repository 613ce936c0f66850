"""The hot read: one indexed row as JSON, from bare ASGI to the whole application."""

import asyncio
import contextlib
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import httpx
import msgspec
from tests.bench.authentication import measure
from tests.bench.load import Order, Outcome
from tests.bench.stack import database_of, heading, processor_seconds, servers, superuser, table
from tests.bench.stack import verdict as say

from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing.rounds import medians, ratio, turns
from flatrender.testing.workers import free_port

GOAL = 0.95
_PEOPLE = 64  # callers in turns, so that nobody reaches the limit of 1,200 a minute
_TENANTS = 16
_PASSWORD = "correct-horse-battery-9"  # of throw-away people

#: Name of a run: the server process that answers, and what is said of it.
_RUNS = {
    "bare": ("bare", "bare ASGI + asyncpg"),
    "raw": ("raw", "Litestar + raw asyncpg (the yardstick)"),
    "reads": ("reads", "Litestar + ReadPool, row-level security"),
    "tenants": ("reads", f"  the same, {_TENANTS} tenants in turns"),
    "anonymous": ("app", "whole application, no credential"),
    "user": ("app", "whole application, access token"),
    "fastapi": ("fastapi", "FastAPI + SQLAlchemy ORM"),
}


def run(*, quick: bool) -> None:
    """Measure and print."""
    # Many short rounds: what shares the cores with us changes from second to second.
    count, seconds = (9, 0.25) if quick else (28, 0.25)
    with servers(s3=True) as environment:
        tenants = asyncio.run(_make_tenants(environment))
        with _processes(environment) as (ports, pids), _loader() as load:
            wanted = _requests(ports, tenants)
            for name, (server, _) in _RUNS.items():  # connections, prepared statements, caches
                load(Order(port=ports[server], requests=wanted[name], seconds=0.4))
            rates: list[dict[str, float]] = []
            spent, answers = dict.fromkeys(_RUNS, 0.0), dict.fromkeys(_RUNS, 0)
            tails: list[dict[str, float]] = []
            for order in turns(list(_RUNS), count):
                rate, tail = {}, {}
                for name in order:
                    server = _RUNS[name][0]
                    before = processor_seconds(pids[server])
                    outcome = load(
                        Order(port=ports[server], requests=wanted[name], seconds=seconds)
                    )
                    # Over all rounds: the kernel's clock ticks are coarse for one.
                    spent[name] += processor_seconds(pids[server]) - before
                    answers[name] += outcome.answers
                    rate[name] = outcome.answers / outcome.seconds
                    tail[name] = outcome.p99
                rates.append(rate)
                tails.append(tail)
        valkey = environment["FLATRENDER_VALKEY_URL"]
        authentication = asyncio.run(measure(valkey, calls=600 if quick else 3_000))
    cost = {name: spent[name] / answers[name] * 1e6 for name in _RUNS}
    _report(rates, cost, tails, count, seconds)
    print("\nauthentication by itself, processor time per call:")
    for name, micros in authentication.items():
        print(f"  {name:<40} {micros:7.1f} us")


def _report(
    rates: list[dict[str, float]],
    cost: dict[str, float],
    tails: list[dict[str, float]],
    count: int,
    seconds: float,
) -> None:
    heading(f"API hot read: one row by key as JSON ({count} rounds of {seconds} s, medians)")
    rate, tail = medians(rates), medians(tails)
    table(
        ["server", "requests/s", "of yardstick", "p99 ms", "server us", "of yardstick"],
        [
            [
                text,
                f"{rate[name]:,.0f}",
                f"{ratio(rates, name, 'raw'):.2f}",
                f"{tail[name]:.1f}",
                f"{cost[name]:.0f}",
                f"{cost[name] / cost['raw']:.2f}",
            ]
            for name, (_, text) in _RUNS.items()
        ],
    )
    found = ratio(rates, "reads", "raw")
    print(
        f"hot read with row-level security / raw asyncpg: {found:.2f} ({say(found, GOAL)}); "
        f"by the server's processor time {cost['raw'] / cost['reads']:.2f}"
    )
    # The anonymous call passes the same gate (limit by address) in Valkey: what differs is the
    # token and the session.
    print(
        f"whole application with a token / without: {ratio(rates, 'user', 'anonymous'):.2f} of the "
        f"rate, {cost['user'] - cost['anonymous']:+.0f} us of processor time"
    )


async def _make_tenants(environment: dict[str, str]) -> list[UUID]:
    """Give every tenant a copy of the default tenant's plans."""
    tenants = [uuid4() for _ in range(_TENANTS)]
    connection = await superuser(database_of(environment))
    try:
        for number, tenant in enumerate(tenants):
            await connection.execute(
                "INSERT INTO identity.tenants (id, kind, slug, name_fa, name_en, publishable_key) "
                "VALUES ($1, 'Reseller', $2, $2, $2, $3)",
                tenant,
                f"bench-{number}",
                f"pk_bench_{secrets.token_hex(12)}",
            )
            columns = (
                "code, name_fa, name_en, tier, price_minor, resolutions, max_resolution, position"
            )
            await connection.execute(
                f"INSERT INTO identity.plans (tenant_id, {columns}) "
                f"SELECT $1, {columns} FROM identity.plans WHERE tenant_id = $2",
                tenant,
                DEFAULT_TENANT_ID,
            )
        await connection.execute("ANALYZE identity.plans")
    finally:
        await connection.close()
    return tenants


@contextlib.contextmanager
def _processes(environment: dict[str, str]) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Run every server; yield their ports and process ids."""
    kinds = {server for server, _ in _RUNS.values()}
    ports = {kind: free_port() for kind in kinds}
    started = {
        kind: subprocess.Popen(
            [sys.executable, "-m", "tests.bench.contestants", kind, str(ports[kind])],
            env=environment,
        )
        for kind in kinds
    }
    try:
        for kind, process in started.items():
            _wait(kind, ports[kind], process)
        yield ports, {kind: process.pid for kind, process in started.items()}
    finally:
        for process in started.values():
            process.terminate()
        for process in started.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(kind: str, port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit(f"the server {kind!r} did not start")


@contextlib.contextmanager
def _loader() -> Iterator["_Load"]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield _Load(process)


class _Load:
    """The load generator's process."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def __call__(self, order: Order) -> Outcome:
        """Have an order done. Raises SystemExit when an answer was not 200."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"port {order.port} did not answer")
        outcome = msgspec.json.decode(answer, type=Outcome)
        if outcome.bad or not outcome.answers:
            raise SystemExit(f"port {order.port} answered:\n{outcome.bad}")
        return outcome


def _requests(ports: dict[str, int], tenants: list[UUID]) -> dict[str, list[str]]:
    """Return the raw requests of every run."""
    app = f"http://127.0.0.1:{ports['app']}"
    with ThreadPoolExecutor(4) as pool:
        tokens = list(pool.map(lambda number: _person(app, number), range(_PEOPLE)))
    plain = [_get("/plans/plus")]
    return {
        "bare": plain,
        "raw": plain,
        "reads": plain,
        "fastapi": plain,
        "tenants": [_get(f"/tenants/{tenant}/plans/plus") for tenant in tenants],
        # Addresses in turns, as behind a proxy: each has its own limit.
        "anonymous": [
            _get("/v1/bench/plans/plus", f"X-Forwarded-For: 10.{n >> 8}.{n & 255}.7")
            for n in range(2 * _PEOPLE)
        ],
        "user": [
            _get("/v1/bench/plans/plus", f"Authorization: Bearer {token}") for token in tokens
        ],
    }


def _get(path: str, *headers: str) -> str:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: api.test", *headers, "", ""])


def _person(base: str, number: int) -> str:
    """Register and log somebody in, each from an address of their own; return the token."""
    email = f"bench-{number}-{secrets.token_hex(4)}@example.com"
    headers = {"X-Forwarded-For": f"10.200.{number}.1"}
    with httpx.Client(base_url=base, headers=headers, timeout=30) as client:
        client.post(
            "/v1/auth/register",
            json={"email": email, "password": _PASSWORD, "display_name": "Bench"},
        ).raise_for_status()
        answer = client.post(
            "/v1/auth/login", json={"identifier": email, "password": _PASSWORD}
        ).raise_for_status()
    token: str = answer.json()["access_token"]
    return token
