"""Reads of invitations and members: SQL to Struct."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from flatrender.db import ReadPool


class InvitationLine(Struct, frozen=True, kw_only=True):
    """One invitation. ``state``: Open, Accepted, Revoked, Expired."""

    id: UUID
    email: str
    role: str
    message: str
    state: str
    invited_by: UUID | None
    accepted_by: UUID | None
    created_at: datetime
    expires_at: datetime


_COLUMNS = """
SELECT id, email, role, message,
       CASE WHEN accepted_at IS NOT NULL THEN 'Accepted' WHEN revoked_at IS NOT NULL THEN 'Revoked'
            WHEN expires_at <= now() THEN 'Expired' ELSE 'Open' END,
       invited_by, accepted_by, created_at, expires_at
FROM identity.invitations WHERE tenant_id = $1 AND email IS NOT NULL
"""
_INVITATION = f"{_COLUMNS} AND id = $2"
_INVITATIONS = f"{_COLUMNS} ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3"
_INVITATION_COUNT = """
SELECT count(*) FROM identity.invitations WHERE tenant_id = $1 AND email IS NOT NULL
"""


async def invitation_of(
    reads: ReadPool, tenant_id: UUID, invitation_id: UUID
) -> InvitationLine | None:
    """Return one invitation, or None."""
    return await reads.one(InvitationLine, tenant_id, _INVITATION, tenant_id, invitation_id)


async def invitations_of(
    reads: ReadPool, tenant_id: UUID, *, limit: int, offset: int
) -> tuple[list[InvitationLine], int]:
    """Return one page of a tenant's invitations, the newest first, and how many there are."""
    rows = await reads.all(InvitationLine, tenant_id, _INVITATIONS, tenant_id, limit, offset)
    return rows, int(await reads.value(tenant_id, _INVITATION_COUNT, tenant_id))


class MemberLine(Struct, frozen=True, kw_only=True):
    """Somebody who acts for the tenant."""

    id: UUID
    email: str | None
    display_name: str
    role: str
    status: str
    mfa_enabled: bool
    last_login_at: datetime | None
    created_at: datetime


_MEMBERS = """
SELECT id, email, display_name, role, status, mfa_enabled, last_login_at, created_at
FROM identity.users WHERE tenant_id = $1 AND role <> 'user' AND deleted_at IS NULL
ORDER BY role, display_name, id LIMIT $2 OFFSET $3
"""
_MEMBER_COUNT = """
SELECT count(*) FROM identity.users
WHERE tenant_id = $1 AND role <> 'user' AND deleted_at IS NULL
"""


async def members_of(
    reads: ReadPool, tenant_id: UUID, *, limit: int, offset: int
) -> tuple[list[MemberLine], int]:
    """Return one page of a tenant's staff, and how many there are."""
    rows = await reads.all(MemberLine, tenant_id, _MEMBERS, tenant_id, limit, offset)
    return rows, int(await reads.value(tenant_id, _MEMBER_COUNT, tenant_id))
