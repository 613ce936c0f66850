"""Batches: /v1/batches."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)
from litestar.params import FromPath, JSONBody, QueryParameter

from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender.storage.store import disposition
from flatrender_render.batch_schemas import Batch, BatchBody, BatchCheck, BatchRows
from flatrender_render.batch_table import MAX_BYTES, read_csv
from flatrender_render.errors import BatchEmpty, BatchTooLarge, JobFinished, VideoTooManyFrames
from flatrender_render.services.batch_views import BatchViews
from flatrender_render.services.batches import BatchService

_REFUSALS = problem_responses(NotFound, BatchTooLarge, VideoTooManyFrames)


@dataclass
class _CsvOperation(Operation):
    """An operation whose body is a form with a CSV."""

    def __post_init__(self) -> None:
        """Describe the body."""
        text = Schema(type=OpenAPIType.STRING)
        form = Schema(
            type=OpenAPIType.OBJECT,
            properties={
                "file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
                "saved_project_id": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID),
                "resolution": text,
                "name": text,
                "extras": Schema(type=OpenAPIType.STRING, description="`webm,gif`"),
                "check": Schema(type=OpenAPIType.BOOLEAN),
            },
            required=["file", "saved_project_id", "resolution"],
        )
        self.request_body = RequestBody(
            description="A table (CSV, UTF-8) and what to render over it.",
            required=True,
            content={"multipart/form-data": OpenAPIMediaType(schema=form)},
        )


class BatchController(Controller):
    """Render one saved project over the rows of a table."""

    path = "/v1/batches"
    tags = ("render",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=202,
        operation_id="create_batch",
        summary="Render a project for every row",
        opt={"idempotent": True, "limit": "submit", "critical": True},
        request_max_body_size=MAX_BYTES,
        responses=_REFUSALS,
    )
    async def create(
        self,
        data: JSONBody[BatchBody],
        principal: NamedDependency[Principal],
        batches: NamedDependency[BatchService],
        batch_views: NamedDependency[BatchViews],
    ) -> Batch | BatchCheck:
        """Check every cell, set the charge of all rows aside at once, and queue them. With
        `check` only the first happens."""
        return await _accept(data, principal, batches, batch_views)

    @post(
        "/csv",
        status_code=202,
        operation_id="create_batch_from_csv",
        summary="Render a project for every line of a CSV",
        opt={"idempotent": True, "limit": "submit", "critical": True},
        request_max_body_size=MAX_BYTES + (1 << 16),
        operation_class=_CsvOperation,
        responses=_REFUSALS,
    )
    async def create_from_csv(
        self,
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        batches: NamedDependency[BatchService],
        batch_views: NamedDependency[BatchViews],
    ) -> Batch | BatchCheck:
        """Take a form with the table as `file`, and the fields of `create_batch`."""
        return await _accept(await _from_form(request), principal, batches, batch_views)

    @get("/", operation_id="list_batches", summary="My batches")
    async def list_(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        batch_views: NamedDependency[BatchViews],
    ) -> CursorPage[Batch]:
        """Return the caller's batches, newest first."""
        return await batch_views.batches(principal, cursor_params)

    @get(
        "/{batch_id:uuid}",
        operation_id="get_batch",
        summary="One batch",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        batch_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batch_views: NamedDependency[BatchViews],
    ) -> Batch:
        """Return how far a batch is. Cheap to ask every few seconds."""
        return await batch_views.batch(principal, batch_id)

    @get(
        "/{batch_id:uuid}/rows",
        operation_id="list_batch_rows",
        summary="Rows of a batch",
        responses=problem_responses(NotFound),
    )
    async def rows(
        self,
        batch_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batch_views: NamedDependency[BatchViews],
        after: Annotated[int, QueryParameter(ge=0, le=1_000_000)] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
    ) -> BatchRows:
        """Return rows in their order, behind row `after`."""
        return await batch_views.rows(principal, batch_id, after=after, limit=limit)

    @get(
        "/{batch_id:uuid}/results.csv",
        operation_id="get_batch_results",
        summary="The table with the videos' links",
        media_type="text/csv",
        responses=problem_responses(NotFound),
    )
    async def results(
        self,
        batch_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batch_views: NamedDependency[BatchViews],
    ) -> Response[bytes]:
        """Return every row with its state, its link or its error, for a spreadsheet."""
        return _csv(await batch_views.results(principal, batch_id), "results.csv")

    @post(
        "/{batch_id:uuid}/cancel",
        status_code=200,
        operation_id="cancel_batch",
        summary="Stop a batch",
        responses=problem_responses(NotFound, JobFinished),
    )
    async def cancel(
        self,
        batch_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batches: NamedDependency[BatchService],
        batch_views: NamedDependency[BatchViews],
    ) -> Batch:
        """Stop every row that has not ended; what was not drawn is given back."""
        await batches.cancel(principal, batch_id)
        return await batch_views.batch(principal, batch_id)

    @post(
        "/{batch_id:uuid}/retry",
        status_code=202,
        operation_id="retry_batch",
        summary="Render the failed rows again",
        opt={"idempotent": True, "limit": "submit", "critical": True},
        responses=problem_responses(NotFound, BatchEmpty),
    )
    async def retry(
        self,
        batch_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batches: NamedDependency[BatchService],
        batch_views: NamedDependency[BatchViews],
    ) -> Batch:
        """Set the failed rows' charge aside anew and queue them."""
        await batches.retry(principal, batch_id)
        return await batch_views.batch(principal, batch_id)


class BatchTemplateController(Controller):
    """The table of a project, to fill in."""

    path = "/v1/saved-projects"
    tags = ("render",)
    guards = (requires_user,)

    @get(
        "/{saved_project_id:uuid}/batch-template.csv",
        operation_id="get_batch_template",
        summary="A CSV with the project's slots",
        media_type="text/csv",
        responses=problem_responses(NotFound),
    )
    async def template(
        self,
        saved_project_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batch_views: NamedDependency[BatchViews],
    ) -> Response[bytes]:
        """Return the columns and, as an example, the project's own values."""
        return _csv(await batch_views.template(principal, saved_project_id), "batch.csv")


async def _accept(
    body: BatchBody, principal: Principal, batches: BatchService, views: BatchViews
) -> Batch | BatchCheck:
    if body.check:
        return await batches.check(principal, body)
    return await views.batch(principal, await batches.submit(principal, body))


async def _from_form(request: Request[Any, Any, Any]) -> BatchBody:
    form = dict(await request.form())
    file = form.pop("file", None)
    if not isinstance(file, UploadFile):
        raise Invalid(
            errors=[
                FieldError(
                    pointer="/file",
                    code="required",
                    message_fa="فایل جدول لازم است",
                    message_en="The form needs the table as its file",
                )
            ]
        )
    fields: dict[str, Any] = dict(form)
    # Megabytes of text are work of seconds: others are served meanwhile.
    fields["rows"] = await asyncio.to_thread(read_csv, await file.read())
    if isinstance(extras := fields.get("extras"), str):
        fields["extras"] = [one.strip() for one in extras.split(",") if one.strip()]
    try:
        return msgspec.convert(fields, BatchBody, strict=False)
    except msgspec.ValidationError as error:
        place = str(error).rpartition("`$.")[2].rstrip("`") if "`$." in str(error) else ""
        raise Invalid(
            errors=[
                FieldError(
                    pointer=f"/{place}",
                    code="invalid",
                    message_fa="این فیلد پذیرفته نشد",
                    message_en=str(error),
                )
            ]
        ) from None


def _csv(data: bytes, name: str) -> Response[bytes]:
    return Response(
        data,
        media_type="text/csv",
        headers={
            "content-disposition": disposition(name),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        },
    )
