"""The library around templates: categories, tags, fonts and music, as everybody reads them."""

from uuid import UUID

from flatrender.contracts.content import MusicRef
from flatrender.db import ReadPool
from flatrender.http.pages import Page, PageParams
from flatrender_content.queries.listing import DESCRIPTION, NAME, PAGE, owners, read_page
from flatrender_content.schemas import Category, FontFace, MusicTrack, Tag

_MUSIC_REF = """
SELECT id, title_fa, title_en, object_key, sha256, duration FROM content.music_tracks
WHERE id = $1 AND tenant_id = ANY ($2::uuid[]) AND active AND deleted_at IS NULL
"""

_CATEGORIES = PAGE.format(
    columns="c.*, parent.slug AS parent_slug",
    order="c.position, c.slug, c.tenant_id",
    source="content.categories c LEFT JOIN content.categories parent "
    "ON parent.id = c.parent_id AND parent.deleted_at IS NULL "
    "WHERE c.tenant_id = ANY ($1::uuid[]) AND c.active AND c.deleted_at IS NULL",
    item=f"'id', x.id, 'slug', x.slug, {NAME}, {DESCRIPTION}, "
    "'parent', x.parent_slug, 'icon', x.icon, 'position', x.position",
)
_TAGS = PAGE.format(
    columns="t.*",
    order="t.position, t.slug, t.tenant_id",
    source="content.tags t WHERE t.tenant_id = ANY ($1::uuid[]) AND t.deleted_at IS NULL",
    item=f"'id', x.id, 'slug', x.slug, {NAME}, 'color', x.color, 'position', x.position",
)
_FONTS = PAGE.format(
    columns="f.*",
    order="f.family, f.weight, f.style, f.id",
    source="content.fonts f WHERE f.tenant_id = ANY ($1::uuid[]) AND f.active "
    "AND f.deleted_at IS NULL AND ($4::text IS NULL OR $4 = ANY (f.scripts))",
    item="'id', x.id, 'family', x.family, 'style', x.style, 'weight', x.weight, "
    "'italic', x.italic, 'format', x.format, 'scripts', x.scripts, 'license', x.license",
)
_MUSIC = PAGE.format(
    columns="m.*",
    order="m.position, m.title_fa, m.id",
    source="content.music_tracks m WHERE m.tenant_id = ANY ($1::uuid[]) AND m.active "
    "AND m.deleted_at IS NULL AND ($4::text IS NULL OR m.mood = $4) "
    "AND ($5::text IS NULL OR m.search @@ public.search_query($5))",
    item="'id', x.id, 'key', x.key, "
    "'title', json_build_object('fa', x.title_fa, 'en', x.title_en), 'artist', x.artist, "
    "'duration', x.duration, 'bpm', x.bpm, 'mood', x.mood, 'genre', x.genre, "
    "'audio_url', $6::text || '/v1/music/' || x.id || '/audio'",
)


async def music_ref(reads: ReadPool, tenant_id: UUID, music_id: UUID) -> MusicRef | None:
    """Return where a track lies, or None."""
    return await reads.one(MusicRef, tenant_id, _MUSIC_REF, music_id, owners(tenant_id))


async def categories(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[Category]:
    """Return one page of the categories."""
    return await read_page(
        reads, tenant_id, Category, page, _CATEGORIES, owners(tenant_id), page.limit, page.offset
    )


async def tags(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[Tag]:
    """Return one page of the tags."""
    return await read_page(
        reads, tenant_id, Tag, page, _TAGS, owners(tenant_id), page.limit, page.offset
    )


async def fonts(
    reads: ReadPool, tenant_id: UUID, page: PageParams, *, script: str | None
) -> Page[FontFace]:
    """Return one page of the fonts, those with letters of ``script`` only when one is named."""
    args = (owners(tenant_id), page.limit, page.offset, script)
    return await read_page(reads, tenant_id, FontFace, page, _FONTS, *args)


async def music(
    reads: ReadPool,
    tenant_id: UUID,
    base: str,
    page: PageParams,
    *,
    mood: str | None,
    q: str | None,
) -> Page[MusicTrack]:
    """Return one page of the music library."""
    args = (owners(tenant_id), page.limit, page.offset, mood, q or None, base)
    return await read_page(reads, tenant_id, MusicTrack, page, _MUSIC, *args)
