"""Whether the credential that opened a live stream still holds, asked again while it is open.

A stream is a request that lasts: what every short request is asked once, a stream is asked every
few seconds. It never decides who may open a stream.
"""

from uuid import UUID

from flatrender.clock import Clock
from flatrender.security.errors import SessionEnded, TokenExpired
from flatrender.security.gate import Gate
from flatrender.security.sessions import SessionCache
from flatrender.security.tokens import WatchClaims

#: How long after a logout or a ban an open stream may go on.
VIGIL_SECONDS = 10.0


class Vigil:
    """The watch over one open stream.

    A ticket that belongs to a session opens a stream for as long as the session lives; one of no
    session (an API key's) carries it until the ticket's own end.
    """

    def __init__(
        self, claims: WatchClaims, sessions: SessionCache, gate: Gate, clock: Clock
    ) -> None:
        self._session_id: UUID | None = claims.sid
        self._end = claims.exp
        self._sessions = sessions
        self._gate = gate
        self._clock = clock
        self._next = clock.monotonic() + VIGIL_SECONDS

    def wait(self) -> float:
        """Return the seconds until the next look is due, 0 when it is."""
        return max(0.0, self._next - self._clock.monotonic())

    async def look(self, *, now: bool = False) -> None:
        """Ask when it is time to, or at once.

        Raises :class:`SessionEnded`, :class:`TokenExpired`, or
        :class:`flatrender.errors.Unavailable` when nobody can be asked: in doubt nobody watches.
        """
        if not now and self.wait() > 0:
            return
        self._next = self._clock.monotonic() + VIGIL_SECONDS
        if self._session_id is None:
            if self._clock.now().timestamp() >= self._end:
                raise TokenExpired("expired")
            return
        answer = await self._gate.check([], self._session_id)
        if not await self._sessions.live(self._session_id, answer):
            raise SessionEnded("ended")
