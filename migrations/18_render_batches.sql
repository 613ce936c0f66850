-- 18_render_batches: a saved project over the rows of a table. Everything is validated and set
-- aside before the first job exists; jobs are made in portions, each row at most one at a time.

ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS source jsonb NOT NULL DEFAULT '{}';
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS terms jsonb NOT NULL DEFAULT '{}';
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS columns text[] NOT NULL DEFAULT '{}';
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS formats text[] NOT NULL DEFAULT '{mp4}';
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS cancelled int NOT NULL DEFAULT 0;
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS charge_minor bigint NOT NULL DEFAULT 0;
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS currency text NOT NULL DEFAULT 'IRR';
ALTER TABLE render.batches ADD COLUMN IF NOT EXISTS cancel_requested_at timestamptz;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.batches', 'batches_formats', 'CHECK (formats <@ ARRAY[''mp4'', ''webm'', ''gif''])'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.batches', 'batches_charge', 'CHECK (charge_minor >= 0)'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.batches', 'batches_counts', 'CHECK (done >= 0 AND failed >= 0 AND cancelled >= 0 AND done + failed + cancelled <= total)'); END $do$;
COMMENT ON COLUMN render.batches.source IS 'The saved project as it was frozen once for all rows.';
COMMENT ON COLUMN render.batches.terms IS 'What identity set aside for each of the jobs: watermark, priority, days an export is kept.';
COMMENT ON COLUMN render.batches.charge_minor IS 'Set aside for all rows together.';

CREATE TABLE IF NOT EXISTS render.batch_rows (
  tenant_id uuid NOT NULL,
  batch_id uuid NOT NULL,
  row int NOT NULL CHECK (row > 0),
  key text NOT NULL,
  cells jsonb NOT NULL,
  "values" jsonb NOT NULL,
  job_id uuid NOT NULL UNIQUE,
  attempt int NOT NULL DEFAULT 1 CHECK (attempt > 0),
  retry_of uuid,
  state text NOT NULL DEFAULT 'Waiting' CHECK (state IN ('Waiting', 'Submitted', 'Done', 'Failed', 'Cancelled')),
  charge_minor bigint NOT NULL DEFAULT 0 CHECK (charge_minor >= 0),
  export_id uuid,
  error_code text,
  error_fa text,
  error_en text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (batch_id, row),
  UNIQUE (batch_id, key),
  FOREIGN KEY (tenant_id, batch_id) REFERENCES render.batches (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS batch_rows_state ON render.batch_rows (tenant_id, batch_id, state, row);
CREATE INDEX IF NOT EXISTS batch_rows_waiting ON render.batch_rows (created_at, batch_id) WHERE state = 'Waiting';
COMMENT ON TABLE render.batch_rows IS 'Rows of a batch: what they fill in and what became of them.';
COMMENT ON COLUMN render.batch_rows.key IS 'Names the row for its customer; its number where the table has no column "key".';
COMMENT ON COLUMN render.batch_rows.cells IS 'As uploaded, by column.';
COMMENT ON COLUMN render.batch_rows."values" IS 'Validated values by scene and slot, laid over the frozen project.';
COMMENT ON COLUMN render.batch_rows.job_id IS 'Known before the job exists: what was set aside is named by it, so a job is made and paid for once.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.batch_rows'); END $do$;
