"""Signing keys: made once, kept encrypted, published as a JWKS.

The private key is sealed with the deployment's secret and bound to its row. Which key signs is
decided in the table (see ``key_rotation``); every process looks again within
:data:`SIGNER_SECONDS`, and verifiers within a minute.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from flatrender.db import SystemTransaction
from flatrender.plugin import PluginContext
from flatrender.security.secrets import Place
from flatrender.security.tokens import PublicJwk, SigningKey, TokenSigner

#: How long a process signs with a key before it asks whether that is still the current one.
SIGNER_SECONDS = 30.0
#: "keys": one process at a time makes or moves keys.
_LOCK = 0x6B657973
_CURRENT = """
SELECT kid, private_enc FROM identity.signing_keys WHERE state = 'current'
"""
_PUBLIC = """
SELECT public_jwk FROM identity.signing_keys WHERE state IN ('next', 'current', 'previous')
"""
_INSERT = """
INSERT INTO identity.signing_keys (kid, alg, state, public_jwk, private_enc, activated_at)
VALUES ($1, 'ES256', $2, $3, $4, CASE $2::text WHEN 'current' THEN now() END)
"""


def _place(kid: str) -> Place:
    return Place("identity", "signing_keys", "private_enc", kid)


async def lock_keys(work: SystemTransaction) -> None:
    """Let nobody else make or move keys until this transaction ends."""
    await work.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def make_key(
    context: PluginContext, work: SystemTransaction, state: Literal["next", "current"]
) -> SigningKey:
    """Make a key in ``state``; the caller holds the lock and has seen that there is none."""
    key = SigningKey.generate()
    sealed = context.infra.encryptor.encrypt(key.to_pem(), _place(key.kid))
    await work.execute(_INSERT, key.kid, state, msgspec.to_builtins(key.public), sealed.encode())
    return key


class KeyService:
    """Implements the ``KeySource`` and ``TokenIssuer`` ports and signs tokens."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._signer: TokenSigner | None = None
        self._looked = float("-inf")
        self._lock = asyncio.Lock()

    async def verification_keys(self) -> Sequence[PublicJwk]:
        """Return the public keys that tokens may be signed with."""
        rows = await self._context.db.system_fetch("public keys", _PUBLIC)
        return [msgspec.convert(row["public_jwk"], PublicJwk) for row in rows]

    async def signer(self) -> TokenSigner:
        """Return the signer of the current key, making the first key of a deployment."""
        if self._signer is not None and not self._is_due():
            return self._signer
        async with self._lock:
            if self._signer is None or self._is_due():
                self._signer = await self._look()
                self._looked = self._context.clock.monotonic()
            return self._signer

    def forget(self) -> None:
        """Look for the current key at the next signature: it has just changed."""
        self._looked = float("-inf")

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

    def _is_due(self) -> bool:
        return self._context.clock.monotonic() - self._looked >= SIGNER_SECONDS

    async def _look(self) -> TokenSigner:
        """Return the present signer while its key is current, else one of the current key."""
        rows = await self._context.db.system_fetch("signing key", _CURRENT)
        if rows and self._signer is not None and self._signer.kid == rows[0]["kid"]:
            return self._signer
        key = self._opened(rows[0]) if rows else await self._first()
        return TokenSigner(key, self._context.infra.settings.security, self._context.clock)

    async def _first(self) -> SigningKey:
        async with self._context.db.system("first signing key") as work:
            await lock_keys(work)
            row = await work.fetchrow(_CURRENT)
            if row is not None:
                return self._opened(row)
            return await make_key(self._context, work, "current")

    def _opened(self, row: Any) -> SigningKey:
        sealed = bytes(row["private_enc"]).decode()
        opened = self._context.infra.encryptor.decrypt(sealed, _place(row["kid"]))
        return SigningKey.from_pem(opened.reveal())
