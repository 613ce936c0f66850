"""Whom an act of staff may touch: their own tenant's people of a lower role, never themselves."""

from typing import Any, Literal
from uuid import UUID

from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.security.principal import Principal
from flatrender_identity.errors import LastAdmin, NotOneself, OutOfReach
from flatrender_identity.permissions import outranks
from flatrender_identity.services.sessions import role_named

#: The operator's command line, which reaches everybody.
Cli = Literal["cli"]

#: All of a tenant's admins, locked in one order, before any other row of people.
_ADMINS = """
SELECT id FROM identity.users
WHERE tenant_id = :tenant AND role = 'admin' AND status = 'Active' AND deleted_at IS NULL
ORDER BY id FOR UPDATE
"""
_LOCK = """
SELECT id, role, status, email, email_verified_at, mobile, mobile_verified_at, display_name,
       mfa_enabled, locale, banned_at, banned_until, ban_reason, password_hash
FROM identity.users WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL FOR UPDATE
"""


async def reach(work: UnitOfWork, by: Principal | Cli, user_id: UUID) -> Any:
    """Lock somebody and return their row (see ``_LOCK``).

    Raises :class:`NotOneself`, ``NotFound`` (of another tenant as well), :class:`OutOfReach`.
    """
    if by != "cli" and by.user_id == user_id:
        raise NotOneself()
    row = (await work.execute(_LOCK, tenant=work.tenant, user=user_id)).first()
    if row is None:
        raise NotFound()
    if by != "cli" and not outranks(by.role, role_named(row.role)):
        raise OutOfReach()
    return row


async def keep_an_admin(work: UnitOfWork, user_id: UUID) -> None:
    """Raise :class:`LastAdmin` where the tenant would be left without an administrator; before
    anybody is locked by :func:`reach`."""
    if [row.id for row in await work.execute(_ADMINS, tenant=work.tenant)] == [user_id]:
        raise LastAdmin()
