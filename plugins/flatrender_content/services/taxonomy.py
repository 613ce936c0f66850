"""Categories, tags and fonts as an administrator keeps them.

Owns their rules: slugs are unique without regard to case, the category tree has no cycle, nothing
that is still used goes away. Only a tenant's own rows; what is shared with it is read-only here.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender_content.errors import CategoryCycle, CategoryInUse, SlugTaken
from flatrender_content.models import Category, Font, Tag
from flatrender_content.queries import admin
from flatrender_content.schemas import (
    AdminFont,
    Words,
    columns_of,
)
from flatrender_content.taxonomy_schemas import (
    AdminCategory,
    AdminTag,
    CategoryBody,
    CategoryChange,
    TagBody,
    TagChange,
)

R = TypeVar("R", Category, Tag, Font)

# Renames that would make the tree a ring are seen by walking up from the new parent.
_ABOVE = """
WITH RECURSIVE above AS (
  SELECT id, parent_id FROM content.categories WHERE tenant_id = :tenant AND id = :parent
  UNION
  SELECT c.id, c.parent_id FROM content.categories c JOIN above ON c.id = above.parent_id
  WHERE c.tenant_id = :tenant
)
SELECT EXISTS (SELECT FROM above WHERE id = :category)
"""
_IN_USE = """
SELECT EXISTS (SELECT FROM content.project_containers
               WHERE tenant_id = :tenant AND category_id = :id AND deleted_at IS NULL)
    OR EXISTS (SELECT FROM content.categories
               WHERE tenant_id = :tenant AND parent_id = :id AND deleted_at IS NULL)
"""
# Two moves at once could make a ring that neither sees.
_TREE = """
SELECT pg_advisory_xact_lock(
  hashtextextended('content.categories:' || CAST(:tenant AS text), 0))
"""
_UNTAG = """
UPDATE content.project_containers SET tag_ids = array_remove(tag_ids, CAST(:id AS uuid))
WHERE tenant_id = :tenant AND id IN (SELECT container_id FROM content.container_tags
                                     WHERE tenant_id = :tenant AND tag_id = :id)
"""


class TaxonomyService:
    """Use cases of administrators."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def categories(self, tenant_id: UUID, page: PageParams) -> Page[AdminCategory]:
        """Return one page of a tenant's own categories, inactive ones too."""
        return await admin.categories(self._db.reads, tenant_id, page)

    async def tags(self, tenant_id: UUID, page: PageParams) -> Page[AdminTag]:
        """Return one page of a tenant's own tags."""
        return await admin.tags(self._db.reads, tenant_id, page)

    async def fonts(self, tenant_id: UUID, page: PageParams) -> Page[AdminFont]:
        """Return one page of a tenant's own fonts, inactive ones too."""
        return await admin.fonts(self._db.reads, tenant_id, page)

    async def add_category(self, tenant_id: UUID, body: CategoryBody) -> AdminCategory:
        """Make a category. Raises :class:`SlugTaken`, ``Invalid`` for an unknown parent."""
        async with self._writing(tenant_id) as work:
            await _check_parent(work, body.parent_id)
            row = Category(tenant_id=tenant_id, **columns_of(body))
            return _category(await _save(work, row))

    async def change_category(
        self, tenant_id: UUID, category_id: UUID, change: CategoryChange
    ) -> AdminCategory:
        """Change a category. Raises ``NotFound``, :class:`SlugTaken`, :class:`CategoryCycle`."""
        values = columns_of(change)
        async with self._writing(tenant_id) as work:
            row = await _own(work, Category, category_id)
            if parent := values.get("parent_id"):
                await work.execute(_TREE, tenant=str(tenant_id))
                await _check_parent(work, parent)
                ring = await work.execute(
                    _ABOVE, tenant=tenant_id, parent=parent, category=category_id
                )
                if ring.scalar_one():
                    raise CategoryCycle()
            return _category(await _save(work, row, values))

    async def remove_category(self, tenant_id: UUID, category_id: UUID) -> None:
        """Remove an empty category. Raises ``NotFound``, :class:`CategoryInUse`."""
        async with self._writing(tenant_id) as work:
            row = await _own(work, Category, category_id)
            used = await work.execute(_IN_USE, tenant=tenant_id, id=category_id)
            if used.scalar_one():
                raise CategoryInUse()
            row.deleted_at = func.now()

    async def add_tag(self, tenant_id: UUID, body: TagBody) -> AdminTag:
        """Make a tag. Raises :class:`SlugTaken`."""
        async with self._writing(tenant_id) as work:
            return _tag(await _save(work, Tag(tenant_id=tenant_id, **columns_of(body))))

    async def change_tag(self, tenant_id: UUID, tag_id: UUID, change: TagChange) -> AdminTag:
        """Change a tag. Raises ``NotFound``, :class:`SlugTaken`."""
        async with self._writing(tenant_id) as work:
            return _tag(await _save(work, await _own(work, Tag, tag_id), columns_of(change)))

    async def remove_tag(self, tenant_id: UUID, tag_id: UUID) -> None:
        """Remove a tag and take it off the tenant's templates. Raises ``NotFound``."""
        async with self._writing(tenant_id) as work:
            row = await _own(work, Tag, tag_id)
            await work.execute(_UNTAG, tenant=tenant_id, id=tag_id)
            row.deleted_at = func.now()

    async def activate_font(self, tenant_id: UUID, font_id: UUID, *, active: bool) -> AdminFont:
        """Show or hide a font in the library. Raises ``NotFound``."""
        async with self._writing(tenant_id) as work:
            return _font(await _save(work, await _own(work, Font, font_id), {"active": active}))

    @asynccontextmanager
    async def _writing(self, tenant_id: UUID) -> AsyncIterator[UnitOfWork]:
        try:
            async with self._db.unit_of_work(tenant_id) as work:
                yield work
        except IntegrityError as error:
            if "_slug" in str(error.orig):
                raise SlugTaken() from error
            raise


async def _own(work: UnitOfWork, model: type[R], row_id: UUID) -> R:
    """Return a row of the tenant for changing. Raises ``NotFound``."""
    row: R | None = await work.session.scalar(
        select(model)
        .where(model.tenant_id == work.tenant, model.id == row_id, model.deleted_at.is_(None))
        .with_for_update()
    )
    if row is None:
        raise NotFound()
    return row


async def _save(work: UnitOfWork, row: R, values: Mapping[str, Any] | None = None) -> R:
    for name, value in (values or {}).items():
        setattr(row, name, value)
    work.session.add(row)
    await work.session.flush()
    await work.session.refresh(row)
    return row


async def _check_parent(work: UnitOfWork, parent_id: UUID | None) -> None:
    if parent_id is None:
        return
    try:
        await _own(work, Category, parent_id)
    except NotFound:
        raise Invalid(
            errors=[
                FieldError(
                    pointer="/parent_id",
                    code="unknown",
                    message_fa="چنین دسته‌ای نیست",
                    message_en="There is no such category",
                )
            ]
        ) from None


def _category(row: Category) -> AdminCategory:
    return AdminCategory(
        id=row.id,
        slug=row.slug,
        name=Words(fa=row.name_fa, en=row.name_en),
        description=Words(fa=row.description_fa, en=row.description_en),
        parent_id=row.parent_id,
        icon=row.icon,
        position=row.position,
        active=row.active,
    )


def _tag(row: Tag) -> AdminTag:
    name = Words(fa=row.name_fa, en=row.name_en)
    return AdminTag(id=row.id, slug=row.slug, name=name, color=row.color, position=row.position)


def _font(row: Font) -> AdminFont:
    return AdminFont(
        id=row.id,
        family=row.family,
        style=row.style,
        weight=row.weight,
        format=row.format,
        scripts=row.scripts,
        source=row.source,
        active=row.active,
    )
