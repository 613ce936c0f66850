"""What the security layer asks of contexts: ports that they offer in their manifests.

``KeySource`` is in ``tokens``. Nothing here has behaviour.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from litestar import Request

from flatrender.security.principal import Principal, Role


class SessionLedger(Protocol):
    """The truth about sessions, in PostgreSQL."""

    async def session_live(self, session_id: UUID) -> bool:
        """True while the session may act: it exists, is not ended or out of time, and its user
        and tenant are active."""
        ...


class RoleLedger(Protocol):
    """What a tenant has changed about its roles, in PostgreSQL."""

    async def role_changes(self, tenant_id: UUID, role: Role) -> Mapping[str, bool]:
        """Return permission -> allowed, where the tenant differs from the code."""
        ...


class FactorLedger(Protocol):
    """What people can show as a second factor, in PostgreSQL."""

    async def methods(self, tenant_id: UUID, user_id: UUID) -> list[str]:
        """Return a user's own: of ``totp``, ``passkey``, ``recovery_code``; empty: none yet."""
        ...


class SupportLedger(Protocol):
    """What support does in customers' accounts, in PostgreSQL."""

    async def asked(self, principal: Principal, method: str, path: str) -> None:
        """Write down a change that support asks for in the account of ``principal``, before it is
        made."""
        ...


class TenantResolver(Protocol):
    """Which tenant an anonymous call belongs to. Answers are cached for a minute."""

    async def by_publishable_key(self, key: str) -> UUID | None:
        """Return the active tenant with this publishable key, or None."""
        ...

    async def by_domain(self, host: str) -> UUID | None:
        """Return the active tenant that has proven this domain (lower case, no port), or None."""
        ...


class ReplayLedger(Protocol):
    """Remembers used signatures in PostgreSQL while Valkey is away."""

    async def first_use(self, key: str, until: datetime) -> bool:
        """Record ``key`` until then; True when it was not there."""
        ...


class Authenticator(Protocol):
    """Another kind of credential: API keys, node signatures.

    ``header`` is the lower-case header whose presence means that the caller uses it. The body
    may be read (``await request.body()``): handlers see it again.
    """

    header: str

    async def authenticate(self, request: Request[Any, Any, Any]) -> Principal:
        """Return the caller, or raise :class:`flatrender.errors.Unauthorized`."""
        ...


class ApiKeyAuthenticator(Authenticator, Protocol):
    """The port of ``X-API-Key``; identity offers it."""


class NodeAuthenticator(Authenticator, Protocol):
    """The port of ``X-Node-Signature``; render offers it."""
