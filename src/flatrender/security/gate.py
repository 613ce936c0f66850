"""The gate: limits and session liveness in one Valkey round trip, and what holds without Valkey.

Limits are GCRA (generic cell rate algorithm, ITU-T I.371): a key holds the theoretical arrival
time of its next call. That lets twice the calls through in the first period, so limits on guessing
are exact: a key lists the last calls that passed, and the oldest must have left the period. The
script decides about all cells of a call at once and counts only when every one passes; it uses
Valkey's own clock, so processes need not agree on theirs.

Liveness is a cache of PostgreSQL's truth. A live mark carries the epoch under which it was
written; a process that lost Valkey raises the epoch on its return, because an end of session may
have missed Valkey meanwhile. Dead marks outlive every access token and cannot be overwritten.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal
from uuid import UUID

import redis.asyncio as redis_asyncio
import structlog
from msgspec import Struct
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from flatrender.clock import Clock, SystemClock
from flatrender.observability.metrics import VALKEY_UP
from flatrender.security.settings import MAX_ACCESS_SECONDS
from flatrender.security.tokens import SKEW_SECONDS

log = structlog.get_logger(__name__)

Liveness = Literal["live", "dead", "unknown"]

LIVE_SECONDS = 60
#: Longer than any access token can still be believed.
DEAD_SECONDS = MAX_ACCESS_SECONDS + 2 * SKEW_SECONDS
#: How long calls go around Valkey after a failure, before the next one tries again.
PAUSE_SECONDS = 1.0
_TIMEOUT = 1.0
_CONNECTIONS = 32
_LOCAL_CELLS = 50_000
_MICRO = 1_000_000

# KEYS: session, epoch, then one per cell. ARGV: raise the epoch?, time override, then interval
# and burst of each cell in microseconds; of an exact one -calls and the period. Answers: mark,
# epoch, refused cell (0: none), wait.
_CHECK = """
local now
if ARGV[2] ~= '' then now = tonumber(ARGV[2]) else
  local t = redis.call('TIME')
  now = t[1] * 1000000 + t[2]
end
local epoch = redis.call('GET', KEYS[2])
if ARGV[1] == '1' or not epoch then epoch = redis.call('INCR', KEYS[2]) end
local mark = redis.call('GET', KEYS[1])
local state = 'unknown'
if mark == 'D' then return {'dead', tostring(epoch), 0, 0} end
if mark == 'L' .. tostring(epoch) then state = 'live' end
local cells = #KEYS - 2
local refused, wait, tats = 0, 0, {}
for i = 1, cells do
  local interval, burst = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
  local late
  if interval < 0 then
    local oldest = redis.call('LINDEX', KEYS[2 + i], interval)
    late = oldest and tonumber(oldest) + burst - now or 0
  else
    local tat = tonumber(redis.call('GET', KEYS[2 + i]) or now)
    if tat < now then tat = now end
    tats[i] = tat + interval
    late = tats[i] - now - burst
  end
  if late > wait then refused = i; wait = late end
end
if refused == 0 then
  for i = 1, cells do
    if tats[i] then
      redis.call('SET', KEYS[2 + i], string.format('%.0f', tats[i]),
                 'PX', math.max(1, math.ceil((tats[i] - now) / 1000)))
    else
      redis.call('RPUSH', KEYS[2 + i], string.format('%.0f', now))
      redis.call('LTRIM', KEYS[2 + i], tonumber(ARGV[1 + 2 * i]), -1)
      redis.call('PEXPIRE', KEYS[2 + i], math.ceil(tonumber(ARGV[2 + 2 * i]) / 1000))
    end
  end
end
return {state, tostring(epoch), refused, string.format('%.0f', wait)}
"""

# A live mark never replaces a dead one.
_MARK_LIVE = """
if redis.call('GET', KEYS[1]) == 'D' then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1
"""


# Notes since when this memory exists, with the first thing that is put into it.
_ONCE = """
local since = redis.call('GET', KEYS[1])
if not since then since = ARGV[1]; redis.call('SET', KEYS[1], since) end
local new = redis.call('SET', KEYS[2], '1', 'NX', 'EX', ARGV[2])
return {since, new and 1 or 0}
"""


class Limit(Struct, frozen=True):
    """``calls`` at once, and again ``calls`` spread evenly over each ``seconds``.

    With ``exact``, ``calls`` in any ``seconds`` and never more: for what is guessed at.
    """

    name: str
    calls: int
    seconds: float
    exact: bool = False

    @property
    def interval(self) -> int:
        """Microseconds between calls at the sustained rate."""
        return max(1, int(self.seconds * _MICRO / self.calls))

    @property
    def burst(self) -> int:
        """Microseconds that the next arrival may lie ahead; the period of an exact limit."""
        return int(self.seconds * _MICRO) if self.exact else self.interval * self.calls


class Cell(Struct, frozen=True):
    """One limit applied to one party."""

    limit: Limit
    party: str


class GateAnswer(Struct, frozen=True):
    """What the gate says. ``refused`` is the limit that is reached, ``wait`` seconds until the
    next call would pass. ``degraded``: Valkey did not answer; limits were this process's own and
    the session is unknown. ``epoch`` goes back into :meth:`Gate.remember`."""

    session: Liveness
    epoch: str
    refused: Limit | None
    wait: float
    degraded: bool


class FirstUse(Struct, frozen=True):
    """Whether a one-time value was ``new``, and since when (Unix time) Valkey remembers at all:
    what was used before its memory began is forgotten."""

    new: bool
    memory_since: float


class Gate:
    """The client's side. One instance per process; ``now_micros`` is for tests."""

    def __init__(
        self,
        url: str,
        prefix: str,
        *,
        clock: Clock | None = None,
        now_micros: Callable[[], int] | None = None,
    ) -> None:
        self._url = url
        self._prefix = f"{prefix}:gate"
        self._epoch_key = f"{self._prefix}:epoch"
        self._clock = clock or SystemClock()
        self._now_micros = now_micros
        self._client: redis_asyncio.Redis | None = None
        self._scripts = {script: _script_name(script) for script in (_CHECK, _MARK_LIVE, _ONCE)}
        self._paused_until = float("-inf")
        # Calls that Valkey did not answer, and how many of them the epoch was raised for. One at
        # the start: what this process missed before it began is unknown as well.
        self._losses = 1
        self._raised_for = 0
        self._local = LocalCells(self._clock)

    async def check(self, cells: Sequence[Cell], session_id: UUID | None = None) -> GateAnswer:
        """Count one call against ``cells`` and look at the session, in one round trip.

        Never raises for Valkey's troubles: see ``degraded``.
        """
        keys = [self._session_key(session_id), self._epoch_key]
        keys += [self._cell_key(cell) for cell in cells]
        now = str(self._now_micros()) if self._now_micros else ""
        losses = self._losses
        args = ["1" if losses > self._raised_for else "0", now]
        for cell in cells:
            limit = cell.limit
            args += [str(-limit.calls if limit.exact else limit.interval), str(limit.burst)]
        answer = await self._run(_CHECK, keys, args)
        if answer is None and not self._paused():
            # A connection that died while idle says nothing about Valkey now: once more, fresh.
            losses, args[0] = self._losses, "1"
            answer = await self._run(_CHECK, keys, args)
        if answer is None:
            self._pause()
            return self._locally(cells)
        self._raised_for = max(self._raised_for, losses)
        VALKEY_UP.set(1)
        state, epoch, refused, wait = answer
        return GateAnswer(
            session=_LIVENESS[state],
            epoch=epoch.decode(),
            refused=cells[refused - 1].limit if refused else None,
            wait=int(wait) / _MICRO,
            degraded=False,
        )

    async def remember(self, session_id: UUID, epoch: str, *, live: bool) -> None:
        """Cache what the ledger said. ``epoch`` is from the answer that made us ask."""
        if live:
            await self._run(
                _MARK_LIVE, [self._session_key(session_id)], [f"L{epoch}", str(LIVE_SECONDS)]
            )
        else:
            await self.revoke(session_id)

    async def revoke(self, *session_ids: UUID) -> bool:
        """Mark sessions dead; call it right after the commit that ended them.

        Returns False when Valkey could not be told: PostgreSQL knows, and the epoch is raised
        when this process reaches Valkey again, so the mark is a shortcut that may be missed.
        """
        if not session_ids:
            return True
        try:
            async with self._connection().pipeline(transaction=False) as pipe:
                for session_id in session_ids:
                    pipe.set(self._session_key(session_id), "D", ex=DEAD_SECONDS)
                await pipe.execute()
        except (TimeoutError, RedisError, OSError) as error:
            self._losses += 1
            log.warning("revocation_not_cached", sessions=len(session_ids), error=repr(error))
            return False
        return True

    async def forget(self, cells: Sequence[Cell]) -> None:
        """Give the parties of ``cells`` a clean slate (a login that succeeded)."""
        self._local.forget(cells)
        if cells:
            try:
                await self._connection().delete(*(self._cell_key(cell) for cell in cells))
            except (TimeoutError, RedisError, OSError) as error:
                log.debug("limit_not_reset", error=repr(error))

    async def first_use(self, key: str, seconds: int) -> FirstUse | None:
        """Record a one-time value for ``seconds``; None when Valkey does not answer."""
        now = f"{self._clock.now().timestamp():.3f}"
        keys = [f"{self._prefix}:memory", f"{self._prefix}:once:{key}"]
        answer = await self._run(_ONCE, keys, [now, str(seconds)])
        if answer is None and not self._paused():
            answer = await self._run(_ONCE, keys, [now, str(seconds)])
        if answer is None:
            self._pause()
            return None
        return FirstUse(new=bool(answer[1]), memory_since=float(answer[0]))

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def _connection(self) -> redis_asyncio.Redis:
        if self._client is None:
            pool = redis_asyncio.BlockingConnectionPool.from_url(
                self._url,
                max_connections=_CONNECTIONS,
                timeout=_TIMEOUT,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
            )
            self._client = redis_asyncio.Redis.from_pool(pool)
        return self._client

    async def _run(self, script: str, keys: list[str], args: Sequence[str]) -> Any:
        """Run a script; None when Valkey is away or was, a moment ago."""
        if self._paused():
            return None
        client: Any = self._connection()  # redis-py types its async scripts as sync ones
        try:
            try:
                return await client.evalsha(self._scripts[script], len(keys), *keys, *args)
            except NoScriptError:
                return await client.eval(script, len(keys), *keys, *args)
        except (TimeoutError, RedisError, OSError) as error:
            log.debug("valkey_failed", error=repr(error))
            self._losses += 1
            return None

    def _paused(self) -> bool:
        return self._clock.monotonic() < self._paused_until

    def _pause(self) -> None:
        if not self._paused():
            log.warning("valkey_unreachable", pause=PAUSE_SECONDS)
            self._paused_until = self._clock.monotonic() + PAUSE_SECONDS
        VALKEY_UP.set(0)

    def _locally(self, cells: Sequence[Cell]) -> GateAnswer:
        refused, wait = self._local.check(cells)
        return GateAnswer("unknown", "", refused, wait, degraded=True)

    def _session_key(self, session_id: UUID | None) -> str:
        return f"{self._prefix}:session:{session_id.hex if session_id else '-'}"

    def _cell_key(self, cell: Cell) -> str:
        # Parties are e-mail addresses and phone numbers too: Valkey holds only their digests.
        party = hashlib.sha256(cell.party.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        kind = "exact" if cell.limit.exact else "limit"
        return f"{self._prefix}:{kind}:{cell.limit.name}:{party}"


def _script_name(script: str) -> str:
    """Return the name under which EVALSHA knows a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


_LIVENESS: dict[bytes, Liveness] = {b"live": "live", b"dead": "dead", b"unknown": "unknown"}


class LocalCells:
    """The same algorithm in this process's memory, for the time that Valkey is away."""

    def __init__(self, clock: Clock, capacity: int = _LOCAL_CELLS) -> None:
        self._clock = clock
        self._capacity = capacity
        self._arrivals: OrderedDict[tuple[str, str], int | tuple[int, ...]] = OrderedDict()

    def check(self, cells: Sequence[Cell]) -> tuple[Limit | None, float]:
        """Count one call; returns the limit that is reached and the wait in seconds."""
        now = int(self._clock.monotonic() * _MICRO)
        refused: Limit | None = None
        wait = 0
        arrivals = []
        for cell in cells:
            key = (cell.limit.name, cell.party)
            known = self._arrivals.get(key)
            arrival: int | tuple[int, ...]
            if cell.limit.exact:
                arrival, late = window(known if isinstance(known, tuple) else (), now, cell.limit)
            else:
                arrival, late = gcra(known if isinstance(known, int) else now, now, cell.limit)
            arrivals.append((key, arrival))
            if late > wait:
                refused, wait = cell.limit, late
        if refused is None:
            for key, arrival in arrivals:
                self._arrivals[key] = arrival
                self._arrivals.move_to_end(key)
            while len(self._arrivals) > self._capacity:
                self._arrivals.popitem(last=False)
        return refused, wait / _MICRO

    def forget(self, cells: Sequence[Cell]) -> None:
        """Drop what was counted."""
        for cell in cells:
            self._arrivals.pop((cell.limit.name, cell.party), None)


def gcra(arrival: int, now: int, limit: Limit) -> tuple[int, int]:
    """Return the next theoretical arrival time and by how much this call is too early (0: it
    passes). All in microseconds."""
    following = max(arrival, now) + limit.interval
    return following, max(0, following - now - limit.burst)


def window(passed: tuple[int, ...], now: int, limit: Limit) -> tuple[tuple[int, ...], int]:
    """Return the calls to remember and by how much this call is too early (0: it passes): the
    ``calls``-th last one must lie a whole period back. All in microseconds."""
    late = passed[-limit.calls] + limit.burst - now if len(passed) >= limit.calls else 0
    return (*passed, now)[-limit.calls :], max(0, late)
