"""Accounts elsewhere and whose they are here: by issuer and subject, never by address.

An address links only when both sides have proven it. Where nobody here had proven it, whoever
typed it loses every way in before its owner gets the account, and the owner is told.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserEmailVerified, UserRegistered
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound, Unavailable
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.addresses import Address
from flatrender_identity.errors import (
    AddressNotAllowed,
    IdentityTaken,
    InvalidCredentials,
    LastWayIn,
    OauthAccountExists,
    OauthSignupClosed,
)
from flatrender_identity.oidc import Person
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.oauth_providers import Provider
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import end_all

_TRIES = 5

_KNOWN = """
UPDATE identity.oauth_identities i SET last_login_at = now(), email = CAST(:email AS text),
    email_verified = CAST(:email AS text) IS NOT NULL, provider = :provider
FROM identity.users u
WHERE i.tenant_id = :tenant AND i.issuer = :issuer AND i.subject = :subject
  AND u.tenant_id = i.tenant_id AND u.id = i.user_id
RETURNING i.user_id, u.status = 'Active' AND u.deleted_at IS NULL AS active
"""
_BY_EMAIL = """
SELECT id, role, status, email_verified_at IS NOT NULL AS proven FROM identity.users
WHERE tenant_id = :tenant AND email_key = :email AND deleted_at IS NULL FOR UPDATE
"""
_REGISTER = """
INSERT INTO identity.users (id, tenant_id, register_mode, email, email_verified_at, display_name,
    locale, terms_accepted_at)
VALUES (:id, :tenant, :mode, :email, CASE WHEN CAST(:email AS text) IS NOT NULL THEN now() END,
    :name, :locale, now())
ON CONFLICT DO NOTHING RETURNING id
"""
_LINK = """
INSERT INTO identity.oauth_identities (id, tenant_id, user_id, provider, issuer, subject, email,
    email_verified, last_login_at)
VALUES (:id, :tenant, :user, :provider, :issuer, :subject, :email,
    CAST(:email AS text) IS NOT NULL, now())
ON CONFLICT DO NOTHING RETURNING id
"""
#: What somebody who only typed the address has left behind as ways in.
_CLAIM = """
UPDATE identity.users SET email_verified_at = now(), password_hash = NULL, mobile = NULL,
    mobile_verified_at = NULL, mfa_enabled = false, mfa_failed_attempts = 0,
    mfa_locked_until = NULL, session_epoch = session_epoch + 1
WHERE tenant_id = :tenant AND id = :user
"""
_WAYS_IN = tuple(
    f"DELETE FROM identity.{table} WHERE tenant_id = :tenant AND user_id = :user"  # noqa: S608 - constants
    for table in (
        "mfa_factors",
        "mfa_recovery_codes",
        "mfa_challenges",
        "trusted_devices",
        "oauth_identities",
        "one_time_tokens",
    )
)
_OWNER = """
SELECT user_id FROM identity.oauth_identities
WHERE tenant_id = :tenant AND issuer = :issuer AND subject = :subject
"""
_LOCK_USER = """
SELECT password_hash IS NOT NULL AS has_password FROM identity.users
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL FOR UPDATE
"""
_UNLINK = """
DELETE FROM identity.oauth_identities WHERE tenant_id = :tenant AND user_id = :user AND id = :id
RETURNING provider
"""
_LEFT = """
SELECT EXISTS (
    SELECT FROM identity.oauth_identities i
    JOIN identity.oauth_config c ON c.tenant_id = i.tenant_id AND c.issuer = i.issuer AND c.enabled
    WHERE i.tenant_id = :tenant AND i.user_id = :user)
"""
_LINES = """
SELECT id, provider, email, created_at, last_login_at FROM identity.oauth_identities
WHERE tenant_id = $1 AND user_id = $2 ORDER BY created_at, id LIMIT $3 OFFSET $4
"""
_COUNT = """
SELECT count(*) FROM identity.oauth_identities WHERE tenant_id = $1 AND user_id = $2
"""


class IdentityLine(Struct, frozen=True, kw_only=True):
    """An account elsewhere that signs in to the caller's account."""

    id: UUID
    provider: str
    email: str | None
    created_at: datetime
    last_login_at: datetime | None


class _Lost(Exception):
    """Somebody else was faster in the same moment: look again."""


class OauthAccountService:
    """Use cases of ``identity.oauth_identities``."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def enter(
        self, tenant_id: UUID, provider: Provider, person: Person, *, user_agent: str
    ) -> UUID:
        """Return the account that somebody signs in to: the linked one, else one with the same
        proven address, else a new one.

        Raises :class:`InvalidCredentials`, :class:`OauthAccountExists`,
        :class:`OauthSignupClosed`, :class:`AddressNotAllowed`.
        """
        for _ in range(_TRIES):
            try:
                return await self._enter(tenant_id, provider, person, user_agent)
            except _Lost:
                continue
        raise Unavailable()

    async def _enter(
        self, tenant_id: UUID, provider: Provider, person: Person, user_agent: str
    ) -> UUID:
        dead: list[UUID] = []
        async with self._db.unit_of_work(tenant_id) as work:
            known = await work.execute(
                _KNOWN,
                tenant=tenant_id,
                provider=provider.provider,
                issuer=person.issuer,
                subject=person.subject,
                email=person.email,
            )
            row = known.first()
            if row is not None:
                if not row.active:
                    raise InvalidCredentials()
                found: UUID = row.user_id
                return found
            user_id = await self._by_email(work, provider, person, dead)
            if user_id is None:
                user_id = await self._register(work, provider, person)
            else:
                await tell_owner(work, user_id, "identity_linked", {"provider": provider.provider})
            if await self._link(work, user_id, provider.provider, person) is None:
                raise _Lost
            await record(
                work,
                user_id,
                "identity_linked",
                user_agent=user_agent,
                detail={"provider": provider.provider},
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)
        return user_id

    async def _by_email(
        self, work: UnitOfWork, provider: Provider, person: Person, dead: list[UUID]
    ) -> UUID | None:
        """Return the account with the person's proven address, made theirs; ``dead`` gets the
        sessions that ended by it."""
        if person.email is None:
            return None
        found = await work.execute(_BY_EMAIL, tenant=work.tenant, email=person.email)
        row = found.first()
        if row is None:
            return None
        if row.status != "Active":
            raise InvalidCredentials()
        user_id: UUID = row.id
        if not provider.link_by_email:
            raise OauthAccountExists()
        if not row.proven:
            if row.role != "user":  # powers are given to people, not to addresses
                raise OauthAccountExists()
            dead += await self._claim(work, user_id)
        return user_id

    async def _claim(self, work: UnitOfWork, user_id: UUID) -> list[UUID]:
        """Take every way in from whoever typed an address that was not theirs."""
        await work.execute(_CLAIM, tenant=work.tenant, user=user_id)
        for statement in _WAYS_IN:
            await work.execute(statement, tenant=work.tenant, user=user_id)
        dead = await end_all(work, user_id, reason="address proven by its owner")
        work.emit(UserEmailVerified(user_id=user_id))
        await record(work, user_id, "account_claimed")
        await tell_owner(work, user_id, "account_claimed")
        return dead

    async def _register(self, work: UnitOfWork, provider: Provider, person: Person) -> UUID:
        if not provider.allow_signup:
            raise OauthSignupClosed()
        policy = await self._context.get(PolicyService).of(work.tenant)
        if policy.allowed_email_domains and (
            person.email is None or not policy.takes(Address("Email", person.email))
        ):
            raise AddressNotAllowed()
        mode = "Google" if "google" in (provider.provider, provider.driver) else "SSO"
        if provider.driver == "telegram":
            mode = "Telegram"
        made = await work.execute(
            _REGISTER,
            id=uuid7(),
            tenant=work.tenant,
            mode=mode,
            email=person.email,
            name=person.name,
            locale=person.locale,
        )
        user_id: UUID | None = made.scalar_one_or_none()
        if user_id is None:
            raise _Lost
        work.emit(UserRegistered(user_id=user_id, register_mode=mode, locale=person.locale))
        if person.email is not None:
            work.emit(UserEmailVerified(user_id=user_id))
        return user_id

    async def _link(
        self, work: UnitOfWork, user_id: UUID, provider: str, person: Person
    ) -> UUID | None:
        made = await work.execute(
            _LINK,
            id=uuid7(),
            tenant=work.tenant,
            user=user_id,
            provider=provider,
            issuer=person.issuer,
            subject=person.subject,
            email=person.email,
        )
        linked: UUID | None = made.scalar_one_or_none()
        return linked

    async def link(
        self, work: UnitOfWork, user_id: UUID, provider: str, person: Person, session: UUID | None
    ) -> None:
        """Link an account elsewhere to a signed-in person's; linked to them already, it stays.

        Raises :class:`IdentityTaken`.
        """
        if await self._link(work, user_id, provider, person) is None:
            owner = await work.execute(
                _OWNER, tenant=work.tenant, issuer=person.issuer, subject=person.subject
            )
            if owner.scalar_one_or_none() != user_id:
                raise IdentityTaken()
            return
        detail: dict[str, Any] = {"provider": provider}
        await record(work, user_id, "identity_linked", session_id=session, detail=detail)
        await tell_owner(work, user_id, "identity_linked", detail)

    async def unlink(self, principal: Principal, identity_id: UUID, password: str | None) -> None:
        """Unlink one of the caller's accounts elsewhere; another way in must remain.

        Raises what :meth:`CredentialService.prove` raises, ``NotFound``, :class:`LastWayIn`.
        """
        account = await self._context.get(CredentialService).prove(principal, password)
        names: dict[str, Any] = {"tenant": principal.tenant_id, "user": account.id}
        async with self._db.unit_of_work(principal.tenant_id) as work:
            # Two at once stand in line here: each would count on the other to remain.
            locked = (await work.execute(_LOCK_USER, **names)).first()
            gone = (await work.execute(_UNLINK, id=identity_id, **names)).first()
            if locked is None or gone is None:
                raise NotFound()
            if not locked.has_password:
                left = await work.execute(_LEFT, **names)
                if not left.scalar_one():
                    raise LastWayIn()
            detail = {"provider": gone.provider}
            await record(
                work,
                account.id,
                "identity_unlinked",
                session_id=principal.session_id,
                detail=detail,
            )
            await tell_owner(work, account.id, "identity_unlinked", detail)

    async def page(self, tenant_id: UUID, user_id: UUID, page: PageParams) -> Page[IdentityLine]:
        """Return one page of a user's accounts elsewhere, the oldest link first."""
        rows = await self._db.reads.all(
            IdentityLine, tenant_id, _LINES, tenant_id, user_id, page.limit, page.offset
        )
        total = await self._db.reads.value(tenant_id, _COUNT, tenant_id, user_id)
        return page.of(rows, int(total))
