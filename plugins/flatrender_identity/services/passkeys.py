"""A person's passkeys: made, listed, named, removed, and used as proof in the acts of others.

One counts once its attestation is verified. Its counter is compared where it is stored: one that
does not rise is refused, and its owner is told that a copy may exist.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import LastWayIn
from flatrender_identity.errors_mfa import InvalidPasskey, PasskeyExists, TooManyPasskeys
from flatrender_identity.passkeys import (
    CreationOptions,
    Known,
    NewCredential,
    RelyingParty,
    UsedCredential,
    check_new,
    check_used,
    creation_options,
    decoded,
)
from flatrender_identity.services.challenges import ChallengeService
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.relying_party import RelyingPartyService
from flatrender_identity.services.security_log import record, tell_owner
from flatrender_identity.services.sessions import SessionService, Tokens

#: Passkeys of one account.
MOST = 20

_COUNT_OWN = """
SELECT count(*) FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND kind = 'webauthn'
"""
_INSERT = """
INSERT INTO identity.mfa_factors (id, tenant_id, user_id, kind, name, credential_id, rp_id,
    public_key, sign_count, transports, aaguid, backed_up, passwordless, confirmed_at)
VALUES (:id, :tenant, :user, 'webauthn', :name, :credential, :rp, :key, :count,
    CAST(:transports AS text[]), :aaguid, :backed_up, true, now())
ON CONFLICT DO NOTHING RETURNING created_at
"""
_KNOWN = """
SELECT credential_id, transports FROM identity.mfa_factors
WHERE tenant_id = $1 AND user_id = $2 AND kind = 'webauthn' AND rp_id = $3
  AND confirmed_at IS NOT NULL
ORDER BY last_used_at DESC NULLS LAST, id
"""
_LOCK = """
SELECT id, name, public_key, sign_count FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND credential_id = :credential AND rp_id = :rp
  AND confirmed_at IS NOT NULL FOR UPDATE
"""
_USED = """
UPDATE identity.mfa_factors SET sign_count = :count, backed_up = :backed_up, last_used_at = now()
WHERE tenant_id = :tenant AND id = :id
"""
_NAME = """
UPDATE identity.mfa_factors SET name = :name
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND kind = 'webauthn' RETURNING id
"""
_REMOVE = """
DELETE FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND kind = 'webauthn' RETURNING name
"""
#: A way in that is no passkey, or another passkey.
_OTHER_WAY = """
SELECT u.password_hash IS NOT NULL
    OR EXISTS (SELECT FROM identity.mfa_factors f WHERE f.tenant_id = u.tenant_id
               AND f.user_id = u.id AND f.kind = 'webauthn' AND f.confirmed_at IS NOT NULL)
    OR EXISTS (SELECT FROM identity.oauth_identities i
               JOIN identity.oauth_config c ON c.tenant_id = i.tenant_id AND c.issuer = i.issuer
               WHERE i.tenant_id = u.tenant_id AND i.user_id = u.id AND c.enabled)
FROM identity.users u WHERE u.tenant_id = :tenant AND u.id = :user
"""
_LINES = """
SELECT id, name, created_at, last_used_at, coalesce(backed_up, false), transports, rp_id
FROM identity.mfa_factors
WHERE tenant_id = $1 AND user_id = $2 AND kind = 'webauthn' AND confirmed_at IS NOT NULL
ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4
"""
_COUNT = """
SELECT count(*) FROM identity.mfa_factors
WHERE tenant_id = $1 AND user_id = $2 AND kind = 'webauthn' AND confirmed_at IS NOT NULL
"""


class PasskeyLine(Struct, frozen=True, kw_only=True):
    """A passkey as its owner sees it. ``backed_up``: copied among its owner's devices; ``rp_id``:
    the host whose pages it answers."""

    id: UUID
    name: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool
    transports: list[str]
    rp_id: str


class BegunPasskey(Struct, frozen=True, kw_only=True):
    """A passkey that a browser is to make."""

    challenge_id: UUID
    public_key: CreationOptions


class ConfirmedPasskey(Struct, frozen=True, kw_only=True):
    """A passkey that counts; with the first factor come recovery codes."""

    passkey: PasskeyLine
    recovery_codes: list[str]
    tokens: Tokens


class CounterWentBack(InvalidPasskey):
    """The passkey has been used elsewhere since: a copy of it may exist."""

    def __init__(self, name: str) -> None:
        super().__init__("the counter went back")
        self.name = name


class PasskeyService:
    """Use cases of a person's passkeys."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._challenges = context.get(ChallengeService)
        self._factors = context.get(FactorService)

    async def begin(self, principal: Principal, *, password: str | None) -> BegunPasskey:
        """Ask a browser for a new passkey.

        Raises what :meth:`CredentialService.prove` raises: a passkey signs in by itself.
        """
        tenant_id = principal.tenant_id
        account = await self._context.get(CredentialService).prove(principal, password)
        party = await self._context.get(RelyingPartyService).of(tenant_id)
        asked = await self._challenges.ask(
            tenant_id, "enrol", user_id=account.id, session_id=principal.session_id
        )
        name = account.email or account.mobile or str(account.id)
        options = creation_options(
            party,
            asked.challenge,
            user_id=account.id,
            name=name,
            display_name=account.display_name or name,
            known=await self.known(tenant_id, account.id, party),
        )
        return BegunPasskey(challenge_id=asked.challenge_id, public_key=options)

    async def confirm(
        self, principal: Principal, challenge_id: UUID, given: NewCredential, *, name: str
    ) -> ConfirmedPasskey:
        """Store a passkey whose attestation holds; the owner is told.

        Raises :class:`InvalidPasskey`, :class:`PasskeyExists`, :class:`TooManyPasskeys`.
        """
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        challenge = await self._challenges.take(
            tenant_id, "enrol", challenge_id, user_id=user_id, session_id=principal.session_id
        )
        party = await self._context.get(RelyingPartyService).of(tenant_id)
        made = check_new(party, challenge, given)
        factor_id = uuid7()
        async with self._db.unit_of_work(tenant_id) as work:
            await self._factors.lock_to_add(work, principal, user_id)
            count = await work.execute(_COUNT_OWN, tenant=tenant_id, user=user_id)
            if count.scalar_one() >= MOST:
                raise TooManyPasskeys()
            stored = await work.execute(
                _INSERT,
                id=factor_id,
                tenant=tenant_id,
                user=user_id,
                name=name,
                credential=made.credential_id,
                rp=party.rp_id,
                key=made.public_key,
                count=made.sign_count,
                transports=made.transports,
                aaguid=made.aaguid,
                backed_up=made.backed_up,
            )
            row = stored.first()
            if row is None:
                raise PasskeyExists()
            codes = await self._factors.added(work, user_id)
            await self._tell(work, principal, user_id, "passkey_added", name)
        tokens = await self._context.get(SessionService).strengthen(
            principal, self._context.clock.now(), method="passkey"
        )
        line = PasskeyLine(
            id=factor_id,
            name=name,
            created_at=row.created_at,
            last_used_at=None,
            backed_up=made.backed_up,
            transports=made.transports,
            rp_id=party.rp_id,
        )
        return ConfirmedPasskey(passkey=line, recovery_codes=codes, tokens=tokens)

    async def page(self, tenant_id: UUID, user_id: UUID, page: PageParams) -> Page[PasskeyLine]:
        """Return one page of a person's passkeys, the newest first."""
        rows = await self._db.reads.all(
            PasskeyLine, tenant_id, _LINES, tenant_id, user_id, page.limit, page.offset
        )
        total = await self._db.reads.value(tenant_id, _COUNT, tenant_id, user_id)
        return page.of(rows, int(total))

    async def name(self, principal: Principal, factor_id: UUID, name: str) -> None:
        """Name one of the caller's passkeys. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            named = await work.execute(
                _NAME,
                name=name,
                tenant=principal.tenant_id,
                user=principal.user_id,
                id=factor_id,
            )
            if named.first() is None:
                raise NotFound()

    async def remove(self, principal: Principal, factor_id: UUID) -> None:
        """Remove one of the caller's passkeys and end sessions; the owner is told.

        The caller has shown a fresh factor (a guard's business). Raises ``NotFound``,
        :class:`LastWayIn`.
        """
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(tenant_id) as work:
            await self._factors.lock(work, user_id)
            removed = await work.execute(_REMOVE, tenant=tenant_id, user=user_id, id=factor_id)
            row = removed.first()
            if row is None:
                raise NotFound()
            other = await work.execute(_OTHER_WAY, tenant=tenant_id, user=user_id)
            if not other.scalar_one():
                raise LastWayIn()
            left, dead = await self._factors.removed(
                work, user_id, reason="passkey removed", session_id=principal.session_id
            )
            await self._tell(work, principal, user_id, "passkey_removed", row.name)
            if not left:
                await record(work, user_id, "mfa_disabled")
                await tell_owner(work, user_id, "mfa_disabled")
        if dead:
            await self._context.infra.security.gate.revoke(*dead)

    async def known(self, tenant_id: UUID, user_id: UUID, party: RelyingParty) -> list[Known]:
        """Return a person's passkeys of a relying party, the last used first."""
        return await self._db.reads.all(Known, tenant_id, _KNOWN, tenant_id, user_id, party.rp_id)

    async def use(
        self,
        work: UnitOfWork,
        party: RelyingParty,
        user_id: UUID,
        given: UsedCredential,
        challenge: bytes,
    ) -> None:
        """Verify a use of one of the person's passkeys and move its counter, inside ``work``;
        call it within :meth:`warned`. Raises :class:`InvalidPasskey`."""
        found = await work.execute(
            _LOCK,
            tenant=work.tenant,
            user=user_id,
            credential=decoded(given.id),
            rp=party.rp_id,
        )
        row: Any = found.first()
        if row is None:
            raise InvalidPasskey("not one of the person's")
        used = check_used(party, challenge, given, public_key=bytes(row.public_key), owner=user_id)
        counts = used.sign_count > 0 or row.sign_count > 0
        if counts and used.sign_count <= row.sign_count:
            raise CounterWentBack(row.name)
        await work.execute(
            _USED,
            count=used.sign_count,
            backed_up=used.backed_up,
            tenant=work.tenant,
            id=row.id,
        )

    @asynccontextmanager
    async def warned(self, tenant_id: UUID, user_id: UUID) -> AsyncIterator[None]:
        """Tell the owner when the act inside was refused because a counter went back; the act's
        own transaction is undone by then."""
        try:
            yield
        except CounterWentBack as refused:
            async with self._db.unit_of_work(tenant_id) as work:
                detail = {"name": refused.name}
                await record(work, user_id, "passkey_counter_went_back", detail=detail)
                await tell_owner(work, user_id, "passkey_copied", detail)
            raise

    @staticmethod
    async def _tell(
        work: UnitOfWork, principal: Principal, user_id: UUID, kind: str, name: str
    ) -> None:
        detail = {"name": name}
        await record(work, user_id, kind, session_id=principal.session_id, detail=detail)
        await tell_owner(work, user_id, kind, detail)
