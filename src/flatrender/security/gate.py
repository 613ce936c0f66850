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
import secrets
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
from flatrender.security.cells import Cell, Limit, LocalCells
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
_MICRO = 1_000_000

# KEYS: session, epoch, stamp, then one per cell. ARGV: raise the epoch?, time override, a stamp
# where none is (empty: not asked for), then interval and burst of each cell in microseconds; of an
# exact one -calls and the period. Answers: mark, epoch, refused cell (0: none), wait, stamp.
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
if mark == 'D' then return {'dead', tostring(epoch), 0, 0, ''} end
if mark == 'L' .. tostring(epoch) then state = 'live' end
local stamp = ''
if ARGV[3] ~= '' then
  stamp = redis.call('GET', KEYS[3])
  if not stamp then stamp = ARGV[3]; redis.call('SET', KEYS[3], stamp, 'EX', 86400) end
end
local cells = #KEYS - 3
local refused, wait, tats = 0, 0, {}
for i = 1, cells do
  local interval, burst = tonumber(ARGV[2 + 2 * i]), tonumber(ARGV[3 + 2 * i])
  local late
  if interval < 0 then
    local oldest = redis.call('LINDEX', KEYS[3 + i], interval)
    late = oldest and tonumber(oldest) + burst - now or 0
  else
    local tat = tonumber(redis.call('GET', KEYS[3 + i]) or now)
    if tat < now then tat = now end
    tats[i] = tat + interval
    late = tats[i] - now - burst
  end
  if late > wait then refused = i; wait = late end
end
if refused == 0 then
  for i = 1, cells do
    if tats[i] then
      redis.call('SET', KEYS[3 + i], string.format('%.0f', tats[i]),
                 'PX', math.max(1, math.ceil((tats[i] - now) / 1000)))
    else
      redis.call('RPUSH', KEYS[3 + i], string.format('%.0f', now))
      redis.call('LTRIM', KEYS[3 + i], tonumber(ARGV[2 + 2 * i]), -1)
      redis.call('PEXPIRE', KEYS[3 + i], math.ceil(tonumber(ARGV[3 + 2 * i]) / 1000))
    end
  end
end
return {state, tostring(epoch), refused, string.format('%.0f', wait), stamp}
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


class GateAnswer(Struct, frozen=True):
    """What the gate says. ``refused`` is the limit that is reached, ``wait`` seconds until the
    next call would pass. ``degraded``: Valkey did not answer; limits were this process's own and
    the session is unknown. ``epoch`` goes back into :meth:`Gate.remember`. ``stamp`` changes with
    the tenant's roles; empty where it was not asked for or is not known."""

    session: Liveness
    epoch: str
    refused: Limit | None
    wait: float
    degraded: bool
    stamp: str = ""


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

    async def check(
        self,
        cells: Sequence[Cell],
        session_id: UUID | None = None,
        *,
        roles_of: UUID | None = None,
    ) -> GateAnswer:
        """Count one call against ``cells`` and look at the session, and at the stamp of the roles
        of a tenant where it is named, in one round trip.

        Never raises for Valkey's troubles: see ``degraded``.
        """
        keys = [self._session_key(session_id), self._epoch_key, self._roles_key(roles_of)]
        keys += [self._cell_key(cell) for cell in cells]
        now = str(self._now_micros()) if self._now_micros else ""
        losses = self._losses
        new_stamp = secrets.token_hex(8) if roles_of else ""
        args = ["1" if losses > self._raised_for else "0", now, new_stamp]
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
        state, epoch, refused, wait, stamp = answer
        return GateAnswer(
            session=_LIVENESS[state],
            epoch=epoch.decode(),
            refused=cells[refused - 1].limit if refused else None,
            wait=int(wait) / _MICRO,
            degraded=False,
            # With the epoch: a change that missed Valkey raises it.
            stamp=f"{epoch.decode()}:{stamp.decode()}" if stamp else "",
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

    async def roles_changed(self, tenant_id: UUID) -> bool:
        """Have every process ask anew what a tenant's roles may; call it right after the commit.

        Returns False when Valkey could not be told: as with :meth:`revoke`, the epoch is raised
        when this process reaches it again.
        """
        try:
            key = self._roles_key(tenant_id)
            await self._connection().set(key, secrets.token_hex(8), ex=86_400)
        except (TimeoutError, RedisError, OSError) as error:
            self._losses += 1
            log.warning("roles_not_renewed", error=repr(error))
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

    def _roles_key(self, tenant_id: UUID | None) -> str:
        return f"{self._prefix}:roles:{tenant_id.hex if tenant_id else '-'}"

    def _cell_key(self, cell: Cell) -> str:
        # Parties are e-mail addresses and phone numbers too: Valkey holds only their digests.
        party = hashlib.sha256(cell.party.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        kind = "exact" if cell.limit.exact else "limit"
        return f"{self._prefix}:{kind}:{cell.limit.name}:{party}"


def _script_name(script: str) -> str:
    """Return the name under which EVALSHA knows a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


_LIVENESS: dict[bytes, Liveness] = {b"live": "live", b"dead": "dead", b"unknown": "unknown"}
