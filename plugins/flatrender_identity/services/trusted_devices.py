"""Devices that their owner trusts: the second factor is not asked for there for a while.

The device holds a random token, of which only a keyed hash is stored. A password comes first all
the same, and step-up is never skipped. Trust is for customers, not for staff, and not where the
tenant demands second factors or forbids it; a changed password, a ban, the end of all sessions
(they raise ``users.session_epoch``) and a changed factor end it.
"""

import secrets
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.http.context import client_address
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import inet, record, tell_owner
from flatrender_identity.settings import IdentitySettings

#: Devices of one account; the oldest makes room.
MOST = 20
_PREFIX = "ft1."

_CLEAR = """
DELETE FROM identity.trusted_devices d USING identity.users u
WHERE d.tenant_id = :tenant AND d.user_id = :user AND u.tenant_id = d.tenant_id
  AND u.id = d.user_id AND (d.revoked_at IS NOT NULL OR d.expires_at <= now()
    OR d.user_epoch <> u.session_epoch OR d.id IN (
      SELECT id FROM identity.trusted_devices WHERE tenant_id = :tenant AND user_id = :user
      ORDER BY created_at DESC, id DESC OFFSET :most))
"""
#: Whoever changes the account's factors holds this row: the session below is dead then.
_LOCK_USER = "SELECT 1 FROM identity.users WHERE tenant_id = :tenant AND id = :user FOR UPDATE"
_INSERT = """
INSERT INTO identity.trusted_devices (id, tenant_id, user_id, token_hash, name, user_agent, last_ip,
    user_epoch, expires_at)
SELECT :id, s.tenant_id, s.user_id, :hash, coalesce(s.device_name, ''), s.user_agent, s.ip,
    s.user_epoch, now() + make_interval(days => :days)
FROM identity.sessions s
WHERE s.tenant_id = :tenant AND s.user_id = :user AND s.id = :session AND s.revoked_at IS NULL
RETURNING name, user_agent
"""
_USE = """
UPDATE identity.trusted_devices d SET last_used_at = now(), last_ip = CAST(:ip AS inet)
FROM identity.users u
WHERE d.tenant_id = :tenant AND d.user_id = :user AND d.token_hash = :hash
  AND d.revoked_at IS NULL AND d.expires_at > now()
  AND d.created_at > now() - make_interval(days => :days)
  AND u.tenant_id = d.tenant_id AND u.id = d.user_id AND u.session_epoch = d.user_epoch
  AND u.role = 'user'
RETURNING d.id
"""
_REVOKE = """
UPDATE identity.trusted_devices SET revoked_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND revoked_at IS NULL
  AND id = coalesce(CAST(:id AS uuid), id)
RETURNING id
"""
_LIVE = """
FROM identity.trusted_devices d
JOIN identity.users u ON u.tenant_id = d.tenant_id AND u.id = d.user_id
WHERE d.tenant_id = $1 AND d.user_id = $2 AND d.revoked_at IS NULL AND d.expires_at > now()
  AND d.user_epoch = u.session_epoch
"""
_LINES = f"""
SELECT d.id, d.name, d.user_agent, host(d.last_ip), d.created_at, d.last_used_at, d.expires_at
{_LIVE} ORDER BY d.created_at DESC, d.id DESC LIMIT $3 OFFSET $4
"""
_COUNT = f"SELECT count(*) {_LIVE}"


class TrustedLine(Struct, frozen=True, kw_only=True):
    """A trusted device as its owner sees it."""

    id: UUID
    name: str
    user_agent: str
    ip: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


class Trust(Struct, frozen=True):
    """What a device keeps. Life in seconds."""

    token: str
    seconds: int


class TrustedDeviceService:
    """Use cases of ``identity.trusted_devices``."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._hash = context.infra.security.keyed_hash("trusted_device")
        settings = context.infra.settings.section("identity", IdentitySettings)
        self._days = settings.trusted_device_days

    async def days(self, tenant_id: UUID, role: str) -> int:
        """Return for how long somebody may trust a device; 0: not at all."""
        policy = await self._context.get(PolicyService).of(tenant_id)
        if role != "user" or policy.require_mfa:
            return 0
        return min(
            self._days,
            self._days if policy.trusted_device_days is None else policy.trusted_device_days,
        )

    async def trust(
        self, tenant_id: UUID, user_id: UUID, role: str, session_id: UUID
    ) -> Trust | None:
        """Trust the device whose session was just opened by a second factor; its owner is told.
        None where nobody may, and where the session has ended meanwhile."""
        days = await self.days(tenant_id, role)
        if days == 0:
            return None
        token = _PREFIX + secrets.token_urlsafe(32)
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(_LOCK_USER, tenant=tenant_id, user=user_id)
            made = await work.execute(
                _INSERT,
                id=uuid7(),
                tenant=tenant_id,
                user=user_id,
                session=session_id,
                hash=self._hash.digest(token),
                days=days,
            )
            row = made.first()
            if row is None:
                return None
            await work.execute(_CLEAR, tenant=tenant_id, user=user_id, most=MOST)
            told = {"device": row.name or row.user_agent[:120], "days": str(days)}
            await record(
                work,
                user_id,
                "device_trusted",
                session_id=session_id,
                user_agent=row.user_agent,
                detail=told,
            )
            await tell_owner(work, user_id, "device_trusted", told)
        return Trust(token, int(timedelta(days=days).total_seconds()))

    async def trusted(self, tenant_id: UUID, user_id: UUID, role: str, token: str | None) -> bool:
        """True when the token is of a device that this person trusts still; its use is noted."""
        if token is None or not token.startswith(_PREFIX):
            return False
        days = await self.days(tenant_id, role)
        if days == 0:
            return False
        async with self._db.unit_of_work(tenant_id) as work:
            used = await work.execute(
                _USE,
                tenant=tenant_id,
                user=user_id,
                hash=self._hash.digest(token),
                days=days,
                ip=inet(client_address()),
            )
            return used.first() is not None

    async def page(self, tenant_id: UUID, user_id: UUID, page: PageParams) -> Page[TrustedLine]:
        """Return one page of the devices that a person trusts, the latest first."""
        rows = await self._db.reads.all(
            TrustedLine, tenant_id, _LINES, tenant_id, user_id, page.limit, page.offset
        )
        total = await self._db.reads.value(tenant_id, _COUNT, tenant_id, user_id)
        return page.of(rows, int(total))

    async def revoke(self, principal: Principal, device_id: UUID | None) -> int:
        """Trust one of the caller's devices no more, or none of them; returns how many.

        Raises ``NotFound`` for one that is not the caller's.
        """
        if principal.user_id is None:
            raise NotFound()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            ended = await end_trust(work, principal.user_id, device_id)
            if device_id is not None and not ended:
                raise NotFound()
            if ended:
                await record(
                    work,
                    principal.user_id,
                    "device_trust_ended",
                    session_id=principal.session_id,
                    detail={"devices": ended},
                )
        return ended


async def end_trust(work: UnitOfWork, user_id: UUID, device_id: UUID | None = None) -> int:
    """End the trust in one of a person's devices, or in all, inside ``work``; returns how many."""
    ended = await work.execute(_REVOKE, tenant=work.tenant, user=user_id, id=device_id)
    return len(ended.all())
