"""Finished videos: /v1/exports."""

from typing import Literal
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_render.errors import AlreadyInFormat, ExportGone
from flatrender_render.output_schemas import RenditionList, RenditionsBody
from flatrender_render.schemas import Export
from flatrender_render.services.outputs import OutputService
from flatrender_render.services.views import ViewService

_NO_STORE = {"cache-control": "no-store"}


class ExportController(Controller):
    """List and download exports. Links are ours and permanent; they lead to fresh presigned
    ones."""

    path = "/v1/exports"
    tags = ("render",)
    guards = (requires_user,)

    @get("/", operation_id="list_exports", summary="My finished videos")
    async def exports(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        views: NamedDependency[ViewService],
    ) -> CursorPage[Export]:
        """Return the caller's exports, newest first."""
        return await views.exports(principal, cursor_params)

    @get(
        "/{export_id:uuid}",
        operation_id="get_export",
        summary="One finished video",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        export_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        views: NamedDependency[ViewService],
    ) -> Export:
        """Return an export with its figures and links."""
        return await views.export(principal, export_id)

    @get(
        "/{export_id:uuid}/download",
        operation_id="download_export",
        summary="Download the video",
        status_code=302,
        responses=problem_responses(NotFound, ExportGone),
    )
    async def download(
        self,
        export_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        views: NamedDependency[ViewService],
    ) -> Redirect:
        """Redirect to a presigned link of ten minutes."""
        link = await views.link(principal, export_id, "video")
        return Redirect(link, status_code=302, headers=_NO_STORE)

    @delete(
        "/{export_id:uuid}",
        operation_id="delete_export",
        summary="Delete a video",
        responses=problem_responses(NotFound),
    )
    async def delete(
        self,
        export_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        outputs: NamedDependency[OutputService],
    ) -> None:
        """Delete an export for good; links to it end at once."""
        await outputs.delete(principal, export_id)

    @post(
        "/{export_id:uuid}/renditions",
        status_code=202,
        operation_id="create_renditions",
        summary="Make the video in further formats",
        opt={"idempotent": True, "limit": "submit"},
        responses=problem_responses(NotFound, ExportGone, AlreadyInFormat),
    )
    async def make_renditions(
        self,
        export_id: FromPath[UUID],
        data: JSONBody[RenditionsBody],
        principal: NamedDependency[Principal],
        outputs: NamedDependency[OutputService],
    ) -> RenditionList:
        """Queue WebM (VP9, Opus) or GIF (at most 15 pictures a second and 20 MB, no sound). What
        is there already is not made again."""
        return RenditionList(data=await outputs.want(principal, export_id, list(data.formats)))

    @get(
        "/{export_id:uuid}/renditions",
        operation_id="list_renditions",
        summary="Further formats of a video",
        responses=problem_responses(NotFound),
    )
    async def renditions(
        self,
        export_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        outputs: NamedDependency[OutputService],
    ) -> RenditionList:
        """Return the formats, how far they are and where they lie."""
        return RenditionList(data=await outputs.renditions(principal, export_id))

    @get(
        "/{export_id:uuid}/{picture:str}",
        operation_id="get_export_picture",
        summary="Poster, thumbnail or contact sheet",
        status_code=302,
        responses=problem_responses(NotFound, ExportGone),
    )
    async def picture(
        self,
        export_id: FromPath[UUID],
        picture: FromPath[Literal["poster", "thumbnail", "contact-sheet"]],
        principal: NamedDependency[Principal],
        views: NamedDependency[ViewService],
    ) -> Redirect:
        """Redirect to a picture of the video."""
        link = await views.link(principal, export_id, picture)
        return Redirect(link, status_code=302, headers=_NO_STORE)
