"""Mapped tables of the identity schema: users."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Computed, FetchedValue, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_identity.models.base import Base


class User(Base):
    """People of a tenant. E-mail, mobile and external id are unique per tenant."""

    __tablename__ = "users"
    __table_args__ = (ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"]),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    register_mode: Mapped[str]
    email: Mapped[str | None]
    email_key: Mapped[str | None] = mapped_column(Computed("by the database", persisted=True))
    email_verified_at: Mapped[datetime | None]
    mobile: Mapped[str | None]
    mobile_verified_at: Mapped[datetime | None]
    external_id: Mapped[str | None]
    password_hash: Mapped[str | None]
    password_changed_at: Mapped[datetime | None]
    password_must_change: Mapped[bool] = mapped_column(server_default=FetchedValue())
    role: Mapped[str] = mapped_column(server_default=FetchedValue())
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    display_name: Mapped[str] = mapped_column(server_default=FetchedValue())
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    company: Mapped[str | None]
    avatar_object_key: Mapped[str | None]
    locale: Mapped[str] = mapped_column(server_default=FetchedValue())
    timezone: Mapped[str | None]
    country: Mapped[str | None]
    banned_at: Mapped[datetime | None]
    banned_until: Mapped[datetime | None]
    ban_reason: Mapped[str | None]
    banned_by: Mapped[UUID | None]
    daily_render_limit: Mapped[int | None]
    session_epoch: Mapped[int] = mapped_column(server_default=FetchedValue())
    mfa_enabled: Mapped[bool] = mapped_column(server_default=FetchedValue())
    mfa_failed_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    mfa_locked_until: Mapped[datetime | None]
    last_login_at: Mapped[datetime | None]
    last_login_ip: Mapped[Any] = mapped_column(INET, nullable=True)
    last_seen_at: Mapped[datetime | None]
    login_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    marketing_consent: Mapped[bool] = mapped_column(server_default=FetchedValue())
    terms_accepted_at: Mapped[datetime | None]
    referral_code: Mapped[str | None]
    referred_by: Mapped[UUID | None]
    metadata_: Mapped[Any] = mapped_column(
        "metadata", JSONB, server_default=FetchedValue(), nullable=False
    )
    deletion_requested_at: Mapped[datetime | None]
    deletion_due_at: Mapped[datetime | None]
    search: Mapped[str | None] = mapped_column(Computed("by the database", persisted=True))
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class Invitation(Base):
    """Invitations into a tenant, with the role they bring."""

    __tablename__ = "invitations"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    email: Mapped[str | None]
    mobile: Mapped[str | None]
    role: Mapped[str] = mapped_column(server_default=FetchedValue())
    message: Mapped[str] = mapped_column(server_default=FetchedValue())
    invited_by: Mapped[UUID | None]
    accepted_by: Mapped[UUID | None]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class RolePermission(Base):
    """A tenant's changes to what its roles may do; what is not here is as the code says."""

    __tablename__ = "role_permissions"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    permission: Mapped[str] = mapped_column(primary_key=True)
    allowed: Mapped[bool] = mapped_column(server_default=FetchedValue())
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class SecurityEvent(Base):
    """An account's own security log: sign-ins, changed factors, killed sessions. Append only."""

    __tablename__ = "security_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[str]
    session_id: Mapped[UUID | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    user_agent: Mapped[str] = mapped_column(server_default=FetchedValue())
    detail: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    impersonator_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class AuditLog(Base):
    """Who did what to whom, before and after, from where and why. No role of the context can
    change or delete a row."""

    __tablename__ = "audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    impersonator_id: Mapped[UUID | None]
    action: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[str]
    before: Mapped[Any] = mapped_column(JSONB, nullable=True)
    after: Mapped[Any] = mapped_column(JSONB, nullable=True)
    reason: Mapped[str | None]
    request_id: Mapped[str | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    user_agent: Mapped[str] = mapped_column(server_default=FetchedValue())
    session_id: Mapped[UUID | None]
    search: Mapped[Any] = mapped_column(
        TSVECTOR, Computed("by the database", persisted=True), nullable=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class DataExport(Base):
    """A person's request for a copy of their own data."""

    __tablename__ = "data_exports"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    object_key: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None]
    parts: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    ready_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class PushSubscription(Base):
    """Browsers that take push messages; removed when the push service says gone."""

    __tablename__ = "push_subscriptions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    endpoint: Mapped[str]
    p256dh: Mapped[str]
    auth_enc: Mapped[bytes] = mapped_column(LargeBinary)
    user_agent: Mapped[str] = mapped_column(server_default=FetchedValue())
    locale: Mapped[str | None]
    failures: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_success_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UserCrm(Base):
    """Tags, note and pipeline status of a customer, for staff only."""

    __tablename__ = "user_crm"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    note: Mapped[str] = mapped_column(server_default=FetchedValue())
    pipeline_status: Mapped[str] = mapped_column(server_default=FetchedValue())
    pipeline_changed_at: Mapped[datetime | None]
    owner_id: Mapped[UUID | None]
    next_follow_up_at: Mapped[datetime | None]
    last_contacted_at: Mapped[datetime | None]
    updated_by: Mapped[UUID | None]
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UserCrmActivity(Base):
    """History of a customer's CRM entry. Append only."""

    __tablename__ = "user_crm_activities"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[str]
    body: Mapped[str] = mapped_column(server_default=FetchedValue())
    before: Mapped[Any] = mapped_column(JSONB, nullable=True)
    after: Mapped[Any] = mapped_column(JSONB, nullable=True)
    actor_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
