"""Named limits and the limiter that contexts call inside a handler.

The middleware applies a route's limit by address and principal; what a handler learns from the
body (the account of a login, the recipient of a message) is limited here. All share the gate.
"""

from collections.abc import Sequence

from flatrender.errors import Unavailable
from flatrender.observability.metrics import LIMITED
from flatrender.security.cells import Cell, Limit
from flatrender.security.errors import RateLimited
from flatrender.security.gate import Gate

_MINUTE = 60.0
_HOUR = 3_600.0
_DAY = 86_400.0

#: The general limit of a caller with a credential, and of an address without one.
USER = "user"
ANONYMOUS = "anonymous"

_LIMITS: dict[str, Limit] = {
    limit.name: limit
    for limit in (
        Limit(USER, 1_200, _MINUTE),
        Limit(ANONYMOUS, 600, _MINUTE),
        Limit("login", 10, 5 * _MINUTE, exact=True),
        Limit("signup", 10, _HOUR),
        Limit("refresh", 60, 5 * _MINUTE),
        Limit("mfa", 10, 5 * _MINUTE, exact=True),
        Limit("reset", 5, _DAY, exact=True),
        Limit("message", 10, 10 * _MINUTE, exact=True),
        Limit("upload", 120, _MINUTE),
        Limit("submit", 60, _MINUTE),
    )
}


def define_limit(name: str, calls: int, seconds: float) -> Limit:
    """Add a context's own limit at import time; the same definition twice is one.

    Raises ``ValueError`` when the name means something else already.
    """
    limit = Limit(name, calls, seconds)
    if calls < 1 or seconds <= 0 or _LIMITS.get(name, limit) != limit:
        raise ValueError(f"the limit {name!r} cannot be {calls} in {seconds:g} s")
    return _LIMITS.setdefault(name, limit)


def limit_named(name: str) -> Limit:
    """Return a limit; raises ``LookupError`` for a name that nobody defined."""
    try:
        return _LIMITS[name]
    except KeyError:
        raise LookupError(f"there is no limit named {name!r}") from None


class RateLimiter:
    """Counts calls against named limits."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def check(
        self, name: str, *parties: str, tighter: Limit | None = None, critical: bool = False
    ) -> None:
        """Count one call for every party (``account:...``, ``address:...``) or refuse it for all.

        ``tighter`` is a tenant's own numbers under the same name. Raises :class:`RateLimited`;
        with ``critical``, :class:`Unavailable` while Valkey is away.
        """
        limit = tighter or limit_named(name)
        cells = [Cell(limit, party) for party in parties]
        answer = await self._gate.check(cells)
        if answer.degraded and critical:
            raise Unavailable(headers={"Retry-After": "5"})
        refuse(answer.refused, answer.wait)

    async def reset(self, name: str, *parties: str) -> None:
        """Forget what was counted for these parties, after a success that proves the owner."""
        limit = limit_named(name)
        await self._gate.forget([Cell(limit, party) for party in parties])


def refuse(limit: Limit | None, wait: float) -> None:
    """Raise :class:`RateLimited` when a limit is reached."""
    if limit is not None:
        LIMITED.labels(limit.name).inc()
        raise RateLimited(limit.name, wait)


def cells_for(names: Sequence[str], party: str) -> list[Cell]:
    """Return the cells of one party under several limits."""
    return [Cell(limit_named(name), party) for name in names]
