"""Packages and previews that nobody needs any more: found, noted, and removed a while later.

A package is in use while a template's current version, a saved project, or a render, batch or scan
refers to it; a preview while a row of content shows it. What is found unused is noted (``look``)
and removed only when it has stayed so for the grace and is still unused at that moment (``sweep``):
whoever read of it before has come and gone by then. Stores of the same object again take the note
away before they store (``keep``), and wait for a removal that is under way; what was stored within
the grace stays in any case.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from msgspec import Struct

from flatrender.contracts.render import RenderPackages
from flatrender.contracts.studio import ProjectPackages
from flatrender.db import SystemTransaction, UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectMissing
from flatrender.tasks.task import Nothing, Schedule, Task

log = structlog.get_logger(__name__)

PREFIXES = ("packages/", "previews/")
#: How long nothing may refer to an object before it goes.
GRACE = timedelta(days=14)
_PAGE = 500
_SWEEP = 1000

#: Rows of content that were removed may come back or be shown by saved projects: they all count,
#: but for the packages of removed templates and of versions that are not current.
_USED = """
SELECT package_object_key FROM content.project_containers
WHERE package_object_key = ANY ($1::text[]) AND deleted_at IS NULL
UNION
SELECT p.source_object_key FROM content.projects p
JOIN content.project_containers c ON c.id = p.container_id AND c.deleted_at IS NULL
WHERE p.source_object_key = ANY ($1::text[]) AND p.deleted_at IS NULL
UNION
SELECT package_object_key FROM content.characters WHERE package_object_key = ANY ($1::text[])
UNION
SELECT poster_object_key FROM content.project_containers
WHERE poster_object_key = ANY ($1::text[])
UNION
SELECT shown.value FROM content.project_containers c,
       LATERAL (SELECT value FROM jsonb_each_text(c.poster_object_keys)
                UNION ALL SELECT value FROM jsonb_each_text(c.preview_object_keys)) shown
WHERE shown.value = ANY ($1::text[])
UNION
SELECT poster_object_key FROM content.projects WHERE poster_object_key = ANY ($1::text[])
UNION
SELECT preview_object_key FROM content.projects WHERE preview_object_key = ANY ($1::text[])
UNION
SELECT snapshot_object_key FROM content.scenes WHERE snapshot_object_key = ANY ($1::text[])
"""
_NOTE = """
INSERT INTO content.unused_objects (object_key, unused_since)
SELECT key, coalesce($2::timestamptz, now()) FROM unnest($1::text[]) key
ON CONFLICT (object_key) DO NOTHING
"""
_FORGET = "DELETE FROM content.unused_objects WHERE object_key = ANY ($1::text[])"
_NOTED = "SELECT object_key, unused_since FROM content.unused_objects WHERE object_key = ANY ($1)"
_DUE = """
SELECT object_key FROM content.unused_objects
WHERE unused_since <= coalesce($1::timestamptz, now()) - $2::interval
ORDER BY unused_since LIMIT $3
"""
_HOLD = """
SELECT coalesce($2::timestamptz, now()) - $3::interval AS newest FROM content.unused_objects
WHERE object_key = $1 AND unused_since <= coalesce($2::timestamptz, now()) - $3::interval
FOR UPDATE SKIP LOCKED
"""
_KEEP = "DELETE FROM content.unused_objects WHERE starts_with(object_key, :key)"


async def keep(work: UnitOfWork, key: str) -> None:
    """Say that ``key`` (or everything below it) is about to be stored and used. To be committed
    before it is stored; waits while somebody removes it."""
    await work.execute(_KEEP, key=key)


class UnusedObject(Struct, frozen=True, kw_only=True):
    """An object that nothing refers to; ``since`` is None before the first note."""

    key: str
    since: datetime | None


class UnusedService:
    """Finds and removes what nobody needs."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._storage = context.infra.storage

    async def find(self) -> list[UnusedObject]:
        """Return what is unused now, and since when that is known. Changes nothing."""
        found: list[UnusedObject] = []
        for prefix in PREFIXES:
            after = ""
            while keys := await self._storage.keys(prefix, limit=_PAGE, after=after):
                after = keys[-1]
                used = await self._used(keys)
                rows = await self._db.system_fetch("notes of unused objects", _NOTED, keys)
                since = {row["object_key"]: row["unused_since"] for row in rows}
                found += [
                    UnusedObject(key=key, since=since.get(key)) for key in keys if key not in used
                ]
        return found

    async def look(self, *, now: datetime | None = None) -> int:
        """Note what is unused and forget the notes of what is used; returns how many are unused.

        ``now`` None: the database's.
        """
        count = 0
        for prefix in PREFIXES:
            after = ""
            while keys := await self._storage.keys(prefix, limit=_PAGE, after=after):
                after = keys[-1]
                used = await self._used(keys)
                unused = [key for key in keys if key not in used]
                count += len(unused)
                async with self._db.system("notes of unused objects") as work:
                    await work.execute(_NOTE, unused, now)
                    await work.execute(_FORGET, sorted(used))
        return count

    async def sweep(self, *, grace: timedelta = GRACE, now: datetime | None = None) -> list[str]:
        """Remove what has been unused for ``grace`` and is still; returns the keys."""
        due = await self._db.system_fetch("unused objects", _DUE, now, grace, _SWEEP)
        gone = []
        for row in due:
            async with self._db.system("an unused object") as work:
                if await self._remove(work, row["object_key"], grace, now):
                    gone.append(row["object_key"])
        if gone:
            log.info("unused_objects_removed", count=len(gone))
        return gone

    async def _remove(
        self, work: SystemTransaction, key: str, grace: timedelta, now: datetime | None
    ) -> bool:
        held = await work.fetchrow(_HOLD, key, now, grace)
        if held is None:  # stored again, or another sweep has it
            return False
        unused = key not in await self._used([key])
        if unused:
            try:
                modified = (await self._storage.stat(key)).modified
            except ObjectMissing:
                modified = None
            unused = modified is None or modified <= held["newest"]
        if unused:
            await self._storage.delete(key)
        await work.execute(_FORGET, [key])
        return unused

    async def _used(self, keys: Sequence[str]) -> set[str]:
        rows = await self._db.system_fetch("objects in use", _USED, list(keys))
        used = {row[0] for row in rows}
        for port in (ProjectPackages, RenderPackages):
            used |= await self._context.port(port).used(keys)
        return used


async def collect(context: PluginContext, _payload: Nothing) -> None:
    """Note what is unused, and remove what has been for long."""
    service = context.get(UnusedService)
    await service.look()
    await service.sweep()


COLLECT = Task(
    name="content.unused_objects", queue="cleanup", handler=collect, timeout=1800, max_attempts=1
)
SCHEDULES = (Schedule(task=COLLECT, every=6 * 3600.0),)
