"""Who did what to the farm, when, why and from where: one list over every place it is recorded.

Reads only. ``farm.audit`` writes acts on machines, rules and fonts; a change of a tenant's share
and a version of a rule are their own rows.
"""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender_render.farm.audit import ActorKind

TargetType = Literal["node", "rule", "font", "tenant"]
ActName = Literal[
    "node.enrol", "node.rotate_secret", "node.remove", "node.drain", "node.release",
    "node.restart", "node.close_ae", "node.quarantine", "node.test_render", "node.recover",
    "rule.change", "rule.retire", "share.change", "font.install",
]  # fmt: skip

#: What a share was is what the change before made of it; only the rows of the page ask for it.
_ACTS = """
WITH every AS (
  SELECT id, created_at, actor_kind, actor_id, act, target_type, target_id, target_name,
         before, after, reason, request_id, ip
  FROM render.farm_acts
  UNION ALL
  SELECT id, created_at, CASE WHEN changed_by IS NULL THEN 'cli' ELSE 'user' END, changed_by,
         'share.change', 'tenant', tenant_id::text, '', NULL,
         jsonb_build_object('weight', weight, 'max_running_frames', max_running_frames,
                            'max_running_frames_per_user', max_running_frames_per_user),
         reason, request_id, ip
  FROM render.tenant_share_changes
  UNION ALL
  SELECT id, created_at, CASE WHEN changed_by IS NULL THEN 'cli' ELSE 'user' END, changed_by,
         'rule.change', 'rule', code, code,
         CASE WHEN version > 1 THEN jsonb_build_object('version', version - 1) END,
         jsonb_build_object('version', version), note, request_id, ip
  FROM render.failure_rules WHERE NOT builtin
), page AS (
  SELECT *, count(*) OVER () AS total FROM every
  WHERE ($1::text IS NULL OR act = $1) AND ($2::text IS NULL OR target_type = $2)
    AND ($3::text IS NULL OR target_id = $3 OR lower(target_name) = lower($3))
    AND ($4::text IS NULL OR actor_kind = $4) AND ($5::uuid IS NULL OR actor_id = $5)
    AND ($6::timestamptz IS NULL OR created_at >= $6)
    AND ($7::timestamptz IS NULL OR created_at < $7)
  ORDER BY created_at DESC, id DESC LIMIT $8 OFFSET $9
)
SELECT p.id, p.created_at, p.actor_kind, p.actor_id, p.act, p.target_type, p.target_id,
       p.target_name, p.after, p.reason, p.request_id, host(p.ip) AS address, p.total,
       CASE WHEN p.act <> 'share.change' THEN p.before ELSE (
         SELECT jsonb_build_object('weight', b.weight, 'max_running_frames', b.max_running_frames,
                                   'max_running_frames_per_user', b.max_running_frames_per_user)
         FROM render.tenant_share_changes b
         WHERE b.tenant_id = p.target_id::uuid AND (b.created_at, b.id) < (p.created_at, p.id)
         ORDER BY b.created_at DESC, b.id DESC LIMIT 1) END AS before
FROM page p ORDER BY p.created_at DESC, p.id DESC
"""


class FarmAct(Struct, frozen=True, kw_only=True):
    """One act. ``actor_id`` and ``address`` are null for the command line and the farm itself.

    ``before`` and ``after`` hold what the act changed where it is small; of a rule they name the
    versions, which are read at ``/v1/admin/failure-rules/{code}``.
    """

    id: UUID
    created_at: datetime
    actor_kind: ActorKind
    actor_id: UUID | None
    act: str
    target_type: TargetType
    target_id: str
    target_name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str
    request_id: str | None
    address: str | None


class ActFilter(Struct, frozen=True, kw_only=True):
    """Which acts. ``target`` is an id or a name; ``since`` is the first moment that counts,
    ``until`` the first that no longer does."""

    act: ActName | None = None
    target_type: TargetType | None = None
    target: str | None = None
    actor_kind: ActorKind | None = None
    actor_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


class FarmActService:
    """Lists acts on the farm."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def acts(self, page: PageParams, wanted: ActFilter) -> Page[FarmAct]:
        """Return a page of acts, newest first."""
        rows = await self._db.system_fetch(
            "acts on the farm", _ACTS, *msgspec.structs.astuple(wanted), page.limit, page.offset
        )
        found = [msgspec.convert(dict(row), FarmAct, strict=False) for row in rows]
        return page.of(found, rows[0]["total"] if rows else 0)
