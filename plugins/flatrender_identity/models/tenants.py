"""Mapped tables of the identity schema: tenants."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Double, FetchedValue, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_identity.models.base import Base


class Tenant(Base):
    """Who sells: FlatRender itself, resellers and enterprises. Root of every tenant_id."""

    __tablename__ = "tenants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    kind: Mapped[str]
    slug: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    suspended_at: Mapped[datetime | None]
    suspended_reason: Mapped[str | None]
    publishable_key: Mapped[str]
    timezone: Mapped[str] = mapped_column(server_default=FetchedValue())
    locale: Mapped[str] = mapped_column(server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    owner_user_id: Mapped[UUID | None]
    contact_name: Mapped[str | None]
    contact_email: Mapped[str | None]
    contact_mobile: Mapped[str | None]
    policy: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    farm_weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    max_active_jobs: Mapped[int | None]
    storage_limit_bytes: Mapped[int | None] = mapped_column(BigInteger)
    metadata_: Mapped[Any] = mapped_column(
        "metadata", JSONB, server_default=FetchedValue(), nullable=False
    )
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class TenantDomain(Base):
    """Domains a tenant claims; only a proven one decides the tenant of an anonymous call."""

    __tablename__ = "tenant_domains"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    domain: Mapped[str]
    verification_token: Mapped[str]
    is_primary: Mapped[bool] = mapped_column(server_default=FetchedValue())
    proven_at: Mapped[datetime | None]
    last_checked_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class TenantBranding(Base):
    """How a tenant looks to its customers: names, pictures, colours, sender, watermark."""

    __tablename__ = "tenant_branding"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name_fa: Mapped[str | None]
    display_name_en: Mapped[str | None]
    tagline_fa: Mapped[str | None]
    tagline_en: Mapped[str | None]
    logo_object_key: Mapped[str | None]
    logo_dark_object_key: Mapped[str | None]
    favicon_object_key: Mapped[str | None]
    watermark_object_key: Mapped[str | None]
    watermark_text: Mapped[str | None]
    colors: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    font_family: Mapped[str | None]
    support_email: Mapped[str | None]
    support_phone: Mapped[str | None]
    support_url: Mapped[str | None]
    website_url: Mapped[str | None]
    email_from_name: Mapped[str | None]
    email_from_address: Mapped[str | None]
    email_footer_fa: Mapped[str | None]
    email_footer_en: Mapped[str | None]
    social_links: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class TenantApiKey(Base):
    """API keys id.secret of a tenant; of the secret only a keyed hash is kept."""

    __tablename__ = "tenant_api_keys"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    name: Mapped[str]
    prefix: Mapped[str]
    key_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash_key_id: Mapped[str] = mapped_column(server_default=FetchedValue())
    last_four: Mapped[str] = mapped_column(server_default=FetchedValue())
    signing_secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    require_signature: Mapped[bool] = mapped_column(server_default=FetchedValue())
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    allowed_ips: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    rate_limit_per_minute: Mapped[int | None]
    created_by: Mapped[UUID | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_used_ip: Mapped[Any] = mapped_column(INET, nullable=True)
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class TenantWebhook(Base):
    """Where a tenant is told of events (Standard Webhooks)."""

    __tablename__ = "tenant_webhooks"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    url: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=FetchedValue())
    events: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    secret_enc: Mapped[bytes] = mapped_column(LargeBinary)
    previous_secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret_until: Mapped[datetime | None]
    headers: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    consecutive_failures: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_success_at: Mapped[datetime | None]
    last_failure_at: Mapped[datetime | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One event for one webhook; its id is the webhook-id header, the same in every attempt."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "webhook_id"],
            ["identity.tenant_webhooks.tenant_id", "identity.tenant_webhooks.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    webhook_id: Mapped[UUID]
    event_id: Mapped[UUID]
    event_type: Mapped[str]
    payload: Mapped[Any] = mapped_column(JSONB, nullable=False)
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    next_attempt_at: Mapped[datetime | None]
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    is_test: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class WebhookAttempt(Base):
    """Every try of a delivery and what came back (the first kilobyte)."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "delivery_id"],
            ["identity.webhook_deliveries.tenant_id", "identity.webhook_deliveries.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    delivery_id: Mapped[UUID]
    attempt: Mapped[int]
    started_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    duration_ms: Mapped[int | None]
    status: Mapped[int | None]
    error: Mapped[str | None]
    response_excerpt: Mapped[str | None]


class TenantUsageDaily(Base):
    """What a tenant used per day of its own time zone: what it is metered by."""

    __tablename__ = "tenant_usage_daily"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    renders_submitted: Mapped[int] = mapped_column(server_default=FetchedValue())
    renders_completed: Mapped[int] = mapped_column(server_default=FetchedValue())
    renders_failed: Mapped[int] = mapped_column(server_default=FetchedValue())
    renders_cancelled: Mapped[int] = mapped_column(server_default=FetchedValue())
    output_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    compute_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    frames: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    charge_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    revenue_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    api_calls: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    api_errors: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    signups: Mapped[int] = mapped_column(server_default=FetchedValue())
    messages_sent: Mapped[int] = mapped_column(server_default=FetchedValue())
    uploaded_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    storage_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    egress_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class TenantApiRequestLog(Base):
    """API calls made with a tenant's keys, monthly partitions; no body, no token, no query."""

    __tablename__ = "tenant_api_request_logs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=FetchedValue())
    key_id: Mapped[UUID | None]
    request_id: Mapped[str]
    method: Mapped[str]
    route: Mapped[str]
    status: Mapped[int]
    error_code: Mapped[str | None]
    duration_ms: Mapped[float] = mapped_column(Double)
    request_bytes: Mapped[int | None] = mapped_column(BigInteger)
    response_bytes: Mapped[int | None] = mapped_column(BigInteger)
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    user_agent: Mapped[str | None]
