"""Acts on renders: pause, resume, retry, priority; for owners, and for administrators."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_role, requires_user
from flatrender.security.principal import Principal
from flatrender_render.act_errors import (
    NotFailed,
    NotPausable,
    NotPaused,
    NotRetryable,
    PriorityTooHigh,
)
from flatrender_render.domain import MAX_PRIORITY
from flatrender_render.errors import JobFinished, TooManyActiveJobs
from flatrender_render.schemas import Job
from flatrender_render.services.acts import ActService, own, staff
from flatrender_render.services.history import HistoryService, JobHistory
from flatrender_render.services.views import ViewService


class PriorityBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A point is worth a minute of waiting."""

    priority: Annotated[int, Meta(ge=-MAX_PRIORITY, le=MAX_PRIORITY)]


class StopBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why somebody else's render is stopped; kept in its timeline."""

    reason: Annotated[str, Meta(min_length=3, max_length=500)]


class JobActController(Controller):
    """What an owner does to a render that runs or failed."""

    path = "/v1/renders/{job_id:uuid}"
    tags = ("render",)
    guards = (requires_user,)

    @post(
        "/pause",
        status_code=200,
        operation_id="pause_render",
        summary="Pause a render",
        responses=problem_responses(NotFound, JobFinished, NotPausable),
    )
    async def pause(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        views: NamedDependency[ViewService],
    ) -> Job:
        """Begin nothing more of it; what machines work on now is finished and kept."""
        await acts.pause(own(principal), job_id)
        return await views.job(principal, job_id)

    @post(
        "/resume",
        status_code=200,
        operation_id="resume_render",
        summary="Go on with a paused render",
        responses=problem_responses(NotFound, NotPaused),
    )
    async def resume(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        views: NamedDependency[ViewService],
    ) -> Job:
        """Queue the rest again."""
        await acts.resume(own(principal), job_id)
        return await views.job(principal, job_id)

    @post(
        "/retry",
        status_code=202,
        operation_id="retry_render",
        summary="Try a failed render again",
        opt={"idempotent": True, "limit": "submit", "critical": True},
        responses=problem_responses(NotFound, NotFailed, NotRetryable, TooManyActiveJobs),
    )
    async def retry(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        views: NamedDependency[ViewService],
    ) -> Job:
        """Queue it again with the ranges that are proven. Its failure gave everything back, so it
        is counted and charged anew; identity refuses as for a submit."""
        await acts.retry(own(principal), job_id)
        return await views.job(principal, job_id)

    @post(
        "/priority",
        status_code=200,
        operation_id="prioritise_render",
        summary="Change a render's priority",
        responses=problem_responses(NotFound, JobFinished, PriorityTooHigh),
    )
    async def priority(
        self,
        job_id: FromPath[UUID],
        data: JSONBody[PriorityBody],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        views: NamedDependency[ViewService],
    ) -> Job:
        """Order it among the own renders, up to the priority of the plan."""
        await acts.prioritise(own(principal), job_id, data.priority)
        return await views.job(principal, job_id)

    @get(
        "/history",
        operation_id="render_history",
        summary="Who drew what, and why it waits",
        responses=problem_responses(NotFound),
    )
    async def history(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """Return every attempt of every piece, the acts of people and why the render waits."""
        return await history.of(own(principal), job_id)


class AdminJobController(Controller):
    """Renders of a tenant for its administrators; of all tenants for those of the default one."""

    path = "/v1/admin/renders/{job_id:uuid}"
    tags = ("render",)
    guards = (requires_role("admin"),)

    @get(
        "/",
        operation_id="admin_render_history",
        summary="A render with every attempt",
        responses=problem_responses(NotFound),
    )
    async def history(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """Return every attempt of every piece with its node, the acts, and why it waits."""
        return await history.of(staff(principal), job_id)

    @post(
        "/stop",
        status_code=200,
        operation_id="admin_stop_render",
        summary="Stop a render",
        responses=problem_responses(NotFound, JobFinished),
    )
    async def stop(
        self,
        job_id: FromPath[UUID],
        data: JSONBody[StopBody],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """End somebody's render; the day's count and the whole charge go back."""
        await acts.stop(staff(principal), job_id, reason=data.reason)
        return await history.of(staff(principal), job_id)

    @post(
        "/pause",
        status_code=200,
        operation_id="admin_pause_render",
        summary="Pause a render",
        responses=problem_responses(NotFound, JobFinished, NotPausable),
    )
    async def pause(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """Begin nothing more of it."""
        await acts.pause(staff(principal), job_id)
        return await history.of(staff(principal), job_id)

    @post(
        "/resume",
        status_code=200,
        operation_id="admin_resume_render",
        summary="Go on with a paused render",
        responses=problem_responses(NotFound, NotPaused),
    )
    async def resume(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """Queue the rest again."""
        await acts.resume(staff(principal), job_id)
        return await history.of(staff(principal), job_id)

    @post(
        "/retry",
        status_code=202,
        operation_id="admin_retry_render",
        summary="Try a failed render again",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, NotFailed, NotRetryable, TooManyActiveJobs),
    )
    async def retry(
        self,
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """Queue it again for its owner, who is counted and charged anew."""
        await acts.retry(staff(principal), job_id)
        return await history.of(staff(principal), job_id)

    @post(
        "/priority",
        status_code=200,
        operation_id="admin_prioritise_render",
        summary="Change a render's priority",
        responses=problem_responses(NotFound, JobFinished),
    )
    async def priority(
        self,
        job_id: FromPath[UUID],
        data: JSONBody[PriorityBody],
        principal: NamedDependency[Principal],
        acts: NamedDependency[ActService],
        history: NamedDependency[HistoryService],
    ) -> JobHistory:
        """Move it forward or back, also among the people of its tenant."""
        await acts.prioritise(staff(principal), job_id, data.priority)
        return await history.of(staff(principal), job_id)
