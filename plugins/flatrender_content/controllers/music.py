"""The music library for everybody: /v1/music."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.principal import Principal
from flatrender_content.controllers.redirects import to_object
from flatrender_content.schemas import MusicTrack
from flatrender_content.services.library import LibraryService


class MusicController(Controller):
    """Tracks to put under a video."""

    path = "/v1/music"
    tags = ("content",)
    opt = {"auth": "optional"}  # noqa: RUF012 - Litestar's own way

    @get("/", operation_id="list_music", summary="Music")
    async def tracks(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        catalogue: NamedDependency[LibraryService],
        mood: Annotated[str | None, QueryParameter(max_length=80, description="Mood.")] = None,
        q: Annotated[
            str | None, QueryParameter(max_length=200, description="Words of title or artist.")
        ] = None,
    ) -> Page[MusicTrack]:
        """Return the active tracks in their order."""
        return await catalogue.tracks(principal.tenant_id, page_params, mood=mood, q=q)

    @get(
        "/{music_id:uuid}/audio",
        operation_id="get_music_audio",
        summary="A track's sound",
        status_code=302,
        responses=problem_responses(NotFound),
    )
    async def audio(
        self,
        music_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        catalogue: NamedDependency[LibraryService],
    ) -> Redirect:
        """Redirect to the sound file."""
        return to_object(await catalogue.audio_link(principal.tenant_id, music_id))
