"""Requests and answers of batches."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from flatrender_render.domain import Resolution
from flatrender_render.output_schemas import ExtraFormat

Name = Annotated[str, Meta(max_length=200)]
Cells = dict[Annotated[str, Meta(min_length=1, max_length=200)], Any]


class BatchBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Render a saved project once for every row.

    A row maps columns to values: ``slot`` fills that slot in every scene that has it,
    ``scene.slot`` in scenes of that key, ``scene#2.slot`` in the second of them. A picture is the
    id of a file. The column ``key`` names the row. With ``check`` nothing is rendered or charged.
    """

    saved_project_id: UUID
    resolution: Resolution
    rows: Annotated[list[Cells], Meta(min_length=1, max_length=10_000)]
    name: Name = ""
    extras: Annotated[list[ExtraFormat], Meta(max_length=2)] = []
    check: bool = False


class Batch(Struct, frozen=True, kw_only=True):
    """A batch. ``progress`` is 0..1 over all rows; ``state`` Running, Done, Failed or Cancelled.

    Done means that every row has ended and at least one has its video.
    """

    id: UUID
    saved_project_id: UUID
    name: str
    resolution: str
    state: str
    progress: float
    total: int
    waiting: int
    running: int
    done: int
    failed: int
    cancelled: int
    charge_minor: int
    currency: str
    results_url: str
    created_at: datetime
    finished_at: datetime | None


class BatchCheck(Struct, frozen=True, kw_only=True):
    """What a batch would be; nothing was rendered or charged."""

    rows: int
    seconds_each: float
    columns: list[str]


class BatchRow(Struct, frozen=True, kw_only=True):
    """One row: ``row`` counts from 1. ``progress`` is 0..1."""

    row: int
    key: str
    state: str
    progress: float
    attempt: int
    job_id: UUID
    export_id: UUID | None
    url: str | None
    cells: dict[str, Any]
    error_code: str | None
    error_fa: str | None
    error_en: str | None


class RowMeta(Struct, frozen=True, kw_only=True):
    """``after`` is for the next page, null at the end."""

    after: int | None
    has_more: bool


class BatchRows(Struct, frozen=True, kw_only=True):
    """A page of rows, in their order."""

    data: list[BatchRow]
    meta: RowMeta
