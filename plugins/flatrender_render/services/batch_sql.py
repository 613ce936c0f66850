"""The SQL of batches (``batches``): rows are locked behind their batch, each becomes one job."""

INSERT = """
INSERT INTO render.batches (id, tenant_id, user_id, saved_project_id, name, resolution, total,
    source, terms, columns, formats, charge_minor, currency)
VALUES (:id, :tenant, :user, :saved, :name, :resolution, :total, CAST(:source AS jsonb),
    CAST(:terms AS jsonb), CAST(:columns AS text[]), CAST(:formats AS text[]), :charge, :currency)
"""
INSERT_ROWS = """
INSERT INTO render.batch_rows (tenant_id, batch_id, row, key, cells, "values", job_id, charge_minor,
    support_id)
SELECT :tenant, :batch, r.row, r.key, r.cells, r.filled, r.job_id, :charge, :support
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(row int, key text, cells jsonb, filled jsonb, job_id uuid)
"""
LOCK = """
SELECT id, user_id, state, resolution, formats, source, terms,
       cancel_requested_at IS NOT NULL AS stop
FROM render.batches WHERE tenant_id = :tenant AND id = :batch FOR UPDATE
"""
LOOK = """
SELECT user_id, resolution, source FROM render.batches WHERE tenant_id = $1 AND id = $2
"""
TAKE = """
SELECT row, job_id, retry_of, support_id, "values" FROM render.batch_rows
WHERE tenant_id = :tenant AND batch_id = :batch AND state = 'Waiting' ORDER BY row LIMIT :portion
"""
SUBMITTED = """
WITH marked AS (
    UPDATE render.batch_rows SET state = 'Submitted'
    WHERE tenant_id = :tenant AND batch_id = :batch AND job_id = ANY (CAST(:jobs AS uuid[]))
    RETURNING row, job_id, batch_id, retry_of)
UPDATE render.render_jobs j SET batch_id = m.batch_id, batch_row = m.row, retry_of = m.retry_of
FROM marked m WHERE j.tenant_id = :tenant AND j.id = m.job_id
"""
RECOUNT = """
UPDATE render.batches b SET done = s.done, failed = s.failed, cancelled = s.cancelled,
    state = CASE WHEN s.open > 0 THEN 'Running'
                 WHEN b.cancel_requested_at IS NOT NULL THEN 'Cancelled'
                 WHEN s.done = 0 THEN 'Failed' ELSE 'Done' END,
    finished_at = CASE WHEN s.open > 0 THEN NULL ELSE coalesce(b.finished_at, now()) END
FROM (SELECT count(*) FILTER (WHERE state = 'Done')::int AS done,
             count(*) FILTER (WHERE state = 'Failed')::int AS failed,
             count(*) FILTER (WHERE state = 'Cancelled')::int AS cancelled,
             count(*) FILTER (WHERE state IN ('Waiting', 'Submitted'))::int AS open
      FROM render.batch_rows WHERE tenant_id = :tenant AND batch_id = :batch) s
WHERE b.tenant_id = :tenant AND b.id = :batch
"""
BATCH_OF = """
SELECT batch_id FROM render.batch_rows WHERE tenant_id = :tenant AND job_id = :job
"""
ENDED = """
UPDATE render.batch_rows SET state = :state, export_id = :export, error_code = :code,
    error_fa = :fa, error_en = :en
WHERE tenant_id = :tenant AND job_id = :job AND state IN ('Submitted', 'Failed')
RETURNING batch_id
"""
STOP_ROWS = """
UPDATE render.batch_rows SET state = 'Cancelled'
WHERE tenant_id = :tenant AND batch_id = :batch AND state = 'Waiting'
"""
STOP = """
UPDATE render.batches SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE tenant_id = :tenant AND id = :batch
"""
NEVER_MADE = """
SELECT r.job_id FROM render.batch_rows r
WHERE r.tenant_id = $1 AND r.batch_id = $2 AND r.state = 'Cancelled'
  AND NOT EXISTS (SELECT FROM render.render_jobs j WHERE j.id = r.job_id)
ORDER BY r.row
"""
STILL_GOING = """
SELECT r.job_id FROM render.batch_rows r
JOIN render.render_jobs j ON j.tenant_id = r.tenant_id AND j.id = r.job_id
WHERE r.tenant_id = $1 AND r.batch_id = $2 AND j.step NOT IN ('Done', 'Failed', 'Cancelled')
ORDER BY r.row
"""
FAILED = """
SELECT row, job_id FROM render.batch_rows
WHERE tenant_id = $1 AND batch_id = $2 AND state = 'Failed' ORDER BY row
"""
AGAIN = """
UPDATE render.batch_rows b SET job_id = r.job_id, retry_of = r.old, attempt = b.attempt + 1,
    state = 'Waiting', error_code = NULL, error_fa = NULL, error_en = NULL, charge_minor = :charge,
    support_id = :support
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(row int, old uuid, job_id uuid)
WHERE b.tenant_id = :tenant AND b.batch_id = :batch AND b.row = r.row AND b.job_id = r.old
  AND b.state = 'Failed'
RETURNING b.job_id
"""
CHARGED = """
UPDATE render.batches SET charge_minor = charge_minor + :charge, terms = CAST(:terms AS jsonb),
    cancel_requested_at = NULL
WHERE tenant_id = :tenant AND id = :batch
"""
LATE = """
SELECT DISTINCT r.tenant_id, r.batch_id FROM render.batch_rows r
WHERE r.state = 'Waiting' AND r.updated_at < now() - interval '20 seconds' LIMIT 50
"""
