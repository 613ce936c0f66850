"""Categories, tags and fonts for administrators: /v1/admin/{categories,tags,fonts}."""

from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.principal import Principal
from flatrender_content.errors import CategoryCycle, CategoryInUse, SlugTaken
from flatrender_content.guards import curates_taxonomy
from flatrender_content.schemas import (
    AdminFont,
    FontBody,
    FontChange,
)
from flatrender_content.services.fonts import FontService, NoFont
from flatrender_content.services.taxonomy import TaxonomyService
from flatrender_content.taxonomy_schemas import (
    AdminCategory,
    AdminTag,
    CategoryBody,
    CategoryChange,
    TagBody,
    TagChange,
)


class AdminCategoryController(Controller):
    """The tree of categories."""

    path = "/v1/admin/categories"
    tags = ("content",)
    guards = (curates_taxonomy,)

    @get("/", operation_id="admin_list_categories", summary="Own categories")
    async def categories(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> Page[AdminCategory]:
        """Return the tenant's own categories, inactive ones too."""
        return await taxonomy.categories(principal.tenant_id, page_params)

    @post(
        "/",
        status_code=201,
        operation_id="admin_add_category",
        summary="Add a category",
        opt={"idempotent": True},
        responses=problem_responses(SlugTaken),
    )
    async def add(
        self,
        data: JSONBody[CategoryBody],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> AdminCategory:
        """Add a category; its slug is unique without regard to case."""
        return await taxonomy.add_category(principal.tenant_id, data)

    @patch(
        "/{category_id:uuid}",
        operation_id="admin_change_category",
        summary="Change a category",
        responses=problem_responses(NotFound, SlugTaken, CategoryCycle),
    )
    async def change(
        self,
        category_id: FromPath[UUID],
        data: JSONBody[CategoryChange],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> AdminCategory:
        """Change a category; absent fields stay."""
        return await taxonomy.change_category(principal.tenant_id, category_id, data)

    @delete(
        "/{category_id:uuid}",
        operation_id="admin_remove_category",
        summary="Remove a category",
        responses=problem_responses(NotFound, CategoryInUse),
    )
    async def remove(
        self,
        category_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> None:
        """Remove a category that holds no template and no other category."""
        await taxonomy.remove_category(principal.tenant_id, category_id)


class AdminTagController(Controller):
    """Tags."""

    path = "/v1/admin/tags"
    tags = ("content",)
    guards = (curates_taxonomy,)

    @get("/", operation_id="admin_list_tags", summary="Own tags")
    async def tag_list(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> Page[AdminTag]:
        """Return the tenant's own tags."""
        return await taxonomy.tags(principal.tenant_id, page_params)

    @post(
        "/",
        status_code=201,
        operation_id="admin_add_tag",
        summary="Add a tag",
        opt={"idempotent": True},
        responses=problem_responses(SlugTaken),
    )
    async def add(
        self,
        data: JSONBody[TagBody],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> AdminTag:
        """Add a tag; its slug is unique without regard to case."""
        return await taxonomy.add_tag(principal.tenant_id, data)

    @patch(
        "/{tag_id:uuid}",
        operation_id="admin_change_tag",
        summary="Change a tag",
        responses=problem_responses(NotFound, SlugTaken),
    )
    async def change(
        self,
        tag_id: FromPath[UUID],
        data: JSONBody[TagChange],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> AdminTag:
        """Change a tag; absent fields stay."""
        return await taxonomy.change_tag(principal.tenant_id, tag_id, data)

    @delete(
        "/{tag_id:uuid}",
        operation_id="admin_remove_tag",
        summary="Remove a tag",
        responses=problem_responses(NotFound),
    )
    async def remove(
        self,
        tag_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> None:
        """Remove a tag and take it off the tenant's templates."""
        await taxonomy.remove_tag(principal.tenant_id, tag_id)


class AdminFontController(Controller):
    """Fonts."""

    path = "/v1/admin/fonts"
    tags = ("content",)
    guards = (curates_taxonomy,)

    @get("/", operation_id="admin_list_fonts", summary="Own fonts")
    async def fonts(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> Page[AdminFont]:
        """Return the tenant's own fonts, inactive ones too."""
        return await taxonomy.fonts(principal.tenant_id, page_params)

    @post(
        "/",
        status_code=201,
        operation_id="admin_add_font",
        summary="Bring a font",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, NoFont),
    )
    async def add(
        self,
        data: JSONBody[FontBody],
        principal: NamedDependency[Principal],
        font_library: NamedDependency[FontService],
    ) -> AdminFont:
        """Keep an uploaded file (`purpose` font) as a font of the library. The farm installs the
        fonts of its own tenant on every node that takes fonts from its machine. The same face
        again replaces its file."""
        return await font_library.add(principal, data.file_id)

    @patch(
        "/{font_id:uuid}",
        operation_id="admin_change_font",
        summary="Show or hide a font",
        responses=problem_responses(NotFound),
    )
    async def change(
        self,
        font_id: FromPath[UUID],
        data: JSONBody[FontChange],
        principal: NamedDependency[Principal],
        taxonomy: NamedDependency[TaxonomyService],
    ) -> AdminFont:
        """Offer a font in the library or not; templates that bring it keep it."""
        return await taxonomy.activate_font(principal.tenant_id, font_id, active=data.active)
