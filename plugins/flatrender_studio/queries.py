"""Studio's hot reads: a saved project with its whole graph in one query."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.db import ReadPool, UnitOfWork
from flatrender.http.sorting import KeysetQuery, SortColumn, SortMenu
from flatrender_studio.domain import Project

_GRAPH = """
SELECT to_jsonb(p) - 'scene_data' || jsonb_build_object(
  'scenes', coalesce((
    SELECT jsonb_agg(to_jsonb(s) || jsonb_build_object('contents', coalesce((
        SELECT jsonb_agg(jsonb_build_object(
            'key', c.key, 'type', c.type, 'name_fa', c.name_fa, 'name_en', c.name_en,
            'required', c.required, 'group', c.group_key, 'value', c.value,
            'default', c.default_value, 'limits', c.limits) ORDER BY c.position, c.key)
        FROM studio.saved_scene_contents c
        WHERE c.tenant_id = p.tenant_id AND c.saved_project_id = p.id AND c.saved_scene_id = s.id
      ), '[]')) ORDER BY s.position)
    FROM studio.saved_scenes s
    WHERE s.tenant_id = p.tenant_id AND s.saved_project_id = p.id), '[]'),
  'colors', coalesce((
    SELECT jsonb_agg(jsonb_build_object('element_key', k.element_key, 'name_fa', k.name_fa,
        'name_en', k.name_en, 'value', k.value, 'default', k.default_value) ORDER BY k.position)
    FROM studio.saved_shared_colors k
    WHERE k.tenant_id = p.tenant_id AND k.saved_project_id = p.id), '[]'),
  'sounds', coalesce((
    SELECT jsonb_agg(to_jsonb(a) ORDER BY a.position, a.id) FROM studio.saved_audio a
    WHERE a.tenant_id = p.tenant_id AND a.saved_project_id = p.id AND NOT a.muted
      AND a.object_key IS NOT NULL), '[]'))
FROM studio.saved_projects p
"""
_ONE = _GRAPH + "WHERE p.tenant_id = $1 AND p.user_id = $2 AND p.id = $3 AND p.deleted_at IS NULL"
_ONE_IN = (
    _GRAPH
    + "WHERE p.tenant_id = :tenant AND p.user_id = :user AND p.id = :id AND p.deleted_at IS NULL"
)
_LIST = """
SELECT p.id, p.name, p.template_slug, p.aspect, p.mode, p.duration, p.scene_count, p.version,
       p.last_edited_at, p.created_at, p.deleted_at
FROM studio.saved_projects p
WHERE p.tenant_id = $1 AND p.user_id = $2 AND (p.deleted_at IS NOT NULL) = $3 AND {after}
ORDER BY {order} LIMIT $4
"""
ORDER = SortMenu(
    {
        "last_edited_at": SortColumn("p.last_edited_at", datetime, "timestamptz"),
        "created_at": SortColumn("p.created_at", datetime, "timestamptz"),
    },
    default="-last_edited_at",
    tie=SortColumn("p.id", UUID, "uuid"),
)


class ProjectLine(Struct, frozen=True, kw_only=True):
    """A saved project in a list."""

    id: UUID
    name: str
    template_slug: str
    aspect: str
    mode: str
    duration: float
    scene_count: int
    version: int
    last_edited_at: datetime
    created_at: datetime
    deleted_at: datetime | None


async def project_of(
    reads: ReadPool, tenant_id: UUID, user_id: UUID, project_id: UUID
) -> Project | None:
    """Return one project of a user with everything in it, or None."""
    found = await reads.value(tenant_id, _ONE, tenant_id, user_id, project_id)
    return None if found is None else msgspec.convert(found, Project, strict=False)


async def project_in(work: UnitOfWork, user_id: UUID, project_id: UUID) -> Project | None:
    """As :func:`project_of`, inside an open transaction."""
    found = await work.execute(_ONE_IN, tenant=work.tenant, user=user_id, id=project_id)
    value = found.scalar_one_or_none()
    return None if value is None else msgspec.convert(value, Project, strict=False)


async def projects_of(
    reads: ReadPool,
    tenant_id: UUID,
    user_id: UUID | None,
    *,
    trashed: bool,
    keys: KeysetQuery[Any],
) -> list[ProjectLine]:
    """Return a user's projects behind a keyset position (parameters from ``$5`` on)."""
    sql = _LIST.format(after=keys.condition, order=keys.order.order_by())
    return await reads.all(
        ProjectLine, tenant_id, sql, tenant_id, user_id, trashed, keys.limit, *keys.values
    )
