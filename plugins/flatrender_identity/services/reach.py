"""Whom an act of staff may touch: their own tenant's people of a lower role, never themselves; and
that a tenant keeps an administrator."""

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

#: All of a tenant's admins, locked in one order, before any other row of people: two who take each
#: other's role take turns.
_ADMINS = """
SELECT id, deletion_due_at FROM identity.users
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


async def is_last_admin(work: UnitOfWork, user_id: UUID) -> bool:
    """Lock the tenant's administrators, before anybody else is locked, and return whether without
    ``user_id`` none would be left. One whose account is about to end is none already."""
    admins = list(await work.execute(_ADMINS, tenant=work.tenant))
    left = [row.id for row in admins if row.id != user_id and row.deletion_due_at is None]
    return not left and user_id in {row.id for row in admins}


async def keep_an_admin(work: UnitOfWork, user_id: UUID) -> None:
    """Raise :class:`LastAdmin` where :func:`is_last_admin`."""
    if await is_last_admin(work, user_id):
        raise LastAdmin()
