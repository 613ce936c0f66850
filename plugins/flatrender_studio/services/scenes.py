"""Scenes of a project: durations for every template; adding, repeating, removing and reordering
for Flexible ones."""

from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.content import GraphScene
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_studio.domain import MAX_SCENES, Project, Scene, duration_error
from flatrender_studio.errors import (
    FixedStructure,
    SceneNotRemovable,
    SceneNotRepeatable,
    TooManyScenes,
)
from flatrender_studio.services.copying import add_copy, add_graph_scenes, make_room
from flatrender_studio.services.editing import editing

_REORDER = """
UPDATE studio.saved_scenes s SET position = o.n - 1
FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS o(id, n)
WHERE s.tenant_id = :tenant AND s.saved_project_id = :project AND s.id = o.id
"""
_CLOSE_GAPS = """
UPDATE studio.saved_scenes s SET position = o.n - 1
FROM (SELECT id, row_number() OVER (ORDER BY position) AS n FROM studio.saved_scenes
      WHERE tenant_id = :tenant AND saved_project_id = :project) o
WHERE s.tenant_id = :tenant AND s.id = o.id AND s.position <> o.n - 1
"""


class _SceneData(Struct):
    scenes: list[GraphScene]


class SceneService:
    """Use cases of single scenes."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def change(
        self,
        principal: Principal,
        project_id: UUID,
        scene_id: UUID,
        if_match: str | None,
        *,
        duration: float | None,
        title: str | None,
    ) -> None:
        """Change a scene's duration (within its limits) or its own title."""
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            scene = _scene(project, scene_id)
            if duration is not None and (error := duration_error(scene, duration, "/duration")):
                raise Invalid(errors=[error])
            await work.execute(
                "UPDATE studio.saved_scenes SET duration = coalesce(:duration, duration), "
                "title = coalesce(:title, title) WHERE tenant_id = :tenant AND id = :id",
                duration=duration,
                title=title,
                tenant=principal.tenant_id,
                id=scene_id,
            )

    async def add(
        self,
        principal: Principal,
        project_id: UUID,
        if_match: str | None,
        *,
        scene_key: str,
        position: int | None,
    ) -> UUID:
        """Add a scene of the template; returns its id. Raises the structure's refusals."""
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            self._check_room(project)
            graph = await self._library(work, project_id)
            found = next((s for s in graph if s.key == scene_key), None)
            if found is None:
                raise Invalid(
                    errors=[
                        FieldError(
                            pointer="/scene_key",
                            code="unknown_scene",
                            message_fa="این قالب چنین صحنه‌ای ندارد",
                            message_en="The template has no such scene",
                        )
                    ]
                )
            if any(s.key == scene_key for s in project.scenes):
                self._check_repeat(project, found.key, found.repeatable, found.max_repeats)
            at = min(len(project.scenes), position if position is not None else MAX_SCENES)
            await make_room(work, project_id, at)
            return (await add_graph_scenes(work, project_id, [(at, found)]))[0]

    async def duplicate(
        self, principal: Principal, project_id: UUID, scene_id: UUID, if_match: str | None
    ) -> UUID:
        """Put a copy of a scene right behind it; returns the copy's id."""
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            scene = _scene(project, scene_id)
            self._check_room(project)
            self._check_repeat(project, scene.key, scene.repeatable, scene.max_repeats)
            await make_room(work, project_id, scene.position + 1)
            return await add_copy(work, project_id, scene, scene.position + 1)

    async def remove(
        self, principal: Principal, project_id: UUID, scene_id: UUID, if_match: str | None
    ) -> None:
        """Take a scene out. Raises :class:`SceneNotRemovable`."""
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            scene = _scene(project, scene_id)
            if project.mode != "Flexible":
                raise FixedStructure()
            alike = sum(1 for other in project.scenes if other.key == scene.key)
            if len(project.scenes) == 1 or not (scene.removable or alike > 1):
                raise SceneNotRemovable()
            await work.execute(
                "DELETE FROM studio.saved_scenes WHERE tenant_id = :tenant AND id = :id",
                tenant=principal.tenant_id,
                id=scene_id,
            )
            await work.execute(_CLOSE_GAPS, tenant=principal.tenant_id, project=project_id)

    async def reorder(
        self, principal: Principal, project_id: UUID, if_match: str | None, order: list[UUID]
    ) -> None:
        """Put the scenes into this order; it names every scene once."""
        async with editing(self._context, principal, project_id, if_match) as (work, project):
            if project.mode != "Flexible":
                raise FixedStructure()
            if sorted(order, key=str) != sorted((s.id for s in project.scenes), key=str):
                raise Invalid(
                    errors=[
                        FieldError(
                            pointer="/order",
                            code="order_incomplete",
                            message_fa="همهٔ صحنه‌ها، هر کدام یک بار",
                            message_en="Every scene, each once",
                        )
                    ]
                )
            await work.execute(_REORDER, ids=order, tenant=principal.tenant_id, project=project_id)

    def _check_room(self, project: Project) -> None:
        if project.mode != "Flexible":
            raise FixedStructure()
        if len(project.scenes) >= MAX_SCENES:
            raise TooManyScenes(limit=MAX_SCENES)

    def _check_repeat(self, project: Project, key: str, repeatable: bool, limit: int) -> None:
        count = sum(1 for scene in project.scenes if scene.key == key)
        if not repeatable or count >= limit:
            raise SceneNotRepeatable(limit=limit if repeatable else 1)

    async def _library(self, work: UnitOfWork, project_id: UUID) -> list[GraphScene]:
        found = await work.execute(
            "SELECT scene_data FROM studio.saved_projects WHERE tenant_id = :tenant AND id = :id",
            tenant=work.tenant,
            id=project_id,
        )
        return msgspec.convert(found.scalar_one(), _SceneData, strict=False).scenes


def _scene(project: Project, scene_id: UUID) -> Scene:
    for scene in project.scenes:
        if scene.id == scene_id:
            return scene
    raise NotFound()
