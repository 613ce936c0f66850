"""Support that acts in a customer's account: a session of the customer's that belongs to a member
of staff, for a quarter of an hour at a time and an hour at most.

The owner is mailed, sees it among the sessions and in the security log, and may end it. It ends
with the owner's sessions, with those of support, and with a ban or another role of either. What
belongs to the account itself cannot be changed in it (``owner_changes`` of the guards).
"""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.errors import NotFound
from flatrender.http.context import client_address, request_id, user_agent
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import NotOneself
from flatrender_identity.errors_support import AccountNotActive, NotACustomer
from flatrender_identity.queries import Me
from flatrender_identity.services.audit import audit
from flatrender_identity.services.security_log import inet, record, tell_owner
from flatrender_identity.services.sessions import SUPPORT_IDLE, SessionService, Tokens

LONGEST = timedelta(hours=1)

#: Both are locked, so that a ban or another role comes before or after, never between; staff first,
#: as whoever changes a role does, or two would wait for each other.
_LOCK = """
SELECT id, role, status, session_epoch FROM identity.users
WHERE tenant_id = :tenant AND id IN (:user, :by) AND deleted_at IS NULL
ORDER BY id = :by DESC FOR SHARE
"""
_INSERT = """
INSERT INTO identity.sessions (id, tenant_id, user_id, amr, user_epoch, user_agent, ip, last_ip,
    impersonator_id, impersonator_session_id, impersonator_epoch, impersonation_reason,
    idle_expires_at, absolute_expires_at)
VALUES (:id, :tenant, :user, '{}', :epoch, :agent, CAST(:ip AS inet), CAST(:ip AS inet),
    :by, :by_session, :by_epoch, :reason, now() + CAST(:idle AS interval),
    now() + CAST(:longest AS interval))
"""
_END = """
UPDATE identity.sessions SET revoked_at = now(), revoked_reason = 'ended by staff'
WHERE tenant_id = :tenant AND user_id = :user AND impersonator_id IS NOT NULL
  AND revoked_at IS NULL AND absolute_expires_at > now()
RETURNING id
"""
_USER = """
SELECT 1 FROM identity.users WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL
"""
_HERE = """
SELECT a.display_name, s.impersonation_reason, s.created_at,
       least(s.idle_expires_at, s.absolute_expires_at)
FROM identity.sessions s
JOIN identity.users a ON a.tenant_id = s.tenant_id AND a.id = s.impersonator_id
WHERE s.tenant_id = $1 AND s.id = $2
"""


class SupportHere(Struct, frozen=True, kw_only=True):
    """Support acts in this session: whose name to show above the page, why, and how long still."""

    name: str
    reason: str
    since: datetime
    expires_at: datetime


class MyAccount(Me, frozen=True, kw_only=True):
    """A user as they see themselves; ``support`` is there where support acts in the account."""

    support: SupportHere | None = None


class ImpersonationService:
    """Use cases of acting as support."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def begin(self, principal: Principal, user_id: UUID, *, reason: str) -> Tokens:
        """Open a session in a customer's account; the owner is told.

        Raises ``NotFound``, :class:`NotOneself`, :class:`NotACustomer`, :class:`AccountNotActive`.
        """
        if user_id == principal.user_id:
            raise NotOneself()
        session_id, tenant_id = uuid7(), principal.tenant_id
        async with self._db.unit_of_work(tenant_id) as work:
            rows = await work.execute(_LOCK, tenant=tenant_id, user=user_id, by=principal.user_id)
            found = {row.id: row for row in rows}
            target, by = found.get(user_id), found.get(principal.user_id)
            if target is None or by is None:
                raise NotFound()
            if target.role != "user":
                raise NotACustomer()
            if target.status != "Active":
                raise AccountNotActive()
            await work.execute(
                _INSERT,
                id=session_id,
                tenant=tenant_id,
                user=user_id,
                epoch=target.session_epoch,
                agent=user_agent(),
                ip=inet(client_address()),
                by=principal.user_id,
                by_session=principal.session_id,
                by_epoch=by.session_epoch,
                reason=reason,
                idle=SUPPORT_IDLE,
                longest=LONGEST,
            )
            await audit(
                work,
                principal,
                action="impersonation.begin",
                target_type="user",
                target_id=user_id,
                after={"session_id": str(session_id)},
                reason=reason,
            )
            await record(
                work,
                user_id,
                "support_began",
                session_id=session_id,
                user_agent=user_agent(),
                detail={"reason": reason},
                support=principal.user_id,
            )
            await tell_owner(work, user_id, "support_began", {"reason": reason})
        return await self._context.get(SessionService).tokens(
            tenant_id,
            user_id,
            session_id,
            role="user",
            counter=0,
            mfa_at=None,
            left=SUPPORT_IDLE,
            impersonator_id=principal.user_id,
        )

    async def end(self, principal: Principal, user_id: UUID) -> int:
        """End support's sessions in an account; returns how many. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            known = await work.execute(_USER, tenant=principal.tenant_id, user=user_id)
            if known.first() is None:
                raise NotFound()
            ended = await work.execute(_END, tenant=principal.tenant_id, user=user_id)
            dead: list[UUID] = [row.id for row in ended]
            for session_id in dead:
                await audit(
                    work,
                    principal,
                    action="impersonation.end",
                    target_type="user",
                    target_id=user_id,
                    before={"session_id": str(session_id)},
                )
                await record(
                    work,
                    user_id,
                    "support_ended",
                    session_id=session_id,
                    support=principal.user_id,
                )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)
        return len(dead)

    async def asked(self, principal: Principal, method: str, path: str) -> None:
        """Implements :class:`flatrender.security.ports.SupportLedger`: a row for every change that
        support asks for; what it changed is where the context of the path keeps it."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await audit(
                work,
                principal,
                action="impersonation.act",
                target_type="request",
                target_id=request_id(),
                after={"method": method, "path": path[:500]},
            )

    async def here(self, principal: Principal) -> SupportHere | None:
        """Return who of support acts in the caller's session, None where its owner does."""
        if principal.impersonator_id is None:
            return None
        return await self._db.reads.one(
            SupportHere, principal.tenant_id, _HERE, principal.tenant_id, principal.session_id
        )
