"""Mapped tables of the render schema: nodes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Double, FetchedValue, ForeignKeyConstraint, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_render.models.base import Base


class Node(Base):
    """Machines that render: workers of the pool and remote nodes over HTTP."""

    __tablename__ = "nodes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(server_default=FetchedValue())
    status: Mapped[str] = mapped_column(server_default=FetchedValue())
    status_reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    status_since: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    hostname: Mapped[str] = mapped_column(server_default=FetchedValue())
    os: Mapped[str] = mapped_column(server_default=FetchedValue())
    arch: Mapped[str] = mapped_column(server_default=FetchedValue())
    region: Mapped[str] = mapped_column(server_default=FetchedValue())
    labels: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    cpu_cores: Mapped[int | None]
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_free_bytes: Mapped[int | None] = mapped_column(BigInteger)
    gpu: Mapped[str | None]
    engines: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    engine_versions: Mapped[Any] = mapped_column(
        JSONB, server_default=FetchedValue(), nullable=False
    )
    capabilities: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    agent_version: Mapped[str] = mapped_column(server_default=FetchedValue())
    slots: Mapped[int] = mapped_column(server_default=FetchedValue())
    busy_slots: Mapped[int] = mapped_column(server_default=FetchedValue())
    only_tenant_id: Mapped[UUID | None]
    boot_id: Mapped[UUID | None]
    secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    secret_version: Mapped[int] = mapped_column(server_default=FetchedValue())
    previous_secret_enc: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous_secret_until: Mapped[datetime | None]
    last_heartbeat_at: Mapped[datetime | None]
    last_address: Mapped[Any] = mapped_column(INET, nullable=True)
    clock_offset_ms: Mapped[float | None] = mapped_column(Double)
    drain_requested_at: Mapped[datetime | None]
    consecutive_failures: Mapped[int] = mapped_column(server_default=FetchedValue())
    crash_count: Mapped[int] = mapped_column(server_default=FetchedValue())
    rest_until: Mapped[datetime | None]
    quarantined_at: Mapped[datetime | None]
    quarantine_reason: Mapped[str | None]
    quarantined_by: Mapped[UUID | None]
    frames_done: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    busy_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    cache_budget_bytes: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    bandwidth_limit_bps: Mapped[int | None] = mapped_column(BigInteger)
    enrolled_by: Mapped[UUID | None]
    registered_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    started_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    deleted_at: Mapped[datetime | None]


class NodeCommand(Base):
    """Acts of admins and of the farm on a node, delivered with its next heartbeat."""

    __tablename__ = "node_commands"
    __table_args__ = (ForeignKeyConstraint(["node_id"], ["render.nodes.id"], ondelete="CASCADE"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    node_id: Mapped[UUID]
    act: Mapped[str]
    arguments: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    requested_by: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    result: Mapped[Any] = mapped_column(JSONB, nullable=True)
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class FarmAct(Base):
    """Acts on the farm's machines, rules and fonts. Append only."""

    __tablename__ = "farm_acts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    act: Mapped[str]
    target_type: Mapped[str]
    target_id: Mapped[str]
    target_name: Mapped[str] = mapped_column(server_default=FetchedValue())
    before: Mapped[Any] = mapped_column(JSONB, nullable=True)
    after: Mapped[Any] = mapped_column(JSONB, nullable=True)
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    request_id: Mapped[str | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class NodeCrash(Base):
    """Crashes of engines and nodes with their classification and the end of the log."""

    __tablename__ = "node_crashes"
    __table_args__ = (ForeignKeyConstraint(["node_id"], ["render.nodes.id"], ondelete="CASCADE"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    node_id: Mapped[UUID]
    job_id: Mapped[UUID | None]
    frame_job_id: Mapped[UUID | None]
    epoch: Mapped[int | None] = mapped_column(BigInteger)
    engine: Mapped[str | None]
    engine_version: Mapped[str | None]
    kind: Mapped[str]
    classification: Mapped[str]
    rule_code: Mapped[str | None]
    exit_code: Mapped[int | None]
    signal: Mapped[int | None]
    message: Mapped[str] = mapped_column(server_default=FetchedValue())
    log_tail: Mapped[str] = mapped_column(server_default=FetchedValue())
    log_object_key: Mapped[str | None]
    details: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    occurred_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class NodeTemplateCache(Base):
    """Which template packages lie on which node; least recently used goes first, pinned ones
    stay."""

    __tablename__ = "node_template_cache"
    __table_args__ = (ForeignKeyConstraint(["node_id"], ["render.nodes.id"], ondelete="CASCADE"),)

    node_id: Mapped[UUID] = mapped_column(primary_key=True)
    package_sha256: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    pins: Mapped[int] = mapped_column(server_default=FetchedValue())
    hits: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    last_used_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class NodeHealthLog(Base):
    """How nodes were, sampled from heartbeats; monthly partitions."""

    __tablename__ = "node_health_logs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    node_id: Mapped[UUID] = mapped_column(primary_key=True)
    recorded_at: Mapped[datetime] = mapped_column(primary_key=True, server_default=FetchedValue())
    status: Mapped[str]
    busy_slots: Mapped[int | None]
    cpu_percent: Mapped[float | None] = mapped_column(Double)
    load_average: Mapped[float | None] = mapped_column(Double)
    memory_used_bytes: Mapped[int | None] = mapped_column(BigInteger)
    memory_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_free_bytes: Mapped[int | None] = mapped_column(BigInteger)
    disk_total_bytes: Mapped[int | None] = mapped_column(BigInteger)
    network_rx_bytes: Mapped[int | None] = mapped_column(BigInteger)
    network_tx_bytes: Mapped[int | None] = mapped_column(BigInteger)
    temperature_c: Mapped[float | None] = mapped_column(Double)
    frames_done: Mapped[int | None] = mapped_column(BigInteger)
    frame_ms: Mapped[float | None] = mapped_column(Double)
    details: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)


class FontRequest(Base):
    """Fonts the farm should have: uploaded ones to install, missing ones to find."""

    __tablename__ = "font_requests"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    font_id: Mapped[UUID | None]
    family: Mapped[str]
    style: Mapped[str] = mapped_column(server_default=FetchedValue())
    postscript_name: Mapped[str | None]
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    requested_for_job: Mapped[UUID | None]
    requested_by: Mapped[UUID | None]
    note: Mapped[str] = mapped_column(server_default=FetchedValue())
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class NodeFont(Base):
    """Matrix of nodes and fonts as the nodes report it."""

    __tablename__ = "node_fonts"
    __table_args__ = (
        ForeignKeyConstraint(["node_id"], ["render.nodes.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["request_id"], ["render.font_requests.id"], ondelete="SET NULL"),
    )

    node_id: Mapped[UUID] = mapped_column(primary_key=True)
    family: Mapped[str] = mapped_column(primary_key=True)
    style: Mapped[str] = mapped_column(primary_key=True, server_default=FetchedValue())
    postscript_name: Mapped[str | None]
    sha256: Mapped[str | None]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    error: Mapped[str | None]
    request_id: Mapped[UUID | None]
    installed_at: Mapped[datetime | None]
    reported_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
