"""The gate on a real Valkey: limits that hold across processes, liveness, outages, replays."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import redis.asyncio as redis_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrender.errors import Unavailable
from flatrender.security.cells import Cell, Limit, LocalCells, gcra
from flatrender.security.errors import (
    InvalidSignature,
    RateLimited,
    SignatureExpired,
    SignatureReplayed,
)
from flatrender.security.gate import Gate, GateAnswer
from flatrender.security.limits import RateLimiter, define_limit, limit_named
from flatrender.security.secrets import Secret
from flatrender.security.sessions import SessionCache
from flatrender.security.signatures import SignatureVerifier, sign_request
from flatrender.testing.clock import HeldClock
from flatrender.testing.switch import Switch

HOURLY = Limit("test-hourly", 5, 3_600)


class Ledger:
    """The truth about sessions, and how often it was asked."""

    def __init__(self) -> None:
        self.ended: set[UUID] = set()
        self.asked = 0
        self.away = False

    async def session_live(self, session_id: UUID) -> bool:
        self.asked += 1
        if self.away:
            raise ConnectionError
        return session_id not in self.ended


@pytest.fixture
def prefix() -> str:
    return f"gate-{uuid4().hex}"


@pytest.fixture
async def gate(valkey_url: str, prefix: str) -> AsyncIterator[Gate]:
    gate = Gate(valkey_url, prefix)
    yield gate
    await gate.close()


@pytest.fixture
async def switch(valkey_url: str) -> AsyncIterator[Switch]:
    parts = urlsplit(valkey_url)
    async with Switch(parts.hostname or "", parts.port or 0) as switch:
        yield switch


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
async def wired(
    valkey_url: str, prefix: str, switch: Switch, clock: HeldClock
) -> AsyncIterator[Gate]:
    """A gate whose wire can be cut."""
    parts = urlsplit(valkey_url)
    login = f":{parts.password}@" if parts.password else ""
    gate = Gate(f"redis://{login}127.0.0.1:{switch.port}{parts.path}", prefix, clock=clock)
    yield gate
    await gate.close()


async def ask(gate: Gate, ledger: Ledger, session: UUID) -> bool:
    return await SessionCache(gate, ledger).live(session, await gate.check([], session))


# Limits


async def test_fifty_calls_at_once_never_pass_the_limit(gate: Gate) -> None:
    answers = await asyncio.gather(*(gate.check([Cell(HOURLY, "a")]) for _ in range(50)))
    assert sum(answer.refused is None for answer in answers) == 5
    refused = [answer for answer in answers if answer.refused]
    assert all(answer.refused == HOURLY and 0 < answer.wait <= 3_600 / 5 for answer in refused)
    assert not any(answer.degraded for answer in answers)


_CALLER = """
import asyncio, sys
from flatrender.security.cells import Cell, Limit
from flatrender.security.gate import Gate

async def main():
    gate = Gate(sys.argv[1], sys.argv[2])
    cell = Cell(Limit("test-hourly", 5, 3600), "shared")
    print("ready", flush=True)
    sys.stdin.readline()
    answers = await asyncio.gather(*(gate.check([cell]) for _ in range(25)))
    print(sum(a.refused is None for a in answers), sum(a.degraded for a in answers))
    await gate.close()

asyncio.run(main())
"""


async def test_two_processes_share_one_limit(gate: Gate, valkey_url: str, prefix: str) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CALLER,
        valkey_url,
        prefix,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert other.stdout is not None
    assert await other.stdout.readline() == b"ready\n"
    cell = [Cell(HOURLY, "shared")]
    theirs = asyncio.create_task(other.communicate(b"go\n"))
    answers = await asyncio.gather(*(gate.check(cell) for _ in range(25)))
    output, _ = await theirs
    passed, degraded = (int(word) for word in output.split())
    assert degraded == 0
    assert passed + sum(answer.refused is None for answer in answers) == 5


async def test_the_rate_returns_evenly_and_the_burst_once(valkey_url: str, prefix: str) -> None:
    now = [1_700_000_000_000_000]
    gate = Gate(valkey_url, prefix, now_micros=lambda: now[0])
    cell = [Cell(Limit("test-rate", 10, 300), "a")]
    for _ in range(10):
        assert (await gate.check(cell)).refused is None
    refusal = await gate.check(cell)
    assert refusal.wait == pytest.approx(30)
    now[0] += 29_999_999
    assert (await gate.check(cell)).refused is not None
    now[0] += 1
    assert (await gate.check(cell)).refused is None
    assert (await gate.check(cell)).refused is not None
    await gate.close()


EXACT = Limit("test-exact", 3, 60, exact=True)


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.integers(0, 40_000_000), min_size=1, max_size=25))
async def test_an_exact_limit_holds_in_every_period(valkey_url: str, steps: list[int]) -> None:
    """On Valkey and in a process alone alike, whenever the calls come."""
    now = [1_700_000_000_000_000]
    gate = Gate(valkey_url, f"gate-{uuid4().hex}", now_micros=lambda: now[0])
    clock = HeldClock()
    local = LocalCells(clock)
    passed: list[int] = []
    for step in steps:
        now[0] += step
        clock.pass_time(step / 1_000_000)
        answer = await gate.check([Cell(EXACT, "a")])
        recent = [at for at in passed if at > now[0] - 60_000_000]
        assert (answer.refused is None) == (len(recent) < 3)
        if answer.refused is None:
            passed.append(now[0])
        else:
            assert answer.wait == pytest.approx((passed[-3] + 60_000_000 - now[0]) / 1e6)
        refused, wait = local.check([Cell(EXACT, "a")])
        if answer.wait > 1e-3 or answer.refused is None:  # the held clock is a float
            assert (refused is None) == (answer.refused is None)
            assert wait == pytest.approx(answer.wait, abs=1e-3)
    await gate.close()


async def test_an_exact_limit_is_forgotten_after_a_success(gate: Gate) -> None:
    cell = [Cell(EXACT, "a")]
    for _ in range(2):
        assert [(await gate.check(cell)).refused for _ in range(4)] == [None] * 3 + [EXACT]
        await gate.forget(cell)


@pytest.mark.parametrize("name", ["login", "mfa", "reset", "message"])
def test_what_is_guessed_at_is_limited_exactly(name: str) -> None:
    assert limit_named(name).exact


async def test_a_refused_call_counts_for_nobody(gate: Gate) -> None:
    """The account's limit is reached: the address must not be used up by trying."""
    account, address = Cell(Limit("test-x", 1, 3_600), "a"), Cell(Limit("test-y", 3, 3_600), "b")
    assert (await gate.check([account, address])).refused is None
    for _ in range(10):
        assert (await gate.check([account, address])).refused == account.limit
    for _ in range(2):
        assert (await gate.check([address])).refused is None
    assert (await gate.check([address])).refused == address.limit


async def test_parties_do_not_share_and_valkey_holds_no_names(
    gate: Gate, valkey_url: str, prefix: str
) -> None:
    for party in ("maryam@example.ir", "ali@example.ir"):
        for _ in range(5):
            assert (await gate.check([Cell(HOURLY, party)])).refused is None
    client = redis_asyncio.Redis.from_url(valkey_url)
    keys = [key async for key in client.scan_iter(f"{prefix}*")]
    assert len(keys) == 3  # two cells and the epoch
    assert not any(b"example" in key for key in keys)
    for key in keys:
        if b":limit:" in key:
            assert 0 < await client.pttl(key) <= 3_600_000
    await client.aclose()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 20),
    st.integers(1, 3_600),
    st.lists(st.integers(0, 120_000_000), min_size=1, max_size=60),
)
def test_the_algorithm_never_lets_more_than_burst_plus_rate_through(
    calls: int, seconds: int, gaps: list[int]
) -> None:
    limit = Limit("test-any", calls, seconds)
    now = arrival = 0
    passed: list[int] = []
    for gap in gaps:
        now += gap
        following, late = gcra(arrival, now, limit)
        if not late:
            arrival = following
            passed.append(now)
    for start in passed:
        for end in (t for t in passed if t >= start):
            within = sum(start <= t <= end for t in passed)
            assert within <= calls + (end - start) / limit.interval + 1e-9


async def test_the_limiter_names_its_limits(gate: Gate) -> None:
    limiter = RateLimiter(gate)
    for _ in range(10):
        await limiter.check("login", "account:x", "address:192.0.2.1")
    with pytest.raises(RateLimited) as caught:
        await limiter.check("login", "account:x", "address:192.0.2.2")
    assert caught.value.status == 429
    assert 290 <= int(caught.value.headers["Retry-After"]) <= 300
    await limiter.reset("login", "account:x")
    await limiter.check("login", "account:x", "address:192.0.2.2")
    with pytest.raises(LookupError):
        await limiter.check("no such limit", "x")


async def test_a_tenant_may_be_stricter(gate: Gate) -> None:
    limiter = RateLimiter(gate)
    strict = Limit("login", 2, 300)
    for _ in range(2):
        await limiter.check("login", "account:t", tighter=strict)
    with pytest.raises(RateLimited):
        await limiter.check("login", "account:t", tighter=strict)


def test_the_documented_limits_are_the_ones_in_force() -> None:
    wanted = {"login": (10, 300), "reset": (5, 86_400), "message": (10, 600)}
    for name, (calls, seconds) in wanted.items():
        assert (limit_named(name).calls, limit_named(name).seconds) == (calls, seconds)
    assert define_limit("test-own", 3, 60) == define_limit("test-own", 3, 60)
    with pytest.raises(ValueError, match="test-own"):
        define_limit("test-own", 4, 60)


# Sessions


async def test_a_live_session_is_asked_once_and_an_ended_one_dies_at_once(gate: Gate) -> None:
    ledger, session = Ledger(), uuid4()
    for _ in range(5):
        assert await ask(gate, ledger, session)
    # The first check also raises the epoch of a process that just began.
    assert ledger.asked == 1
    ledger.ended.add(session)
    assert await gate.revoke(session)
    for _ in range(3):
        assert not await ask(gate, ledger, session)
    assert ledger.asked == 1


async def test_a_dead_session_is_remembered_as_dead(gate: Gate) -> None:
    ledger, session = Ledger(), uuid4()
    ledger.ended.add(session)
    for _ in range(3):
        assert not await ask(gate, ledger, session)
    assert ledger.asked == 1


async def test_a_slow_ledger_answer_does_not_revive_a_session(gate: Gate) -> None:
    """Asked while alive, ended meanwhile, remembered too late."""
    ledger, session = Ledger(), uuid4()
    answer = await gate.check([], session)
    assert answer.session == "unknown"
    ledger.ended.add(session)
    await gate.revoke(session)
    await gate.remember(session, answer.epoch, live=True)
    assert not await ask(gate, ledger, session)


async def test_an_ended_session_uses_up_no_limit(gate: Gate) -> None:
    session = uuid4()
    await gate.revoke(session)
    for _ in range(10):
        assert (await gate.check([Cell(HOURLY, "d")], session)).session == "dead"
    assert (await gate.check([Cell(HOURLY, "d")])).refused is None


async def test_valkey_may_be_emptied(gate: Gate, valkey_url: str, prefix: str) -> None:
    ledger, session, ended = Ledger(), uuid4(), uuid4()
    ledger.ended.add(ended)
    await gate.revoke(ended)
    assert await ask(gate, ledger, session)
    client = redis_asyncio.Redis.from_url(valkey_url)
    async for key in client.scan_iter(f"{prefix}*"):
        await client.delete(key)
    await client.aclose()
    assert not await ask(gate, ledger, ended)
    assert await ask(gate, ledger, session)
    assert ledger.asked == 3


async def test_a_revocation_that_missed_valkey_counts_after_the_outage(
    wired: Gate, switch: Switch, clock: HeldClock
) -> None:
    ledger, session = Ledger(), uuid4()
    assert await ask(wired, ledger, session)
    assert await ask(wired, ledger, session)
    assert ledger.asked == 1  # cached as live
    await switch.cut()
    ledger.ended.add(session)
    assert await wired.revoke(session) is False
    assert not await ask(wired, ledger, session)  # PostgreSQL answers meanwhile
    switch.mend()
    clock.pass_time(1.1)
    answer = await wired.check([], session)
    assert (answer.session, answer.degraded) == ("unknown", False)
    assert not await ask(wired, ledger, session)


async def test_another_process_that_saw_the_outage_forgets_as_well(
    wired: Gate, gate: Gate, switch: Switch, clock: HeldClock
) -> None:
    session = uuid4()
    ledger = Ledger()
    await ask(wired, ledger, session)
    assert await ask(gate, ledger, session)
    await switch.cut()
    await wired.check([])
    switch.mend()
    clock.pass_time(1.1)
    await wired.check([])  # raises the epoch for everybody
    assert (await gate.check([], session)).session == "unknown"


async def test_nobody_passes_when_neither_answers(wired: Gate, switch: Switch) -> None:
    ledger = Ledger()
    ledger.away = True
    await switch.cut()
    with pytest.raises(Unavailable):
        await ask(wired, ledger, uuid4())


# Outages


async def test_without_valkey_limits_are_local_and_critical_acts_wait(
    wired: Gate, switch: Switch, clock: HeldClock
) -> None:
    await switch.cut()
    cell = [Cell(HOURLY, "o")]
    answers: list[GateAnswer] = [await wired.check(cell) for _ in range(10)]
    assert all(answer.degraded for answer in answers)
    assert sum(answer.refused is None for answer in answers) == 5
    limiter = RateLimiter(wired)
    await limiter.check("login", "account:o")
    with pytest.raises(Unavailable):
        await limiter.check("login", "account:o", critical=True)
    switch.mend()
    clock.pass_time(1.1)
    await limiter.check("login", "account:o", critical=True)


async def test_an_outage_is_not_probed_by_every_call(
    wired: Gate, switch: Switch, clock: HeldClock
) -> None:
    await wired.check([])
    await switch.cut()
    await wired.check([])
    switch.mend()
    before = switch.connections
    for _ in range(20):
        assert (await wired.check([])).degraded
    assert switch.connections == before
    clock.pass_time(1.1)
    assert not (await wired.check([])).degraded


async def test_a_connection_that_died_while_idle_is_no_outage(wired: Gate, switch: Switch) -> None:
    await wired.check([])
    await switch.cut()
    switch.mend()
    assert not (await wired.check([])).degraded


async def test_one_lost_answer_is_no_outage(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = gate._run, 0

    async def once_lost(script: str, keys: list[str], args: Any) -> Any:
        nonlocal calls
        calls += 1
        return None if calls == 1 else await real(script, keys, args)

    monkeypatch.setattr(gate, "_run", once_lost)
    assert not (await gate.check([])).degraded
    assert calls == 2


def test_local_cells_stay_within_their_memory(clock: HeldClock) -> None:
    cells = LocalCells(clock, capacity=100)
    for number in range(1_000):
        cells.check([Cell(HOURLY, str(number))])
    assert len(cells._arrivals) == 100


# Signatures

SECRET = Secret("a node's signing secret")


class Signed:
    """Signs and verifies one call at a time."""

    def __init__(self, verifier: SignatureVerifier, clock: HeldClock) -> None:
        self.verifier = verifier
        self.clock = clock

    def sign(self, *, at: float = 0, body: bytes = b"{}") -> tuple[str, str]:
        sent = int(self.clock.now().timestamp() + at)
        return str(sent), sign_request(SECRET, sent, "POST", "/v1/nodes/claim", body)

    async def verify(self, stamp: str, mac: str, **changes: object) -> None:
        values = {
            "signer": "node:1",
            "secret": SECRET,
            "method": "POST",
            "target": "/v1/nodes/claim",
            "body": b"{}",
            "timestamp": stamp,
            "signature": mac,
        }
        await self.verifier.verify(**{**values, **changes})  # type: ignore[arg-type]  # one dict, many types


@pytest.fixture
def signed(wired: Gate, clock: HeldClock) -> Signed:
    return Signed(SignatureVerifier(wired, clock=clock), clock)


async def test_a_signature_holds_once(signed: Signed) -> None:
    stamp, signature = signed.sign()
    await signed.verify(stamp, signature)
    for again in (signature, signature.upper(), f" {signature} "):
        with pytest.raises(SignatureReplayed):
            await signed.verify(stamp, again)


async def test_twenty_replays_at_once_pass_once(signed: Signed) -> None:
    stamp, signature = signed.sign()
    results = await asyncio.gather(
        *(signed.verify(stamp, signature) for _ in range(20)), return_exceptions=True
    )
    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, SignatureReplayed) for result in results) == 19


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"target": "/v1/nodes/other"},
        {"target": "/v1/nodes/claim?x=1"},
        {"body": b"{ }"},
        {"secret": Secret("another secret")},
        {"timestamp": "1"},
        {"timestamp": ""},
        {"timestamp": "1e9"},
        {"timestamp": "٣"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "z" * 64},
        {"signature": "0" * 63},
    ],
)
async def test_a_changed_call_is_refused_and_does_not_use_the_signature_up(
    signed: Signed, changes: dict[str, object]
) -> None:
    stamp, signature = signed.sign()
    with pytest.raises(InvalidSignature):
        await signed.verify(stamp, signature, **changes)
    await signed.verify(stamp, signature)


async def test_the_window_is_five_minutes_either_way(signed: Signed, clock: HeldClock) -> None:
    await signed.verify(*signed.sign(body=b"1"), body=b"1")  # the memory begins
    clock.pass_time(600)
    for at, holds in ((-300, True), (-301, False), (300, True), (301, False)):
        stamp, signature = signed.sign(at=at)
        if holds:
            await signed.verify(stamp, signature)
        else:
            with pytest.raises(SignatureExpired):
                await signed.verify(stamp, signature)


async def test_an_emptied_valkey_does_not_let_a_replay_through(
    signed: Signed, clock: HeldClock, valkey_url: str, prefix: str
) -> None:
    stamp, signature = signed.sign()
    await signed.verify(stamp, signature)
    client = redis_asyncio.Redis.from_url(valkey_url)
    async for key in client.scan_iter(f"{prefix}*"):
        await client.delete(key)
    await client.aclose()
    clock.pass_time(0.5)  # within the same second even
    with pytest.raises(SignatureExpired):
        await signed.verify(stamp, signature)
    clock.pass_time(1)
    await signed.verify(*signed.sign())


class Replays:
    def __init__(self) -> None:
        self.seen: set[str] = set()

    async def first_use(self, key: str, until: datetime) -> bool:
        assert until.tzinfo is not None
        new = key not in self.seen
        self.seen.add(key)
        return new


async def test_without_valkey_the_ledger_remembers_and_without_both_nothing_passes(
    wired: Gate, switch: Switch, clock: HeldClock
) -> None:
    await switch.cut()
    alone = Signed(SignatureVerifier(wired, clock=clock), clock)
    with pytest.raises(Unavailable):
        await alone.verify(*alone.sign())
    backed = Signed(SignatureVerifier(wired, ledger=Replays(), clock=clock), clock)
    stamp, signature = backed.sign()
    await backed.verify(stamp, signature)
    with pytest.raises(SignatureReplayed):
        await backed.verify(stamp, signature)
