"""Render jobs: /v1/renders."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.http.stretches import check_stretch
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_render.domain import Step
from flatrender_render.errors import JobFinished, TooManyActiveJobs, VideoTooManyFrames
from flatrender_render.queries import JobFilter
from flatrender_render.schemas import Job, JobDetail, SubmitBody, WatchTicket
from flatrender_render.services.jobs import JobService
from flatrender_render.services.views import ViewService


def aware(moment: datetime | None) -> datetime | None:
    """Return a time with a zone; one without is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


class JobController(Controller):
    """Submit, follow and stop renders."""

    path = "/v1/renders"
    tags = ("render",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=202,
        operation_id="submit_render",
        summary="Render a saved project",
        opt={"idempotent": True, "limit": "submit", "critical": True},
        responses=problem_responses(NotFound, TooManyActiveJobs, VideoTooManyFrames),
    )
    async def submit(
        self,
        data: JSONBody[SubmitBody],
        principal: NamedDependency[Principal],
        jobs: NamedDependency[JobService],
        views: NamedDependency[ViewService],
    ) -> Job:
        """Take the project as it is now, count and charge it, and queue it. Identity refuses
        with `quality_locked` (403), `daily_limit_reached` (429) or `not_enough_charge` (402)."""
        job_id = await jobs.submit(
            principal, data.saved_project_id, data.resolution, extras=data.extras
        )
        return await views.job(principal, job_id)

    @get("/", operation_id="list_renders", summary="My renders")
    async def jobs(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        views: NamedDependency[ViewService],
        step: Annotated[Step | None, QueryParameter(description="Only jobs in this step.")] = None,
        saved_project_id: Annotated[
            UUID | None, QueryParameter(description="Only renders of this project.")
        ] = None,
        batch_id: Annotated[
            UUID | None, QueryParameter(description="Only renders of this batch.")
        ] = None,
        since: Annotated[
            datetime | None, QueryParameter(description="Submitted at or after.")
        ] = None,
        before: Annotated[datetime | None, QueryParameter(description="Submitted before.")] = None,
    ) -> CursorPage[Job]:
        """Return the caller's renders, newest first, each with the code of why it waits."""
        since, before = aware(since), aware(before)
        check_stretch(since=since, before=before)
        shown = JobFilter(
            step=str(step) if step else None,
            saved_project_id=saved_project_id,
            batch_id=batch_id,
            since=since,
            before=before,
        )
        return await views.jobs(principal, cursor_params, shown)

    @get(
        "/{job_id:uuid}",
        operation_id="get_render",
        summary="One render with its pieces",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        views: NamedDependency[ViewService],
    ) -> JobDetail:
        """Return a render, how far it is and what became of each range of frames."""
        return await views.detail(principal, job_id)

    @post(
        "/{job_id:uuid}/cancel",
        status_code=200,
        operation_id="cancel_render",
        summary="Stop a render",
        responses=problem_responses(NotFound, JobFinished),
    )
    async def cancel(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        jobs: NamedDependency[JobService],
        views: NamedDependency[ViewService],
    ) -> Job:
        """Stop a render. The charge for what was not drawn goes back."""
        await jobs.cancel(principal, job_id)
        return await views.job(principal, job_id)

    @post(
        "/{job_id:uuid}/watch-token",
        status_code=201,
        operation_id="create_watch_token",
        summary="A short token for the live stream",
        responses=problem_responses(NotFound),
    )
    async def watch_token(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        views: NamedDependency[ViewService],
    ) -> WatchTicket:
        """Return a token for the WebSocket and the server-sent events of this render."""
        return await views.ticket(principal, job_id)
