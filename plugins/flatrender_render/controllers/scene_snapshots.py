"""Stills of all scenes of a project: /v1/saved-projects/{id}/snapshots; public ones under /p."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, PathParameter
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_render.output_schemas import SceneSnapshots, SceneSnapshotsBody
from flatrender_render.services.scene_snapshots import SceneSnapshotService


class SceneSnapshotController(Controller):
    """Draw every scene of a saved project."""

    path = "/v1/saved-projects/{saved_project_id:uuid}/snapshots"
    tags = ("render",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=202,
        operation_id="create_scene_snapshots",
        summary="Draw every scene of a project",
        opt={"idempotent": True},
        responses=problem_responses(NotFound),
    )
    async def create(
        self,
        saved_project_id: FromPath[UUID],
        data: JSONBody[SceneSnapshotsBody],
        principal: NamedDependency[Principal],
        scene_snapshots: NamedDependency[SceneSnapshotService],
    ) -> SceneSnapshots:
        """Queue a still of every scene; what was drawn before is there at once."""
        return await scene_snapshots.ask(
            principal, saved_project_id, width=data.width, permanent=data.permanent
        )

    @get(
        "/{job_id:uuid}",
        operation_id="get_scene_snapshots",
        summary="How far the scenes' stills are",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        saved_project_id: FromPath[UUID],
        job_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        scene_snapshots: NamedDependency[SceneSnapshotService],
    ) -> SceneSnapshots:
        """Return the stills that are drawn and how many are not."""
        return await scene_snapshots.read(principal, saved_project_id, job_id)


@get(
    "/p/{token:str}",
    operation_id="follow_public_snapshot",
    summary="A still with a public address",
    tags=["render"],
    status_code=302,
    opt={"auth": "public"},
    responses=problem_responses(NotFound),
)
async def follow_public_snapshot(
    token: Annotated[str, PathParameter(min_length=16, max_length=64)],
    scene_snapshots: NamedDependency[SceneSnapshotService],
) -> Redirect:
    """Redirect to a presigned link of the picture. This address never expires."""
    link = await scene_snapshots.public_link(token)
    # Shorter than the link lives: who keeps the redirect still gets the picture.
    return Redirect(link, status_code=302, headers={"cache-control": "public, max-age=300"})
