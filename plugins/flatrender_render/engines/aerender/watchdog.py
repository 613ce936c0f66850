"""Four watchdogs over one run: launch, opening the project, between frames, exit after done.

Owns the arithmetic of patience. Pure: time is what ``clock`` says, ending processes is the
driver's. Frames may be told by the log or seen on the disk; either is a sign.
"""

import math
from collections import deque
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

Phase = Literal["launch", "open", "frame", "exit"]

_WINDOW = 64  # frame times remembered


class Patience(Struct, frozen=True, kw_only=True):
    """Seconds. ``frame`` is the floor between frames; slow ones raise it to ``factor`` times
    their rolling 95th percentile, at most to ``frame_ceiling``. ``first_frame`` goes for the
    first: caches are cold and effects are compiled.
    """

    launch: float = 180.0
    open: float = 600.0
    first_frame: float = 600.0
    frame: float = 120.0
    frame_ceiling: float = 3600.0
    factor: float = 8.0
    exit: float = 90.0


class Watchdog:
    """Watches one run. Tell it of every sign; ask ``expired`` often."""

    def __init__(self, patience: Patience, clock: Callable[[], float]) -> None:
        self._patience = patience
        self._clock = clock
        self._since = clock()
        self._times: deque[float] = deque(maxlen=_WINDOW)
        self._frames = 0
        self.phase: Phase = "launch"

    def output(self) -> None:
        """Something was printed: it runs."""
        if self.phase == "launch":
            self._enter("open")

    def opened(self) -> None:
        """The project is open and rendering begins."""
        if self.phase in {"launch", "open"}:
            self._enter("frame")

    def frame(self, count: int = 1) -> None:
        """``count`` more frames are done. Several at once share the time (multi-frame)."""
        self.opened()
        if self.phase != "frame" or count <= 0:
            return
        now = self._clock()
        if self._frames:
            # A burst of n after t seconds is one wait of t: what the next burst may take again.
            self._times.append(now - self._since)
        self._frames += count
        self._since = now

    def finished(self) -> None:
        """Everything is rendered; only leaving is left."""
        if self.phase != "exit":
            self._enter("exit")

    @property
    def limit(self) -> float:
        """How many seconds may pass without a sign in this phase."""
        patience = self._patience
        if self.phase == "launch":
            return patience.launch
        if self.phase == "open":
            return patience.open
        if self.phase == "exit":
            return patience.exit
        if not self._frames:
            return max(patience.first_frame, patience.frame)
        adapted = patience.factor * percentile(self._times, 0.95)
        return max(patience.frame, min(patience.frame_ceiling, adapted))

    @property
    def waited(self) -> float:
        """Seconds since the last sign that counts in this phase."""
        return self._clock() - self._since

    def expired(self) -> Phase | None:
        """Return the phase whose patience is over, or None."""
        return self.phase if self.waited > self.limit else None

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._since = self._clock()


def percentile(values: deque[float] | list[float], share: float) -> float:
    """Return the nearest-rank percentile (``share`` in 0..1) of ``values``; 0 for none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered), max(1, math.ceil(share * len(ordered)))) - 1]
