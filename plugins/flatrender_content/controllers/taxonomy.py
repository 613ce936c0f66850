"""Categories and tags for everybody: /v1/categories, /v1/tags."""

from litestar import Controller, get
from litestar.di import NamedDependency

from flatrender.http.pages import Page, PageParams
from flatrender.security.principal import Principal
from flatrender_content.schemas import Category, Tag
from flatrender_content.services.library import LibraryService


class CategoryController(Controller):
    """The tree of categories."""

    path = "/v1/categories"
    tags = ("content",)
    opt = {"auth": "optional"}  # noqa: RUF012 - Litestar's own way

    @get("/", operation_id="list_categories", summary="Categories")
    async def categories(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        catalogue: NamedDependency[LibraryService],
    ) -> Page[Category]:
        """Return the active categories in their order."""
        return await catalogue.categories(principal.tenant_id, page_params)


class TagController(Controller):
    """Tags."""

    path = "/v1/tags"
    tags = ("content",)
    opt = {"auth": "optional"}  # noqa: RUF012 - Litestar's own way

    @get("/", operation_id="list_tags", summary="Tags")
    async def tag_list(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        catalogue: NamedDependency[LibraryService],
    ) -> Page[Tag]:
        """Return the tags in their order."""
        return await catalogue.tags(principal.tenant_id, page_params)
