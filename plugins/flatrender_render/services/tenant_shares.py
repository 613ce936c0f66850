"""How tenants share the farm: weights and caps, for who runs the farm.

The claim reads what is written here with its next look (``render.claim_frame_jobs``); pieces that
run already are never taken back. Every change is kept with who, when and why.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from flatrender.clock import uuid7
from flatrender.contracts.identity import TenantDirectory, TenantInfo
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender_render.farm import audit

Weight = Annotated[float, Meta(ge=0.01, le=1000)]
Cap = Annotated[int, Meta(ge=1, le=1_000_000)]

#: A tenant has a share once somebody gave it one; one without stands in the list once it rendered.
_SHARES = """
SELECT t.tenant_id, coalesce(s.weight, 1) AS weight, s.max_running_frames,
       s.max_running_frames_per_user, t.waiting,
       (SELECT count(*) FROM render.frame_jobs f
        WHERE f.tenant_id = t.tenant_id AND f.state = 'Claimed')::int AS running_frames,
       CASE WHEN s.tenant_id IS NOT NULL THEN s.updated_at END AS updated_at,
       count(*) OVER () AS total
FROM (SELECT tenant_id, bool_or(active) AS waiting FROM (
          SELECT tenant_id, active FROM render.queue_tenants
          UNION ALL SELECT tenant_id, false FROM render.tenant_shares) every
      WHERE $1::uuid IS NULL OR tenant_id = $1 GROUP BY tenant_id) t
LEFT JOIN render.tenant_shares s ON s.tenant_id = t.tenant_id
ORDER BY s.tenant_id IS NULL, coalesce(s.weight, 1) DESC, t.tenant_id LIMIT $2 OFFSET $3
"""
_CHANGES = """
SELECT weight, max_running_frames, max_running_frames_per_user, changed_by, reason, created_at
FROM render.tenant_share_changes WHERE tenant_id = $1 ORDER BY created_at DESC, id DESC LIMIT 20
"""
_PUT = """
INSERT INTO render.tenant_shares (tenant_id, weight, max_running_frames,
                                  max_running_frames_per_user)
VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id) DO UPDATE
SET weight = excluded.weight, max_running_frames = excluded.max_running_frames,
    max_running_frames_per_user = excluded.max_running_frames_per_user, updated_at = now()
"""
_NOTE = """
INSERT INTO render.tenant_share_changes (id, tenant_id, weight, max_running_frames,
                                         max_running_frames_per_user, changed_by, reason,
                                         request_id, ip)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


class TenantShareBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole share: what is left out has its default again.

    ``weight`` is relative to the other tenants' (1 without a share). Caps count pieces that run at
    once; null means no cap.
    """

    weight: Weight = 1.0
    max_running_frames: Cap | None = None
    max_running_frames_per_user: Cap | None = None
    reason: Annotated[str, Meta(min_length=3, max_length=500)]


class TenantShareView(Struct, frozen=True, kw_only=True):
    """A tenant's share of the farm. ``waiting``: something of it may stand in the queue;
    ``updated_at`` is null where nobody gave it a share."""

    tenant_id: UUID
    slug: str
    name: str
    weight: float
    max_running_frames: int | None
    max_running_frames_per_user: int | None
    running_frames: int
    waiting: bool
    updated_at: datetime | None


class ShareChange(Struct, frozen=True, kw_only=True):
    """What a share became, by whom (null: the command line) and why."""

    weight: float
    max_running_frames: int | None
    max_running_frames_per_user: int | None
    changed_by: UUID | None
    reason: str
    created_at: datetime


class TenantShareDetail(Struct, frozen=True, kw_only=True):
    """A share with its last twenty changes, newest first."""

    share: TenantShareView
    changes: list[ShareChange]


class TenantShareService:
    """Use cases of tenants' shares; they serve the whole farm."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def shares(self, page: PageParams) -> Page[TenantShareView]:
        """Return a page of the tenants that have a share or rendered: shares first, by weight."""
        rows = await self._db.system_fetch(
            "shares of tenants", _SHARES, None, page.limit, page.offset
        )
        directory = self._context.port(TenantDirectory)
        known = {
            info.tenant_id: info
            for info in await directory.tenants([row["tenant_id"] for row in rows])
        }
        views = [_view(row, known.get(row["tenant_id"])) for row in rows]
        return page.of(views, rows[0]["total"] if rows else 0)

    async def share(self, tenant_id: UUID) -> TenantShareDetail:
        """Return a tenant's share, the default where it has none. Raises ``NotFound``."""
        info = await self._known(tenant_id)
        rows = await self._db.system_fetch("share of a tenant", _SHARES, tenant_id, 1, 0)
        changes = await self._db.system_fetch("changes of a share", _CHANGES, tenant_id)
        return TenantShareDetail(
            share=_view(rows[0] if rows else {"tenant_id": tenant_id}, info),
            changes=[msgspec.convert(dict(row), ShareChange) for row in changes],
        )

    async def put(
        self, tenant_id: UUID, body: TenantShareBody, *, by: UUID | None
    ) -> TenantShareDetail:
        """Give a tenant its share; the next claim goes by it. ``by`` is None for the operator's
        command line. Raises ``NotFound``."""
        await self._known(tenant_id)
        values: Sequence[Any] = (
            tenant_id, body.weight, body.max_running_frames, body.max_running_frames_per_user
        )  # fmt: skip
        async with self._db.system("share of a tenant") as work:
            await work.execute(_PUT, *values)
            await work.execute(_NOTE, uuid7(), *values, by, body.reason, *audit.origin())
        return await self.share(tenant_id)

    async def _known(self, tenant_id: UUID) -> TenantInfo:
        info = await self._context.port(TenantDirectory).tenant(tenant_id)
        if info is None:
            raise NotFound()
        return info


def _view(row: Any, info: TenantInfo | None) -> TenantShareView:
    found = {
        "weight": 1.0, "max_running_frames": None, "max_running_frames_per_user": None,
        "running_frames": 0, "waiting": False, "updated_at": None, **dict(row),
    }  # fmt: skip
    found.pop("total", None)
    return TenantShareView(slug=info.slug if info else "", name=info.name if info else "", **found)
