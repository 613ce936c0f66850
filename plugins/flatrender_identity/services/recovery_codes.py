"""Recovery codes: ten per person, hashed, each burned once."""

from uuid import UUID

from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext
from flatrender_identity.services.codes import plain, recovery_code

COUNT = 10

_CLEAR = """
DELETE FROM identity.mfa_recovery_codes WHERE tenant_id = :tenant AND user_id = :user
"""
_INSERT = """
INSERT INTO identity.mfa_recovery_codes (tenant_id, user_id, code_hash)
SELECT :tenant, :user, h FROM unnest(CAST(:hashes AS bytea[])) AS h
"""
_BURN = """
UPDATE identity.mfa_recovery_codes SET used_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND code_hash = :hash AND used_at IS NULL
RETURNING id
"""
_LEFT = """
SELECT count(*) FROM identity.mfa_recovery_codes
WHERE tenant_id = $1 AND user_id = $2 AND used_at IS NULL
"""


class RecoveryCodeService:
    """Makes, burns and removes codes inside the acts of others."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._hash = context.infra.security.keyed_hash("recovery_code")

    async def renew(self, work: UnitOfWork, user_id: UUID) -> list[str]:
        """Return ten new codes; the old ones are void."""
        codes = [recovery_code() for _ in range(COUNT)]
        await self.clear(work, user_id)
        hashes = [self._digest(user_id, code) for code in codes]
        await work.execute(_INSERT, tenant=work.tenant, user=user_id, hashes=hashes)
        return codes

    async def left(self, tenant_id: UUID, user_id: UUID) -> int:
        """Return how many of a person's codes have not been used."""
        return int(await self._db.reads.value(tenant_id, _LEFT, tenant_id, user_id))

    async def clear(self, work: UnitOfWork, user_id: UUID) -> None:
        """Remove a person's codes."""
        await work.execute(_CLEAR, tenant=work.tenant, user=user_id)

    async def burn(self, work: UnitOfWork, user_id: UUID, code: str) -> bool:
        """Use a code up; False when it is none or was used."""
        burned = await work.execute(
            _BURN, tenant=work.tenant, user=user_id, hash=self._digest(user_id, code)
        )
        return burned.first() is not None

    def _digest(self, user_id: UUID, code: str) -> bytes:
        return self._hash.digest(f"{user_id}:{plain(code)}")
