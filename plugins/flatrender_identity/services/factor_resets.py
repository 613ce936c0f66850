"""Staff take the second factors from somebody who has lost them: all at once, never one's own.

Everything that opened or trusted by them goes with them, and the owner is told: whoever signs in
next has the password only, and sets a factor up anew.
"""

from uuid import UUID

from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import NotOneself, OutOfReach
from flatrender_identity.errors_mfa import NoSecondFactor
from flatrender_identity.permissions import reaches
from flatrender_identity.services.audit import audit
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import role_named

_ROLE = "SELECT role FROM identity.users WHERE tenant_id = :tenant AND id = :user"
_REMOVE = """
DELETE FROM identity.mfa_factors WHERE tenant_id = :tenant AND user_id = :user
RETURNING kind, confirmed_at IS NOT NULL AS counted
"""
#: Sessions that are opening just now die too; wrong tries are forgotten.
_CLEAR = """
UPDATE identity.users SET session_epoch = session_epoch + 1, mfa_failed_attempts = 0,
    mfa_locked_until = NULL
WHERE tenant_id = :tenant AND id = :user
"""


class FactorResetService:
    """Use cases of staff with others' second factors."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def reset(self, principal: Principal, user_id: UUID, *, reason: str) -> None:
        """Remove all second factors of somebody of the tenant and end their sessions; the owner
        is told. The caller has shown a fresh factor (a guard's business).

        Raises :class:`NotOneself`, ``NotFound``, :class:`OutOfReach`, :class:`NoSecondFactor`.
        """
        if user_id == principal.user_id:
            raise NotOneself()
        factors = self._context.get(FactorService)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            names = {"tenant": principal.tenant_id, "user": user_id}
            enabled = await factors.lock(work, user_id)
            role = await work.execute(_ROLE, **names)
            if not reaches(principal.role, role_named(role.scalar_one())):
                raise OutOfReach()
            if not enabled:
                raise NoSecondFactor()
            removed = await work.execute(_REMOVE, **names)
            kinds = [row.kind for row in removed if row.counted]
            _, dead = await factors.removed(
                work, user_id, reason="second factors reset", session_id=None
            )
            await work.execute(_CLEAR, **names)
            await record(work, user_id, "mfa_reset")
            await tell_owner(work, user_id, "mfa_reset")
            await audit(
                work,
                principal,
                action="user.mfa.reset",
                target_type="user",
                target_id=user_id,
                before={"totp": kinds.count("totp"), "passkeys": kinds.count("webauthn")},
                after={"totp": 0, "passkeys": 0},
                reason=reason,
            )
        if dead:
            await self._context.infra.security.gate.revoke(*dead)
