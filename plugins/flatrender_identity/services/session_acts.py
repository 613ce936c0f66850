"""What people do with their own sessions besides ending one: name it, end the others, end all."""

from uuid import UUID

from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import end_all

_NAME = """
UPDATE identity.sessions SET device_name = :name
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND revoked_at IS NULL RETURNING id
"""
#: Tokens of before are dead even where no row was seen live: a session may be opening just now.
_EPOCH = """
UPDATE identity.users SET session_epoch = session_epoch + 1
WHERE tenant_id = :tenant AND id = :user
"""


class SessionActService:
    """Use cases of one's own sessions."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._gate = context.infra.security.gate

    async def name(self, principal: Principal, session_id: UUID, name: str) -> None:
        """Name one of the caller's sessions. Raises ``NotFound`` for anybody else's."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            named = await work.execute(
                _NAME,
                name=name or None,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=session_id,
            )
            if named.first() is None:
                raise NotFound()

    async def end_others(self, principal: Principal) -> int:
        """End the caller's sessions but the present one; returns how many."""
        if principal.user_id is None or principal.session_id is None:
            raise NotFound()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            dead = await end_all(
                work, principal.user_id, reason="ended by its owner", but=principal.session_id
            )
            await record(
                work,
                principal.user_id,
                "other_sessions_ended",
                session_id=principal.session_id,
                detail={"ended": len(dead)},
            )
        if dead:
            await self._gate.revoke(*dead)
        return len(dead)

    async def end_everywhere(self, principal: Principal) -> None:
        """End all the caller's sessions, those that are opening too; the owner is told."""
        if principal.user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(_EPOCH, tenant=principal.tenant_id, user=principal.user_id)
            dead = await end_all(work, principal.user_id, reason="ended by its owner")
            await record(
                work, principal.user_id, "all_sessions_ended", session_id=principal.session_id
            )
            await tell_owner(work, principal.user_id, "sessions_ended")
        if dead:
            await self._gate.revoke(*dead)
