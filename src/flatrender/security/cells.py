"""Limits, and counting them in this process's memory for the time that Valkey is away.

The algorithms are those of the gate's script. All times in microseconds.
"""

from collections import OrderedDict
from collections.abc import Sequence

from msgspec import Struct

from flatrender.clock import Clock

_LOCAL_CELLS = 50_000
_MICRO = 1_000_000


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
