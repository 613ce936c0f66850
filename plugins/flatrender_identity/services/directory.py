"""Reads for neighbours and for the kernel: who a tenant is, how to reach a user."""

from collections.abc import Sequence
from uuid import UUID

from flatrender.contracts.identity import TenantInfo, UserContact
from flatrender.plugin import PluginContext

_CONTACT = """
SELECT u.id, u.display_name, u.locale, u.email, u.email_verified_at IS NOT NULL, u.mobile,
       coalesce(u.timezone, t.timezone),
       EXISTS (SELECT FROM identity.sessions s WHERE s.tenant_id = u.tenant_id AND s.user_id = u.id
               AND s.impersonator_id IS NOT NULL AND s.revoked_at IS NULL
               AND s.idle_expires_at > now() AND s.absolute_expires_at > now())
FROM identity.users u JOIN identity.tenants t ON t.id = u.tenant_id
WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL
"""
_INFO = """
SELECT id AS tenant_id, name_fa AS name, slug, kind, timezone, locale, status = 'Active' AS active
FROM identity.tenants
"""
_TENANT = _INFO + "WHERE id = $1"
_TENANTS = _INFO + "WHERE id = ANY ($1::uuid[])"
_BY_SLUG = _INFO + "WHERE slug = $1"
_BY_KEY = "SELECT id FROM identity.tenants WHERE publishable_key = $1 AND status = 'Active'"
_BY_DOMAIN = """
SELECT t.id FROM identity.tenant_domains d JOIN identity.tenants t ON t.id = d.tenant_id
WHERE d.domain = $1 AND d.proven_at IS NOT NULL AND t.status = 'Active'
"""


class DirectoryService:
    """Implements ``UserDirectory``, ``TenantDirectory`` and the kernel's ``TenantResolver``."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def contact(self, tenant_id: UUID, user_id: UUID) -> UserContact | None:
        """Return how to reach a user, or None."""
        return await self._db.reads.one(UserContact, tenant_id, _CONTACT, tenant_id, user_id)

    async def tenant(self, tenant_id: UUID) -> TenantInfo | None:
        """Return a tenant, or None."""
        return await self._db.reads.one(TenantInfo, tenant_id, _TENANT, tenant_id)

    async def tenants(self, tenant_ids: Sequence[UUID]) -> list[TenantInfo]:
        """Return those of the tenants that exist, in no order."""
        rows = await self._db.system_fetch("names of tenants", _TENANTS, list(tenant_ids))
        return [TenantInfo(**row) for row in rows]

    async def by_slug(self, slug: str) -> TenantInfo | None:
        """Return the tenant with this slug, or None."""
        rows = await self._db.system_fetch("tenant by its slug", _BY_SLUG, slug)
        return TenantInfo(**rows[0]) if rows else None

    async def by_publishable_key(self, key: str) -> UUID | None:
        """Return the active tenant with this key, or None."""
        return await self._tenant_by(_BY_KEY, key)

    async def by_domain(self, host: str) -> UUID | None:
        """Return the active tenant that has proven this domain, or None."""
        return await self._tenant_by(_BY_DOMAIN, host)

    async def _tenant_by(self, sql: str, value: str) -> UUID | None:
        rows = await self._db.system_fetch("tenant of an anonymous call", sql, value)
        found: UUID | None = rows[0][0] if rows else None
        return found
