"""Signing in by passkey alone: no name, no password. It counts as two factors, because the
passkey is held and its owner was verified by it."""

from uuid import UUID

from msgspec import Struct

from flatrender.plugin import PluginContext
from flatrender_identity.errors_mfa import InvalidPasskey
from flatrender_identity.passkeys import (
    RequestOptions,
    UsedCredential,
    decoded,
    encoded,
    request_options,
)
from flatrender_identity.services.challenges import ChallengeService
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.passkeys import PasskeyService
from flatrender_identity.services.relying_party import RelyingPartyService
from flatrender_identity.services.sessions import SessionService, Tokens, role_named

_OWNER = """
SELECT u.id, u.role, u.session_epoch FROM identity.mfa_factors f
JOIN identity.users u ON u.tenant_id = f.tenant_id AND u.id = f.user_id
WHERE f.tenant_id = $1 AND f.credential_id = $2 AND f.rp_id = $3 AND f.passwordless
  AND f.confirmed_at IS NOT NULL AND u.status = 'Active' AND u.deleted_at IS NULL
"""


class BegunSignIn(Struct, frozen=True, kw_only=True):
    """A passkey that a browser is to use."""

    challenge_id: UUID
    public_key: RequestOptions


class PasskeySignInService:
    """Use cases of signing in by passkey alone."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._challenges = context.get(ChallengeService)

    async def begin(self, tenant_id: UUID) -> BegunSignIn:
        """Ask a browser for any passkey that it has for us; the answer is the same for
        everybody."""
        party = await self._context.get(RelyingPartyService).of(tenant_id)
        asked = await self._challenges.ask(tenant_id, "passkey_login")
        return BegunSignIn(
            challenge_id=asked.challenge_id, public_key=request_options(party, asked.challenge)
        )

    async def finish(
        self,
        tenant_id: UUID,
        challenge_id: UUID,
        given: UsedCredential,
        *,
        user_agent: str,
        device: str | None,
    ) -> Tokens:
        """Open the session of a passkey's owner. Unknown, banned and wrong answer the same.

        Raises :class:`InvalidPasskey`, :class:`MfaLocked`.
        """
        challenge = await self._challenges.take(tenant_id, "passkey_login", challenge_id)
        party = await self._context.get(RelyingPartyService).of(tenant_id)
        owners = await self._db.reads.records(
            tenant_id, _OWNER, tenant_id, decoded(given.id), party.rp_id
        )
        if not owners:
            raise InvalidPasskey("unknown, or its owner may not sign in")
        owner = owners[0]
        user_id: UUID = owner["id"]
        if given.response.user_handle != encoded(user_id.bytes):
            raise InvalidPasskey("no user handle, or another's")
        factors, passkeys = self._context.get(FactorService), self._context.get(PasskeyService)
        await factors.pay_try(tenant_id, user_id)
        async with (
            passkeys.warned(tenant_id, user_id),
            self._db.unit_of_work(tenant_id) as work,
        ):
            await factors.tries_back(work, user_id)
            await passkeys.use(work, party, user_id, given, challenge)
        return await self._context.get(SessionService).open(
            tenant_id,
            user_id,
            role=role_named(owner["role"]),
            epoch=owner["session_epoch"],
            amr=["passkey"],
            user_agent=user_agent,
            device=device,
            mfa_at=self._context.clock.now(),
        )
