"""The music library for administrators: /v1/admin/music."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.principal import Principal
from flatrender_content.errors import TrackExists
from flatrender_content.guards import curates_music
from flatrender_content.schemas import AdminTrack, TrackBody, TrackChange
from flatrender_content.services.tracks import TrackService


class AdminMusicController(Controller):
    """Tracks."""

    path = "/v1/admin/music"
    tags = ("content",)
    guards = (curates_music,)

    @get("/", operation_id="admin_list_music", summary="Own tracks")
    async def tracks(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        tracks: NamedDependency[TrackService],
        q: Annotated[
            str | None, QueryParameter(max_length=200, description="Words of title or artist.")
        ] = None,
    ) -> Page[AdminTrack]:
        """Return the tenant's own tracks, inactive ones too."""
        return await tracks.tracks(principal.tenant_id, page_params, q=q)

    @post(
        "/",
        status_code=201,
        operation_id="admin_add_music",
        summary="Add a track",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, TrackExists),
    )
    async def add(
        self,
        data: JSONBody[TrackBody],
        principal: NamedDependency[Principal],
        tracks: NamedDependency[TrackService],
    ) -> AdminTrack:
        """Add a sound that the caller uploaded before (`/v1/uploads`, purpose `music`)."""
        return await tracks.add(principal, data)

    @patch(
        "/{track_id:uuid}",
        operation_id="admin_change_music",
        summary="Change a track",
        responses=problem_responses(NotFound),
    )
    async def change(
        self,
        track_id: FromPath[UUID],
        data: JSONBody[TrackChange],
        principal: NamedDependency[Principal],
        tracks: NamedDependency[TrackService],
    ) -> AdminTrack:
        """Change what the library says of a track; absent fields stay."""
        return await tracks.change(principal.tenant_id, track_id, data)

    @delete(
        "/{track_id:uuid}",
        operation_id="admin_remove_music",
        summary="Remove a track",
        responses=problem_responses(NotFound),
    )
    async def remove(
        self,
        track_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        tracks: NamedDependency[TrackService],
    ) -> None:
        """Take a track out of the library."""
        await tracks.remove(principal.tenant_id, track_id)
