"""The end of exports: reminders before it, the end itself, and the objects that go with it.

An export that nobody may see any more is marked in one transaction with its event and with the
list of objects that it leaves; those go to the store one by one afterwards, as often as it takes.
Every part may run twice. Times are the database's; ``now`` is a parameter for tests.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from flatrender.contracts.render import ExportDeleted, ExportExpiring
from flatrender.db import SystemTransaction, UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.storage import StoreError
from flatrender.tasks.task import Nothing, Schedule, Task

log = structlog.get_logger(__name__)

REMINDER_DAYS = (3, 1)
BATCH = 200
#: Presigned links that were given out just before the end stay good for their short life.
LINK_GRACE_SECONDS = 900.0

#: The nearest reminder whose moment has come, if none was sent since; a moment that lay before the
#: export was made is nobody's news.
_REMIND = """
WITH moment AS (SELECT coalesce($1::timestamptz, now()) AS t),
due AS (
    SELECT e.id, d.days FROM render.exports e, moment,
    LATERAL (SELECT days FROM unnest($2::int[]) days
             WHERE moment.t >= e.expires_at - make_interval(days => days)
               AND e.created_at < e.expires_at - make_interval(days => days)
             ORDER BY days LIMIT 1) d
    WHERE e.expires_at IS NOT NULL AND e.deleted_at IS NULL AND e.expires_at > moment.t
      AND e.expires_at <= moment.t + make_interval(days => (SELECT max(x) FROM unnest($2::int[]) x))
      AND (e.expiry_reminded_at IS NULL
           OR e.expiry_reminded_at < e.expires_at - make_interval(days => d.days))
    ORDER BY e.expires_at LIMIT $3 FOR UPDATE OF e SKIP LOCKED)
UPDATE render.exports e SET expiry_reminded_at = moment.t FROM due, moment WHERE e.id = due.id
RETURNING e.id, e.tenant_id, e.job_id, e.user_id, e.name, e.format, e.expires_at, due.days
"""
_EXPIRE = """
UPDATE render.exports SET deleted_at = coalesce($1::timestamptz, now())
WHERE id IN (SELECT id FROM render.exports
             WHERE expires_at <= coalesce($1::timestamptz, now()) AND deleted_at IS NULL
             ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id, tenant_id, job_id, user_id, name, format, size_bytes
"""
#: Pictures are shared by all formats of a job: they go with the last of them.
LEFT_BEHIND = """
INSERT INTO render.object_removals (tenant_id, object_key, not_before)
SELECT DISTINCT e.tenant_id, k.key, now() + make_interval(secs => {grace})
FROM render.exports e
CROSS JOIN LATERAL (VALUES (e.object_key), (e.poster_object_key), (e.thumbnail_object_key),
                           (e.contact_sheet_object_key)) k(key)
WHERE e.id = ANY ({ids}) AND e.deleted_at IS NOT NULL AND k.key IS NOT NULL
  AND NOT EXISTS (SELECT FROM render.exports o
                  WHERE o.job_id = e.job_id AND o.deleted_at IS NULL
                    AND k.key IN (o.object_key, o.poster_object_key, o.thumbnail_object_key,
                                  o.contact_sheet_object_key))
ON CONFLICT (object_key) DO NOTHING
"""
_LEFT_SYSTEM = LEFT_BEHIND.format(ids="$1::uuid[]", grace="$2")
_LEFT_REQUEST = LEFT_BEHIND.format(ids="CAST(:ids AS uuid[])", grace=":grace")
_DELETE = """
UPDATE render.exports SET deleted_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND id = :export AND deleted_at IS NULL
RETURNING id, job_id, user_id, name, format, size_bytes
"""
_REMOVALS = """
SELECT id, object_key FROM render.object_removals
WHERE not_before <= coalesce($1::timestamptz, now()) ORDER BY not_before LIMIT $2
"""
_REMOVED = "DELETE FROM render.object_removals WHERE id = ANY ($1)"
_NOT_REMOVED = """
UPDATE render.object_removals SET attempts = attempts + 1,
    not_before = now() + make_interval(secs => 60 * power(2, least(attempts, 8)))
WHERE id = $1
"""


async def remind(work: SystemTransaction, *, now: datetime | None = None) -> int:
    """Tell of exports whose end is near; returns how many."""
    rows = await work.fetch(_REMIND, now, list(REMINDER_DAYS), BATCH)
    for row in rows:
        work.emit(
            ExportExpiring(
                export_id=row["id"],
                job_id=row["job_id"],
                user_id=row["user_id"],
                project_name=row["name"],
                format=row["format"],
                expires_at=row["expires_at"],
                days_left=row["days"],
            ),
            tenant_id=row["tenant_id"],
            user_id=row["user_id"],
        )
    return len(rows)


async def expire(work: SystemTransaction, *, now: datetime | None = None) -> int:
    """End the exports whose time is over; returns how many."""
    rows = await work.fetch(_EXPIRE, now, BATCH)
    if rows:
        await work.execute(_LEFT_SYSTEM, [row["id"] for row in rows], 0.0)
    for row in rows:
        work.emit(_deleted(row, "expired"), tenant_id=row["tenant_id"], user_id=row["user_id"])
    return len(rows)


async def delete(work: UnitOfWork, user_id: UUID | None, export_id: UUID) -> bool:
    """Delete an export for its owner; False when there is none."""
    found = await work.execute(_DELETE, tenant=work.tenant, user=user_id, export=export_id)
    row = found.mappings().first()
    if row is None:
        return False
    await work.execute(_LEFT_REQUEST, ids=[export_id], grace=LINK_GRACE_SECONDS)
    work.emit(_deleted(row, "by_owner"), user_id=user_id)
    return True


async def remove_objects(
    context: PluginContext, *, now: datetime | None = None, limit: int = BATCH
) -> int:
    """Take objects that nothing refers to out of the store; returns how many are gone."""
    rows = await context.db.system_fetch("objects to remove", _REMOVALS, now, limit)
    gone: list[UUID] = []
    for row in rows:
        try:
            await context.infra.storage.delete(row["object_key"])
        except StoreError as error:
            log.warning("object_not_removed", key=row["object_key"], error=str(error))
            await context.db.system_fetch("object not removed", _NOT_REMOVED, row["id"])
            continue
        gone.append(row["id"])
    if gone:
        await context.db.system_fetch("objects removed", _REMOVED, gone)
    return len(gone)


def _deleted(row: Any, reason: str) -> ExportDeleted:
    return ExportDeleted(
        export_id=row["id"],
        job_id=row["job_id"],
        user_id=row["user_id"],
        project_name=row["name"],
        format=row["format"],
        reason=reason,
        freed_bytes=row["size_bytes"],
    )


async def look_after_exports(context: PluginContext, _payload: Nothing) -> None:
    """Remind, end and clean up, in portions."""
    for step in (remind, expire):
        while True:
            async with context.db.system("ends of exports") as work:
                if await step(work) < BATCH:
                    break
    while await remove_objects(context) >= BATCH:
        pass


EXPIRY = Task(
    name="render.export_expiry", queue="cleanup", handler=look_after_exports, timeout=600.0
)
TASKS: Sequence[Task] = (EXPIRY,)
SCHEDULES: Sequence[Schedule] = (Schedule(task=EXPIRY, every=300.0),)
