"""Fonts of the farm for its administrators: /v1/admin/farm/fonts."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import runs_the_deployment
from flatrender.security.principal import Principal
from flatrender_render.services.farm_fonts import FarmFont, FarmFontService


class AdminFarmFontController(Controller):
    """Which node has which font."""

    path = "/v1/admin/farm/fonts"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @get(
        "/",
        operation_id="list_farm_fonts",
        summary="Fonts of the farm by node",
        responses=problem_responses(),
    )
    async def fonts(
        self,
        farm_fonts: NamedDependency[FarmFontService],
        page_params: NamedDependency[PageParams],
        q: Annotated[str | None, QueryParameter(max_length=80)] = None,
    ) -> Page[FarmFont]:
        """Return the fonts that the farm installs, and how each is on every node that takes fonts
        from its machine."""
        return await farm_fonts.matrix(page_params, q=q)

    @post(
        "/{font_id:uuid}/install",
        status_code=204,
        operation_id="install_farm_font",
        summary="Install a font where it is lacking",
        responses=problem_responses(NotFound),
    )
    async def install(
        self,
        font_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        farm_fonts: NamedDependency[FarmFontService],
    ) -> None:
        """Tell the nodes that lack a font to install it, again where it failed."""
        await farm_fonts.install(font_id, by=principal.user_id)
