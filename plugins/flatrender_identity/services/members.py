"""Members of a tenant and their roles: who may act for it, and how that changes.

A changed role ends the member's sessions: what a token may do was decided with the old one.
"""

from uuid import UUID

from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal, Role
from flatrender_identity.errors import LastAdmin, NotOneself, OutOfReach
from flatrender_identity.permissions import may_change_role
from flatrender_identity.queries_members import MemberLine, members_of
from flatrender_identity.services.audit import audit
from flatrender_identity.services.reach import is_last_admin
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import end_all, role_named

_LOCK = """
SELECT role FROM identity.users
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL FOR UPDATE
"""
_ROLE = "SELECT role FROM identity.users WHERE tenant_id = :tenant AND id = :user"
_GIVE = """
UPDATE identity.users SET role = :role, session_epoch = session_epoch + 1
WHERE tenant_id = :tenant AND id = :user
"""


class MemberService:
    """Use cases of members."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def page(self, tenant_id: UUID, page: PageParams) -> Page[MemberLine]:
        """Return one page of who acts for the tenant, by role and name."""
        rows, total = await members_of(
            self._db.reads, tenant_id, limit=page.limit, offset=page.offset
        )
        return page.of(rows, total)

    async def change_role(
        self, principal: Principal, user_id: UUID, role: Role, *, reason: str
    ) -> None:
        """Give somebody of the tenant a role. Raises ``NotFound``, :class:`NotOneself`,
        :class:`OutOfReach`, :class:`LastAdmin`."""
        if user_id == principal.user_id:
            raise NotOneself()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            dead = await self.give_role(
                work, principal, user_id, role, reason=reason, reach=principal.role
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)

    async def set_moderator(
        self, principal: Principal, user_id: UUID, moderator: bool, *, reason: str
    ) -> None:
        """Turn a customer into a moderator or back. Raises as :meth:`change_role` does, and
        :class:`OutOfReach` for administrators, whose role is changed by :meth:`change_role`."""
        if user_id == principal.user_id:
            raise NotOneself()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            found = await work.execute(_ROLE, tenant=work.tenant, user=user_id)
            if found.scalar_one_or_none() == "admin":
                raise OutOfReach()
            role: Role = "moderator" if moderator else "user"
            dead = await self.give_role(
                work, principal, user_id, role, reason=reason, reach=principal.role
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)

    async def give_role(
        self,
        work: UnitOfWork,
        principal: Principal,
        user_id: UUID,
        role: Role,
        *,
        reason: str,
        reach: Role = "admin",
    ) -> list[UUID]:
        """Change a role inside ``work``; returns the sessions that died of it, none when the role
        was this one already. Audited as the act of ``principal``; ``reach`` is the role whose
        powers are used, for who accepts an invitation their host's."""
        last = await is_last_admin(work, user_id)
        found = await work.execute(_LOCK, tenant=work.tenant, user=user_id)
        before: str | None = found.scalar_one_or_none()
        if before is None:
            raise NotFound()
        if not may_change_role(reach, role_named(before), role):
            raise OutOfReach()
        if before == role:
            return []
        if last:
            raise LastAdmin()
        await work.execute(_GIVE, role=role, tenant=work.tenant, user=user_id)
        dead = await end_all(work, user_id, reason="role changed")
        change = {"before": before, "after": role}
        await record(work, user_id, "role_changed", detail=change)
        await tell_owner(work, user_id, "role_changed", change)
        await audit(
            work,
            principal,
            action="user.role.change",
            target_type="user",
            target_id=user_id,
            before={"role": before},
            after={"role": role},
            reason=reason,
        )
        return dead
