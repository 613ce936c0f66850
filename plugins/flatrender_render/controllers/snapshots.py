"""Snapshots of scenes: /v1/snapshots."""

from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_render.errors import SnapshotFailed
from flatrender_render.schemas import Snapshot, SnapshotBody
from flatrender_render.services.snapshots import SnapshotService


class SnapshotController(Controller):
    """Draw single frames, exactly as the video will show them."""

    path = "/v1/snapshots"
    tags = ("render",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=200,
        operation_id="create_snapshot",
        summary="Draw one frame of a scene",
        responses={
            202: ResponseSpec(Snapshot, generate_examples=False, description="It is being drawn"),
            **problem_responses(NotFound, SnapshotFailed),
        },
    )
    async def create(
        self,
        data: JSONBody[SnapshotBody],
        principal: NamedDependency[Principal],
        snapshots: NamedDependency[SnapshotService],
    ) -> Response[Snapshot]:
        """Return a frame drawn now, or before with the same content. 202 while it is drawn."""
        made = await snapshots.ask(
            principal,
            data.saved_project_id,
            scene_id=data.saved_scene_id,
            time=data.time,
            width=data.width,
        )
        return Response(made, status_code=200 if made.url else 202)

    @get(
        "/{snapshot_id:uuid}",
        operation_id="get_snapshot",
        summary="One snapshot",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        snapshot_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        snapshots: NamedDependency[SnapshotService],
    ) -> Snapshot:
        """Return a snapshot; `url` is null while it is being drawn."""
        return await snapshots.read(principal, snapshot_id)

    @get(
        "/{snapshot_id:uuid}/image",
        operation_id="get_snapshot_image",
        summary="The picture of a snapshot",
        status_code=302,
        responses=problem_responses(NotFound),
    )
    async def image(
        self,
        snapshot_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        snapshots: NamedDependency[SnapshotService],
    ) -> Redirect:
        """Redirect to a presigned link of the PNG."""
        link = await snapshots.link(principal, snapshot_id)
        return Redirect(link, status_code=302, headers={"cache-control": "no-store"})
