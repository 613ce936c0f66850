"""Published templates: lists, one with everything below it, and the graph that studio copies.

Row-level security shows a tenant its own rows and what the default tenant shares; drafts are left
out here. Answers are built as JSON by the database and decoded straight into the API's Structs.
"""

from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.content import TemplateGraph, TemplateNeeds
from flatrender.db import ContextDatabase, ReadPool
from flatrender.http.pages import Page, PageParams
from flatrender.template.after_effects import AepManifest
from flatrender_content.queries.listing import owners, read_page
from flatrender_content.schemas import Template, TemplateItem

Sort = Literal["newest", "popular", "name"]


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
  'height', p.height, 'fps', p.fps,
  'package_object_key', CASE c.engine WHEN 'aerender' THEN p.source_object_key
                        ELSE c.package_object_key END,
  'package_sha256', CASE c.engine WHEN 'aerender' THEN p.source_sha256
                    ELSE c.package_sha256 END,
  'audio', c.audio, 'default_music_id', c.default_music_id,
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
#: Asked across tenants: a project keeps the package that it was copied from when its owner shows
#: the template to nobody any more. Who names a package by its hash has it.
_NEEDS = """
SELECT manifest::text FROM content.container_versions
WHERE container_id = $1 AND package_sha256 = $2 AND engine = 'aerender'
  AND tenant_id = ANY ($3::uuid[])
"""
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
    return await read_page(reads, tenant_id, TemplateItem, page, sql, *args)


async def template(reads: ReadPool, tenant_id: UUID, base: str, key: UUID | str) -> Template | None:
    """Return one published template with everything below it, or None."""
    sql = _BY_ID if isinstance(key, UUID) else _BY_SLUG
    text = await reads.value(tenant_id, sql, base, owners(tenant_id), key, tenant_id)
    return None if text is None else msgspec.json.decode(text, type=Template)


async def graph(reads: ReadPool, tenant_id: UUID, project_id: UUID) -> TemplateGraph | None:
    """Return one aspect of a published template as studio copies it, or None."""
    text = await reads.value(tenant_id, _GRAPH, project_id)
    return None if text is None else msgspec.json.decode(text, type=TemplateGraph)


async def needs(
    database: ContextDatabase, tenant_id: UUID, container_id: UUID, package_sha256: str
) -> TemplateNeeds:
    """Return what a machine must have to draw a package of a template, published or not."""
    rows = await database.system_fetch(
        "needs of a package", _NEEDS, container_id, package_sha256, owners(tenant_id)
    )
    if not rows:
        return TemplateNeeds()
    manifest = msgspec.json.decode(rows[0]["manifest"], type=AepManifest)
    return TemplateNeeds(
        fonts=sorted({font.postscript or font.family for font in manifest.fonts}),
        engine_version=str(manifest.after_effects) if manifest.after_effects else None,
    )


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
