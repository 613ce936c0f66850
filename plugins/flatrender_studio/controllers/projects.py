"""Saved projects: /v1/saved-projects."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from flatrender.errors import Invalid, NotFound, PreconditionFailed
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_studio.controllers.answers import IfMatch, answer
from flatrender_studio.queries import ProjectLine
from flatrender_studio.schemas import (
    AudioBody,
    ChangeBody,
    ColorsBody,
    ContentsBody,
    CreateBody,
    SavedProject,
)
from flatrender_studio.services.filling import FillingService
from flatrender_studio.services.projects import ProjectService
from flatrender_studio.services.sound import SoundService

_EDIT = problem_responses(NotFound, Invalid, PreconditionFailed)


class SavedProjectController(Controller):
    """A customer's own filled-in copies of templates."""

    path = "/v1/saved-projects"
    tags = ("studio",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=201,
        operation_id="create_saved_project",
        summary="Start from a template",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, Invalid),
    )
    async def create(
        self,
        data: JSONBody[CreateBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
    ) -> Response[SavedProject]:
        """Copy scenes, slots and colours of one aspect of a template."""
        made = await projects.create(principal, data.project_id, name=data.name, preset=data.preset)
        return await answer(projects, principal, made, status=201)

    @get("/", operation_id="list_saved_projects", summary="My projects")
    async def projects_list(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        projects: NamedDependency[ProjectService],
        trashed: Annotated[bool, QueryParameter(description="What lies in the trash.")] = False,
    ) -> CursorPage[ProjectLine]:
        """Return the caller's projects, the last edited first."""
        return await projects.projects(principal, cursor_params, trashed=trashed)

    @get(
        "/{saved_project_id:uuid}",
        operation_id="get_saved_project",
        summary="One project with everything in it",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        saved_project_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
    ) -> Response[SavedProject]:
        """Return the project; the ETag header is its version."""
        return await answer(projects, principal, saved_project_id)

    @patch(
        "/{saved_project_id:uuid}",
        operation_id="change_saved_project",
        summary="Rename a project",
        responses=_EDIT,
    )
    async def change(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[ChangeBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Change name or reading direction."""
        await projects.change(
            principal, saved_project_id, if_match, name=data.name, direction=data.direction
        )
        return await answer(projects, principal, saved_project_id)

    @put(
        "/{saved_project_id:uuid}/contents",
        operation_id="fill_saved_project",
        summary="Fill slots",
        responses=_EDIT,
    )
    async def fill(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[ContentsBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        filling: NamedDependency[FillingService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Set any number of values at once; a refused one is named by scene and slot and nothing
        of the edit is kept."""
        await filling.fill(principal, saved_project_id, if_match, data.scenes)
        return await answer(projects, principal, saved_project_id)

    @put(
        "/{saved_project_id:uuid}/colors",
        operation_id="color_saved_project",
        summary="Choose colours",
        responses=_EDIT,
    )
    async def color(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[ColorsBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        filling: NamedDependency[FillingService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Set single colours, or take a whole palette of the template."""
        await filling.color(
            principal, saved_project_id, if_match, colors=data.colors, preset=data.preset
        )
        return await answer(projects, principal, saved_project_id)

    @put(
        "/{saved_project_id:uuid}/audio",
        operation_id="set_saved_project_audio",
        summary="Choose music, voice-over and effects",
        responses=_EDIT,
    )
    async def audio(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[AudioBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        sound: NamedDependency[SoundService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Change parts of the sound; what is absent stays."""
        await sound.change(principal, saved_project_id, if_match, data)
        return await answer(projects, principal, saved_project_id)

    @delete(
        "/{saved_project_id:uuid}",
        operation_id="trash_saved_project",
        summary="Put a project into the trash",
        responses=problem_responses(NotFound),
    )
    async def trash(
        self,
        saved_project_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
    ) -> None:
        """Trash a project; it can be restored."""
        await projects.trash(principal, saved_project_id)

    @post(
        "/{saved_project_id:uuid}/restore",
        status_code=200,
        operation_id="restore_saved_project",
        summary="Take a project out of the trash",
        responses=problem_responses(NotFound),
    )
    async def restore(
        self,
        saved_project_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
    ) -> Response[SavedProject]:
        """Restore a project."""
        await projects.restore(principal, saved_project_id)
        return await answer(projects, principal, saved_project_id)
