"""Passwords of others: staff send a link to set a new one, or set a temporary one that is good for
choosing another."""

from typing import Any
from uuid import UUID

from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.addresses import Address
from flatrender_identity.errors import AccountNotActive, NoAddress
from flatrender_identity.services.audit import audit
from flatrender_identity.services.credentials import VOID_LINKS
from flatrender_identity.services.links import LinkService
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.reach import reach
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import end_all

_SET = """
UPDATE identity.users SET password_hash = :hash, password_changed_at = now(),
    password_must_change = true, session_epoch = session_epoch + 1
WHERE tenant_id = :tenant AND id = :user
"""


class PersonPasswordService:
    """Use cases of others' passwords."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def send_link(self, principal: Principal, user_id: UUID, *, reason: str) -> None:
        """Have a link and code sent with which the owner sets a new password; nothing else changes.

        Raises ``NotFound``, ``NotOneself``, ``OutOfReach``, :class:`AccountNotActive`,
        :class:`NoAddress`, ``RateLimited`` by recipient.
        """
        async with self._db.unit_of_work(principal.tenant_id) as work:
            row = await self._reach(work, principal, user_id)
            address = _address(row)
            if address is None:
                raise NoAddress()
            party = f"recipient:{principal.tenant_id}:{address.value}"
            limiter = self._context.infra.security.limiter
            await limiter.check("message", party, critical=True)
            self._context.get(LinkService).enqueue(work, address, "reset_password")
            await record(work, user_id, "password_link_sent")
            await audit(
                work,
                principal,
                action="user.password.link",
                target_type="user",
                target_id=user_id,
                after={"by": address.kind},
                reason=reason,
            )

    async def set(self, principal: Principal, user_id: UUID, password: str, *, reason: str) -> None:
        """Set a temporary password: sessions end, the owner is told, and signing in with it leads
        to choosing another one.

        Raises ``NotFound``, ``NotOneself``, ``OutOfReach``, :class:`AccountNotActive`, ``Invalid``
        for a password that must not be chosen.
        """
        hashed = await self._context.infra.security.passwords.hash(password)
        scope: dict[str, Any] = {"tenant": principal.tenant_id, "user": user_id}
        async with self._db.unit_of_work(principal.tenant_id) as work:
            row = await self._reach(work, principal, user_id)
            names = [name for name in (row.email, row.mobile, row.display_name) if name]
            await self._context.get(PolicyService).check_password(
                principal.tenant_id, password, identifiers=names, has_mfa=row.mfa_enabled
            )
            await work.execute(_SET, hash=hashed, **scope)
            dead = await end_all(work, user_id, reason="password set by support")
            await work.execute(VOID_LINKS, **scope)
            await record(work, user_id, "password_set_by_support")
            await tell_owner(work, user_id, "password_set")
            await audit(
                work,
                principal,
                action="user.password.set",
                target_type="user",
                target_id=user_id,
                before={"had_one": row.password_hash is not None},
                after={"temporary": True, "ended_sessions": len(dead)},
                reason=reason,
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)

    @staticmethod
    async def _reach(work: UnitOfWork, principal: Principal, user_id: UUID) -> Any:
        row = await reach(work, principal, user_id)
        if row.status != "Active":
            raise AccountNotActive()
        return row


def _address(row: Any) -> Address | None:
    """Return where a link may go: the e-mail, else a mobile that is proven."""
    if row.email:
        return Address("Email", row.email.lower())
    if row.mobile and row.mobile_verified_at is not None:
        return Address("Mobile", row.mobile)
    return None
