-- 30_scene_snapshot_jobs: stills of all scenes of a saved project at once, with progress.

CREATE TABLE IF NOT EXISTS render.scene_snapshot_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  saved_project_version int NOT NULL,
  width int NOT NULL CHECK (width > 0),
  permanent boolean NOT NULL DEFAULT false,
  total int NOT NULL CHECK (total > 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS scene_snapshot_jobs_project ON render.scene_snapshot_jobs (tenant_id, user_id, saved_project_id, created_at DESC);
COMMENT ON TABLE render.scene_snapshot_jobs IS 'One still of every scene of a saved project, asked for together.';
COMMENT ON COLUMN render.scene_snapshot_jobs.permanent IS 'The stills have public addresses that do not expire.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.scene_snapshot_jobs'); END $do$;

DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.snapshots', 'snapshots_tenant_id', 'UNIQUE (tenant_id, id)'); END $do$;

CREATE TABLE IF NOT EXISTS render.scene_snapshot_items (
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  position int NOT NULL CHECK (position >= 0),
  saved_scene_id uuid NOT NULL,
  snapshot_id uuid NOT NULL,
  cached boolean NOT NULL DEFAULT false,
  PRIMARY KEY (job_id, position),
  FOREIGN KEY (tenant_id, job_id) REFERENCES render.scene_snapshot_jobs (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, snapshot_id) REFERENCES render.snapshots (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS scene_snapshot_items_job ON render.scene_snapshot_items (tenant_id, job_id);
CREATE INDEX IF NOT EXISTS scene_snapshot_items_snapshot ON render.scene_snapshot_items (tenant_id, snapshot_id);
COMMENT ON TABLE render.scene_snapshot_items IS 'Which still shows which scene; how far each is stands with the still.';
COMMENT ON COLUMN render.scene_snapshot_items.cached IS 'It had been drawn before.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.scene_snapshot_items', 'SELECT, INSERT', 'SELECT, DELETE'); END $do$;
