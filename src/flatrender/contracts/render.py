"""Render's published language: jobs, nodes and what an engine says of a package."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol
from uuid import UUID

from msgspec import Struct

from flatrender.contracts.content import PackagesInUse
from flatrender.errors import FieldError
from flatrender.events.envelope import Event
from flatrender.template.project_scan import ProjectScan, ScanKind


class RenderEvent(Event, frozen=True, kw_only=True):
    """Base of the farm's events."""

    producer: ClassVar[str] = "render"


class JobQueued(RenderEvent, frozen=True, kw_only=True):
    """A render was accepted and paid for."""

    event_type: ClassVar[str] = "render.job.queued.v1"
    job_id: UUID
    user_id: UUID
    saved_project_id: UUID
    resolution: str
    total_frames: int


class JobStarted(RenderEvent, frozen=True, kw_only=True):
    """The first frame of a job is being drawn."""

    event_type: ClassVar[str] = "render.job.started.v1"
    job_id: UUID
    user_id: UUID


class JobProgress(RenderEvent, frozen=True, kw_only=True):
    """A milestone of a job (quarter steps); the live stream is finer."""

    event_type: ClassVar[str] = "render.job.progress.v1"
    job_id: UUID
    user_id: UUID
    progress: float


class JobCompleted(RenderEvent, frozen=True, kw_only=True):
    """The export is proven and can be downloaded. ``reservation_id`` names what was set aside for
    it; None: the reservation of the job's own id. ``by_support``: support had asked for it, acting
    in the owner's account."""

    event_type: ClassVar[str] = "render.job.completed.v1"
    job_id: UUID
    user_id: UUID
    saved_project_id: UUID
    project_name: str
    export_id: UUID
    resolution: str
    duration_sec: float
    size_bytes: int
    compute_seconds: float
    container_id: UUID | None = None
    reservation_id: UUID | None = None
    by_support: bool = False


class JobFailed(RenderEvent, frozen=True, kw_only=True):
    """A job ended without a result; what it took (``reservation_id``, else the job's own
    reservation) is given back. ``by_support`` as in :class:`JobCompleted`."""

    event_type: ClassVar[str] = "render.job.failed.v1"
    job_id: UUID
    user_id: UUID
    saved_project_id: UUID
    project_name: str
    code: str
    message_fa: str
    message_en: str
    retryable: bool
    refund_fraction: float = 1.0
    reservation_id: UUID | None = None
    by_support: bool = False


class JobCancelled(RenderEvent, frozen=True, kw_only=True):
    """A job was stopped. ``refund_fraction`` of the charge goes back to the customer."""

    event_type: ClassVar[str] = "render.job.cancelled.v1"
    job_id: UUID
    user_id: UUID
    by: str
    refund_fraction: float
    give_back_count: bool
    reservation_id: UUID | None = None


class ExportExpiring(RenderEvent, frozen=True, kw_only=True):
    """An export's end came near: told three days and one day before."""

    event_type: ClassVar[str] = "render.export.expiry_approached.v1"
    export_id: UUID
    job_id: UUID
    user_id: UUID
    project_name: str
    format: str
    expires_at: datetime
    days_left: int


class ExportDeleted(RenderEvent, frozen=True, kw_only=True):
    """An export is gone; ``reason`` is ``expired`` or ``by_owner``."""

    event_type: ClassVar[str] = "render.export.deleted.v1"
    export_id: UUID
    job_id: UUID
    user_id: UUID
    project_name: str
    format: str
    reason: str
    freed_bytes: int


class RenditionCompleted(RenderEvent, frozen=True, kw_only=True):
    """A further format of a finished video is proven and can be downloaded."""

    event_type: ClassVar[str] = "render.rendition.completed.v1"
    rendition_id: UUID
    job_id: UUID
    user_id: UUID
    source_export_id: UUID
    export_id: UUID
    format: str
    size_bytes: int


class NodeOnline(RenderEvent, frozen=True, kw_only=True):
    """A node began to work."""

    event_type: ClassVar[str] = "render.node.online.v1"
    node_id: UUID
    name: str


class NodeCrashed(RenderEvent, frozen=True, kw_only=True):
    """A node failed in a way that it did not report itself."""

    event_type: ClassVar[str] = "render.node.crashed.v1"
    node_id: UUID
    name: str
    classification: str


class ScanQueued(RenderEvent, frozen=True, kw_only=True):
    """An After Effects project waits to be read. ``kind`` is ``quick`` or ``full``."""

    event_type: ClassVar[str] = "render.scan.queued.v1"
    scan_id: UUID
    container_id: UUID
    kind: str


class JobFigures(Struct, frozen=True, kw_only=True):
    """A person's renders in numbers. ``running`` are those that have not ended; exports are those
    that can be downloaded still."""

    jobs: int
    running: int
    done: int
    failed: int
    cancelled: int
    last_submitted_at: datetime | None
    exports: int
    export_bytes: int


class PersonJobs(Protocol):
    """What a person had rendered, for who looks at the person."""

    async def figures(self, tenant_id: UUID, user_id: UUID) -> JobFigures:
        """Return the numbers of this user's jobs and exports; one query."""
        ...


class ScanOrder(Struct, frozen=True, kw_only=True):
    """A project to be read, for one template."""

    container_id: UUID
    kind: ScanKind
    source_object_key: str
    source_sha256: str
    source_name: str
    source_size: int
    requested_by: UUID | None = None


class ScanClaim(Struct, frozen=True, kw_only=True):
    """The right to read one project until the lease ends; ``epoch`` is its fence."""

    scan_id: UUID
    tenant_id: UUID
    epoch: int
    source_object_key: str
    source_sha256: str
    source_name: str


class ScanState(Struct, frozen=True, kw_only=True):
    """A scan as it stands. ``waits_for`` says why it is not running: a code, Persian, English."""

    id: UUID
    container_id: UUID
    kind: ScanKind
    state: str
    source_object_key: str
    source_sha256: str
    source_name: str
    source_size: int | None
    attempts: int
    errors: list[FieldError]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    applied_at: datetime | None
    waits_for: FieldError | None = None


class ScanJobs(Protocol):
    """The queue of template scans. States are Queued, Running, Done, Failed and Cancelled."""

    async def queue(self, tenant_id: UUID, order: ScanOrder) -> UUID:
        """Queue a scan and return its id; ``ScanQueued`` is told in the same transaction."""
        ...

    async def get(self, tenant_id: UUID, scan_id: UUID) -> ScanState | None:
        """Return a scan of this tenant, or None."""
        ...

    async def of_container(
        self, tenant_id: UUID, container_id: UUID, *, limit: int, offset: int
    ) -> tuple[list[ScanState], int]:
        """Return some of a template's scans, newest first, and how many there are."""
        ...

    async def result(self, tenant_id: UUID, scan_id: UUID) -> ProjectScan | None:
        """Return what a scan found, None unless it is Done."""
        ...

    async def claim(self, tenant_id: UUID, scan_id: UUID, *, lease: float) -> ScanClaim | None:
        """Take one scan for ``lease`` seconds, None when it is not to be had."""
        ...

    async def finish(self, claim: ScanClaim, result: ProjectScan) -> bool:
        """Store a result; False when the claim is over, and then nothing changed."""
        ...

    async def fail(self, claim: ScanClaim, errors: Sequence[FieldError]) -> bool:
        """End a scan without a result; False when the claim is over."""
        ...

    async def cancel(self, tenant_id: UUID, scan_id: UUID) -> bool:
        """Cancel a scan that has not ended, for good; False when it had."""
        ...

    async def applied(
        self, tenant_id: UUID, scan_id: UUID, *, by: UUID | None, diff: Mapping[str, Any]
    ) -> None:
        """Note that a scan was used, and what of it."""
        ...


class InspectionNote(Struct, frozen=True, kw_only=True):
    """One finding about a package: ``place`` is a path in the zip plus a JSON pointer."""

    level: str
    code: str
    place: str
    message_en: str
    message_fa: str


class TemplateInspector(Protocol):
    """What the engine says of a package: can it draw it, and how does it look."""

    async def inspect(self, package: Path) -> list[InspectionNote]:
        """Return every problem (level ``error``) and limitation (level ``warning``)."""
        ...

    async def still(
        self, package: Path, *, aspect: str, scene_key: str | None, width: int
    ) -> bytes:
        """Draw one representative frame with default values as JPEG, ``width`` pixels wide."""
        ...

    async def sound_seconds(self, path: Path) -> float:
        """Return how long a sound file plays, 0.0 for what is no readable sound."""
        ...


class RenderPackages(PackagesInUse, Protocol):
    """Packages that renders need: going on, waiting, or to be tried again."""
