"""The watch over open streams: when it asks, whom, and what it does in doubt."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from flatrender.errors import Unavailable
from flatrender.security.errors import SessionEnded, TokenExpired
from flatrender.security.gate import Gate
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.security.sessions import SessionCache
from flatrender.security.tokens import WatchClaims
from flatrender.security.vigil import VIGIL_SECONDS, Vigil
from flatrender.testing.clock import HeldClock


class Ledger:
    """The truth about one session."""

    def __init__(self) -> None:
        self.live = True
        self.away = False
        self.asked = 0

    async def session_live(self, session_id: UUID) -> bool:
        self.asked += 1
        if self.away:
            raise ConnectionError
        return self.live


@pytest.fixture
async def gate(valkey_url: str) -> AsyncIterator[Gate]:
    gate = Gate(valkey_url, f"vigil-{uuid4().hex}")
    yield gate
    await gate.close()


def claims(clock: HeldClock, *, session: bool = True, seconds: int = 300) -> WatchClaims:
    return WatchClaims(
        user_id=uuid4(),
        tenant_id=DEFAULT_TENANT_ID,
        job_id=uuid4(),
        exp=int(clock.now().timestamp()) + seconds,
        sid=uuid4() if session else None,
    )


def vigil(gate: Gate, ledger: Ledger, clock: HeldClock, *, session: bool = True) -> Vigil:
    return Vigil(claims(clock, session=session), SessionCache(gate, ledger), gate, clock)


async def test_it_asks_at_its_interval_and_not_before(gate: Gate) -> None:
    clock, ledger = HeldClock(), Ledger()
    watch = vigil(gate, ledger, clock)
    ledger.live = False
    assert watch.wait() == VIGIL_SECONDS
    await watch.look()
    clock.pass_time(VIGIL_SECONDS - 1)
    await watch.look()
    assert (watch.wait(), ledger.asked) == (1.0, 0)
    clock.pass_time(1)
    with pytest.raises(SessionEnded):
        await watch.look()
    assert ledger.asked == 1


async def test_it_asks_at_once_when_told_to(gate: Gate) -> None:
    clock, ledger = HeldClock(), Ledger()
    watch = vigil(gate, ledger, clock)
    ledger.live = False
    with pytest.raises(SessionEnded):
        await watch.look(now=True)


async def test_a_revocation_in_the_cache_is_seen_over_a_live_mark(gate: Gate) -> None:
    clock, ledger = HeldClock(), Ledger()
    told = claims(clock)
    watch = Vigil(told, SessionCache(gate, ledger), gate, clock)
    for _ in range(3):
        clock.pass_time(VIGIL_SECONDS)
        await watch.look()
    assert ledger.asked == 1, "the cache answers the later looks"
    assert told.sid is not None
    await gate.revoke(told.sid)
    clock.pass_time(VIGIL_SECONDS)
    with pytest.raises(SessionEnded):
        await watch.look()


async def test_a_ticket_outlives_itself_with_its_session_only(gate: Gate) -> None:
    clock, ledger = HeldClock(), Ledger()
    with_session, without = vigil(gate, ledger, clock), vigil(gate, ledger, clock, session=False)
    clock.pass_time(299)
    await with_session.look()
    await without.look()
    clock.pass_time(VIGIL_SECONDS)
    await with_session.look()
    with pytest.raises(TokenExpired):
        await without.look()


async def test_in_doubt_nobody_watches(gate: Gate) -> None:
    clock, ledger = HeldClock(), Ledger()
    watch = vigil(gate, ledger, clock)
    ledger.away = True
    clock.pass_time(VIGIL_SECONDS)
    with pytest.raises(Unavailable):
        await watch.look()
