"""What administrators of the farm read of its machines and ask of them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Meta, Struct

NodeStatus = Literal["Starting", "Idle", "Busy", "Draining", "Offline", "Crashed", "Quarantined"]
NodeKind = Literal["Worker", "Remote"]
NodeSort = Literal[
    "name", "-name", "status", "last_heartbeat_at", "-last_heartbeat_at", "-frames_done",
    "-consecutive_failures",
]  # fmt: skip
CrashClass = Literal["node", "template", "input", "resource", "licence", "transient"]
Reason = Annotated[str, Meta(max_length=500)]
#: Why, for an act that has no body; kept with it.
WhyQuery = Annotated[
    str, QueryParameter(max_length=500, description="Why; kept in the record of acts.")
]


class NodeView(Struct, frozen=True, kw_only=True):
    """A machine of the farm in a list. Sizes in bytes."""

    id: UUID
    name: str
    kind: str
    status: str
    status_reason: str
    status_since: datetime
    region: str
    hostname: str
    os: str
    engine_versions: dict[str, str]
    agent_version: str
    slots: int
    busy_slots: int
    only_tenant_id: UUID | None
    last_heartbeat_at: datetime | None
    drain_requested_at: datetime | None
    rest_until: datetime | None
    quarantined_at: datetime | None
    quarantine_reason: str | None
    quarantined_by: UUID | None
    consecutive_failures: int
    crash_count: int
    frames_done: int
    disk_free_bytes: int | None
    disk_total_bytes: int | None


class NodeWork(Struct, frozen=True, kw_only=True):
    """A piece that a node does now."""

    frame_job_id: UUID
    job_id: UUID
    tenant_id: UUID
    kind: str
    first_frame: int
    last_frame: int
    done_frames: int
    attempt: int
    claimed_at: datetime
    lease_until: datetime


class CachedTemplate(Struct, frozen=True, kw_only=True):
    """A template package that lies on a node."""

    package_sha256: str
    size_bytes: int
    state: str
    pins: int
    hits: int
    last_used_at: datetime


class InstalledFont(Struct, frozen=True, kw_only=True):
    """A font as a node reports it."""

    family: str
    style: str
    state: str
    error: str | None
    installed_at: datetime | None


class NodeAct(Struct, frozen=True, kw_only=True):
    """An act on a node: who asked for it, when, why, and how it went."""

    id: UUID
    act: str
    state: str
    reason: str
    requested_by: UUID | None
    result: Any
    created_at: datetime
    finished_at: datetime | None


class Crash(Struct, frozen=True, kw_only=True):
    """A failure that says something of the node it happened on."""

    id: UUID
    node_id: UUID
    node_name: str
    job_id: UUID | None
    frame_job_id: UUID | None
    engine: str | None
    engine_version: str | None
    kind: str
    classification: str
    rule_code: str | None
    message: str
    log_tail: str
    occurred_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None


class HealthPoint(Struct, frozen=True, kw_only=True):
    """A node's last health sample."""

    recorded_at: datetime
    status: str
    busy_slots: int | None
    load_average: float | None
    memory_used_bytes: int | None
    disk_free_bytes: int | None


class ChartPoint(Struct, frozen=True, kw_only=True):
    """A node in one stretch of time: means, most used memory, least free disk."""

    at: datetime
    samples: int
    status: str
    busy_slots: float | None
    load_average: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    disk_free_bytes: int | None
    disk_total_bytes: int | None
    frames: int | None


class NodeChart(Struct, frozen=True, kw_only=True):
    """A node's health over time; where it said nothing there is no point."""

    bucket: str
    points: list[ChartPoint]


class NodeDetail(Struct, frozen=True, kw_only=True):
    """A machine with what it does, holds and went through. Lists hold the newest 20."""

    node: NodeView
    arch: str
    cpu_cores: int | None
    memory_bytes: int | None
    gpu: str | None
    cache_budget_bytes: int
    bandwidth_limit_bps: int | None
    started_at: datetime | None
    registered_at: datetime
    health: HealthPoint | None
    work: list[NodeWork]
    cache: list[CachedTemplate]
    fonts: list[InstalledFont]
    crashes: list[Crash]
    acts: list[NodeAct]


class ActBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an act is done; kept with it."""

    reason: Reason = ""


class QuarantineBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a node is set aside."""

    reason: Annotated[str, Meta(min_length=3, max_length=500)]
