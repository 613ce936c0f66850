"""Mapped tables of the render schema: jobs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Double, FetchedValue, ForeignKeyConstraint, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from flatrender.clock import uuid7
from flatrender_render.models.base import Base


class FailureRule(Base):
    """How failures are classified and what follows; the first active match by priority
    decides. A change is a new version."""

    __tablename__ = "failure_rules"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    code: Mapped[str]
    version: Mapped[int] = mapped_column(server_default=FetchedValue())
    active: Mapped[bool] = mapped_column(server_default=FetchedValue())
    builtin: Mapped[bool] = mapped_column(server_default=FetchedValue())
    priority: Mapped[int] = mapped_column(server_default=FetchedValue())
    engine: Mapped[str | None]
    stage: Mapped[str | None]
    exit_codes: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default=FetchedValue())
    pattern: Mapped[str | None]
    error_codes: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    class_: Mapped[str] = mapped_column("class")
    action: Mapped[str]
    back_off_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    retryable: Mapped[bool] = mapped_column(server_default=FetchedValue())
    explanation_fa: Mapped[str]
    explanation_en: Mapped[str]
    note: Mapped[str] = mapped_column(server_default=FetchedValue())
    changed_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )
    request_id: Mapped[str | None]
    ip: Mapped[Any] = mapped_column(INET, nullable=True)


class Batch(Base):
    """One saved project rendered over the rows of a table."""

    __tablename__ = "batches"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(server_default=FetchedValue())
    resolution: Mapped[str]
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    total: Mapped[int]
    done: Mapped[int] = mapped_column(server_default=FetchedValue())
    failed: Mapped[int] = mapped_column(server_default=FetchedValue())
    source_object_key: Mapped[str | None]
    errors: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    source: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    terms: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    columns: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    formats: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    cancelled: Mapped[int] = mapped_column(server_default=FetchedValue())
    charge_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    cancel_requested_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class RenderJob(Base):
    """One video to be made. PostgreSQL is the truth about it; queues only wake workers."""

    __tablename__ = "render_jobs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "export_id"], ["render.exports.tenant_id", "render.exports.id"]
        ),
        ForeignKeyConstraint(
            ["tenant_id", "batch_id"], ["render.batches.tenant_id", "render.batches.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    user_id: Mapped[UUID]
    saved_project_id: Mapped[UUID]
    saved_project_version: Mapped[int] = mapped_column(server_default=FetchedValue())
    project_name: Mapped[str] = mapped_column(server_default=FetchedValue())
    container_id: Mapped[UUID | None]
    batch_id: Mapped[UUID | None]
    batch_row: Mapped[int | None]
    retry_of: Mapped[UUID | None]
    support_id: Mapped[UUID | None]
    submitted_via: Mapped[str] = mapped_column(server_default=FetchedValue())
    engine: Mapped[str]
    engine_version: Mapped[str] = mapped_column(server_default=FetchedValue())
    package_object_key: Mapped[str]
    package_sha256: Mapped[str]
    composition: Mapped[Any] = mapped_column(JSONB, nullable=False)
    composition_sha256: Mapped[str]
    needs: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    required_fonts: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    min_engine_version: Mapped[str | None]
    share_weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    resolution: Mapped[str]
    aspect: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    fps: Mapped[int]
    duration: Mapped[float] = mapped_column(Double)
    formats: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=FetchedValue())
    watermark: Mapped[bool]
    has_voiceover: Mapped[bool] = mapped_column(server_default=FetchedValue())
    has_audio: Mapped[bool] = mapped_column(server_default=FetchedValue())
    step: Mapped[str] = mapped_column(server_default=FetchedValue())
    step_before_pause: Mapped[str | None]
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    priority: Mapped[int] = mapped_column(server_default=FetchedValue())
    total_frames: Mapped[int]
    done_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    chunk_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    frame_jobs_total: Mapped[int] = mapped_column(server_default=FetchedValue())
    frame_jobs_done: Mapped[int] = mapped_column(server_default=FetchedValue())
    repair_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    blamed_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    lost_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    wait_reason: Mapped[str | None]
    error_code: Mapped[str | None]
    error_class: Mapped[str | None]
    error_message: Mapped[str | None]
    error_fa: Mapped[str | None]
    error_en: Mapped[str | None]
    retryable: Mapped[bool | None]
    reservation_state: Mapped[str] = mapped_column(server_default=FetchedValue())
    reservation_id: Mapped[UUID | None]
    charge_minor: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    currency: Mapped[str] = mapped_column(server_default=FetchedValue())
    plan_code: Mapped[str] = mapped_column(server_default=FetchedValue())
    refund_fraction: Mapped[float | None] = mapped_column(Double)
    export_id: Mapped[UUID | None]
    compute_seconds: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    timings: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    trace: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    submitted_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    pieces_removed_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancelled_by: Mapped[str | None]
    pause_requested_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class FrameJob(Base):
    """Pieces of a job that a node claims: whole-GOP ranges of frames, the sound, the assembly."""

    __tablename__ = "frame_jobs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["render.render_jobs.tenant_id", "render.render_jobs.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    job_id: Mapped[UUID]
    kind: Mapped[str]
    index: Mapped[int]
    first_frame: Mapped[int] = mapped_column(server_default=FetchedValue())
    last_frame: Mapped[int] = mapped_column(server_default=FetchedValue())
    engine: Mapped[str]
    package_sha256: Mapped[str | None]
    needs: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    user_id: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    needs_key: Mapped[str] = mapped_column(server_default=FetchedValue())
    share_weight: Mapped[float] = mapped_column(Double, server_default=FetchedValue())
    rank: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    held: Mapped[bool] = mapped_column(server_default=FetchedValue())
    priority: Mapped[int] = mapped_column(server_default=FetchedValue())
    not_before: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    epoch: Mapped[int] = mapped_column(BigInteger, server_default=FetchedValue())
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    blamed_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    node_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    done_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    object_key: Mapped[str | None]
    sha256: Mapped[str | None]
    packets: Mapped[int | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    proof: Mapped[Any] = mapped_column(JSONB, nullable=True)
    error_class: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    timings: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class FrameAttempt(Base):
    """History of claims of a frame job: who, when, how long, why again."""

    __tablename__ = "frame_attempts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "frame_job_id"],
            ["render.frame_jobs.tenant_id", "render.frame_jobs.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    job_id: Mapped[UUID]
    frame_job_id: Mapped[UUID]
    epoch: Mapped[int] = mapped_column(BigInteger)
    attempt: Mapped[int]
    node_id: Mapped[UUID | None]
    outcome: Mapped[str] = mapped_column(server_default=FetchedValue())
    blamed: Mapped[bool] = mapped_column(server_default=FetchedValue())
    error_class: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    rule_code: Mapped[str | None]
    exit_code: Mapped[int | None]
    log_tail: Mapped[str | None]
    stale_reports: Mapped[int] = mapped_column(server_default=FetchedValue())
    frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    object_key: Mapped[str | None]
    timings: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    started_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    finished_at: Mapped[datetime | None]


class FrameRepairJob(Base):
    """Ranges whose proof failed and that are made again, at most three times."""

    __tablename__ = "frame_repair_jobs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "frame_job_id"],
            ["render.frame_jobs.tenant_id", "render.frame_jobs.id"],
            ondelete="CASCADE",
        ),
        ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["render.render_jobs.tenant_id", "render.render_jobs.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    job_id: Mapped[UUID]
    frame_job_id: Mapped[UUID]
    first_frame: Mapped[int]
    last_frame: Mapped[int]
    defect: Mapped[str]
    attempt: Mapped[int]
    max_attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    state: Mapped[str] = mapped_column(server_default=FetchedValue())
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    missing_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    corrupt_frames: Mapped[int] = mapped_column(server_default=FetchedValue())
    finished_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class JobNodeBlock(Base):
    """Nodes that may not work on a job again."""

    __tablename__ = "job_node_blocks"
    __table_args__ = (
        ForeignKeyConstraint(["node_id"], ["render.nodes.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["render.render_jobs.tenant_id", "render.render_jobs.id"],
            ondelete="CASCADE",
        ),
    )

    tenant_id: Mapped[UUID]
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    node_id: Mapped[UUID] = mapped_column(primary_key=True)
    failures: Mapped[int] = mapped_column(server_default=FetchedValue())
    reason: Mapped[str] = mapped_column(server_default=FetchedValue())
    until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(
        server_default=FetchedValue(), server_onupdate=FetchedValue()
    )


class JobEvent(Base):
    """Timeline of a job: steps, repairs, node events, acts of people. Append only."""

    __tablename__ = "job_events"
    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["render.render_jobs.tenant_id", "render.render_jobs.id"],
            ondelete="CASCADE",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID]
    job_id: Mapped[UUID]
    kind: Mapped[str]
    step: Mapped[str | None]
    node_id: Mapped[UUID | None]
    frame_job_id: Mapped[UUID | None]
    data: Mapped[Any] = mapped_column(JSONB, server_default=FetchedValue(), nullable=False)
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
