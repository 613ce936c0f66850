"""Fonts for everybody: /v1/fonts."""

from typing import Annotated, Literal

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from flatrender.http.pages import Page, PageParams
from flatrender.security.principal import Principal
from flatrender_content.schemas import FontFace
from flatrender_content.services.library import LibraryService


class FontController(Controller):
    """The font library."""

    path = "/v1/fonts"
    tags = ("content",)
    opt = {"auth": "optional"}  # noqa: RUF012 - Litestar's own way

    @get("/", operation_id="list_fonts", summary="Fonts")
    async def fonts(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        catalogue: NamedDependency[LibraryService],
        script: Annotated[
            Literal["Arab", "Hebr", "Latn"] | None,
            QueryParameter(description="Has letters of this script (ISO 15924)."),
        ] = None,
    ) -> Page[FontFace]:
        """Return the active fonts by family and weight."""
        return await catalogue.fonts(principal.tenant_id, page_params, script)
