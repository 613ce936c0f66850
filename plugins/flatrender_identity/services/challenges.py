"""Second factors and passkeys that were asked for: short-lived, for one purpose, good once.

A challenge belongs to a sign-in between its first and second factor, to a session (step-up, a new
passkey), or to nobody yet (signing in by passkey alone). It is used up before the answer to it is
looked at: what is wrong once cannot be tried again.
"""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from flatrender.clock import random_bytes, uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import Unauthorized
from flatrender.http.context import client_address
from flatrender.plugin import PluginContext
from flatrender_identity.errors import InvalidMfaToken
from flatrender_identity.errors_mfa import InvalidPasskey
from flatrender_identity.passkeys import CHALLENGE_BYTES
from flatrender_identity.services.keys import KeyService
from flatrender_identity.services.security_log import inet

MFA_TOKEN = "mfa+jwt"  # noqa: S105 - the token's type, not a token
LIFE_SECONDS = 300
#: Wrong answers that one sign-in takes.
CHALLENGE_WRONG = 5

Purpose = Literal["step_up", "enrol", "passkey_login"]

_INSERT = """
INSERT INTO identity.mfa_challenges (id, tenant_id, user_id, session_id, purpose, challenge, amr,
    ip, expires_at)
VALUES (:id, :tenant, CAST(:user AS uuid), CAST(:session AS uuid), :purpose, :challenge,
    CAST(:amr AS text[]), CAST(:ip AS inet), now() + make_interval(secs => :seconds))
"""
_TAKE = """
UPDATE identity.mfa_challenges SET consumed_at = now()
WHERE tenant_id = :tenant AND id = :id AND purpose = :purpose
  AND user_id IS NOT DISTINCT FROM CAST(:user AS uuid)
  AND session_id IS NOT DISTINCT FROM CAST(:session AS uuid)
  AND consumed_at IS NULL AND expires_at > now()
RETURNING challenge
"""
_PENDING = """
SELECT c.user_id, c.amr, u.role, u.status, u.session_epoch, u.deleted_at
FROM identity.mfa_challenges c
JOIN identity.users u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
WHERE c.tenant_id = :tenant AND c.id = :id AND c.purpose = 'login'
  AND c.consumed_at IS NULL AND c.expires_at > now() AND c.wrong_attempts < :wrong
"""
_ASK_PENDING = """
UPDATE identity.mfa_challenges SET challenge = :challenge
WHERE tenant_id = :tenant AND id = :id AND consumed_at IS NULL AND expires_at > now()
RETURNING id
"""
_TAKE_PENDING = """
WITH asked AS (
    SELECT id, challenge FROM identity.mfa_challenges
    WHERE tenant_id = :tenant AND id = :id AND challenge IS NOT NULL
      AND consumed_at IS NULL AND expires_at > now() FOR UPDATE)
UPDATE identity.mfa_challenges c SET challenge = NULL FROM asked
WHERE c.tenant_id = :tenant AND c.id = asked.id RETURNING asked.challenge
"""
_FINISH = """
UPDATE identity.mfa_challenges SET consumed_at = now()
WHERE tenant_id = :tenant AND id = :id AND consumed_at IS NULL AND expires_at > now() RETURNING id
"""


class Asked(Struct, frozen=True):
    """A challenge on its way to a browser."""

    challenge_id: UUID
    challenge: bytes


class PendingLogin(Struct, frozen=True, kw_only=True):
    """A sign-in whose first factor was right. ``amr``: what it was."""

    tenant_id: UUID
    challenge_id: UUID
    user_id: UUID
    amr: list[str]
    role: str
    epoch: int


class _Named(Struct, frozen=True):
    tenant_id: UUID
    challenge_id: UUID
    epoch: int


class ChallengeService:
    """Writes challenges down and takes them back, each once."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def ask(
        self,
        tenant_id: UUID,
        purpose: Purpose,
        *,
        user_id: UUID | None = None,
        session_id: UUID | None = None,
    ) -> Asked:
        """Make a challenge for a passkey."""
        asked = Asked(uuid7(), random_bytes(CHALLENGE_BYTES))
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(
                _INSERT,
                id=asked.challenge_id,
                tenant=tenant_id,
                user=user_id,
                session=session_id,
                purpose=purpose,
                challenge=asked.challenge,
                amr=[],
                ip=inet(client_address()),
                seconds=LIFE_SECONDS,
            )
        return asked

    async def take(
        self,
        tenant_id: UUID,
        purpose: Purpose,
        challenge_id: UUID,
        *,
        user_id: UUID | None = None,
        session_id: UUID | None = None,
    ) -> bytes:
        """Use a challenge up: in time, once, for its purpose, by whom it was made for.

        Raises :class:`InvalidPasskey`.
        """
        async with self._db.unit_of_work(tenant_id) as work:
            taken = await work.execute(
                _TAKE,
                tenant=tenant_id,
                id=challenge_id,
                purpose=purpose,
                user=user_id,
                session=session_id,
            )
            challenge: bytes | None = taken.scalar_one_or_none()
        if challenge is None:
            raise InvalidPasskey("no such challenge")
        return bytes(challenge)

    async def pend(self, tenant_id: UUID, user_id: UUID, amr: list[str], *, epoch: int) -> str:
        """Write down a sign-in that waits for its second factor; returns its token, which dies as
        the sessions of that ``epoch`` do: the first factor may be good no longer."""
        challenge_id = uuid7()
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(
                _INSERT,
                id=challenge_id,
                tenant=tenant_id,
                user=user_id,
                session=None,
                purpose="login",
                challenge=None,
                amr=amr,
                ip=inet(client_address()),
                seconds=LIFE_SECONDS,
            )
        signer = await self._context.get(KeyService).signer()
        claims = {
            "tenant_id": str(tenant_id),
            "challenge_id": str(challenge_id),
            "epoch": epoch,
        }
        return signer.issue(MFA_TOKEN, claims, LIFE_SECONDS)

    async def pending(self, token: str) -> PendingLogin:
        """Return the sign-in that a token names, while its owner may sign in.

        Raises :class:`InvalidMfaToken`.
        """
        verifier = self._context.infra.security.token_verifier(self._context.get(KeyService))
        try:
            named = await verifier.verify(token, MFA_TOKEN, _Named)
        except Unauthorized as error:
            raise InvalidMfaToken() from error
        async with self._db.unit_of_work(named.tenant_id) as work:
            found = await work.execute(
                _PENDING, tenant=named.tenant_id, id=named.challenge_id, wrong=CHALLENGE_WRONG
            )
            row = found.first()
        if row is None or row.status != "Active" or row.deleted_at is not None:
            raise InvalidMfaToken()
        if row.session_epoch != named.epoch:  # another password, or all sessions were ended
            raise InvalidMfaToken()
        return PendingLogin(
            tenant_id=named.tenant_id,
            challenge_id=named.challenge_id,
            user_id=row.user_id,
            amr=list(row.amr),
            role=row.role,
            epoch=row.session_epoch,
        )

    async def ask_pending(self, login: PendingLogin) -> bytes:
        """Make the challenge for a passkey as second factor; an earlier one is void.

        Raises :class:`InvalidMfaToken`.
        """
        challenge = random_bytes(CHALLENGE_BYTES)
        async with self._db.unit_of_work(login.tenant_id) as work:
            asked = await work.execute(
                _ASK_PENDING,
                tenant=login.tenant_id,
                id=login.challenge_id,
                challenge=challenge,
            )
            if asked.first() is None:
                raise InvalidMfaToken()
        return challenge

    async def take_pending(self, login: PendingLogin) -> bytes:
        """Use that challenge up. Raises :class:`InvalidPasskey`."""
        async with self._db.unit_of_work(login.tenant_id) as work:
            taken = await work.execute(_TAKE_PENDING, tenant=login.tenant_id, id=login.challenge_id)
            challenge: bytes | None = taken.scalar_one_or_none()
        if challenge is None:
            raise InvalidPasskey("no passkey was asked for")
        return bytes(challenge)

    async def finish(self, work: UnitOfWork, login: PendingLogin) -> None:
        """End a sign-in's wait inside ``work``: its second factor was right.

        Raises :class:`InvalidMfaToken` when it has ended already.
        """
        done = await work.execute(_FINISH, tenant=login.tenant_id, id=login.challenge_id)
        if done.first() is None:
            raise InvalidMfaToken()
