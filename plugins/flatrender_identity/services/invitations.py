"""Invitations into a tenant: who may come, with which role, by a link that works once."""

from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserRegistered
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal, Role
from flatrender_identity.addresses import Address
from flatrender_identity.errors import (
    AccountExists,
    AddressNotAllowed,
    AlreadyMember,
    InvalidLink,
    OutOfReach,
)
from flatrender_identity.permissions import may_change_role, outranks
from flatrender_identity.queries_members import InvitationLine, invitation_of, invitations_of
from flatrender_identity.services.audit import audit
from flatrender_identity.services.links import LinkService
from flatrender_identity.services.members import MemberService
from flatrender_identity.services.one_time import LIVES, Burned, OneTimeService, Proof
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import record
from flatrender_identity.services.sessions import role_named

_ACCOUNT = """
SELECT id, role FROM identity.users
WHERE tenant_id = :tenant AND email_key = :email AND deleted_at IS NULL
"""
_INSERT = """
INSERT INTO identity.invitations (id, tenant_id, email, role, message, invited_by, expires_at)
VALUES (:id, :tenant, :email, :role, :message, :by, now() + CAST(:life AS interval))
"""
_LAPSE = """
UPDATE identity.invitations SET revoked_at = now()
WHERE tenant_id = :tenant AND lower(email) = :email AND accepted_at IS NULL
  AND revoked_at IS NULL AND expires_at <= now()
"""
_AGAIN = """
UPDATE identity.invitations SET expires_at = now() + CAST(:life AS interval), invited_by = :by
WHERE tenant_id = :tenant AND id = :id AND accepted_at IS NULL AND revoked_at IS NULL
RETURNING email, message, expires_at
"""
_REVOKE = """
UPDATE identity.invitations SET revoked_at = now()
WHERE tenant_id = :tenant AND id = :id AND accepted_at IS NULL AND revoked_at IS NULL
RETURNING email, role
"""
_WORDS = """
SELECT t.name_fa, t.name_en, t.locale, u.display_name
FROM identity.tenants t
LEFT JOIN identity.users u ON u.tenant_id = t.id AND u.id = :by
WHERE t.id = :tenant
"""
#: Of the open invitations to an address only the one whose link was sent last can be accepted:
#: a newer link voids the older ones. ``host_role``: what whoever sent it may give today.
_OPEN = """
SELECT i.id, i.role, (
    SELECT u.role FROM identity.users u WHERE u.tenant_id = i.tenant_id AND u.id = i.invited_by
      AND u.status = 'Active' AND u.deleted_at IS NULL) AS host_role
FROM identity.invitations i
WHERE i.tenant_id = :tenant AND lower(i.email) = :email AND i.accepted_at IS NULL
  AND i.revoked_at IS NULL AND i.expires_at > now() FOR UPDATE OF i
"""
_ACCEPT = """
UPDATE identity.invitations SET accepted_at = now(), accepted_by = :user
WHERE tenant_id = :tenant AND id = :id
"""
_MEMBER = """
INSERT INTO identity.users (id, tenant_id, register_mode, email, email_verified_at, password_hash,
    password_changed_at, display_name, locale, role, terms_accepted_at)
VALUES (:id, :tenant, 'Email', :email, now(), :hash, now(), :name, :locale, :role, now())
ON CONFLICT DO NOTHING RETURNING id
"""


class InvitationService:
    """Use cases of invitations."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def invite(
        self, principal: Principal, address: Address, role: Role, message: str
    ) -> InvitationLine:
        """Invite an address. Raises :class:`OutOfReach` for a role above the caller's,
        :class:`AddressNotAllowed`, :class:`AlreadyMember`, ``RateLimited`` by recipient."""
        _within_reach(principal, role)
        if not (await self._context.get(PolicyService).of(principal.tenant_id)).takes(address):
            raise AddressNotAllowed()
        await self._limit(principal, address.value)
        invitation_id = uuid7()
        try:
            async with self._db.unit_of_work(principal.tenant_id) as work:
                found = await work.execute(
                    _ACCOUNT, tenant=principal.tenant_id, email=address.value
                )
                account = found.first()
                # An invitation raises somebody; it is no way to have a colleague step down.
                if account is not None and not outranks(role, role_named(account.role)):
                    raise AlreadyMember()
                await work.execute(_LAPSE, tenant=principal.tenant_id, email=address.value)
                await work.execute(
                    _INSERT,
                    id=invitation_id,
                    tenant=principal.tenant_id,
                    email=address.value,
                    role=role,
                    message=message,
                    by=principal.user_id,
                    life=LIVES["invitation"],
                )
                await self._send(work, principal, address, message)
                await audit(
                    work,
                    principal,
                    action="invitation.create",
                    target_type="invitation",
                    target_id=invitation_id,
                    after={"email": address.masked(), "role": role},
                )
        except IntegrityError as error:  # an open invitation to this address
            raise AlreadyMember() from error
        return await self._view(principal, invitation_id)

    async def send_again(self, principal: Principal, invitation_id: UUID) -> InvitationLine:
        """Send a new link, which voids the old one. Raises ``NotFound``, ``RateLimited``,
        :class:`OutOfReach` for a role above the caller's."""
        line = await self._view(principal, invitation_id)
        _within_reach(principal, line.role)
        await self._limit(principal, line.email)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            renewed = await work.execute(
                _AGAIN,
                tenant=principal.tenant_id,
                id=invitation_id,
                life=LIVES["invitation"],
                by=principal.user_id,
            )
            row = renewed.first()
            if row is None:
                raise NotFound()
            await self._send(work, principal, Address("Email", row.email), row.message)
            await audit(
                work,
                principal,
                action="invitation.resend",
                target_type="invitation",
                target_id=invitation_id,
                before={"expires_at": line.expires_at.isoformat()},
                after={"expires_at": row.expires_at.isoformat()},
            )
        return await self._view(principal, invitation_id)

    async def revoke(self, principal: Principal, invitation_id: UUID) -> None:
        """Take an open invitation back; its link is void. Raises ``NotFound``,
        :class:`OutOfReach` for a role above the caller's."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            done = await work.execute(_REVOKE, tenant=principal.tenant_id, id=invitation_id)
            row = done.first()
            if row is None:
                raise NotFound()
            _within_reach(principal, row.role)
            await audit(
                work,
                principal,
                action="invitation.revoke",
                target_type="invitation",
                target_id=invitation_id,
                before={"email": Address("Email", row.email).masked(), "role": row.role},
            )

    async def page(self, tenant_id: UUID, page: PageParams) -> Page[InvitationLine]:
        """Return one page of the tenant's invitations, the newest first."""
        rows, total = await invitations_of(
            self._db.reads, tenant_id, limit=page.limit, offset=page.offset
        )
        return page.of(rows, total)

    async def accept(self, proof: Proof, *, password: str, display_name: str, locale: str) -> None:
        """Make the invited person's account; the link proved the address.

        Raises :class:`InvalidLink`, :class:`AccountExists`, ``Invalid`` for the password (the
        link is then still good).
        """
        hashed = await self._context.infra.security.passwords.hash(password)
        async with self._db.unit_of_work(proof.tenant_id) as work:
            burned = await self._context.get(OneTimeService).burn(work, proof)
            invitation = await self._open(work, burned)
            await self._context.get(PolicyService).check_password(
                proof.tenant_id, password, identifiers=[burned.target, display_name], has_mfa=False
            )
            user_id = uuid7()
            made = await work.execute(
                _MEMBER,
                id=user_id,
                tenant=proof.tenant_id,
                email=burned.target,
                hash=hashed,
                name=display_name,
                locale=locale,
                role=invitation.role,
            )
            if made.first() is None:
                raise AccountExists()
            await self._close(work, invitation, user_id)
            work.emit(UserRegistered(user_id=user_id, register_mode="Email", locale=locale))

    async def accept_as(self, principal: Principal, proof: Proof) -> None:
        """Give the caller, whose verified address was invited, the invitation's role; they sign
        in anew. Raises :class:`InvalidLink`, also for a link to somebody else."""
        user_id = principal.user_id
        if user_id is None or proof.tenant_id != principal.tenant_id:
            raise InvalidLink()
        async with self._db.unit_of_work(proof.tenant_id) as work:
            burned = await self._context.get(OneTimeService).burn(work, proof)
            invitation = await self._open(work, burned)
            found = await work.execute(_ACCOUNT, tenant=proof.tenant_id, email=burned.target)
            account = found.first()
            if account is None or account.id != user_id:
                raise InvalidLink()
            await self._close(work, invitation, user_id)
            dead = await self._context.get(MemberService).give_role(
                work, principal, user_id, invitation.role, reason="accepted an invitation"
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)

    async def _open(self, work: UnitOfWork, burned: Burned) -> Any:
        found = await work.execute(_OPEN, tenant=work.tenant, email=burned.target)
        row = found.first()
        if row is None or not _gives(row.host_role, row.role):
            raise InvalidLink()
        return row

    async def _close(self, work: UnitOfWork, invitation: Any, user_id: UUID) -> None:
        await work.execute(_ACCEPT, tenant=work.tenant, id=invitation.id, user=user_id)
        await record(work, user_id, "invitation_accepted", detail={"role": invitation.role})
        await audit(
            work,
            Principal(kind="user", tenant_id=work.tenant, user_id=user_id),
            action="invitation.accept",
            target_type="invitation",
            target_id=invitation.id,
            after={"role": invitation.role},
        )

    async def _send(
        self, work: UnitOfWork, principal: Principal, address: Address, message: str
    ) -> None:
        found = await work.execute(_WORDS, tenant=work.tenant, by=principal.user_id)
        row = found.one()
        await self._context.get(LinkService).issue(
            work,
            token_id=uuid7(),
            purpose="invitation",
            user_id=None,
            address=address,
            locale=row.locale,
            params={
                "tenant": row.name_fa if row.locale == "fa" else row.name_en,
                "inviter": row.display_name or "",
                "message": message,
            },
        )

    async def _limit(self, principal: Principal, email: str) -> None:
        party = f"recipient:{principal.tenant_id}:{email}"
        await self._context.infra.security.limiter.check("message", party, critical=True)

    async def _view(self, principal: Principal, invitation_id: UUID) -> InvitationLine:
        found = await invitation_of(self._db.reads, principal.tenant_id, invitation_id)
        if found is None:
            raise NotFound()
        return found


def _within_reach(principal: Principal, role: str) -> None:
    """Refuse what would give, or take, a role that the caller could not give."""
    if not _gives(principal.role, role):
        raise OutOfReach()


def _gives(host: str | None, role: str) -> bool:
    """True when somebody of the role ``host`` (None: no longer of the house) may invite as
    ``role``."""
    if host is None or host == "user":
        return False
    return may_change_role(role_named(host), "user", role_named(role))
