"""Passwords and proofs: set a forgotten one, change a known one, show who one is before a
sensitive act. A changed password ends every session of the account."""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.errors import OwnerRequired
from flatrender.security.principal import Principal
from flatrender_identity.errors import InvalidCode, InvalidLink, ProofRequired
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.one_time import Burned, OneTimeService, Proof
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import SessionService, Tokens, end_all, role_named

#: How young a sign-in must be to stand for a password that an account does not have.
FRESH_SIGN_IN = timedelta(minutes=15)

_ACCOUNT = """
SELECT u.id, u.email, u.mobile, u.display_name, u.password_hash, u.mfa_enabled, u.role,
       u.session_epoch, s.created_at AS signed_in_at, s.mfa_at, s.device_name, now() AS now
FROM identity.users u
LEFT JOIN identity.sessions s ON s.tenant_id = u.tenant_id AND s.user_id = u.id
     AND s.id = CAST(:session AS uuid)
WHERE u.tenant_id = :tenant AND u.id = :user AND u.deleted_at IS NULL
"""
#: Proving the mailbox proves the address; the link was made for this very address. A token that
#: was answered to a temporary password proves none.
_RESET = """
UPDATE identity.users SET password_hash = :hash, password_changed_at = now(),
    password_must_change = false, session_epoch = session_epoch + 1,
    email_verified_at = CASE WHEN email_key = :target AND :proves
                             THEN coalesce(email_verified_at, now()) ELSE email_verified_at END,
    mobile_verified_at = CASE WHEN mobile = :target AND :proves
                              THEN coalesce(mobile_verified_at, now()) ELSE mobile_verified_at END
WHERE tenant_id = :tenant AND id = :user AND status = 'Active' AND deleted_at IS NULL
  AND (email_key = :target OR mobile = :target)
RETURNING id
"""
_CHANGE = """
UPDATE identity.users SET password_hash = :hash, password_changed_at = now(),
    password_must_change = false, session_epoch = session_epoch + 1
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL
  AND password_hash IS NOT DISTINCT FROM :seen
RETURNING session_epoch
"""
_TEMPORARY = """
SELECT password_hash FROM identity.users
WHERE tenant_id = :tenant AND id = :user AND password_must_change
"""
#: What could still take an account over after its password changed.
VOID_LINKS = """
UPDATE identity.one_time_tokens SET consumed_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND consumed_at IS NULL
  AND purpose IN ('reset_password', 'change_password', 'magic_link', 'change_email',
    'change_mobile')
"""


class _Account(Struct, frozen=True, kw_only=True):
    id: UUID
    email: str | None
    mobile: str | None
    display_name: str
    mfa_enabled: bool

    @property
    def names(self) -> list[str]:
        return [name for name in (self.email, self.mobile, self.display_name) if name]


class ProvenAccount(_Account, frozen=True, kw_only=True):
    """The caller's account, whose owner has just shown who they are."""

    password_hash: str | None
    role: str
    mfa_at: datetime | None
    device_name: str | None


class CredentialService:
    """Use cases of passwords."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def recover(self, proof: Proof, password: str) -> None:
        """Set a new password by a recovery link or code; every session ends, the owner is told.

        A second factor stays: signing in will ask for it. Raises :class:`InvalidLink`,
        :class:`InvalidCode`, ``Invalid`` for the password (the link is then still good).
        """
        hashed = await self._context.infra.security.passwords.hash(password)
        async with self._db.unit_of_work(proof.tenant_id) as work:
            burned = await self._context.get(OneTimeService).burn(work, proof)
            await self._check_other(work, burned.user_id, password, "/password")
            account = await self._reset(work, proof, burned, hashed)
            await self._context.get(PolicyService).check_password(
                proof.tenant_id, password, identifiers=account.names, has_mfa=account.mfa_enabled
            )
            dead = await end_all(work, account.id, reason="password reset")
            await work.execute(VOID_LINKS, tenant=proof.tenant_id, user=account.id)
            await record(work, account.id, "password_reset")
            await tell_owner(work, account.id, "password_changed")
        await self._context.infra.security.gate.revoke(*dead)

    async def change_password(
        self, principal: Principal, *, current: str | None, new: str, user_agent: str
    ) -> Tokens:
        """Set a new password, end every session, and open one anew for the caller.

        Raises :class:`ProofRequired`, ``StepUpRequired``, ``Invalid``.
        """
        row = await self.prove(principal, current)
        names = [name for name in (row.email, row.mobile, row.display_name) if name]
        await self._context.get(PolicyService).check_password(
            principal.tenant_id,
            new,
            identifiers=names,
            has_mfa=row.mfa_enabled,
            pointer="/new_password",
        )
        hashed = await self._context.infra.security.passwords.hash(new)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._check_other(work, row.id, new, "/new_password")
            changed = await work.execute(
                _CHANGE,
                hash=hashed,
                seen=row.password_hash,
                tenant=principal.tenant_id,
                user=row.id,
            )
            epoch: int | None = changed.scalar_one_or_none()
            if epoch is None:  # another change was faster: what was shown is no longer true
                raise ProofRequired()
            dead = await end_all(work, row.id, reason="password changed")
            await work.execute(VOID_LINKS, tenant=principal.tenant_id, user=row.id)
            await record(
                work,
                row.id,
                "password_changed",
                session_id=principal.session_id,
                user_agent=user_agent,
            )
            await tell_owner(work, row.id, "password_changed")
        await self._context.infra.security.gate.revoke(*dead)
        return await self._context.get(SessionService).open(
            principal.tenant_id,
            row.id,
            role=role_named(row.role),
            epoch=epoch,
            amr=["pwd"],
            user_agent=user_agent,
            device=row.device_name,
            mfa_at=row.mfa_at,
        )

    async def prove(
        self, principal: Principal, password: str | None, *, or_signed_in: bool = False
    ) -> ProvenAccount:
        """Demand what a sensitive act needs: a fresh second factor of an account that has one,
        else the present password, else (an account without a password, or ``or_signed_in`` where
        none is given) a fresh sign-in.

        Raises ``StepUpRequired``, :class:`ProofRequired`, ``RateLimited``, ``NotFound``;
        ``OwnerRequired`` where support acts.
        """
        if principal.impersonator_id is not None:
            raise OwnerRequired()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            found = await work.execute(
                _ACCOUNT,
                tenant=principal.tenant_id,
                user=principal.user_id,
                session=principal.session_id,
            )
            row = found.first()
        if row is None:
            raise NotFound()
        security = self._context.infra.security
        fresh = row.signed_in_at is not None and row.now - row.signed_in_at <= FRESH_SIGN_IN
        if row.mfa_enabled:
            await self._context.get(FactorService).demand_fresh(principal, row.id)
        elif row.password_hash is not None and not (or_signed_in and password is None and fresh):
            party = f"proof:{principal.tenant_id}:{row.id}"
            await security.limiter.check("login", party, critical=True)
            if not (await security.passwords.verify(row.password_hash, password or "")).matched:
                raise ProofRequired()
            await security.limiter.reset("login", party)
        elif not fresh:
            raise ProofRequired()
        return ProvenAccount(
            id=row.id,
            email=row.email,
            mobile=row.mobile,
            display_name=row.display_name,
            password_hash=row.password_hash,
            mfa_enabled=row.mfa_enabled,
            role=row.role,
            mfa_at=row.mfa_at,
            device_name=row.device_name,
        )

    async def _check_other(
        self, work: UnitOfWork, user_id: UUID | None, password: str, pointer: str
    ) -> None:
        """Refuse the very password that staff have set, and know. Raises ``Invalid``."""
        found = await work.execute(_TEMPORARY, tenant=work.tenant, user=user_id)
        row = found.first()
        if row is None:
            return
        passwords = self._context.infra.security.passwords
        if (await passwords.verify(row.password_hash, password)).matched:
            raise Invalid(
                errors=[
                    FieldError(
                        pointer=pointer,
                        code="temporary_password",
                        message_fa="گذرواژه‌ای جز گذرواژهٔ موقت لازم است",
                        message_en="Choose another password than the temporary one",
                    )
                ]
            )

    async def _reset(self, work: UnitOfWork, proof: Proof, burned: Burned, hashed: str) -> _Account:
        done = await work.execute(
            _RESET,
            hash=hashed,
            target=burned.target,
            proves=burned.purpose == "reset_password",
            tenant=proof.tenant_id,
            user=burned.user_id,
        )
        if done.first() is None:  # banned, deleted, or the address is no longer the account's
            raise InvalidCode() if proof.by_code else InvalidLink()
        found = await work.execute(
            _ACCOUNT, tenant=proof.tenant_id, user=burned.user_id, session=None
        )
        row = found.one()
        return _Account(
            id=row.id,
            email=row.email,
            mobile=row.mobile,
            display_name=row.display_name,
            mfa_enabled=row.mfa_enabled,
        )
