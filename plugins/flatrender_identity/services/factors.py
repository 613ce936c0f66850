"""What second factors share: one count of wrong answers, the list of what a person has, and what
follows when one comes or goes.

A try is paid for before its answer is looked at, in a transaction of its own: guesses sent at once
cannot share one count, and the refusal does not undo it. A right answer gives the tries back.
"""

import math
from datetime import timedelta
from uuid import UUID

from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import check_step_up
from flatrender.security.principal import Principal
from flatrender_identity.errors import InvalidMfaToken, MfaLocked
from flatrender_identity.services.challenges import CHALLENGE_WRONG
from flatrender_identity.services.recovery_codes import RecoveryCodeService
from flatrender_identity.services.relying_party import RelyingPartyService
from flatrender_identity.services.sessions import end_all
from flatrender_identity.services.trusted_devices import end_trust

ACCOUNT_WRONG = 10
LOCK = timedelta(minutes=15)

_LOCK_USER = """
SELECT mfa_enabled FROM identity.users
WHERE tenant_id = :tenant AND id = :user AND deleted_at IS NULL FOR UPDATE
"""
# The tenth try locks until it proves right.
_TRY_ACCOUNT = """
UPDATE identity.users SET mfa_failed_attempts = CASE WHEN mfa_failed_attempts + 1 >= :limit
        THEN 0 ELSE mfa_failed_attempts + 1 END,
    mfa_locked_until = CASE WHEN mfa_failed_attempts + 1 >= :limit
        THEN now() + CAST(:lock AS interval) END
WHERE tenant_id = :tenant AND id = :user
  AND (mfa_locked_until IS NULL OR mfa_locked_until <= now())
RETURNING id
"""
_TRY_CHALLENGE = """
UPDATE identity.mfa_challenges SET wrong_attempts = wrong_attempts + 1
WHERE tenant_id = :tenant AND id = :id AND consumed_at IS NULL AND expires_at > now()
  AND wrong_attempts < :wrong RETURNING id
"""
_TRIES_BACK = """
UPDATE identity.users SET mfa_failed_attempts = 0, mfa_locked_until = NULL
WHERE tenant_id = :tenant AND id = :user
"""
_LOCKED_FOR = """
SELECT extract(epoch FROM mfa_locked_until - now()) FROM identity.users
WHERE tenant_id = :tenant AND id = :user
"""
_FIRST = """
UPDATE identity.users SET mfa_enabled = true
WHERE tenant_id = :tenant AND id = :user AND NOT mfa_enabled RETURNING id
"""
_LEFT = """
UPDATE identity.users u SET mfa_enabled = EXISTS (
    SELECT FROM identity.mfa_factors f
    WHERE f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.confirmed_at IS NOT NULL)
WHERE u.tenant_id = :tenant AND u.id = :user RETURNING u.mfa_enabled
"""
_METHODS = """
SELECT EXISTS (SELECT FROM identity.mfa_factors WHERE tenant_id = $1 AND user_id = $2
               AND kind = 'totp' AND confirmed_at IS NOT NULL) AS totp,
       EXISTS (SELECT FROM identity.mfa_factors WHERE tenant_id = $1 AND user_id = $2
               AND kind = 'webauthn' AND confirmed_at IS NOT NULL AND rp_id = $3) AS passkey,
       EXISTS (SELECT FROM identity.mfa_recovery_codes WHERE tenant_id = $1 AND user_id = $2
               AND used_at IS NULL) AS recovery_code
"""


class FactorService:
    """Implements the kernel's ``FactorLedger``: rules that hold for every second factor."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def methods(self, tenant_id: UUID, user_id: UUID) -> list[str]:
        """Return what a person can show as a second factor: ``totp``, ``passkey``,
        ``recovery_code``."""
        party = await self._context.get(RelyingPartyService).of(tenant_id)
        rows = await self._db.reads.records(tenant_id, _METHODS, tenant_id, user_id, party.rp_id)
        return [name for name in ("totp", "passkey", "recovery_code") if rows[0][name]]

    async def lock(self, work: UnitOfWork, user_id: UUID) -> bool:
        """Let nobody else change the account's factors until ``work`` ends; returns whether it has
        one. Raises ``NotFound``."""
        found = await work.execute(_LOCK_USER, tenant=work.tenant, user=user_id)
        row = found.first()
        if row is None:
            raise NotFound()
        return bool(row.mfa_enabled)

    async def lock_to_add(self, work: UnitOfWork, principal: Principal, user_id: UUID) -> None:
        """Lock as :meth:`lock`, and demand a fresh second factor where there is one already.

        Raises ``StepUpRequired``, ``NotFound``.
        """
        if await self.lock(work, user_id):
            await self.demand_fresh(principal, user_id)

    async def demand_fresh(self, principal: Principal, user_id: UUID) -> None:
        """Raise ``StepUpRequired`` with the person's own methods unless a second factor was shown
        in this session of late."""
        seconds = self._context.infra.security.settings.step_up_seconds
        try:
            check_step_up(principal, self._context.clock.now().timestamp(), seconds=seconds)
        except StepUpRequired:
            methods = await self.methods(principal.tenant_id, user_id)
            raise StepUpRequired(methods, seconds) from None

    async def added(self, work: UnitOfWork, user_id: UUID) -> list[str]:
        """Note a factor that counts from now on, and end the trust in devices; returns the
        recovery codes that come with the first one. The account is locked."""
        await end_trust(work, user_id)
        first = await work.execute(_FIRST, tenant=work.tenant, user=user_id)
        if first.first() is None:
            return []
        return await self._context.get(RecoveryCodeService).renew(work, user_id)

    async def removed(
        self, work: UnitOfWork, user_id: UUID, *, reason: str, session_id: UUID | None
    ) -> tuple[bool, list[UUID]]:
        """Note a factor that is gone: sessions end, because what one may do was decided with the
        factor in; ``session_id`` stays while another factor is left. With the last one recovery
        codes go. No device is trusted any longer. Returns whether one is left, and the sessions
        that died, for the gate."""
        await end_trust(work, user_id)
        left = await work.execute(_LEFT, tenant=work.tenant, user=user_id)
        enabled = bool(left.scalar_one())
        if not enabled:
            await self._context.get(RecoveryCodeService).clear(work, user_id)
        dead = await end_all(work, user_id, reason=reason, but=session_id if enabled else None)
        return enabled, dead

    async def pay_try(
        self, tenant_id: UUID, user_id: UUID, challenge_id: UUID | None = None
    ) -> None:
        """Count one try of the account and of the sign-in, or refuse it uncounted.

        Raises :class:`MfaLocked`, :class:`InvalidMfaToken`.
        """
        async with self._db.unit_of_work(tenant_id) as work:
            paid = await work.execute(
                _TRY_ACCOUNT, limit=ACCOUNT_WRONG, lock=LOCK, tenant=tenant_id, user=user_id
            )
            if paid.first() is None:
                raise await self._locked(work, user_id)
            if challenge_id is not None:
                taken = await work.execute(
                    _TRY_CHALLENGE, tenant=tenant_id, id=challenge_id, wrong=CHALLENGE_WRONG
                )
                if taken.first() is None:
                    raise InvalidMfaToken()

    async def tries_back(self, work: UnitOfWork, user_id: UUID) -> None:
        """Forget wrong tries, if the answer is right: a wrong one undoes it with ``work``.

        It comes first: whoever changes factors or pays for a try takes the account's row before
        those of factors and challenges, and so does this, or two would wait for each other.
        """
        await work.execute(_TRIES_BACK, tenant=work.tenant, user=user_id)

    async def _locked(self, work: UnitOfWork, user_id: UUID) -> MfaLocked:
        found = await work.execute(_LOCKED_FOR, tenant=work.tenant, user=user_id)
        left = found.scalar_one_or_none() or 0
        return MfaLocked(headers={"Retry-After": str(max(1, math.ceil(left)))})
