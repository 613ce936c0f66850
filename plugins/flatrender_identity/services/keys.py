"""Signing keys: made once, kept encrypted, published as a JWKS.

The private key is sealed with the deployment's secret and bound to its row. Rotation (next,
current, previous) moves states in this table; verifiers follow within minutes.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import msgspec

from flatrender.plugin import PluginContext
from flatrender.security.secrets import Place
from flatrender.security.tokens import PublicJwk, SigningKey, TokenSigner

_LOCK = 0x6B657973  # "keys": one process makes the first key
_CURRENT = """
SELECT kid, private_enc FROM identity.signing_keys WHERE state = 'current'
"""
_PUBLIC = """
SELECT public_jwk FROM identity.signing_keys WHERE state IN ('next', 'current', 'previous')
"""
_INSERT = """
INSERT INTO identity.signing_keys (kid, alg, state, public_jwk, private_enc, activated_at)
VALUES ($1, 'ES256', 'current', $2, $3, now())
"""


def _place(kid: str) -> Place:
    return Place("identity", "signing_keys", "private_enc", kid)


class KeyService:
    """Implements the ``KeySource`` and ``TokenIssuer`` ports and signs tokens."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._signer: TokenSigner | None = None
        self._lock = asyncio.Lock()

    async def verification_keys(self) -> Sequence[PublicJwk]:
        """Return the public keys that tokens may be signed with."""
        rows = await self._context.db.system_fetch("public keys", _PUBLIC)
        return [msgspec.convert(row["public_jwk"], PublicJwk) for row in rows]

    async def signer(self) -> TokenSigner:
        """Return the signer of the current key, making the first key of a deployment."""
        async with self._lock:
            if self._signer is None:
                key = await self._current()
                self._signer = TokenSigner(
                    key, self._context.infra.settings.security, self._context.clock
                )
            return self._signer

    async def watch(
        self,
        *,
        tenant_id: UUID,
        user_id: UUID,
        job_id: UUID,
        seconds: int,
        session_id: UUID | None = None,
    ) -> str:
        """Return a token for one live stream."""
        signer = await self.signer()
        return signer.watch(
            user_id=user_id,
            tenant_id=tenant_id,
            job_id=job_id,
            seconds=seconds,
            session_id=session_id,
        )

    async def _current(self) -> SigningKey:
        encryptor = self._context.infra.encryptor
        async with self._context.db.system("signing key") as work:
            await work.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            row = await work.fetchrow(_CURRENT)
            if row is not None:
                sealed = bytes(row["private_enc"]).decode()
                return SigningKey.from_pem(encryptor.decrypt(sealed, _place(row["kid"])).reveal())
            key = SigningKey.generate()
            sealed = encryptor.encrypt(key.to_pem(), _place(key.kid))
            await work.execute(_INSERT, key.kid, msgspec.to_builtins(key.public), sealed.encode())
            return key
