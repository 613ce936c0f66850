"""Scenes of saved projects: /v1/saved-projects/{id}/scenes."""

from uuid import UUID

from litestar import Controller, Response, delete, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import Invalid, NotFound, PreconditionFailed
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_studio.controllers.answers import IfMatch, answer
from flatrender_studio.errors import (
    FixedStructure,
    SceneNotRemovable,
    SceneNotRepeatable,
    TooManyScenes,
)
from flatrender_studio.schemas import AddSceneBody, OrderBody, SavedProject, SceneBody
from flatrender_studio.services.projects import ProjectService
from flatrender_studio.services.scenes import SceneService

_EDIT = problem_responses(NotFound, Invalid, PreconditionFailed)
_ADD = problem_responses(
    NotFound, Invalid, PreconditionFailed, FixedStructure, SceneNotRepeatable, TooManyScenes
)
_REMOVE = problem_responses(NotFound, PreconditionFailed, FixedStructure, SceneNotRemovable)


class SceneController(Controller):
    """Scenes: durations everywhere, structure where the template is flexible."""

    path = "/v1/saved-projects/{saved_project_id:uuid}"
    tags = ("studio",)
    guards = (requires_user,)

    @patch(
        "/scenes/{scene_id:uuid}",
        operation_id="change_scene",
        summary="Change a scene",
        responses=_EDIT,
    )
    async def change(
        self,
        saved_project_id: FromPath[UUID],
        scene_id: FromPath[UUID],
        data: JSONBody[SceneBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        scenes: NamedDependency[SceneService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Set the duration within the scene's limits, or an own title."""
        await scenes.change(
            principal,
            saved_project_id,
            scene_id,
            if_match,
            duration=data.duration,
            title=data.title,
        )
        return await answer(projects, principal, saved_project_id)

    @post(
        "/scenes",
        status_code=201,
        operation_id="add_scene",
        summary="Add a scene of the template",
        opt={"idempotent": True},
        responses=_ADD,
    )
    async def add(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[AddSceneBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        scenes: NamedDependency[SceneService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Add a scene with the template's own values."""
        await scenes.add(
            principal,
            saved_project_id,
            if_match,
            scene_key=data.scene_key,
            position=data.position,
        )
        return await answer(projects, principal, saved_project_id, status=201)

    @post(
        "/scenes/{scene_id:uuid}/duplicate",
        status_code=201,
        operation_id="duplicate_scene",
        summary="Repeat a scene",
        opt={"idempotent": True},
        responses=_ADD,
    )
    async def duplicate(
        self,
        saved_project_id: FromPath[UUID],
        scene_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        scenes: NamedDependency[SceneService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Put a copy with all its values behind the scene."""
        await scenes.duplicate(principal, saved_project_id, scene_id, if_match)
        return await answer(projects, principal, saved_project_id, status=201)

    @delete(
        "/scenes/{scene_id:uuid}",
        status_code=200,
        operation_id="remove_scene",
        summary="Take a scene out",
        responses=_REMOVE,
    )
    async def remove(
        self,
        saved_project_id: FromPath[UUID],
        scene_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        scenes: NamedDependency[SceneService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Remove a scene that the template does not need."""
        await scenes.remove(principal, saved_project_id, scene_id, if_match)
        return await answer(projects, principal, saved_project_id)

    @put(
        "/scene-order",
        operation_id="order_scenes",
        summary="Reorder scenes",
        responses=problem_responses(NotFound, Invalid, PreconditionFailed, FixedStructure),
    )
    async def reorder(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[OrderBody],
        principal: NamedDependency[Principal],
        projects: NamedDependency[ProjectService],
        scenes: NamedDependency[SceneService],
        if_match: IfMatch = None,
    ) -> Response[SavedProject]:
        """Put all scenes into a new order."""
        await scenes.reorder(principal, saved_project_id, if_match, data.order)
        return await answer(projects, principal, saved_project_id)
