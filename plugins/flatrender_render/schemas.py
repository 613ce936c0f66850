"""Requests and answers of the render context's HTTP API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from flatrender_render.domain import Resolution, Step, overall_progress
from flatrender_render.output_schemas import ExtraFormat
from flatrender_render.queries import ChunkView, ExportView, JobView, SnapshotView


class SubmitBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Render a saved project. The resolution is named by its short side; ``extras`` are further
    formats that are made once the video is proven."""

    saved_project_id: UUID
    resolution: Resolution
    extras: Annotated[list[ExtraFormat], Meta(max_length=2)] = []


class Failure(Struct, frozen=True, kw_only=True):
    """Why a job failed, in words for its owner."""

    code: str
    message_fa: str
    message_en: str
    retryable: bool


class Job(Struct, frozen=True, kw_only=True):
    """A render job. ``progress`` is 0..1; ``timings`` are processor seconds by kind of work.
    ``why_waiting`` is a stable code; its words are in the history. ``cancelled_by`` says who ended
    it early: ``user``, or ``admin``, who gives everything back."""

    id: UUID
    saved_project_id: UUID
    project_name: str
    step: str
    progress: float
    current_frame: int
    total_frames: int
    resolution: str
    aspect: str
    width: int
    height: int
    fps: int
    duration_sec: float
    watermark: bool
    charge_minor: int
    currency: str
    export_id: UUID | None
    failure: Failure | None
    timings: dict[str, float]
    compute_seconds: float
    why_waiting: str | None
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_by: str | None


class JobDetail(Job, frozen=True, kw_only=True):
    """A render job with its pieces."""

    chunks: list[ChunkView]


class WatchTicket(Struct, frozen=True, kw_only=True):
    """A short token for the live streams of one job or batch, and where they are."""

    token: str
    expires_in: int
    ws_url: str
    sse_url: str


class SnapshotBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Draw one frame of a scene as it would be rendered now. ``time`` in seconds of the scene."""

    saved_project_id: UUID
    saved_scene_id: UUID | None = None
    time: Annotated[float, Meta(ge=0, le=600)] | None = None
    width: Annotated[int, Meta(ge=64, le=1280)] = 960


class Snapshot(Struct, frozen=True, kw_only=True):
    """A drawn frame; ``url`` is null while it is being drawn."""

    id: UUID
    url: str | None
    cached: bool
    width: int
    height: int
    time: float


class Export(Struct, frozen=True, kw_only=True):
    """A finished video; ``url`` is a permanent route of ours."""

    id: UUID
    job_id: UUID
    saved_project_id: UUID
    name: str
    format: str
    resolution: str
    aspect: str
    width: int
    height: int
    fps: int
    frames: int
    duration_sec: float
    watermark: bool
    size_bytes: int
    sha256: str
    url: str
    thumbnail_url: str
    poster_url: str
    contact_sheet_url: str
    created_at: datetime
    expires_at: datetime | None


def job_of(view: JobView, waits: str | None = None) -> Job:
    """Return the public shape of a job; ``waits`` is the code of why it waits."""
    return Job(**_job_fields(view, waits))


def detail_of(view: JobView, chunks: list[ChunkView], waits: str | None = None) -> JobDetail:
    """Return the public shape of a job with its pieces."""
    return JobDetail(**_job_fields(view, waits), chunks=chunks)


def _job_fields(view: JobView, waits: str | None) -> dict[str, Any]:
    step = Step(view.step)
    failure = None
    if view.error_code and step is Step.FAILED:
        failure = Failure(
            code=view.error_code,
            message_fa=view.error_fa or "",
            message_en=view.error_en or "",
            retryable=bool(view.retryable),
        )
    return {
        "id": view.id,
        "saved_project_id": view.saved_project_id,
        "project_name": view.project_name,
        "step": view.step,
        "progress": round(overall_progress(step, view.drawn_frames, view.total_frames), 4),
        "current_frame": view.drawn_frames,
        "total_frames": view.total_frames,
        "resolution": view.resolution,
        "aspect": view.aspect,
        "width": view.width,
        "height": view.height,
        "fps": view.fps,
        "duration_sec": view.duration,
        "watermark": view.watermark,
        "charge_minor": view.charge_minor,
        "currency": view.currency,
        "export_id": view.export_id,
        "failure": failure,
        "timings": view.timings,
        "compute_seconds": view.compute_seconds,
        "why_waiting": waits,
        "submitted_at": view.submitted_at,
        "started_at": view.started_at,
        "finished_at": view.finished_at,
        "cancelled_by": view.cancelled_by,
    }


def export_of(view: ExportView, base: str) -> Export:
    """Return the public shape of an export; ``base`` is our public URL."""
    path = f"{base}/v1/exports/{view.id}"
    return Export(
        id=view.id,
        job_id=view.job_id,
        saved_project_id=view.saved_project_id,
        name=view.name,
        format=view.format,
        resolution=view.resolution,
        aspect=view.aspect,
        width=view.width,
        height=view.height,
        fps=view.fps,
        frames=view.frames,
        duration_sec=view.duration_sec,
        watermark=view.watermark,
        size_bytes=view.size_bytes,
        sha256=view.sha256,
        url=f"{path}/download",
        thumbnail_url=f"{path}/thumbnail",
        poster_url=f"{path}/poster",
        contact_sheet_url=f"{path}/contact-sheet",
        created_at=view.created_at,
        expires_at=view.expires_at,
    )


def snapshot_of(view: SnapshotView, *, cached: bool, base: str) -> Snapshot:
    """Return the public shape of a snapshot."""
    done = view.state == "Done"
    return Snapshot(
        id=view.id,
        url=f"{base}/v1/snapshots/{view.id}/image" if done else None,
        cached=cached,
        width=view.width,
        height=view.height,
        time=round(view.frame / view.fps, 3),
    )
