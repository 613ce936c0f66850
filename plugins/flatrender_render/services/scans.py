"""Template scans: the queue of After Effects projects to be read, with fence and lease.

Owns ``render.scan_jobs``: who may read a project, until when, and that a scan ends once. A quick
scan is taken by its id on the server, a full one by any node that drives After Effects. What is in
a scan, and what is done with it, is the content context's.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from flatrender.clock import uuid7
from flatrender.contracts.render import ScanClaim, ScanOrder, ScanQueued, ScanState
from flatrender.errors import FieldError
from flatrender.plugin import PluginContext
from flatrender.template.project_scan import ProjectScan
from flatrender_render.farm.claims import STALE
from flatrender_render.farm.eligible import may_take
from flatrender_render.farm.scan_wake import SCAN, ScanWake

FULL_ENGINE: Final = "aerender"
#: A scan that lost so many readers fails: the project itself brings them down.
ATTEMPTS: Final = 3

_QUEUE = """
INSERT INTO render.scan_jobs (id, tenant_id, container_id, kind, source_object_key, source_sha256,
       source_name, source_size, engine, requested_by)
VALUES (:id, :tenant, :container, :kind, :key, :sha256, :name, :size, :engine, :by)
"""
_STATE = """
SELECT s.id, s.container_id, lower(s.kind), s.state, s.source_object_key, s.source_sha256,
       s.source_name, s.source_size, s.attempts, s.errors, s.created_at, s.started_at,
       s.finished_at, s.applied_at,
       count(*) OVER ()
FROM render.scan_jobs s WHERE s.tenant_id = $1
"""
# Requests do not see nodes: the farm's own role asks.
_DRIVEN = """
SELECT EXISTS (SELECT FROM render.nodes n
               WHERE $1 = ANY (n.engines) AND n.deleted_at IS NULL
                 AND (n.only_tenant_id IS NULL OR n.only_tenant_id = $2)
                 AND n.status IN ('Starting', 'Idle', 'Busy', 'Draining'))
"""
_ONE = _STATE + " AND s.id = $2"
_LIST = _STATE + " AND s.container_id = $2 ORDER BY s.created_at DESC, s.id DESC LIMIT $3 OFFSET $4"
_RESULT = """
SELECT result::text FROM render.scan_jobs WHERE tenant_id = $1 AND id = $2 AND state = 'Done'
"""
# A lease that ran out is nobody's; the next reader raises the fence past whoever held it.
_TAKE = """
UPDATE render.scan_jobs
SET state = 'Running', epoch = epoch + 1, attempts = attempts + 1, node_id = $3,
    reader_nodes = CASE WHEN $3::uuid IS NULL OR $3 = ANY (reader_nodes) THEN reader_nodes
                        ELSE reader_nodes || $3::uuid END,
    started_at = coalesce($5, now()),
    lease_until = coalesce($5::timestamptz, now()) + make_interval(secs => $4)
WHERE id = (
  SELECT id FROM render.scan_jobs s
  WHERE {which} AND (s.state = 'Queued'
                     OR (s.state = 'Running' AND s.lease_until < coalesce($5, now())))
  ORDER BY s.created_at, s.id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, epoch, source_object_key, source_sha256, source_name, attempts
"""
_TAKE_ONE = _TAKE.format(which="s.tenant_id = $1 AND s.id = $2 AND s.kind = 'Quick'")
_TAKE_NEXT = _TAKE.format(
    which="$1::uuid IS NULL AND s.engine = $2 AND s.kind = 'Full' AND "
    + may_take("s", node="$3", now="coalesce($5::timestamptz, now())", engine="$2")
)
_HOLDS = "id = $1 AND tenant_id = $2 AND epoch = $3 AND state = 'Running'"
_BEAT = f"""
UPDATE render.scan_jobs SET lease_until = coalesce($5, now()) + make_interval(secs => $4)
WHERE {_HOLDS} RETURNING id
"""  # noqa: S608 - a constant
_DONE = f"""
UPDATE render.scan_jobs SET state = 'Done', result = $4::text::jsonb, finished_at = now(),
       lease_until = NULL, errors = '[]', error_code = NULL, error_message = NULL
WHERE {_HOLDS} RETURNING id
"""  # noqa: S608 - a constant
_FAILED = f"""
UPDATE render.scan_jobs SET state = 'Failed', errors = $4::text::jsonb, error_code = $5,
       error_message = $6, finished_at = now(), lease_until = NULL
WHERE {_HOLDS} RETURNING id
"""  # noqa: S608 - a constant
_TRY_AGAIN = f"""
UPDATE render.scan_jobs
SET state = CASE WHEN attempts >= $7 THEN 'Failed' ELSE 'Queued' END,
    finished_at = CASE WHEN attempts >= $7 THEN now() END,
    errors = $4::text::jsonb, error_code = $5, error_message = $6, lease_until = NULL,
    not_before = now() + make_interval(secs => $8),
    avoid_nodes = CASE WHEN $9 AND node_id IS NOT NULL THEN avoid_nodes || node_id
                       ELSE avoid_nodes END
WHERE {_HOLDS} RETURNING id
"""  # noqa: S608 - a constant
# As if it had not been taken, but for the fence.
_GIVE_BACK = f"""
UPDATE render.scan_jobs SET state = 'Queued', attempts = attempts - 1, lease_until = NULL
WHERE {_HOLDS} RETURNING id
"""  # noqa: S608 - a constant
_SAME = """
SELECT id FROM render.scan_jobs
WHERE id = $1 AND tenant_id = $2 AND epoch = $3 AND state = 'Done' AND result = $4::text::jsonb
"""
_LATE = """
UPDATE render.scan_jobs SET stale_reports = stale_reports + 1 WHERE id = $1 AND tenant_id = $2
"""
_HELD = """
SELECT id, tenant_id, source_object_key, source_sha256, source_name,
       epoch = $3 AND state = 'Running' AS running
FROM render.scan_jobs
WHERE id = $1 AND $2 = ANY (reader_nodes) AND $3 BETWEEN 1 AND epoch
  AND (epoch <> $3 OR node_id = $2)
"""
_ORPHANS = """
UPDATE render.scan_jobs SET lease_until = now() - interval '1 second'
WHERE node_id = $1 AND state = 'Running' AND kind = 'Full'
"""
_CANCEL = """
UPDATE render.scan_jobs
SET state = 'Cancelled', epoch = epoch + 1, lease_until = NULL, finished_at = now(),
    cancel_requested_at = now()
WHERE tenant_id = :tenant AND id = :id AND state IN ('Queued', 'Running') RETURNING id
"""
_APPLIED = """
UPDATE render.scan_jobs SET applied_at = now(), applied_by = :by, diff = CAST(:diff AS jsonb)
WHERE tenant_id = :tenant AND id = :id AND state = 'Done'
"""
_NO_NODE = FieldError(
    pointer="",
    code="no_node_with_engine",
    message_fa="هیچ گرهی با افترافکت روشن نیست؛ اسکن کامل منتظر می‌ماند",
    message_en="No node that drives After Effects is online; the full scan waits for one",
)
_LOST = FieldError(
    pointer="/",
    code="scan_keeps_failing",
    message_fa="خواندن این پروژه هر بار ناتمام ماند",
    message_en="Every attempt to read this project was cut off",
)


class ScanService:
    """The ``ScanJobs`` port, and the farm's side of full scans."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def queue(self, tenant_id: UUID, order: ScanOrder) -> UUID:
        """Queue a scan; ``ScanQueued`` wakes who reads it."""
        scan_id = uuid7()
        async with self._db.unit_of_work(tenant_id) as work:
            await work.execute(
                _QUEUE,
                id=scan_id,
                tenant=tenant_id,
                container=order.container_id,
                kind=order.kind.capitalize(),
                key=order.source_object_key,
                sha256=order.source_sha256,
                name=order.source_name,
                size=order.source_size,
                engine=FULL_ENGINE,
                by=order.requested_by,
            )
            work.emit(ScanQueued(scan_id=scan_id, container_id=order.container_id, kind=order.kind))
            if order.kind == "full":
                work.enqueue(SCAN, ScanWake(engine=FULL_ENGINE))
        return scan_id

    async def get(self, tenant_id: UUID, scan_id: UUID) -> ScanState | None:
        """Return a scan of this tenant, or None."""
        rows = await self._db.reads.records(tenant_id, _ONE, tenant_id, scan_id)
        found = await self._states(tenant_id, rows)
        return found[0] if found else None

    async def of_container(
        self, tenant_id: UUID, container_id: UUID, *, limit: int, offset: int
    ) -> tuple[list[ScanState], int]:
        """Return some of a template's scans, newest first, and how many there are."""
        rows = await self._db.reads.records(
            tenant_id, _LIST, tenant_id, container_id, limit, offset
        )
        return await self._states(tenant_id, rows), rows[0][-1] if rows else 0

    async def _states(self, tenant_id: UUID, rows: Sequence[Sequence[Any]]) -> list[ScanState]:
        """Return scans from their rows; a full one that waits in vain says so."""
        states = [_state(row) for row in rows]
        if not any(_waits(state) for state in states):
            return states
        async with self._db.system("nodes that drive After Effects") as work:
            driven = await work.fetchval(_DRIVEN, FULL_ENGINE, tenant_id)
        if driven:
            return states
        return [replace(s, waits_for=_NO_NODE) if _waits(s) else s for s in states]

    async def result(self, tenant_id: UUID, scan_id: UUID) -> ProjectScan | None:
        """Return what a scan found, None unless it is Done."""
        text = await self._db.reads.value(tenant_id, _RESULT, tenant_id, scan_id)
        return msgspec.json.decode(text, type=ProjectScan) if text else None

    async def claim(self, tenant_id: UUID, scan_id: UUID, *, lease: float) -> ScanClaim | None:
        """Take a quick scan. One that lost its readers too often fails here."""
        return await self._take(_TAKE_ONE, (tenant_id, scan_id, None, lease, None))

    async def claim_next(
        self, engine: str, node_id: UUID | None, *, lease: float, now: datetime | None = None
    ) -> ScanClaim | None:
        """Take the oldest full scan for a node that drives ``engine``; None when none waits.

        ``now`` None is the database's own. ``lease`` in seconds.
        """
        return await self._take(_TAKE_NEXT, (None, engine, node_id, lease, now))

    async def _take(self, statement: str, values: tuple[object, ...]) -> ScanClaim | None:
        async with self._db.system("template scan claimed") as work:
            row = await work.fetchrow(statement, *values)
        if row is None:
            return None
        *facts, attempts = row
        claim = ScanClaim(**dict(zip(ScanClaim.__struct_fields__, facts, strict=True)))
        if attempts > ATTEMPTS:
            await self.fail(claim, [_LOST])
            return None
        return claim

    async def heartbeat(
        self, claim: ScanClaim, *, lease: float, now: datetime | None = None
    ) -> bool:
        """Keep a claim for ``lease`` seconds more; False when it is over."""
        return await self._report(_BEAT, claim, lease, now)

    async def finish(self, claim: ScanClaim, result: ProjectScan) -> bool:
        """Store a result; False when the claim is over, and then nothing changed."""
        return await self._report(_DONE, claim, msgspec.json.encode(result).decode())

    async def fail(self, claim: ScanClaim, errors: Sequence[FieldError]) -> bool:
        """End a scan without a result; False when the claim is over."""
        first = errors[0]
        listed = msgspec.json.encode(list(errors)).decode()
        return await self._report(_FAILED, claim, listed, first.code, first.message_en)

    async def try_again(
        self,
        claim: ScanClaim,
        errors: Sequence[FieldError],
        *,
        wait: float,
        elsewhere: bool,
    ) -> bool:
        """End an attempt that failed; after the last of them the scan fails with its reasons.

        ``wait`` seconds pass before the next one; ``elsewhere``: on another node, if there is one.
        """
        first = errors[0]
        listed = msgspec.json.encode(list(errors)).decode()
        told = (listed, first.code, first.message_en)
        return await self._report(_TRY_AGAIN, claim, *told, ATTEMPTS, wait, elsewhere)

    async def give_back(self, claim: ScanClaim) -> bool:
        """Return a claim unharmed: its reader stops."""
        return await self._report(_GIVE_BACK, claim)

    async def taken_before(self, claim: ScanClaim, result: ProjectScan) -> bool:
        """Return whether this very report was taken, and only its answer got lost."""
        return await self._report(_SAME, claim, msgspec.json.encode(result).decode())

    async def count_late(self, claim: ScanClaim) -> None:
        """Count a report that came when the claim was over."""
        STALE.labels("scan").inc()
        async with self._db.system("late report of a template scan") as work:
            await work.execute(_LATE, claim.scan_id, claim.tenant_id)

    async def held(self, node_id: UUID, scan_id: UUID, epoch: int) -> tuple[ScanClaim, bool] | None:
        """Return a node's claim and whether it still holds it; None for a claim it never had."""
        rows = await self._db.system_fetch("scan of a node", _HELD, scan_id, node_id, epoch)
        if not rows:
            return None
        found_id, tenant, key, sha256, name, running = rows[0]
        claim = ScanClaim(
            scan_id=found_id,
            tenant_id=tenant,
            epoch=epoch,
            source_object_key=key,
            source_sha256=sha256,
            source_name=name,
        )
        return claim, running

    async def forget(self, node_id: UUID) -> None:
        """Let go of what an earlier run of a node held: nobody works on it any more."""
        await self._db.system_fetch("scans of a node", _ORPHANS, node_id)

    async def _report(self, statement: str, claim: ScanClaim, *values: object) -> bool:
        async with self._db.system("template scan reported") as work:
            found = await work.fetchval(
                statement, claim.scan_id, claim.tenant_id, claim.epoch, *values
            )
        return found is not None

    async def cancel(self, tenant_id: UUID, scan_id: UUID) -> bool:
        """Cancel a scan that has not ended, for good: the fence shuts out who reads it now."""
        async with self._db.unit_of_work(tenant_id) as work:
            return (await work.execute(_CANCEL, tenant=tenant_id, id=scan_id)).first() is not None

    async def applied(
        self, tenant_id: UUID, scan_id: UUID, *, by: UUID | None, diff: Mapping[str, Any]
    ) -> None:
        """Note that a scan was used, and what of it."""
        async with self._db.unit_of_work(tenant_id) as work:
            text = msgspec.json.encode(diff).decode()
            await work.execute(_APPLIED, tenant=tenant_id, id=scan_id, by=by, diff=text)


def _waits(state: ScanState) -> bool:
    return state.kind == "full" and state.state == "Queued"


def _state(row: Sequence[Any]) -> ScanState:
    names = [name for name in ScanState.__struct_fields__ if name != "waits_for"]
    values = dict(zip(names, row[:-1], strict=True))
    errors = values["errors"]
    if isinstance(errors, str):
        errors = msgspec.json.decode(errors)
    values["errors"] = msgspec.convert(errors, list[FieldError])
    return ScanState(**values)
