"""Mapped tables of the render schema. The database is the truth; a contract test compares."""

from flatrender_render.models.base import Base
from flatrender_render.models.jobs import (
    Batch,
    FailureRule,
    FrameAttempt,
    FrameJob,
    FrameRepairJob,
    JobEvent,
    JobNodeBlock,
    RenderJob,
)
from flatrender_render.models.nodes import (
    FarmAct,
    FontRequest,
    Node,
    NodeCommand,
    NodeCrash,
    NodeFont,
    NodeHealthLog,
    NodeTemplateCache,
)
from flatrender_render.models.outputs import (
    BatchRow,
    ObjectRemoval,
    Rendition,
    SceneSnapshotItem,
    SceneSnapshotJob,
)
from flatrender_render.models.plumbing import DeadLetter, IdempotencyKey, Inbox, Outbox
from flatrender_render.models.queue import QueueLane, QueueTenant, TenantShare, TenantShareChange
from flatrender_render.models.results import Export, ExportShare, ScanJob, Snapshot

__all__ = [
    "Base",
    "Batch",
    "BatchRow",
    "DeadLetter",
    "Export",
    "ExportShare",
    "FailureRule",
    "FarmAct",
    "FontRequest",
    "FrameAttempt",
    "FrameJob",
    "FrameRepairJob",
    "IdempotencyKey",
    "Inbox",
    "JobEvent",
    "JobNodeBlock",
    "Node",
    "NodeCommand",
    "NodeCrash",
    "NodeFont",
    "NodeHealthLog",
    "NodeTemplateCache",
    "ObjectRemoval",
    "Outbox",
    "QueueLane",
    "QueueTenant",
    "RenderJob",
    "Rendition",
    "ScanJob",
    "SceneSnapshotItem",
    "SceneSnapshotJob",
    "Snapshot",
    "TenantShare",
    "TenantShareChange",
]
