"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta


class HeldClock:
    """Both clocks of a process, moved together by :meth:`pass_time`."""

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime(2026, 11, 1, 12, tzinfo=UTC)
        self._monotonic = 1_000.0

    def now(self) -> datetime:
        """Return the held instant."""
        return self._now

    def monotonic(self) -> float:
        """Return the held seconds."""
        return self._monotonic

    def pass_time(self, seconds: float) -> None:
        """Let ``seconds`` go by."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += seconds
