"""Whether a session is alive: asked of the cache, answered in doubt by PostgreSQL."""

from uuid import UUID

import structlog

from flatrender.errors import Unavailable
from flatrender.security.gate import Gate, GateAnswer
from flatrender.security.ports import SessionLedger

log = structlog.get_logger(__name__)


class SessionCache:
    """The liveness cache over the ledger. Valkey may forget everything at any time."""

    def __init__(self, gate: Gate, ledger: SessionLedger | None) -> None:
        self._gate = gate
        self._ledger = ledger

    async def live(self, session_id: UUID, answer: GateAnswer) -> bool:
        """True when the session may act, given what the gate said.

        Raises :class:`Unavailable` when the cache does not know and PostgreSQL cannot be asked:
        in doubt nobody passes.
        """
        if answer.session != "unknown":
            return answer.session == "live"
        if self._ledger is None:
            raise Unavailable()
        try:
            live = await self._ledger.session_live(session_id)
        except Exception as error:  # whatever keeps the ledger from answering
            log.error("session_ledger_failed", error=repr(error))
            raise Unavailable(headers={"Retry-After": "5"}) from error
        if not answer.degraded:
            await self._gate.remember(session_id, answer.epoch, live=live)
        return live

    async def revoke(self, *session_ids: UUID) -> bool:
        """Tell the cache that sessions ended; right after the commit, before answering.

        False when Valkey could not be told: the next look asks PostgreSQL, once Valkey is back.
        """
        return await self._gate.revoke(*session_ids)
