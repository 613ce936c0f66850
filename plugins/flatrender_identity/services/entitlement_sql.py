"""The statements of ``entitlements``: what a plan allows, counts, charge and reservations."""

PLAN = """
SELECT p.id, p.code, p.resolutions, p.max_resolution, p.watermark, p.max_video_seconds, p.priority,
       p.farm_weight, p.export_days, p.max_active_jobs, p.storage_bytes,
       p.max_upload_bytes,
       coalesce((p.features->>'batch_rows')::int,
                CASE WHEN p.code = 'free' THEN 10 ELSE 1000 END) AS max_batch_rows,
       coalesce(u.daily_render_limit, p.daily_render_limit) AS daily_limit,
       t.timezone, t.farm_weight AS tenant_weight,
       coalesce(a.balance_minor, 0) AS balance_minor, p.currency, now() AS now
FROM identity.users u
JOIN identity.tenants t ON t.id = u.tenant_id
LEFT JOIN identity.user_plans up ON up.tenant_id = u.tenant_id AND up.user_id = u.id
     AND up.status = 'Active' AND (up.expires_at IS NULL OR up.expires_at > now())
LEFT JOIN identity.render_charge_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
JOIN LATERAL (
    SELECT * FROM identity.plans q
    WHERE (up.plan_id IS NOT NULL AND q.id = up.plan_id)
       OR (up.plan_id IS NULL AND q.code = 'free' AND q.active AND q.deleted_at IS NULL)
    ORDER BY (q.tenant_id = u.tenant_id) DESC LIMIT 1
) p ON true
WHERE u.tenant_id = :tenant AND u.id = :user AND u.status = 'Active' AND u.deleted_at IS NULL
"""

COUNT = """
INSERT INTO identity.user_daily_usage AS d (tenant_id, user_id, day, renders, seconds)
SELECT :tenant, :user, :day, CAST(:count AS int), :seconds
WHERE CAST(:limit AS int) = 0 OR CAST(:count AS int) <= CAST(:limit AS int)
ON CONFLICT (tenant_id, user_id, day) DO UPDATE
SET renders = d.renders + excluded.renders, seconds = d.seconds + excluded.seconds
WHERE CAST(:limit AS int) = 0 OR d.renders + excluded.renders <= CAST(:limit AS int)
RETURNING d.renders
"""

RESERVE = """
INSERT INTO identity.render_reservations (job_id, tenant_id, user_id, day, resolution, seconds,
    charge_minor, watermark, plan_id, plan_code, priority, weight, expires_at)
SELECT j, :tenant, :user, :day, :resolution, :seconds, :charge, :watermark, :plan, :code,
       :priority, :weight, now() + make_interval(secs => :overdue)
FROM unnest(CAST(:jobs AS uuid[])) j
"""
#: One line for each job, as if they had been set aside one after the other.
LEDGER_RESERVED = """
INSERT INTO identity.render_charge_ledger
  (id, tenant_id, user_id, kind, delta_minor, reserved_delta_minor, balance_after_minor,
   reference, job_id, reason)
SELECT gen_random_uuid(), :tenant, :user, 'Reserve', -CAST(:charge AS bigint), :charge,
       CAST(:balance AS bigint) + CAST(:charge AS bigint) * (CAST(:count AS bigint) - n),
       'reserve:' || j, j, :reason
FROM unnest(CAST(:jobs AS uuid[])) WITH ORDINALITY AS t(j, n)
ON CONFLICT (tenant_id, user_id, reference) DO NOTHING
"""

LEDGER = """
INSERT INTO identity.render_charge_ledger
  (id, tenant_id, user_id, kind, delta_minor, reserved_delta_minor, balance_after_minor,
   reference, job_id, reason)
VALUES (gen_random_uuid(), :tenant, :user, :kind, :delta, :reserved, :balance, :reference, :job,
        :reason)
ON CONFLICT (tenant_id, user_id, reference) DO NOTHING
"""

OVERDUE = """
SELECT tenant_id, job_id FROM identity.render_reservations
WHERE state = 'Reserved' AND expires_at < now() ORDER BY expires_at LIMIT $1
"""
KEEP = """
UPDATE identity.render_reservations SET expires_at = now() + make_interval(secs => $2)
WHERE job_id = ANY ($1) AND state = 'Reserved'
"""

#: Two calls for the same job wait for each other: the second finds what the first wrote.
ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('render:' || :job, 0))"
