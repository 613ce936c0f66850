"""Identity's published language: people, tenants, plans and what a render may cost."""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.events.envelope import Event


class IdentityEvent(Event, frozen=True, kw_only=True):
    """Base of identity's events."""

    producer: ClassVar[str] = "identity"


class UserRegistered(IdentityEvent, frozen=True, kw_only=True):
    """Somebody made an account."""

    event_type: ClassVar[str] = "identity.user.registered.v1"
    user_id: UUID
    register_mode: str
    locale: str


class UserEmailVerified(IdentityEvent, frozen=True, kw_only=True):
    """An address was proven to belong to the user."""

    event_type: ClassVar[str] = "identity.user.email_verified.v1"
    user_id: UUID


class UserBanned(IdentityEvent, frozen=True, kw_only=True):
    """A user was banned; sessions are already dead."""

    event_type: ClassVar[str] = "identity.user.banned.v1"
    user_id: UUID
    reason: str
    until: datetime | None = None


class UserDeleted(IdentityEvent, frozen=True, kw_only=True):
    """An account ended for good; every context erases or anonymises what it holds of the user."""

    event_type: ClassVar[str] = "identity.user.deleted.v1"
    user_id: UUID


#: Contexts that add to a person's copy of their data; identity adds its own.
DATA_CONTEXTS = ("content", "files", "notification", "render", "studio")


class DataExportRequested(IdentityEvent, frozen=True, kw_only=True):
    """A person asked for a copy of their data: every context of ``DATA_CONTEXTS`` gives its
    part."""

    event_type: ClassVar[str] = "identity.data_export.requested.v1"
    export_id: UUID
    user_id: UUID


class DataExportGiven(Event, frozen=True, kw_only=True):
    """A context has put its part of a person's copy into the object store."""

    event_type: ClassVar[str] = "identity.data_export.given.v1"
    producer: ClassVar[str] = "any"
    export_id: UUID
    user_id: UUID
    context: str
    object_key: str


class TenantCreated(IdentityEvent, frozen=True, kw_only=True):
    """A tenant exists; every context may prepare its defaults."""

    event_type: ClassVar[str] = "identity.tenant.created.v1"
    created_tenant_id: UUID
    kind: str


class TenantSuspended(IdentityEvent, frozen=True, kw_only=True):
    """A tenant may no longer act."""

    event_type: ClassVar[str] = "identity.tenant.suspended.v1"
    suspended_tenant_id: UUID
    reason: str


class PlanActivated(IdentityEvent, frozen=True, kw_only=True):
    """A plan began for a user; ``storage_bytes`` is the storage it grants."""

    event_type: ClassVar[str] = "identity.plan.activated.v1"
    user_id: UUID
    plan_code: str
    expires_at: datetime | None
    storage_bytes: int


class PlanExpired(IdentityEvent, frozen=True, kw_only=True):
    """A plan ended; the user is on the free plan again."""

    event_type: ClassVar[str] = "identity.plan.expired.v1"
    user_id: UUID
    plan_code: str
    storage_bytes: int


class PaymentSucceeded(IdentityEvent, frozen=True, kw_only=True):
    """Money arrived and was credited exactly once."""

    event_type: ClassVar[str] = "identity.payment.succeeded.v1"
    payment_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str


class PaymentFailed(IdentityEvent, frozen=True, kw_only=True):
    """A payment did not go through."""

    event_type: ClassVar[str] = "identity.payment.failed.v1"
    payment_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str
    code: str


class PaymentRefunded(IdentityEvent, frozen=True, kw_only=True):
    """Money went back."""

    event_type: ClassVar[str] = "identity.payment.refunded.v1"
    payment_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str


class ApiKeyCreated(IdentityEvent, frozen=True, kw_only=True):
    """A tenant's API key was made."""

    event_type: ClassVar[str] = "identity.api_key.created.v1"
    key_id: UUID
    scopes: list[str]


class ApiKeyRevoked(IdentityEvent, frozen=True, kw_only=True):
    """A tenant's API key no longer works."""

    event_type: ClassVar[str] = "identity.api_key.revoked.v1"
    key_id: UUID


class RenderLimits(Struct, frozen=True, kw_only=True):
    """What a user may render now. ``daily_limit`` 0 means no limit; ``max_batch_rows`` is how many
    rows one batch may have."""

    plan_code: str
    resolutions: list[str]
    max_resolution: str
    watermark: bool
    daily_limit: int
    daily_used: int
    resets_at: datetime
    charge_minor: int
    currency: str
    max_batch_rows: int = 0


class RenderReservation(Struct, frozen=True, kw_only=True):
    """What was set aside for one job. ``weight`` is the share of the farm; an export is kept
    ``export_days`` days (None: for good)."""

    job_id: UUID
    charge_minor: int
    currency: str
    watermark: bool
    plan_code: str
    priority: int = 0
    weight: float = 1.0
    export_days: int | None = None
    max_active_jobs: int | None = None


class OpenReservation(Struct, frozen=True, kw_only=True):
    """Something set aside for a job that nobody settled or released yet."""

    tenant_id: UUID
    job_id: UUID


class RenderEntitlements(Protocol):
    """May this user render, and who pays. Every call is idempotent by ``job_id``."""

    async def limits(self, tenant_id: UUID, user_id: UUID) -> RenderLimits:
        """Return the tiers, the watermark and what is left of today."""
        ...

    async def reserve(
        self, *, tenant_id: UUID, user_id: UUID, job_id: UUID, resolution: str, seconds: float
    ) -> RenderReservation:
        """Count the render against today and set its charge aside.

        Raises a ``DomainError``: 403 ``quality_locked``, 429 ``daily_limit_reached``, 402
        ``not_enough_charge``.
        """
        ...

    async def reserve_many(
        self,
        *,
        tenant_id: UUID,
        user_id: UUID,
        job_ids: Sequence[UUID],
        resolution: str,
        seconds: float,
    ) -> RenderReservation:
        """As :meth:`reserve` for many jobs of ``seconds`` each: all of them or none, together.

        Returns the terms of each; ``job_id`` is the first one's. Settled and released one by one.
        """
        ...

    async def settle(self, *, tenant_id: UUID, job_id: UUID) -> None:
        """Turn the reservation into a charge."""
        ...

    async def release(
        self, *, tenant_id: UUID, job_id: UUID, fraction: float = 1.0, give_back_count: bool = True
    ) -> None:
        """Give back ``fraction`` of the charge and, where asked, the day's count."""
        ...

    async def overdue(self, limit: int) -> Sequence[OpenReservation]:
        """Return reservations of all tenants that are open for longer than renders usually take.

        The farm settles those whose job has ended, releases those whose job never was, and
        keeps the others.
        """
        ...

    async def keep(self, job_ids: Sequence[UUID]) -> None:
        """Note that these jobs still live: their reservations are not overdue for a while."""
        ...


class UploadLimits(Struct, frozen=True, kw_only=True):
    """What one upload may weigh on the user's plan; ``max_upload_bytes`` None: no plan limit."""

    plan_code: str
    max_upload_bytes: int | None


class UploadEntitlements(Protocol):
    """What a user may upload."""

    async def upload_limits(self, tenant_id: UUID, user_id: UUID) -> UploadLimits:
        """Return the limits of the user's plan now. Raises ``NotFound`` for an unknown user."""
        ...


class TokenIssuer(Protocol):
    """Signs short tokens for live streams with the deployment's current key."""

    async def watch(
        self,
        *,
        tenant_id: UUID,
        user_id: UUID,
        job_id: UUID,
        seconds: int,
        session_id: UUID | None = None,
    ) -> str:
        """Return a watch token: this user may follow this job (or inbox) for ``seconds``,
        at most as long as the session lives that asked."""
        ...


class UserContact(Struct, frozen=True, kw_only=True):
    """How to reach a user. An address that is not verified is still given, and marked.
    ``support_acts``: support has a session in the account just now."""

    user_id: UUID
    display_name: str
    locale: str
    email: str | None
    email_verified: bool
    mobile: str | None
    timezone: str
    support_acts: bool = False


class UserDirectory(Protocol):
    """Reads about users for contexts that serve them."""

    async def contact(self, tenant_id: UUID, user_id: UUID) -> UserContact | None:
        """Return how to reach the user, or None when there is no such user."""
        ...


class TenantInfo(Struct, frozen=True, kw_only=True):
    """What a neighbour may know of a tenant."""

    tenant_id: UUID
    name: str
    slug: str
    kind: str
    timezone: str
    locale: str
    active: bool


class TenantDirectory(Protocol):
    """Reads about tenants."""

    async def tenant(self, tenant_id: UUID) -> TenantInfo | None:
        """Return the tenant, or None."""
        ...

    async def tenants(self, tenant_ids: Sequence[UUID]) -> Sequence[TenantInfo]:
        """Return those of the tenants that exist, in no order."""
        ...

    async def by_slug(self, slug: str) -> TenantInfo | None:
        """Return the tenant with this slug, or None."""
        ...
