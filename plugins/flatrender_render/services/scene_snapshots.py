"""Stills of all scenes of a saved project at once, with progress, and their public addresses.

What was drawn before is not drawn again. A public address is a route of ours that never changes
and leads to a fresh presigned link.
"""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.clock import random_token, uuid7
from flatrender.contracts.studio import SavedProjects
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_render.farm.wake import SNAPSHOT, SnapshotWake
from flatrender_render.output_schemas import SceneSnapshot, SceneSnapshots
from flatrender_render.services.snapshots import insert_stills, still_of

BULK = define_limit("snapshot_bulk", 20, 60.0)

_JOB = """
INSERT INTO render.scene_snapshot_jobs (id, tenant_id, user_id, saved_project_id,
    saved_project_version, width, permanent, total)
VALUES (:id, :tenant, :user, :saved, :version, :width, :permanent, :total)
"""
_ITEMS = """
INSERT INTO render.scene_snapshot_items (tenant_id, job_id, position, saved_scene_id, snapshot_id,
    cached)
SELECT :tenant, :job, r.position, r.scene, r.snapshot, r.cached
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(position int, scene uuid, snapshot uuid, cached boolean)
"""
_PUBLISH = """
UPDATE render.snapshots s SET public_token = r.token
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, token text)
WHERE s.tenant_id = :tenant AND s.id = r.id AND s.public_token IS NULL
"""
_READ = """
SELECT j.id, j.saved_project_id, j.saved_project_version, j.total, j.created_at,
  (SELECT jsonb_agg(jsonb_build_object('position', i.position, 'scene', i.saved_scene_id,
       'snapshot', s.id, 'state', s.state, 'width', s.width, 'height', s.height,
       'cached', i.cached, 'token', CASE WHEN j.permanent THEN s.public_token END)
       ORDER BY i.position)
   FROM render.scene_snapshot_items i
   JOIN render.snapshots s ON s.tenant_id = i.tenant_id AND s.id = i.snapshot_id
   WHERE i.tenant_id = j.tenant_id AND i.job_id = j.id) AS items
FROM render.scene_snapshot_jobs j
WHERE j.tenant_id = $1 AND j.user_id = $2 AND j.saved_project_id = $3 AND j.id = $4
"""
_PUBLIC = """
SELECT object_key FROM render.snapshots WHERE public_token = $1 AND state = 'Done'
"""


class _Item(Struct, frozen=True, kw_only=True):
    position: int
    scene: UUID
    snapshot: UUID
    state: str
    width: int
    height: int
    cached: bool
    token: str | None


class _Job(Struct, frozen=True, kw_only=True):
    id: UUID
    saved_project_id: UUID
    saved_project_version: int
    total: int
    created_at: datetime
    items: list[_Item]


class SceneSnapshotService:
    """Use cases of stills in bulk."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def ask(
        self, principal: Principal, saved_project_id: UUID, *, width: int, permanent: bool
    ) -> SceneSnapshots:
        """Draw a settled frame of every scene; what is kept already is not drawn again.

        Raises ``NotFound`` and ``RateLimited``.
        """
        if principal.user_id is None:
            raise NotFound()
        source = await self._context.port(SavedProjects).render_source(
            principal.tenant_id, principal.user_id, saved_project_id, complete=False
        )
        if source is None:
            raise NotFound()
        await self._context.infra.security.limiter.check(BULK.name, f"account:{principal.user_id}")
        stills = [
            still_of(source, scene, None, width, principal.user_id)
            for scene in source.composition.scenes
        ]
        job_id = uuid7()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            stored = await insert_stills(work, principal, source, stills)
            await work.execute(
                _JOB,
                id=job_id,
                tenant=work.tenant,
                user=principal.user_id,
                saved=saved_project_id,
                version=source.version,
                width=width,
                permanent=permanent,
                total=len(stills),
            )
            await work.execute(
                _ITEMS,
                tenant=work.tenant,
                job=job_id,
                rows=_json(
                    [
                        {
                            "position": position,
                            "scene": still.scene.id,
                            "snapshot": stored[still.key].id,
                            "cached": stored[still.key].state == "Done",
                        }
                        for position, still in enumerate(stills)
                    ]
                ),
            )
            if permanent:
                tokens = [{"id": one.id, "token": random_token(18)} for one in stored.values()]
                await work.execute(_PUBLISH, tenant=work.tenant, rows=_json(tokens))
            for one in stored.values():
                if one.state != "Done":
                    work.enqueue(SNAPSHOT, SnapshotWake(snapshot_id=one.id))
        return await self.read(principal, saved_project_id, job_id)

    async def read(
        self, principal: Principal, saved_project_id: UUID, job_id: UUID
    ) -> SceneSnapshots:
        """Return how far the stills are. Raises ``NotFound``."""
        found = await self._db.reads.one(
            _Job,
            principal.tenant_id,
            _READ,
            principal.tenant_id,
            principal.user_id,
            saved_project_id,
            job_id,
        )
        if found is None:
            raise NotFound()
        over = [item for item in found.items if item.state in ("Done", "Failed")]
        failed = sum(item.state == "Failed" for item in over)
        return SceneSnapshots(
            id=found.id,
            saved_project_id=found.saved_project_id,
            version=found.saved_project_version,
            total=found.total,
            done=len(over) - failed,
            failed=failed,
            progress=round(len(over) / found.total, 4),
            scenes=[self._scene(item) for item in found.items],
            created_at=found.created_at,
        )

    async def public_link(self, token: str) -> str:
        """Return a fresh presigned link behind a public address. Raises ``NotFound``."""
        rows = await self._db.system_fetch("public still", _PUBLIC, token)
        if not rows:
            raise NotFound()
        return self._context.infra.storage.link(rows[0]["object_key"])

    def _scene(self, item: _Item) -> SceneSnapshot:
        done = item.state == "Done"
        return SceneSnapshot(
            saved_scene_id=item.scene,
            snapshot_id=item.snapshot,
            state=item.state,
            cached=item.cached,
            width=item.width,
            height=item.height,
            url=f"{self._base}/v1/snapshots/{item.snapshot}/image" if done else None,
            public_url=f"{self._base}/p/{item.token}" if item.token else None,
        )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
