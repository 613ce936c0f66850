"""The register of nodes outside: enrolment, secrets, lists. For administrators of the farm."""

import secrets
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.errors import Conflict, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_render.farm import audit, holdings
from flatrender_render.services.node_signatures import secret_place

_ENROL = """
INSERT INTO render.nodes (id, name, kind, status, region, slots, secret_enc, enrolled_by,
                          only_tenant_id, bandwidth_limit_bps, cache_budget_bytes)
VALUES ($1, $2, 'Remote', 'Offline', $3, 0, $4, $5, $6, $7, coalesce($8, 10737418240))
ON CONFLICT DO NOTHING RETURNING id
"""
_ROTATE = """
UPDATE render.nodes
SET previous_secret_enc = secret_enc, previous_secret_until = now() + interval '1 day',
    secret_enc = $2, secret_version = secret_version + 1
WHERE id = $1 AND kind = 'Remote' AND deleted_at IS NULL RETURNING name, secret_version
"""
_REMOVE = """
UPDATE render.nodes n SET deleted_at = now(), status = 'Offline', status_reason = 'removed',
       secret_enc = NULL, previous_secret_enc = NULL
FROM (SELECT id, status FROM render.nodes
      WHERE id = $1 AND kind = 'Remote' AND deleted_at IS NULL FOR UPDATE) was
WHERE n.id = was.id RETURNING n.name, was.status, n.region
"""


class NodeNameTaken(Conflict):
    """Another node has the name."""

    code = "node_name_taken"
    title_fa = "این نام از آنِ گره دیگری است"
    title_en = "Another node has this name"


class EnrolledNode(Struct, frozen=True, kw_only=True):
    """A node's credentials. The secret is shown this once."""

    id: UUID
    name: str
    secret: str
    previous_good_until: datetime | None = None


class NodeRegister:
    """Enrols nodes outside and changes their secrets."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def enrol(
        self,
        principal: Principal,
        *,
        name: str,
        region: str = "",
        only_tenant_id: UUID | None = None,
        bandwidth_limit_bps: int | None = None,
        cache_budget_bytes: int | None = None,
    ) -> EnrolledNode:
        """Make a node's row and its secret. Raises ``NodeNameTaken``."""
        node_id, secret = uuid7(), secrets.token_urlsafe(32)
        sealed = self._seal(node_id, secret)
        async with self._context.db.system("node enrolled") as work:
            made = await work.fetchval(
                _ENROL,
                node_id,
                name,
                region,
                sealed,
                principal.user_id,
                only_tenant_id,
                bandwidth_limit_bps,
                cache_budget_bytes,
            )
            if made is None:
                raise NodeNameTaken()
            tenant = str(only_tenant_id) if only_tenant_id else None
            await audit.record(
                work, "node.enrol", "node", node_id, by=principal.user_id, name=name,
                after={"region": region, "only_tenant_id": tenant},
            )  # fmt: skip
        return EnrolledNode(id=node_id, name=name, secret=secret)

    async def rotate(self, node_id: UUID, *, by: UUID | None, reason: str = "") -> EnrolledNode:
        """Make a new secret; the former one holds for a day more. Raises ``NotFound``."""
        secret = secrets.token_urlsafe(32)
        async with self._context.db.system("node secret rotated") as work:
            row = await work.fetchrow(_ROTATE, node_id, self._seal(node_id, secret))
            if row is None:
                raise NotFound()
            version = row["secret_version"]
            await audit.record(
                work, "node.rotate_secret", "node", node_id, by=by, name=row["name"],
                before={"secret_version": version - 1}, after={"secret_version": version},
                reason=reason,
            )  # fmt: skip
        return EnrolledNode(id=node_id, name=row["name"], secret=secret)

    async def remove(self, node_id: UUID, *, by: UUID | None, reason: str = "") -> None:
        """Take a node out of the farm: its signatures hold no more. Raises ``NotFound``."""
        async with self._context.db.system("node removed") as work:
            row = await work.fetchrow(_REMOVE, node_id)
            if row is None:
                raise NotFound()
            await holdings.forget(work, node_id)
            before = {"status": row["status"], "region": row["region"]}
            await audit.record(
                work, "node.remove", "node", node_id, by=by, name=row["name"], before=before,
                reason=reason,
            )  # fmt: skip

    def _seal(self, node_id: UUID, secret: str) -> bytes:
        return self._context.infra.encryptor.encrypt(secret, secret_place(node_id)).encode()
