"""Content's hot reads: one SQL a request, the whole object graph in it.

Row-level security shows a tenant its own rows and what the default tenant shares; drafts are left
out here. Answers are built as JSON by the database and decoded straight into the API's Structs.
"""

from typing import Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.content import MusicRef, TemplateGraph
from flatrender.db import ReadPool
from flatrender.http.pages import Page, PageParams
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender_content.schemas import Category, FontFace, MusicTrack, Tag, Template, TemplateItem

T = TypeVar("T")
Sort = Literal["newest", "popular", "name"]


class Listed(Struct, frozen=True):
    """What a list query returns: the page's rows and how many there are in all."""

    total: int
    data: msgspec.Raw


class TemplateFilter(Struct, frozen=True, kw_only=True):
    """Which templates; ``q`` as typed, slugs of category (with all below it) and tag."""

    q: str | None = None
    category: str | None = None
    tag: str | None = None
    aspect: str | None = None
    mode: str | None = None
    sort: Sort | None = None


_ORDERS = {
    "newest": "c.published_at DESC, c.id DESC",
    "popular": "c.render_count DESC, c.use_count DESC, c.id DESC",
    "name": "c.name_fa, c.id",
    "relevance": "found.rank DESC, c.published_at DESC, c.id DESC",
}
# Each condition is there only when it is asked for, so that a plan never pays for the others.
_FILTERS = {
    "category": """c.category_id IN (
    WITH RECURSIVE tree AS (
      SELECT k.id FROM content.categories k
      WHERE lower(k.slug) = lower({0}) AND k.deleted_at IS NULL
      UNION
      SELECT k.id FROM content.categories k JOIN tree ON k.parent_id = tree.id
      WHERE k.deleted_at IS NULL)
    SELECT id FROM tree)""",
    "tag": """c.id IN (
    SELECT ct.container_id FROM content.container_tags ct JOIN content.tags t ON t.id = ct.tag_id
    WHERE lower(t.slug) = lower({0}) AND t.deleted_at IS NULL)""",
    "aspect": "c.aspects @> ARRAY[{0}::text]",
    "mode": "c.mode = {0}::text",
}
_TAXONOMY = """
           'category', (SELECT json_build_object('slug', k.slug, 'name',
                          json_build_object('fa', k.name_fa, 'en', k.name_en))
                        FROM content.categories k
                        WHERE k.id = c.category_id AND k.deleted_at IS NULL),
           'tags', (SELECT coalesce(json_agg(t.slug ORDER BY t.position, t.slug), '[]')
                    FROM content.tags t WHERE t.id = ANY (c.tag_ids) AND t.deleted_at IS NULL),
"""
_ITEM = f"""
           'id', c.id, 'slug', c.slug,
           'name', json_build_object('fa', c.name_fa, 'en', c.name_en),
           'description', json_build_object('fa', c.description_fa, 'en', c.description_en),
           'mode', c.mode, 'direction', c.direction, {_TAXONOMY.strip()}
           'aspects', c.aspects, 'duration', c.duration, 'scene_count', c.scene_count,
           'min_plan_tier', c.min_plan_tier, 'published_at', c.published_at,
           'poster_url', CASE WHEN c.poster_object_key IS NOT NULL
                         THEN $1::text || '/v1/templates/' || c.id || '/poster' END
"""
_LIST = """
WITH hits AS MATERIALIZED (
  SELECT c.id, row_number() OVER (ORDER BY {order}) AS place
  FROM content.project_containers c {join}
  WHERE c.tenant_id = ANY ($2::uuid[]) AND c.published_at IS NOT NULL AND c.deleted_at IS NULL
    {filters}
)
SELECT json_build_object(
  'total', (SELECT count(*) FROM hits),
  'data', (SELECT coalesce(json_agg(json_build_object({item}) ORDER BY h.place), '[]')
           FROM hits h JOIN content.project_containers c ON c.id = h.id
           WHERE h.place > $4 AND h.place <= $4 + $3))::text
"""
_SLOTS = """
SELECT coalesce(json_agg(x.limits || jsonb_build_object('type', x.type, 'id', x.key,
         'name', jsonb_build_object('fa', x.name_fa, 'en', x.name_en), 'required', x.required,
         'group', x.group_key, 'default', x.default_value) ORDER BY x.position, x.key), '[]')
FROM content.scene_contents x
WHERE x.tenant_id = c.tenant_id AND x.project_id = p.id AND x.scene_id = s.id
  AND x.deleted_at IS NULL
"""
_VISIBLE = "c.tenant_id = ANY ($2::uuid[]) AND c.published_at IS NOT NULL AND c.deleted_at IS NULL"
_DETAIL = f"""
SELECT json_build_object({_ITEM.strip()},
  'keywords', c.keywords, 'author', c.author, 'version', c.package_version, 'audio', c.audio,
  'default_music_id', c.default_music_id,
  'fonts', coalesce(c.manifest -> 'fonts', '[]'),
  'shared_colors', (
    SELECT coalesce(json_agg(json_build_object('key', k.element_key, 'default', k.default_value,
             'name', json_build_object('fa', k.name_fa, 'en', k.name_en))
             ORDER BY k.position, k.element_key), '[]')
    FROM content.shared_colors k
    WHERE k.tenant_id = c.tenant_id AND k.deleted_at IS NULL AND k.project_id = (
      SELECT p.id FROM content.projects p
      WHERE p.tenant_id = c.tenant_id AND p.container_id = c.id AND p.deleted_at IS NULL
      ORDER BY p.position LIMIT 1)),
  'presets', (
    SELECT coalesce(json_agg(json_build_object('key', k.key, 'colors', k.colors,
             'name', json_build_object('fa', k.name_fa, 'en', k.name_en))
             ORDER BY k.position, k.key), '[]')
    FROM content.color_presets k
    WHERE k.tenant_id = c.tenant_id AND k.container_id = c.id AND k.project_id IS NULL
      AND k.deleted_at IS NULL),
  'projects', (
    SELECT coalesce(json_agg(json_build_object('id', p.id, 'aspect', p.aspect, 'width', p.width,
             'height', p.height, 'fps', p.fps, 'duration', p.duration,
             'poster_url', CASE WHEN p.poster_object_key IS NOT NULL
               THEN $1::text || '/v1/templates/' || c.id || '/poster?aspect=' || p.aspect END,
             'scenes', (
               SELECT coalesce(json_agg(json_build_object('id', s.id, 'key', s.key,
                        'name', json_build_object('fa', s.name_fa, 'en', s.name_en),
                        'position', s.position, 'duration', s.duration,
                        'min_duration', s.min_duration, 'max_duration', s.max_duration,
                        'repeatable', s.repeatable, 'removable', s.removable,
                        'max_repeats', s.max_repeats, 'in_default', s.in_default,
                        'transition', s.transition, 'snapshot_url', $1::text || s.snapshot_url,
                        'slots', ({_SLOTS.strip()})) ORDER BY s.position, s.key), '[]')
               FROM content.scenes s
               WHERE s.tenant_id = c.tenant_id AND s.project_id = p.id AND s.deleted_at IS NULL)
             ) ORDER BY p.position), '[]')
    FROM content.projects p
    WHERE p.tenant_id = c.tenant_id AND p.container_id = c.id AND p.deleted_at IS NULL)
  )::text
FROM content.project_containers c
WHERE {_VISIBLE}
"""  # noqa: S608 - constants
# A tenant's own template comes before a shared one of the same slug.
_OWN_FIRST = "ORDER BY c.tenant_id = $4 DESC LIMIT 1"
_BY_ID = _DETAIL + "AND c.id = $3::uuid " + _OWN_FIRST
_BY_SLUG = _DETAIL + "AND c.slug_key = lower($3::text) " + _OWN_FIRST

_GRAPH = f"""
SELECT json_build_object(
  'container_id', c.id, 'container_version_id', c.current_version_id, 'project_id', p.id,
  'slug', c.slug, 'name_fa', c.name_fa, 'name_en', c.name_en, 'mode', c.mode,
  'engine', c.engine, 'direction', c.direction, 'aspect', p.aspect, 'width', p.width,
  'height', p.height, 'fps', p.fps, 'package_object_key', c.package_object_key,
  'package_sha256', c.package_sha256, 'audio', c.audio, 'default_music_id', c.default_music_id,
  'scenes', (
    SELECT coalesce(json_agg(json_build_object('id', s.id, 'key', s.key, 'name_fa', s.name_fa,
             'name_en', s.name_en, 'animation', s.animation, 'position', s.position,
             'duration', s.duration, 'min_duration', s.min_duration,
             'max_duration', s.max_duration, 'intro', s.intro, 'outro', s.outro,
             'transition', s.transition, 'sounds', s.sounds, 'in_default', s.in_default,
             'repeatable', s.repeatable, 'removable', s.removable, 'max_repeats', s.max_repeats,
             'slots', ({_SLOTS.strip()})) ORDER BY s.position, s.key), '[]')
    FROM content.scenes s
    WHERE s.tenant_id = c.tenant_id AND s.project_id = p.id AND s.deleted_at IS NULL),
  'colors', (
    SELECT coalesce(json_agg(json_build_object('key', k.element_key, 'name_fa', k.name_fa,
             'name_en', k.name_en, 'default', k.default_value)
             ORDER BY k.position, k.element_key), '[]')
    FROM content.shared_colors k
    WHERE k.tenant_id = c.tenant_id AND k.project_id = p.id AND k.kind = 'color'
      AND k.deleted_at IS NULL),
  'presets', (
    SELECT coalesce(json_agg(json_build_object('key', k.key, 'name_fa', k.name_fa,
             'name_en', k.name_en, 'colors', k.colors) ORDER BY k.position, k.key), '[]')
    FROM content.color_presets k
    WHERE k.tenant_id = c.tenant_id AND k.container_id = c.id
      AND (k.project_id IS NULL OR k.project_id = p.id) AND k.deleted_at IS NULL))::text
FROM content.projects p
JOIN content.project_containers c ON c.tenant_id = p.tenant_id AND c.id = p.container_id
WHERE p.id = $1 AND p.deleted_at IS NULL AND c.published_at IS NOT NULL AND c.deleted_at IS NULL
"""  # noqa: S608 - constants
_MUSIC_REF = """
SELECT id, title_fa, title_en, object_key, sha256, duration FROM content.music_tracks
WHERE id = $1 AND tenant_id = ANY ($2::uuid[]) AND active AND deleted_at IS NULL
"""

_PAGE = """
WITH hits AS MATERIALIZED (
  SELECT {columns}, row_number() OVER (ORDER BY {order}) AS place FROM {source}
)
SELECT json_build_object(
  'total', (SELECT count(*) FROM hits),
  'data', (SELECT coalesce(json_agg(json_build_object({item}) ORDER BY x.place), '[]')
           FROM hits x WHERE x.place > $3 AND x.place <= $3 + $2))::text
"""
_NAME = "'name', json_build_object('fa', x.name_fa, 'en', x.name_en)"
_CATEGORIES = _PAGE.format(
    columns="c.*, parent.slug AS parent_slug",
    order="c.position, c.slug, c.tenant_id",
    source="content.categories c LEFT JOIN content.categories parent "
    "ON parent.id = c.parent_id AND parent.deleted_at IS NULL "
    "WHERE c.tenant_id = ANY ($1::uuid[]) AND c.active AND c.deleted_at IS NULL",
    item=f"'id', x.id, 'slug', x.slug, {_NAME}, 'description', "
    "json_build_object('fa', x.description_fa, 'en', x.description_en), "
    "'parent', x.parent_slug, 'icon', x.icon, 'position', x.position",
)
_TAGS = _PAGE.format(
    columns="t.*",
    order="t.position, t.slug, t.tenant_id",
    source="content.tags t WHERE t.tenant_id = ANY ($1::uuid[]) AND t.deleted_at IS NULL",
    item=f"'id', x.id, 'slug', x.slug, {_NAME}, 'color', x.color, 'position', x.position",
)
_FONTS = _PAGE.format(
    columns="f.*",
    order="f.family, f.weight, f.style, f.id",
    source="content.fonts f WHERE f.tenant_id = ANY ($1::uuid[]) AND f.active "
    "AND f.deleted_at IS NULL AND ($4::text IS NULL OR $4 = ANY (f.scripts))",
    item="'id', x.id, 'family', x.family, 'style', x.style, 'weight', x.weight, "
    "'italic', x.italic, 'format', x.format, 'scripts', x.scripts, 'license', x.license",
)
_MUSIC = _PAGE.format(
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

_POSTER = """
SELECT CASE WHEN $4::text IS NULL THEN c.poster_object_key
            ELSE c.poster_object_keys ->> $4 END
FROM content.project_containers c
WHERE c.tenant_id = ANY ($1::uuid[]) AND c.published_at IS NOT NULL AND c.deleted_at IS NULL
  AND (c.id = $2::uuid OR c.slug_key = lower($3::text))
ORDER BY c.tenant_id = ($1::uuid[])[1] DESC LIMIT 1
"""
_SNAPSHOT = """
SELECT s.snapshot_object_key FROM content.scenes s
JOIN content.project_containers c ON c.tenant_id = s.tenant_id AND c.id = s.container_id
WHERE s.id = $1 AND s.tenant_id = ANY ($2::uuid[]) AND c.published_at IS NOT NULL
  AND c.deleted_at IS NULL
"""


def owners(tenant_id: UUID) -> list[UUID]:
    """Return whose rows a tenant may read, its own first."""
    return list(dict.fromkeys((tenant_id, DEFAULT_TENANT_ID)))


def template_key(text: str) -> UUID | str:
    """Return what a path names a template by: its id or its slug."""
    try:
        return UUID(text)
    except ValueError:
        return text


async def templates(
    reads: ReadPool, tenant_id: UUID, base: str, wanted: TemplateFilter, page: PageParams
) -> Page[TemplateItem]:
    """Return one page of the published templates that a tenant may see."""
    args: list[object] = [base, owners(tenant_id), page.limit, page.offset]
    filters, join = "", ""
    for name, condition in _FILTERS.items():
        value = getattr(wanted, name)
        if value is not None:
            args.append(value)
            filters += " AND " + condition.format(f"${len(args)}")
    if wanted.q:
        args.append(wanted.q)
        join = f"JOIN content.search_containers(${len(args)}, 2000) AS found ON found.id = c.id"
    order = _ORDERS[wanted.sort or ("relevance" if wanted.q else "newest")]
    sql = _LIST.format(order=order, join=join, filters=filters, item=_ITEM)
    return await _page(reads, tenant_id, TemplateItem, page, sql, *args)


async def template(reads: ReadPool, tenant_id: UUID, base: str, key: UUID | str) -> Template | None:
    """Return one published template with everything below it, or None."""
    sql = _BY_ID if isinstance(key, UUID) else _BY_SLUG
    text = await reads.value(tenant_id, sql, base, owners(tenant_id), key, tenant_id)
    return None if text is None else msgspec.json.decode(text, type=Template)


async def graph(reads: ReadPool, tenant_id: UUID, project_id: UUID) -> TemplateGraph | None:
    """Return one aspect of a published template as studio copies it, or None."""
    text = await reads.value(tenant_id, _GRAPH, project_id)
    return None if text is None else msgspec.json.decode(text, type=TemplateGraph)


async def music_ref(reads: ReadPool, tenant_id: UUID, music_id: UUID) -> MusicRef | None:
    """Return where a track lies, or None."""
    return await reads.one(MusicRef, tenant_id, _MUSIC_REF, music_id, owners(tenant_id))


async def categories(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[Category]:
    """Return one page of the categories."""
    return await _page(
        reads, tenant_id, Category, page, _CATEGORIES, owners(tenant_id), page.limit, page.offset
    )


async def tags(reads: ReadPool, tenant_id: UUID, page: PageParams) -> Page[Tag]:
    """Return one page of the tags."""
    return await _page(
        reads, tenant_id, Tag, page, _TAGS, owners(tenant_id), page.limit, page.offset
    )


async def fonts(
    reads: ReadPool, tenant_id: UUID, page: PageParams, *, script: str | None
) -> Page[FontFace]:
    """Return one page of the fonts, those with letters of ``script`` only when one is named."""
    args = (owners(tenant_id), page.limit, page.offset, script)
    return await _page(reads, tenant_id, FontFace, page, _FONTS, *args)


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
    return await _page(reads, tenant_id, MusicTrack, page, _MUSIC, *args)


async def poster_key(
    reads: ReadPool, tenant_id: UUID, key: UUID | str, aspect: str | None
) -> str | None:
    """Return where a template's poster lies, or None."""
    id_, slug = (key, None) if isinstance(key, UUID) else (None, key)
    found: str | None = await reads.value(tenant_id, _POSTER, owners(tenant_id), id_, slug, aspect)
    return found


async def snapshot_key(reads: ReadPool, tenant_id: UUID, scene_id: UUID) -> str | None:
    """Return where a scene's snapshot lies, or None."""
    found: str | None = await reads.value(tenant_id, _SNAPSHOT, scene_id, owners(tenant_id))
    return found


async def _page(
    reads: ReadPool, tenant_id: UUID, kind: type[T], page: PageParams, sql: str, *args: object
) -> Page[T]:
    text = await reads.value(tenant_id, sql, *args)
    listed = msgspec.json.decode(text, type=Listed)
    rows: list[T] = msgspec.json.decode(listed.data, type=list[kind])  # type: ignore[valid-type]  # a type made at run time
    return page.of(rows, listed.total)
