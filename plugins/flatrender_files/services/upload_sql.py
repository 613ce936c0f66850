"""The SQL of uploads: reserve, take, settle, close, expire. No logic, no I/O."""

ENSURE_QUOTA = """
INSERT INTO file_mgr.quotas (tenant_id, user_id, limit_bytes) VALUES (:tenant, :user, :limit)
ON CONFLICT DO NOTHING
"""
RESERVE = """
UPDATE file_mgr.quotas SET reserved_bytes = reserved_bytes + :size
WHERE tenant_id = :tenant AND user_id = :user
  AND used_bytes + reserved_bytes + :size <= limit_bytes
RETURNING used_bytes
"""
SETTLE = """
UPDATE file_mgr.quotas SET reserved_bytes = greatest(0, reserved_bytes - :reserved),
    used_bytes = used_bytes + :used, file_count = file_count + :files
WHERE tenant_id = :tenant AND user_id = :user
"""
TAKE = """
UPDATE file_mgr.upload_sessions SET state = 'Completing', updated_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND id = :id
  AND ((state = 'Open' AND expires_at > now())
       OR (state = 'Completing' AND updated_at < now() - make_interval(secs => :patience)))
RETURNING file_id, object_key, declared_bytes, declared_sha256, reserved_bytes, expires_at
"""
KNOWN = """
SELECT file_id, object_key, declared_bytes, declared_sha256, reserved_bytes, expires_at, state
FROM file_mgr.upload_sessions WHERE tenant_id = :tenant AND user_id = :user AND id = :id
"""
CLOSE = """
UPDATE file_mgr.upload_sessions SET state = :state, error_code = :code,
    completed_at = CASE WHEN :state = 'Completed' THEN now() END,
    reserved_bytes = CASE WHEN :state = 'Open' THEN reserved_bytes ELSE 0 END
WHERE tenant_id = :tenant AND id = :id AND state = 'Completing' RETURNING id
"""
FORGET_OBJECT = """
INSERT INTO file_mgr.pending_deletions (tenant_id, bucket, object_key, reason, due_at)
VALUES (:tenant, :bucket, :key, :reason,
        greatest(now(), CAST(:after AS timestamptz)) + interval '1 minute')
ON CONFLICT DO NOTHING
"""
EXPIRE = """
WITH due AS (
    SELECT id, tenant_id, user_id, file_id, bucket, object_key, reserved_bytes
    FROM file_mgr.upload_sessions
    WHERE state IN ('Open', 'Completing') AND expires_at < now() - interval '5 minutes'
    ORDER BY expires_at LIMIT 200 FOR UPDATE SKIP LOCKED
), closed AS (
    UPDATE file_mgr.upload_sessions s SET state = 'Expired', reserved_bytes = 0
    FROM due WHERE s.id = due.id
), freed AS (
    UPDATE file_mgr.quotas q SET reserved_bytes = greatest(0, q.reserved_bytes - d.bytes)
    FROM (SELECT tenant_id, user_id, sum(reserved_bytes) AS bytes FROM due GROUP BY 1, 2) d
    WHERE q.tenant_id = d.tenant_id AND q.user_id = d.user_id
), refused AS (
    UPDATE file_mgr.files f SET state = 'Rejected', reject_code = 'expired'
    FROM due WHERE f.tenant_id = due.tenant_id AND f.id = due.file_id AND f.state <> 'Ready'
), marked AS (
    INSERT INTO file_mgr.pending_deletions (tenant_id, bucket, object_key, reason)
    SELECT tenant_id, bucket, object_key, 'abandoned upload' FROM due
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM due
"""
