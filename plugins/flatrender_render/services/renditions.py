"""The queue of renditions: who may make one, until when, and what it becomes.

A claim raises the epoch and starts a lease; every report carries the epoch, and one that is not
the row's own changes nothing. Objects lie under keys with the epoch, so attempts never overwrite
each other. Workers of the pool and nodes outside come here alike.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from flatrender.clock import uuid7
from flatrender.contracts.render import RenditionCompleted
from flatrender.plugin import PluginContext
from flatrender_render.farm.claims import STALE
from flatrender_render.farm.eligible import may_take
from flatrender_render.farm.renditions import CODECS, RenditionClaim
from flatrender_render.media.errors import Stopped
from flatrender_render.media.transcode import Transcoded

LEASE_SECONDS = 30.0

_CLAIM = f"""
UPDATE render.renditions r SET state = 'Claimed', epoch = epoch + 1, attempts = attempts + 1,
    node_id = $2, lease_until = now() + make_interval(secs => $3), progress = 0,
    maker_nodes = CASE WHEN $2 = ANY (maker_nodes) THEN maker_nodes ELSE maker_nodes || $2 END
FROM (SELECT w.id FROM render.renditions w
      WHERE ($1::uuid IS NULL OR w.id = $1) AND w.format = ANY ($4::text[])
        AND (w.state = 'Waiting' OR (w.state = 'Claimed' AND w.lease_until < now()))
        AND {may_take("w", node="$2", now="now()")}
      ORDER BY w.not_before, w.id LIMIT 1 FOR UPDATE SKIP LOCKED) picked, render.exports e
WHERE r.id = picked.id AND e.id = r.source_export_id
RETURNING r.id, r.tenant_id, r.job_id, r.format, r.epoch, e.object_key AS source_object_key,
          e.sha256 AS source_sha256, e.deleted_at IS NULL AS alive
"""  # noqa: S608 - of constants
_HELD = """
SELECT r.id, r.tenant_id, r.job_id, r.format, e.object_key AS source_object_key,
       e.sha256 AS source_sha256, e.width, e.height, e.fps, e.frames,
       e.audio_codec IS NOT NULL AS sound,
       r.epoch = $3 AND r.state = 'Claimed' AND e.deleted_at IS NULL AS running
FROM render.renditions r JOIN render.exports e ON e.id = r.source_export_id
WHERE r.id = $1 AND $2 = ANY (r.maker_nodes) AND $3 BETWEEN 1 AND r.epoch
  AND (r.epoch <> $3 OR r.node_id = $2)
"""
_BEAT = """
UPDATE render.renditions SET lease_until = now() + make_interval(secs => $3),
    progress = greatest(progress, $4)
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING id
"""
# As if it had not been taken, but for the fence.
_GIVE_BACK = """
UPDATE render.renditions SET state = 'Waiting', attempts = attempts - 1, lease_until = NULL
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING id
"""
_FAILED = """
UPDATE render.renditions SET lease_until = NULL, error_code = $3, error_message = $4,
    state = CASE WHEN attempts >= $5 THEN 'Failed' ELSE 'Waiting' END,
    finished_at = CASE WHEN attempts >= $5 THEN now() END,
    not_before = now() + make_interval(secs => $6 * power(2, least(8, attempts - 1))),
    avoid_nodes = CASE WHEN $7 AND node_id IS NOT NULL THEN avoid_nodes || node_id
                       ELSE avoid_nodes END
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING id
"""
_SAME = """
SELECT r.id FROM render.renditions r JOIN render.exports e ON e.id = r.export_id
WHERE r.id = $1 AND r.epoch = $2 AND r.state = 'Done' AND e.sha256 = $3
"""
_LATE = "UPDATE render.renditions SET stale_reports = stale_reports + 1 WHERE id = $1"
#: What an attempt that is over has stored goes, unless it is the result.
_DROP = """
INSERT INTO render.object_removals (tenant_id, object_key)
SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM render.exports WHERE tenant_id = $1 AND object_key = $2)
ON CONFLICT (object_key) DO NOTHING
"""
_ORPHANS = """
UPDATE render.renditions SET lease_until = now() - interval '1 second'
WHERE node_id = $1 AND state = 'Claimed'
"""
#: The export first: a source that was deleted meanwhile has no further formats.
_LOCK_SOURCE = """
SELECT e.id FROM render.exports e JOIN render.renditions r ON r.source_export_id = e.id
WHERE r.id = $1 AND e.deleted_at IS NULL FOR UPDATE OF e
"""
_OWN = "SELECT id FROM render.renditions WHERE id = $1 AND epoch = $2 AND state = 'Claimed'"
_EXPORT = """
INSERT INTO render.exports (id, tenant_id, user_id, job_id, saved_project_id, name, format,
    resolution, aspect, width, height, fps, frames, duration, watermark, video_codec, audio_codec,
    object_key, sha256, size_bytes, poster_object_key, thumbnail_object_key,
    contact_sheet_object_key, compute_seconds, expires_at)
SELECT $2, e.tenant_id, e.user_id, e.job_id, e.saved_project_id, e.name, r.format, e.resolution,
    e.aspect, $3, $4, greatest(1, round($5::float8)::int), $6, $7, e.watermark, $8,
    nullif($9::text, ''), $10, $11, $12, e.poster_object_key, e.thumbnail_object_key,
    e.contact_sheet_object_key, $13, e.expires_at
FROM render.renditions r JOIN render.exports e ON e.id = r.source_export_id
WHERE r.id = $1
ON CONFLICT (job_id, format) DO UPDATE SET object_key = excluded.object_key,
    sha256 = excluded.sha256, size_bytes = excluded.size_bytes, width = excluded.width,
    height = excluded.height, fps = excluded.fps, frames = excluded.frames,
    duration = excluded.duration, deleted_at = NULL, expires_at = excluded.expires_at,
    expiry_reminded_at = NULL, created_at = now()
RETURNING id
"""
_DONE = """
UPDATE render.renditions SET state = 'Done', lease_until = NULL, export_id = $3, progress = 1,
    finished_at = now(), error_code = NULL, error_message = NULL
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
RETURNING tenant_id, user_id, job_id, source_export_id, format
"""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The video that a rendition is made from."""

    width: int
    height: int
    fps: int
    frames: int
    sound: bool


class RenditionService:
    """The farm's side of renditions."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def claim(
        self, node_id: UUID, *, formats: Sequence[str] = (), rendition_id: UUID | None = None
    ) -> RenditionClaim | None:
        """Take the next rendition (or this one) that a node may make; None when none waits.

        One whose video was deleted meanwhile fails here.
        """
        wanted = list(formats or CODECS)
        while True:
            rows = await self._db.system_fetch(
                "rendition claimed", _CLAIM, rendition_id, node_id, LEASE_SECONDS, wanted
            )
            if not rows:
                return None
            claim = msgspec.convert(dict(rows[0]), RenditionClaim, strict=False)
            if rows[0]["alive"]:
                return claim
            await self.fail(claim, "export_gone", "the video was deleted", most=0)

    async def heartbeat(self, claim: RenditionClaim, fraction: float) -> bool:
        """Prolong a lease and note how far the work is; False when the claim is over."""
        return await self._report(_BEAT, claim, LEASE_SECONDS, fraction)

    async def finish(
        self, claim: RenditionClaim, made: Transcoded, seconds: float, key: str
    ) -> bool:
        """Record a proven result that lies at ``key`` as an export; False when the fence or the
        source is gone."""
        async with self._db.system("rendition done") as work:
            if await work.fetchrow(_LOCK_SOURCE, claim.id) is None:
                return False
            if await work.fetchrow(_OWN, claim.id, claim.epoch) is None:
                return False
            export_id = await work.fetchval(
                _EXPORT,
                claim.id,
                uuid7(),
                made.width,
                made.height,
                made.fps,
                made.frames,
                made.duration,
                CODECS[claim.format],
                made.audio_codec,
                key,
                made.sha256,
                made.size,
                seconds,
            )
            done = await work.fetchrow(_DONE, claim.id, claim.epoch, export_id)
            if done is None:  # between the look and here: the transaction must leave nothing
                raise Stopped
            work.emit(
                RenditionCompleted(
                    rendition_id=claim.id,
                    job_id=done["job_id"],
                    user_id=done["user_id"],
                    source_export_id=done["source_export_id"],
                    export_id=export_id,
                    format=done["format"],
                    size_bytes=made.size,
                ),
                tenant_id=done["tenant_id"],
                user_id=done["user_id"],
            )
            return True

    async def fail(
        self,
        claim: RenditionClaim,
        code: str,
        message: str,
        *,
        most: int,
        wait: float = 0.0,
        elsewhere: bool = False,
    ) -> bool:
        """End an attempt that failed; False when the claim is over.

        After ``most`` attempts the rendition fails; before that, ``wait`` seconds that double with
        each attempt pass. ``elsewhere``: the next one is another node's, if there is one.
        """
        told = (code, message.replace("\0", "")[:2000])
        return await self._report(_FAILED, claim, *told, most, wait, elsewhere)

    async def give_back(self, claim: RenditionClaim) -> bool:
        """Return a claim unharmed: its maker stops."""
        return await self._report(_GIVE_BACK, claim)

    async def taken_before(self, claim: RenditionClaim, made: Transcoded) -> bool:
        """Return whether this very report was taken, and only its answer got lost."""
        return await self._report(_SAME, claim, made.sha256)

    async def count_late(self, claim: RenditionClaim) -> None:
        """Count a report that came when the claim was over; what the attempt has stored goes."""
        STALE.labels("rendition").inc()
        async with self._db.system("late rendition") as work:
            await work.execute(_LATE, claim.id)
            await work.execute(_DROP, claim.tenant_id, claim.result_key)

    async def held(
        self, node_id: UUID, rendition_id: UUID, epoch: int
    ) -> tuple[RenditionClaim, Source, bool] | None:
        """Return a node's claim, its video and whether it still holds it; None if it never did."""
        rows = await self._db.system_fetch(
            "rendition of a node", _HELD, rendition_id, node_id, epoch
        )
        if not rows:
            return None
        row = dict(rows[0])
        claim = msgspec.convert({**row, "epoch": epoch}, RenditionClaim, strict=False)
        return claim, msgspec.convert(row, Source, strict=False), row["running"]

    async def forget(self, node_id: UUID) -> None:
        """Let go of what an earlier run of a node held: nobody works on it any more."""
        await self._db.system_fetch("renditions of a node", _ORPHANS, node_id)

    async def _report(self, statement: str, claim: RenditionClaim, *values: Any) -> bool:
        own = (claim.id, claim.epoch)
        return bool(await self._db.system_fetch("rendition reported", statement, *own, *values))
