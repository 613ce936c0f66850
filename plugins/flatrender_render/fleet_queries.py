"""Reads of the fleet: cross-tenant, for administrators of the farm and its operator."""

NODES = """
SELECT n.id, n.name, n.kind, n.status, n.status_reason, n.status_since, n.region, n.hostname, n.os,
       n.engine_versions, n.agent_version, n.slots, n.busy_slots, n.only_tenant_id,
       n.last_heartbeat_at, n.drain_requested_at, n.rest_until, n.quarantined_at,
       n.quarantine_reason, n.quarantined_by, n.consecutive_failures, n.crash_count, n.frames_done,
       n.disk_free_bytes, n.disk_total_bytes, count(*) OVER () AS total
FROM render.nodes n
WHERE n.deleted_at IS NULL
  AND ($1::text IS NULL OR n.status = $1) AND ($2::text IS NULL OR n.kind = $2)
  AND ($3::text IS NULL OR $3 = ANY (n.engines))
  AND ($4::text IS NULL OR strpos(lower(n.name || ' ' || n.hostname || ' ' || n.region),
                                  lower($4)) > 0)
ORDER BY CASE WHEN $5 = 'name' THEN lower(n.name) WHEN $5 = 'status' THEN n.status END,
         CASE WHEN $5 = '-name' THEN lower(n.name) END DESC,
         CASE WHEN $5 = 'last_heartbeat_at' THEN n.last_heartbeat_at END NULLS FIRST,
         CASE WHEN $5 = '-last_heartbeat_at' THEN n.last_heartbeat_at END DESC NULLS LAST,
         CASE WHEN $5 = '-frames_done' THEN n.frames_done
              WHEN $5 = '-consecutive_failures' THEN n.consecutive_failures END DESC, n.id
LIMIT $6 OFFSET $7
"""

#: The whole graph of a node in one query.
DETAIL = """
SELECT n.id, n.name, n.kind, n.status, n.status_reason, n.status_since, n.region, n.hostname, n.os,
       n.engine_versions, n.agent_version, n.slots, n.busy_slots, n.only_tenant_id,
       n.last_heartbeat_at, n.drain_requested_at, n.rest_until, n.quarantined_at,
       n.quarantine_reason, n.quarantined_by, n.consecutive_failures, n.crash_count, n.frames_done,
       n.disk_free_bytes, n.disk_total_bytes,
       n.arch, n.cpu_cores, n.memory_bytes, n.gpu, n.cache_budget_bytes, n.bandwidth_limit_bps,
       n.started_at, n.registered_at,
       (SELECT to_jsonb(h) FROM (
            SELECT recorded_at, status, busy_slots, load_average, memory_used_bytes, disk_free_bytes
            FROM render.node_health_logs WHERE node_id = n.id
              AND recorded_at > now() - interval '1 day'
            ORDER BY recorded_at DESC LIMIT 1) h) AS health,
       (SELECT coalesce(json_agg(f), '[]') FROM (
            SELECT id AS frame_job_id, job_id, tenant_id, kind, first_frame, last_frame,
                   done_frames, attempts AS attempt, claimed_at, lease_until
            FROM render.frame_jobs WHERE node_id = n.id AND state = 'Claimed'
            ORDER BY claimed_at LIMIT 64) f) AS work,
       (SELECT coalesce(json_agg(c), '[]') FROM (
            SELECT package_sha256, size_bytes, state, pins, hits, last_used_at
            FROM render.node_template_cache WHERE node_id = n.id
            ORDER BY last_used_at DESC LIMIT 20) c) AS cache,
       (SELECT coalesce(json_agg(o), '[]') FROM (
            SELECT family, style, state, error, installed_at
            FROM render.node_fonts WHERE node_id = n.id
            ORDER BY lower(family), lower(style) LIMIT 200) o) AS fonts,
       (SELECT coalesce(json_agg(x), '[]') FROM (
            SELECT id, node_id, n.name AS node_name, job_id, frame_job_id, engine, engine_version,
                   kind, classification, rule_code, message, log_tail, occurred_at,
                   acknowledged_at, acknowledged_by
            FROM render.node_crashes WHERE node_id = n.id
            ORDER BY occurred_at DESC LIMIT 20) x) AS crashes,
       (SELECT coalesce(json_agg(a), '[]') FROM (
            SELECT id, act, state, reason, requested_by, result, created_at, finished_at
            FROM render.node_commands WHERE node_id = n.id
            ORDER BY created_at DESC LIMIT 20) a) AS acts
FROM render.nodes n WHERE n.id = $1 AND n.deleted_at IS NULL
"""

CRASHES = """
SELECT c.id, c.node_id, n.name AS node_name, c.job_id, c.frame_job_id, c.engine, c.engine_version,
       c.kind, c.classification, c.rule_code, c.message, c.log_tail, c.occurred_at,
       c.acknowledged_at, c.acknowledged_by, count(*) OVER () AS total
FROM render.node_crashes c JOIN render.nodes n ON n.id = c.node_id
WHERE ($1::uuid IS NULL OR c.node_id = $1) AND ($2::text IS NULL OR c.classification = $2)
  AND ($3::boolean IS NULL OR (c.acknowledged_at IS NOT NULL) = $3)
ORDER BY c.occurred_at DESC, c.id DESC LIMIT $4 OFFSET $5
"""

ACKNOWLEDGE = """
UPDATE render.node_crashes c
SET acknowledged_at = coalesce(c.acknowledged_at, now()),
    acknowledged_by = CASE WHEN c.acknowledged_at IS NULL THEN $2 ELSE c.acknowledged_by END
FROM render.nodes n WHERE c.id = $1 AND n.id = c.node_id
RETURNING c.id, c.node_id, n.name AS node_name, c.job_id, c.frame_job_id, c.engine,
          c.engine_version, c.kind, c.classification, c.rule_code, c.message, c.log_tail,
          c.occurred_at, c.acknowledged_at, c.acknowledged_by
"""

DRAIN = """
UPDATE render.nodes
SET drain_requested_at = coalesce(drain_requested_at, now()),
    status = CASE WHEN status IN ('Quarantined', 'Offline') THEN status ELSE 'Draining' END,
    status_since = CASE WHEN status IN ('Quarantined', 'Offline', 'Draining') THEN status_since
                        ELSE now() END,
    status_reason = $2
WHERE id = $1
"""
RELEASE = """
UPDATE render.nodes
SET drain_requested_at = NULL, rest_until = NULL, consecutive_failures = 0,
    quarantined_at = NULL, quarantined_by = NULL, quarantine_reason = NULL, status_reason = '',
    status_since = CASE WHEN status IN ('Draining', 'Quarantined') THEN now() ELSE status_since END,
    status = CASE WHEN status IN ('Draining', 'Quarantined')
                  THEN CASE WHEN busy_slots > 0 THEN 'Busy' ELSE 'Idle' END ELSE status END
WHERE id = $1
"""
QUARANTINE = """
UPDATE render.nodes
SET status = 'Quarantined', status_reason = $2, status_since = now(),
    quarantined_at = coalesce(quarantined_at, now()), quarantine_reason = $2, quarantined_by = $3
WHERE id = $1
"""
#: What a node need not be told is done as soon as it is written here.
COMMAND = """
INSERT INTO render.node_commands (id, node_id, act, arguments, state, requested_by, reason,
                                  finished_at, expires_at)
VALUES ($1, $2, $3, $4, CASE WHEN $7 THEN 'Pending' ELSE 'Done' END, $5, $6,
        CASE WHEN $7 THEN NULL ELSE now() END, CASE WHEN $7 THEN now() + interval '1 day' END)
"""
