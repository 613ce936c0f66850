"""Identity's hot reads: SQL to Struct."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from flatrender.db import ReadPool
from flatrender_identity.addresses import Address


class Me(Struct, frozen=True, kw_only=True):
    """A user as they see themselves."""

    id: UUID
    email: str | None
    email_verified: bool
    mobile: str | None
    mobile_verified: bool
    display_name: str
    role: str
    locale: str
    timezone: str
    mfa_enabled: bool
    tenant_id: UUID
    plan_code: str
    plan_expires_at: datetime | None
    created_at: datetime
    deletion_due_at: datetime | None


_ME = """
SELECT u.id, u.email, u.email_verified_at IS NOT NULL, u.mobile, u.mobile_verified_at IS NOT NULL,
       u.display_name, u.role, u.locale, coalesce(u.timezone, t.timezone), u.mfa_enabled,
       u.tenant_id, coalesce(p.code, 'free'), up.expires_at, u.created_at, u.deletion_due_at
FROM identity.users u
JOIN identity.tenants t ON t.id = u.tenant_id
LEFT JOIN identity.user_plans up ON up.tenant_id = u.tenant_id AND up.user_id = u.id
     AND up.status = 'Active' AND (up.expires_at IS NULL OR up.expires_at > now())
LEFT JOIN identity.plans p ON p.id = up.plan_id
WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL
"""


async def me_of(reads: ReadPool, tenant_id: UUID, user_id: UUID) -> Me | None:
    """Return one user, or None."""
    return await reads.one(Me, tenant_id, _ME, tenant_id, user_id)


class Credential(Struct, frozen=True):
    """What a login needs of an account."""

    id: UUID
    password_hash: str | None
    role: str
    status: str
    mfa_enabled: bool
    session_epoch: int
    password_must_change: bool = False


_CREDENTIAL = """
SELECT id, password_hash, role, status, mfa_enabled, session_epoch, password_must_change
FROM identity.users
WHERE tenant_id = $1 AND email_key = $2 AND deleted_at IS NULL
"""


#: A mobile signs in once it is proven: until then anybody may have typed it.
_CREDENTIAL_MOBILE = """
SELECT id, password_hash, role, status, mfa_enabled, session_epoch, password_must_change
FROM identity.users
WHERE tenant_id = $1 AND mobile = $2 AND mobile_verified_at IS NOT NULL AND deleted_at IS NULL
"""


async def credential_of(reads: ReadPool, tenant_id: UUID, address: Address) -> Credential | None:
    """Return the account behind an address, or None."""
    sql = _CREDENTIAL if address.kind == "Email" else _CREDENTIAL_MOBILE
    return await reads.one(Credential, tenant_id, sql, tenant_id, address.value)


_ACTIVE = """
SELECT id, password_hash, role, status, mfa_enabled, session_epoch, password_must_change
FROM identity.users
WHERE tenant_id = $1 AND id = $2 AND status = 'Active' AND deleted_at IS NULL
"""


async def active_credential(reads: ReadPool, tenant_id: UUID, user_id: UUID) -> Credential | None:
    """Return an account that may sign in, or None."""
    return await reads.one(Credential, tenant_id, _ACTIVE, tenant_id, user_id)


class LiveSession(Struct, frozen=True, kw_only=True):
    """A session that is not over. ``methods`` as in RFC 8176 where it has a word (pwd, otp, sms,
    fed), else email, passkey, recovery_code, trusted_device; ``by_support``: staff act in it."""

    id: UUID
    device_name: str | None
    user_agent: str
    ip: str | None
    first_ip: str | None
    methods: list[str]
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    by_support: bool


class SessionLine(LiveSession, frozen=True, kw_only=True):
    """A session as listed to its owner. ``current``: the one that asks."""

    current: bool


_SESSIONS = """
SELECT id, device_name, user_agent, host(last_ip), host(ip), amr, created_at, last_seen_at,
       least(idle_expires_at, absolute_expires_at), impersonator_id IS NOT NULL,
       id IS NOT DISTINCT FROM $5::uuid
FROM identity.sessions
WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND idle_expires_at > now()
  AND absolute_expires_at > now()
ORDER BY last_seen_at DESC, id LIMIT $3 OFFSET $4
"""
_SESSION_COUNT = """
SELECT count(*) FROM identity.sessions
WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL AND idle_expires_at > now()
  AND absolute_expires_at > now()
"""


async def sessions_of(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID,
    *,
    current: UUID | None,
    limit: int,
    offset: int,
) -> tuple[list[SessionLine], int]:
    """Return one page of a user's live sessions and how many there are."""
    rows = await reads.all(
        SessionLine, tenant_id, _SESSIONS, tenant_id, user_id, limit, offset, current
    )
    total = await reads.value(tenant_id, _SESSION_COUNT, tenant_id, user_id)
    return rows, int(total)


class PlanOffer(Struct, frozen=True, kw_only=True):
    """A plan on sale."""

    code: str
    name_fa: str
    name_en: str
    description_fa: str
    description_en: str
    price_minor: int
    currency: str
    period_days: int | None
    resolutions: list[str]
    max_resolution: str
    watermark: bool
    daily_render_limit: int
    storage_bytes: int
    render_charge_minor: int


_PLANS = """
WITH own AS (SELECT EXISTS (SELECT FROM identity.plans WHERE tenant_id = $1
                            AND active AND is_public AND deleted_at IS NULL) AS has)
SELECT code, name_fa, name_en, description_fa, description_en, price_minor, currency, period_days,
       resolutions, max_resolution, watermark, daily_render_limit, storage_bytes,
       render_charge_minor
FROM identity.plans, own
WHERE active AND is_public AND deleted_at IS NULL
  AND tenant_id = CASE WHEN own.has THEN $1 ELSE public.default_tenant() END
ORDER BY position LIMIT $2 OFFSET $3
"""


async def plans_of(reads: ReadPool, tenant_id: UUID, *, limit: int, offset: int) -> list[PlanOffer]:
    """Return the plans a tenant sells: its own, else the default tenant's."""
    return await reads.all(PlanOffer, tenant_id, _PLANS, tenant_id, limit, offset)


class SecurityLine(Struct, frozen=True, kw_only=True):
    """One line of an account's security log: ``kind`` is a stable word, ``detail`` its values;
    ``by_support``: support did it, acting in the account."""

    id: UUID
    kind: str
    at: datetime
    ip: str | None
    user_agent: str
    session_id: UUID | None
    detail: dict[str, Any]
    by_support: bool


_SECURITY_LOG = """
SELECT id, kind, created_at, host(ip), user_agent, session_id, detail,
       impersonator_id IS NOT NULL
FROM identity.security_events WHERE tenant_id = $1 AND user_id = $2
ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4
"""
_SECURITY_COUNT = """
SELECT count(*) FROM identity.security_events WHERE tenant_id = $1 AND user_id = $2
"""


async def security_log_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID, *, limit: int, offset: int
) -> tuple[list[SecurityLine], int]:
    """Return one page of an account's security log and how many lines it has."""
    rows = await reads.all(
        SecurityLine, tenant_id, _SECURITY_LOG, tenant_id, user_id, limit, offset
    )
    total = await reads.value(tenant_id, _SECURITY_COUNT, tenant_id, user_id)
    return rows, int(total)
