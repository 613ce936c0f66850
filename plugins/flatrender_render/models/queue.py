"""Who is served next: tenants' shares of the farm, and the lanes in which work waits."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Double, FetchedValue
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender_render.models.base import Base


class TenantShare(Base):
    """How tenants share the farm; the claim takes from the tenant that is furthest behind."""

    __tablename__ = "tenant_shares"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    max_running_frames: Mapped[int | None]
    max_running_frames_per_user: Mapped[int | None]
    max_active_jobs: Mapped[int | None]
    max_active_jobs_per_user: Mapped[int | None]
    virtual_time: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    running_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    waiting_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_claim_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class TenantShareChange(Base):
    """A change of a tenant's share of the farm: what it became, by whom and why."""

    __tablename__ = "tenant_share_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    weight: Mapped[float] = mapped_column(Double)
    max_running_frames: Mapped[int | None]
    max_running_frames_per_user: Mapped[int | None]
    changed_by: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    request_id: Mapped[str | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)


class QueueTenant(Base):
    """Tenants in the queue of an engine; the least served of those with work goes first."""

    __tablename__ = "queue_tenants"

    engine: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    received: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    woken_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class QueueLane(Base):
    """What waits for an engine, by tenant, person and what a node must have."""

    __tablename__ = "queue_lanes"

    engine: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    needs_key: Mapped[str] = mapped_column(primary_key=True)
    needs: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    received: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    head_start: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    woken_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
