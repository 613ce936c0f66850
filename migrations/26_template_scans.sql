-- 26_template_scans: reading After Effects projects. A scan is queued, read on the server (quick) or
-- on a node (full) under a fence and a lease, and ends once. Its proposal is applied by the content
-- context; here is only what was found and when it was used.

ALTER TABLE render.scan_jobs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE render.scan_jobs DROP CONSTRAINT IF EXISTS scan_jobs_state_check;
UPDATE render.scan_jobs SET state = CASE state
  WHEN 'Waiting' THEN 'Queued' WHEN 'Claimed' THEN 'Running' WHEN 'Applied' THEN 'Done' END
WHERE state IN ('Waiting', 'Claimed', 'Applied');
ALTER TABLE render.scan_jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE render.scan_jobs ALTER COLUMN state SET DEFAULT 'Queued';
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.scan_jobs', 'scan_jobs_states',
  'CHECK (state IN (''Queued'', ''Running'', ''Done'', ''Failed'', ''Cancelled''))'); END $do$;

ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS source_name text NOT NULL DEFAULT '';
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS source_size bigint;
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS errors jsonb NOT NULL DEFAULT '[]';
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS started_at timestamptz;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.scan_jobs', 'scan_jobs_source_size', 'CHECK (source_size > 0)'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.scan_jobs', 'scan_jobs_done_has_result',
  'CHECK (state <> ''Done'' OR result IS NOT NULL)'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.scan_jobs', 'scan_jobs_running_has_lease',
  'CHECK (state <> ''Running'' OR lease_until IS NOT NULL)'); END $do$;

DROP INDEX IF EXISTS render.scan_jobs_waiting;
DROP INDEX IF EXISTS render.scan_jobs_leases;
CREATE INDEX IF NOT EXISTS scan_jobs_queued ON render.scan_jobs (engine, created_at, id) WHERE state IN ('Queued', 'Running');
COMMENT ON COLUMN render.scan_jobs.state IS 'Queued, Running, then Done, Failed or Cancelled for good.';
COMMENT ON COLUMN render.scan_jobs.epoch IS 'The fence: it rises with every attempt and with a cancellation, so a late result changes nothing.';
COMMENT ON COLUMN render.scan_jobs.source_name IS 'What the designer''s file was called.';
COMMENT ON COLUMN render.scan_jobs.source_size IS 'Bytes of the .aep or .zip.';
COMMENT ON COLUMN render.scan_jobs.result IS 'What was found: a ProjectScan.';
COMMENT ON COLUMN render.scan_jobs.diff IS 'What was applied, as it was previewed.';
COMMENT ON COLUMN render.scan_jobs.errors IS 'Why it failed: every reason with its place in the bundle or the project.';
COMMENT ON COLUMN render.scan_jobs.started_at IS 'Begin of the latest attempt.';

-- Full scans are read on nodes: a failed attempt waits, keeps away from the node that failed, and a
-- node that is late is told so and counted.
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS not_before timestamptz;
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS avoid_nodes uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS reader_nodes uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE render.scan_jobs ADD COLUMN IF NOT EXISTS stale_reports int NOT NULL DEFAULT 0;
COMMENT ON COLUMN render.scan_jobs.not_before IS 'When the next attempt may begin, after one that failed.';
COMMENT ON COLUMN render.scan_jobs.avoid_nodes IS 'Nodes that failed at it: others come first.';
COMMENT ON COLUMN render.scan_jobs.reader_nodes IS 'Every node that ever held it: to them a late report is answered, to others the scan does not exist.';
COMMENT ON COLUMN render.scan_jobs.stale_reports IS 'Reports that came after a cancellation or a lease; they changed nothing.';
