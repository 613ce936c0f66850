"""Templates for everybody: /v1/templates, /v1/scenes."""

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
from flatrender.template.manifest import Aspect, Mode
from flatrender_content.controllers.redirects import to_object
from flatrender_content.queries.templates import Sort, TemplateFilter
from flatrender_content.schemas import Template, TemplateItem
from flatrender_content.services.library import LibraryService

SlugText = Annotated[str | None, QueryParameter(max_length=80, description="A slug.")]


class TemplateController(Controller):
    """What customers pick from."""

    path = "/v1/templates"
    tags = ("content",)
    opt = {"auth": "optional"}  # noqa: RUF012 - Litestar's own way

    @get("/", operation_id="list_templates", summary="Templates")
    async def templates(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        catalogue: NamedDependency[LibraryService],
        q: Annotated[
            str | None,
            QueryParameter(max_length=200, description="Words, Persian or English, as prefixes."),
        ] = None,
        category: SlugText = None,
        tag: SlugText = None,
        aspect: Annotated[Aspect | None, QueryParameter(description="Has this aspect.")] = None,
        mode: Annotated[Mode | None, QueryParameter(description="Only this mode.")] = None,
        sort: Annotated[
            Sort | None, QueryParameter(description="Best match for `q`, else newest.")
        ] = None,
    ) -> Page[TemplateItem]:
        """Return published templates: the tenant's own and those shared with it."""
        wanted = TemplateFilter(
            q=q, category=category, tag=tag, aspect=aspect, mode=mode, sort=sort
        )
        return await catalogue.templates(principal.tenant_id, wanted, page_params)

    @get(
        "/{template:str}",
        operation_id="get_template",
        summary="One template",
        responses=problem_responses(NotFound),
    )
    async def template(
        self,
        template: FromPath[str],
        principal: NamedDependency[Principal],
        catalogue: NamedDependency[LibraryService],
    ) -> Template:
        """Return a template by id or slug with aspects, scenes, slots, colours and palettes."""
        return await catalogue.template(principal.tenant_id, template)

    @get(
        "/{template:str}/poster",
        operation_id="get_template_poster",
        summary="A template's poster",
        status_code=302,
        responses=problem_responses(NotFound),
    )
    async def poster(
        self,
        template: FromPath[str],
        principal: NamedDependency[Principal],
        catalogue: NamedDependency[LibraryService],
        aspect: Annotated[Aspect | None, QueryParameter(description="Else the first.")] = None,
    ) -> Redirect:
        """Redirect to the picture."""
        return to_object(await catalogue.poster_link(principal.tenant_id, template, aspect))


class SceneController(Controller):
    """Stills of scenes."""

    path = "/v1/scenes"
    tags = ("content",)
    opt = {"auth": "optional"}  # noqa: RUF012 - Litestar's own way

    @get(
        "/{scene_id:uuid}/snapshot",
        operation_id="get_scene_snapshot",
        summary="A scene's still",
        status_code=302,
        responses=problem_responses(NotFound),
    )
    async def snapshot(
        self,
        scene_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        catalogue: NamedDependency[LibraryService],
    ) -> Redirect:
        """Redirect to the picture."""
        return to_object(await catalogue.snapshot_link(principal.tenant_id, scene_id))
