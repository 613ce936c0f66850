"""What is left in the store of jobs that have ended: their pieces, and what failed attempts wrote.

A finished video is a copy of its pieces, so they go an hour after it; those of a job that failed or
was cancelled stay a week, because a retry joins what is proven. Where the person's data was erased
nothing waits. Keys follow from job, piece and epoch; what an export refers to is never taken.
"""

from collections.abc import Sequence
from datetime import datetime

from flatrender.db import SystemTransaction
from flatrender.plugin import PluginContext
from flatrender.tasks.task import Nothing, Schedule, Task

#: Seconds that pieces outlive a video, and a job without one. Longer than a link to them is good.
DONE_SECONDS = 3600.0
OTHER_SECONDS = 7 * 86400.0
BATCH = 100  # jobs at a time

_GIVE_UP = """
WITH moment AS (SELECT coalesce($1::timestamptz, now()) AS t),
due AS (
    SELECT j.id, j.tenant_id FROM render.render_jobs j, moment
    WHERE j.finished_at IS NOT NULL
      AND (j.pieces_removed_at IS NULL OR j.pieces_removed_at < j.finished_at)
      AND (j.composition = '{}' OR j.finished_at < moment.t - make_interval(secs =>
           CASE j.step WHEN 'Done' THEN $2::float8 ELSE $3::float8 END))
    ORDER BY j.finished_at LIMIT $4 FOR UPDATE OF j SKIP LOCKED),
marked AS (
    UPDATE render.render_jobs j SET pieces_removed_at = moment.t FROM due, moment
    WHERE j.id = due.id),
written AS (
    SELECT due.tenant_id, due.id AS job_id,
           format('renders/%s/%s/%s-%s.%s.%s', due.tenant_id, due.id, f.kind,
                  lpad(f.index::text, 5, '0'), life.n,
                  CASE f.kind WHEN 'audio' THEN 'm4a' ELSE 'mp4' END) AS key
    FROM due JOIN render.frame_jobs f ON f.tenant_id = due.tenant_id AND f.job_id = due.id
    CROSS JOIN LATERAL generate_series(1, f.epoch) AS life(n)
    WHERE f.kind IN ('video', 'audio')
    UNION ALL
    SELECT due.tenant_id, due.id,
           format('exports/%s/%s/%s/%s', due.tenant_id, due.id, life.n, name)
    FROM due JOIN render.frame_jobs f ON f.tenant_id = due.tenant_id AND f.job_id = due.id
    CROSS JOIN LATERAL generate_series(1, f.epoch) AS life(n)
    CROSS JOIN unnest(ARRAY['video.mp4', 'poster.jpg', 'thumbnail.jpg', 'sheet.png']) AS name
    WHERE f.kind = 'assemble'),
given AS (
    INSERT INTO render.object_removals (tenant_id, object_key)
    SELECT w.tenant_id, w.key FROM written w
    WHERE NOT EXISTS (
        SELECT FROM render.exports e WHERE e.tenant_id = w.tenant_id AND e.job_id = w.job_id
        AND w.key IN (e.object_key, e.poster_object_key, e.thumbnail_object_key,
                      e.contact_sheet_object_key))
    ON CONFLICT (object_key) DO NOTHING)
SELECT count(*)::int FROM due
"""


async def give_up(work: SystemTransaction, *, now: datetime | None = None) -> int:
    """Give what ended jobs left to be removed; returns of how many jobs."""
    found: int = await work.fetchval(_GIVE_UP, now, DONE_SECONDS, OTHER_SECONDS, BATCH)
    return found


async def look_after_leftovers(context: PluginContext, _payload: Nothing) -> None:
    """Give up what nothing needs, in portions; the sweep of exports takes it out of the store."""
    while True:
        async with context.db.system("leftovers of jobs") as work:
            if await give_up(work) < BATCH:
                return


LEFTOVERS = Task(
    name="render.leftovers", queue="cleanup", handler=look_after_leftovers, timeout=600.0
)
TASKS: Sequence[Task] = (LEFTOVERS,)
SCHEDULES: Sequence[Schedule] = (Schedule(task=LEFTOVERS, every=300.0),)
