"""The SQL of what workers report (``reports``); ``now`` comes from the caller or the database."""

DONE = """
WITH done AS (
    UPDATE render.frame_jobs
    SET state = 'Done', lease_until = NULL, finished_at = coalesce($10::timestamptz, now()),
        done_frames = $3, object_key = $4, sha256 = $5, packets = $6, bytes = $7, timings = $8,
        proof = $9
    WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
    RETURNING id, finished_at),
tried AS (
    UPDATE render.frame_attempts a SET outcome = 'Done', finished_at = done.finished_at,
           frames = $3, object_key = $4, timings = $8
    FROM done WHERE a.frame_job_id = done.id AND a.epoch = $2),
repaired AS (
    UPDATE render.frame_repair_jobs r SET state = 'Done', finished_at = done.finished_at
    FROM done WHERE r.frame_job_id = done.id AND r.state IN ('Waiting', 'Running'))
SELECT id FROM done
"""
LOCK_JOB = "SELECT id, step FROM render.render_jobs WHERE id = $1 FOR UPDATE"
COUNT = """
UPDATE render.render_jobs j
SET done_frames = s.frames, frame_jobs_done = s.done, compute_seconds = j.compute_seconds + $2,
    timings = jsonb_build_object(
        'render', coalesce((j.timings->>'render')::float8, 0) + $3::float8,
        'convert', coalesce((j.timings->>'convert')::float8, 0) + $4::float8,
        'encode', coalesce((j.timings->>'encode')::float8, 0) + $5::float8,
        'upload', coalesce((j.timings->>'upload')::float8, 0) + $6::float8)
FROM (SELECT coalesce(sum(last_frame - first_frame + 1)
                      FILTER (WHERE kind = 'video' AND state = 'Done'), 0)::int AS frames,
             count(*) FILTER (WHERE state = 'Done')::int AS done,
             count(*) FILTER (WHERE state <> 'Done' AND kind IN ('video', 'audio'))::int AS open
      FROM render.frame_jobs WHERE job_id = $1) s
WHERE j.id = $1
RETURNING s.open, j.engine, j.tenant_id, j.priority
"""
QUEUE_ASSEMBLY = """
INSERT INTO render.frame_jobs (id, tenant_id, job_id, kind, index, last_frame, engine, priority,
                               package_sha256, not_before, held)
SELECT $2, tenant_id, id, 'assemble', 0, total_frames - 1, engine, priority, package_sha256,
       coalesce($3::timestamptz, now()), step = 'Paused'
FROM render.render_jobs WHERE id = $1
ON CONFLICT (job_id, kind, index)
DO UPDATE SET held = excluded.held, not_before = excluded.not_before
"""
OWN = """
SELECT true FROM render.frame_jobs WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
"""
STEP = """
UPDATE render.render_jobs SET step = $2 WHERE id = $1 AND step = ANY($3) RETURNING id
"""
FINISH = """
UPDATE render.render_jobs
SET step = 'Done', finished_at = coalesce($4::timestamptz, now()), export_id = $2,
    done_frames = total_frames,
    reservation_state = CASE WHEN reservation_state = 'Reserved' THEN 'Settling'
                             ELSE reservation_state END
WHERE id = $1 AND step = ANY($3)
RETURNING tenant_id, user_id, saved_project_id, project_name, resolution, compute_seconds,
          container_id, reservation_id, support_id
"""
EXPORT = """
INSERT INTO render.exports (id, tenant_id, user_id, job_id, saved_project_id, name, resolution,
    aspect, width, height, fps, frames, duration, watermark, audio_codec, object_key, sha256,
    size_bytes, poster_object_key, thumbnail_object_key, contact_sheet_object_key, expires_at)
SELECT $2, j.tenant_id, j.user_id, j.id, j.saved_project_id, j.project_name, j.resolution, j.aspect,
    j.width, j.height, j.fps, j.total_frames, j.total_frames::float8 / j.fps, j.watermark, $3, $4,
    $5, $6, $7, $8, $9,
    CASE WHEN (j.needs->>'export_days') IS NULL THEN NULL
         ELSE coalesce($10::timestamptz, now())
              + make_interval(days => (j.needs->>'export_days')::int) END
FROM render.render_jobs j WHERE j.id = $1
"""
RETRY = """
UPDATE render.frame_jobs
SET state = 'Waiting', lease_until = NULL, node_id = NULL, done_frames = 0,
    blamed_attempts = blamed_attempts + $3,
    not_before = coalesce($9::timestamptz, now())
                 + least($4::interval * power(2, least(attempts, 8) - 1), $8::interval),
    error_class = $5, error_code = $6, error_message = $7
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
RETURNING blamed_attempts, attempts
"""
ATTEMPT_FAILED = """
UPDATE render.frame_attempts SET outcome = 'Failed',
       finished_at = coalesce($7::timestamptz, now()), blamed = $3, error_class = $4,
       error_code = $5, error_message = $6, rule_code = $8
WHERE frame_job_id = $1 AND epoch = $2
RETURNING node_id
"""
#: The job goes elsewhere, if there is an elsewhere: for a while, for longer after the third time.
BLOCK = """
INSERT INTO render.job_node_blocks AS b (tenant_id, job_id, node_id, reason, until)
SELECT $2, $1, $3, $4, m.t + make_interval(secs => $5)
FROM (SELECT coalesce($6::timestamptz, now()) AS t) m
WHERE EXISTS (SELECT FROM render.nodes WHERE id = $3) AND EXISTS (
    SELECT FROM render.nodes n
    WHERE n.id <> $3 AND n.deleted_at IS NULL AND n.status IN ('Idle', 'Busy')
      AND (n.last_heartbeat_at IS NULL OR n.last_heartbeat_at > m.t - interval '30 seconds')
      AND $7 = ANY (n.engines) AND (n.only_tenant_id IS NULL OR n.only_tenant_id = $2)
      AND NOT EXISTS (SELECT FROM render.job_node_blocks o
                      WHERE o.job_id = $1 AND o.node_id = n.id
                        AND (o.until IS NULL OR o.until > m.t)))
ON CONFLICT (job_id, node_id) DO UPDATE
SET failures = b.failures + 1, reason = excluded.reason,
    until = CASE WHEN $8 OR b.failures + 1 >= 3 THEN excluded.until + interval '1 hour'
                 ELSE excluded.until END
RETURNING true
"""
FAIL_JOB = """
UPDATE render.render_jobs
SET step = 'Failed', finished_at = coalesce($9::timestamptz, now()), error_class = $2,
    error_code = $3, error_message = $4, error_fa = $5, error_en = $6, retryable = $7,
    refund_fraction = 1,
    reservation_state = CASE WHEN reservation_state = 'Reserved' THEN 'Releasing'
                             ELSE reservation_state END
WHERE id = $1 AND step = ANY($8)
RETURNING tenant_id, user_id, saved_project_id, project_name, reservation_id, support_id
"""
DROP_FRAMES = """
UPDATE render.frame_jobs SET state = $2, lease_until = NULL,
       finished_at = coalesce($3::timestamptz, now())
WHERE job_id = $1 AND state IN ('Waiting', 'Claimed')
"""
END_REPAIRS = """
UPDATE render.frame_repair_jobs SET state = $2, finished_at = coalesce($3::timestamptz, now())
WHERE job_id = $1 AND state IN ('Waiting', 'Running')
"""
END_ATTEMPTS = """
UPDATE render.frame_attempts SET outcome = 'Cancelled',
       finished_at = coalesce($2::timestamptz, now())
WHERE tenant_id = $3 AND job_id = $1 AND outcome = 'Running'
"""
