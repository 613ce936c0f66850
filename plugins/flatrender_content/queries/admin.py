"""What administrators see of their own tenant: drafts and inactive rows too, nothing shared."""

from uuid import UUID

from flatrender.db import ReadPool
from flatrender.http.pages import Page, PageParams
from flatrender_content.queries.listing import DESCRIPTION, NAME, PAGE, read_page
from flatrender_content.schemas import (
    AdminFont,
    AdminTemplate,
    AdminTrack,
)
from flatrender_content.taxonomy_schemas import (
    AdminCategory,
    AdminTag,
)

_OWN = "WHERE x.tenant_id = $1 AND x.deleted_at IS NULL"
_ADMIN_CATEGORIES = PAGE.format(
    columns="x.*",
    order="x.position, x.slug",
    source=f"content.categories x {_OWN}",
    item=f"'id', x.id, 'slug', x.slug, {NAME}, {DESCRIPTION}, 'parent_id', x.parent_id, "
    "'icon', x.icon, 'position', x.position, 'active', x.active",
)
_ADMIN_TAGS = PAGE.format(
    columns="x.*",
    order="x.position, x.slug",
    source=f"content.tags x {_OWN}",
    item=f"'id', x.id, 'slug', x.slug, {NAME}, 'color', x.color, 'position', x.position",
)
_ADMIN_FONTS = PAGE.format(
    columns="x.*",
    order="x.family, x.weight, x.style, x.id",
    source=f"content.fonts x {_OWN}",
    item="'id', x.id, 'family', x.family, 'style', x.style, 'weight', x.weight, "
    "'format', x.format, 'scripts', x.scripts, 'source', x.source, 'active', x.active",
)
_ADMIN_TRACKS = PAGE.format(
    columns="x.*",
    order="x.position, x.title_fa, x.id",
    source=f"content.music_tracks x {_OWN} "
    "AND ($4::uuid IS NULL OR x.id = $4) "
    "AND ($5::text IS NULL OR x.search @@ public.search_query($5))",
    item="'id', x.id, 'title', json_build_object('fa', x.title_fa, 'en', x.title_en), "
    "'artist', x.artist, 'duration', x.duration, 'bpm', x.bpm, 'mood', x.mood, "
    "'genre', x.genre, 'license', x.license, 'position', x.position, 'active', x.active, "
    "'source', x.source, 'size_bytes', x.size_bytes",
)
_SHARED = """'shared_with', (
  SELECT coalesce(json_agg(h.shared_with ORDER BY h.shared_with), '[]')
  FROM content.container_shares h WHERE h.tenant_id = x.tenant_id AND h.container_id = x.id)"""
_ADMIN_TEMPLATES = PAGE.format(
    columns="x.*",
    order="x.created_at DESC, x.id DESC",
    source=f"content.project_containers x {_OWN} "
    "AND ($4::uuid IS NULL OR x.id = $4) "
    "AND ($5::boolean IS NULL OR (x.published_at IS NOT NULL) = $5) "
    "AND ($6::text IS NULL OR x.search @@ public.search_query($6))",
    item=f"'id', x.id, 'slug', x.slug, {NAME}, {DESCRIPTION}, {_SHARED}, 'mode', x.mode, "
    "'aspects', x.aspects, 'scene_count', x.scene_count, 'version', x.package_version, "
    "'sharing', x.sharing, "
    "'category_id', x.category_id, 'tag_ids', x.tag_ids, 'keywords', x.keywords, "
    "'min_plan_tier', x.min_plan_tier, 'position', x.position, 'use_count', x.use_count, "
    "'render_count', x.render_count, 'manual_fields', x.manual_fields, "
    "'published_at', x.published_at, 'created_at', x.created_at, 'updated_at', x.updated_at",
)


async def categories(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[AdminCategory]:
    """Return one page of a tenant's own categories."""
    args = (tenant_id, page.limit, page.offset)
    return await read_page(reads, tenant_id, AdminCategory, page, _ADMIN_CATEGORIES, *args)


async def tags(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[AdminTag]:
    """Return one page of a tenant's own tags."""
    args = (tenant_id, page.limit, page.offset)
    return await read_page(reads, tenant_id, AdminTag, page, _ADMIN_TAGS, *args)


async def fonts(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[AdminFont]:
    """Return one page of a tenant's own fonts."""
    args = (tenant_id, page.limit, page.offset)
    return await read_page(reads, tenant_id, AdminFont, page, _ADMIN_FONTS, *args)


async def tracks(
    reads: ReadPool,
    tenant_id: UUID,
    page: PageParams,
    *,
    track_id: UUID | None = None,
    q: str | None = None,
) -> Page[AdminTrack]:
    """Return one page of a tenant's own tracks, inactive ones too."""
    args = (tenant_id, page.limit, page.offset, track_id, q or None)
    return await read_page(reads, tenant_id, AdminTrack, page, _ADMIN_TRACKS, *args)


async def templates(
    reads: ReadPool,
    tenant_id: UUID,
    page: PageParams,
    *,
    template_id: UUID | None = None,
    published: bool | None = None,
    q: str | None = None,
) -> Page[AdminTemplate]:
    """Return one page of a tenant's own templates, drafts included."""
    args = (tenant_id, page.limit, page.offset, template_id, published, q or None)
    return await read_page(reads, tenant_id, AdminTemplate, page, _ADMIN_TEMPLATES, *args)
