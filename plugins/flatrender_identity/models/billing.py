"""Mapped tables of the identity schema: billing."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Double, FetchedValue, ForeignKeyConstraint, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_identity.models.base import Base


class Plan(Base):
    """What people can buy and what it allows. Code "free" is what everybody without a plan
    has."""

    __tablename__ = "plans"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    code: Mapped[str]
    name_fa: Mapped[str]
    name_en: Mapped[str]
    description_fa: Mapped[str] = mapped_column(server_default=FetchedValue())
    description_en: Mapped[str] = mapped_column(server_default=FetchedValue())
    tier: Mapped[int] = mapped_column(server_default=FetchedValue())
    price_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    compare_price_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    period_days: Mapped[int | None]
    resolutions: Mapped[list[str]] = mapped_column(ARRAY(Text))
    max_resolution: Mapped[str]
    watermark: Mapped[bool] = mapped_column(server_default=FetchedValue())
    daily_render_limit: Mapped[int] = mapped_column(server_default=FetchedValue())
    max_video_seconds: Mapped[int | None]
    max_active_jobs: Mapped[int | None]
    max_saved_projects: Mapped[int | None]
    storage_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    max_upload_bytes: Mapped[int | None] = mapped_column(BigInteger)
    export_days: Mapped[int | None]
    render_charge_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    priority: Mapped[int] = mapped_column(server_default=FetchedValue())
    farm_weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    features: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    position: Mapped[int] = mapped_column(server_default=FetchedValue())
    is_public: Mapped[bool] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class DiscountCode(Base):
    """Codes that lower a price, by percent or by amount."""

    __tablename__ = "discount_codes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    code: Mapped[str]
    percent: Mapped[int | None]
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    max_discount_minor: Mapped[int | None] = mapped_column(BigInteger)
    plan_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid), server_default=FetchedValue())
    user_id: Mapped[UUID | None]
    max_uses: Mapped[int | None]
    max_uses_per_user: Mapped[int | None]
    used_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class Payment(Base):
    """Payments through a gateway; the amount verified is the one stored here."""

    __tablename__ = "payments"
    __table_args__ = (
        ForeignKeyConstraint(["discount_code_id"], ["identity.discount_codes.id"]),
        ForeignKeyConstraint(["plan_id"], ["identity.plans.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["identity.users.tenant_id", "identity.users.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    gateway: Mapped[str]
    purpose: Mapped[str]
    plan_id: Mapped[UUID | None]
    discount_code_id: Mapped[UUID | None]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    discount_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    fee_minor: Mapped[int | None] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    authority: Mapped[str | None]
    reference: Mapped[str | None]
    gateway_code: Mapped[int | None]
    gateway_message: Mapped[str | None]
    card_masked: Mapped[str | None]
    card_hash: Mapped[str | None]
    sandbox: Mapped[bool] = mapped_column(server_default=FetchedValue())
    description: Mapped[str] = mapped_column(server_default=FetchedValue())
    return_url: Mapped[str | None]
    client_ip: Mapped[Any] = mapped_column(INET, nullable=True)
    invoice_number: Mapped[str | None]
    metadata_: Mapped[Any] = mapped_column(
        "metadata", JSONB, server_default=FetchedValue(), nullable=False
    )
    redirected_at: Mapped[datetime | None]
    verified_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    refunded_at: Mapped[datetime | None]
    refund_reference: Mapped[str | None]
    reconcile_after: Mapped[datetime | None]
    reconcile_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UserPlan(Base):
    """Which plan a person has and had; at most one is active. Nobody active means the free
    plan."""

    __tablename__ = "user_plans"
    __table_args__ = (
        ForeignKeyConstraint(["plan_id"], ["identity.plans.id"]),
        ForeignKeyConstraint(
            ["tenant_id", "payment_id"], ["identity.payments.tenant_id", "identity.payments.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    plan_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    source: Mapped[str]
    payment_id: Mapped[UUID | None]
    granted_by: Mapped[UUID | None]
    reason: Mapped[str | None]
    starts_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    expires_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    price_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    auto_renew: Mapped[bool] = mapped_column(server_default=FetchedValue())
    reminded_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class PlanDaysLedger(Base):
    """Every change of a plan's days, by whom and why. Append only."""

    __tablename__ = "plan_days_ledger"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_plan_id"],
            ["identity.user_plans.tenant_id", "identity.user_plans.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    user_plan_id: Mapped[UUID]
    delta_days: Mapped[int]
    expires_at_after: Mapped[datetime | None]
    kind: Mapped[str]
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    actor_id: Mapped[UUID | None]
    reference: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class Wallet(Base):
    """A person's money with us; the sum of its ledger."""

    __tablename__ = "wallets"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["identity.users.tenant_id", "identity.users.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    balance_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class WalletLedger(Base):
    """Every change of a wallet, with who and why. Append only."""

    __tablename__ = "wallet_ledger"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "payment_id"], ["identity.payments.tenant_id", "identity.payments.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "wallet_id"], ["identity.wallets.tenant_id", "identity.wallets.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    wallet_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[str]
    delta_minor: Mapped[int] = mapped_column(BigInteger)
    balance_after_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    reference: Mapped[str]
    payment_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    actor_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class RenderChargeAccount(Base):
    """Render charge of a person: what renders are paid with."""

    __tablename__ = "render_charge_accounts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["identity.users.tenant_id", "identity.users.id"]
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    balance_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    reserved_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class RenderChargeLedger(Base):
    """Every change of render charge, with who and why. Append only."""

    __tablename__ = "render_charge_ledger"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            [
                "identity.render_charge_accounts.tenant_id",
                "identity.render_charge_accounts.user_id",
            ],
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[str]
    delta_minor: Mapped[int] = mapped_column(BigInteger)
    reserved_delta_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    balance_after_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    reference: Mapped[str]
    job_id: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    actor_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class RenderPrice(Base):
    """What a second of output costs at each resolution; admins edit it."""

    __tablename__ = "render_prices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id"], ["identity.tenants.id"], ondelete="CASCADE"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    resolution: Mapped[str] = mapped_column(primary_key=True)
    charge_per_second_minor: Mapped[int] = mapped_column(BigInteger)
    minimum_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    updated_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class RenderReservation(Base):
    """What one render set aside; keyed by the job, so reserve, settle and release can be
    repeated."""

    __tablename__ = "render_reservations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"], ["identity.users.tenant_id", "identity.users.id"]
        ),
    )

    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    day: Mapped[date]
    resolution: Mapped[str]
    seconds: Mapped[float] = mapped_column(Double)
    charge_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    watermark: Mapped[bool]
    plan_id: Mapped[UUID | None]
    plan_code: Mapped[str]
    priority: Mapped[int] = mapped_column(server_default=FetchedValue())
    weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    released_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    count_given_back: Mapped[bool] = mapped_column(server_default=FetchedValue())
    settled_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class UserDailyUsage(Base):
    """Renders counted per person and day of the tenant's zone; a new day has no row yet, which
    is the lazy reset."""

    __tablename__ = "user_daily_usage"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "user_id"],
            ["identity.users.tenant_id", "identity.users.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    renders: Mapped[int] = mapped_column(server_default=FetchedValue())
    seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
