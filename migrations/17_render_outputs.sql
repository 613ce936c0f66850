-- 17_render_outputs: further formats of finished videos, share links, and objects to be removed.
-- A rendition is made by a worker from the proven MP4; like every piece of work it is claimed by
-- raising an epoch, and a report with another epoch changes nothing.

CREATE TABLE IF NOT EXISTS render.renditions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  job_id uuid NOT NULL,
  source_export_id uuid NOT NULL,
  format text NOT NULL CHECK (format IN ('webm', 'gif')),
  state text NOT NULL DEFAULT 'Waiting' CHECK (state IN ('Waiting', 'Claimed', 'Done', 'Failed', 'Cancelled')),
  epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  node_id uuid,
  lease_until timestamptz,
  not_before timestamptz NOT NULL DEFAULT now(),
  progress double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
  export_id uuid,
  error_code text,
  error_message text,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (source_export_id, format),
  CHECK ((state = 'Claimed') = (lease_until IS NOT NULL)),
  CHECK (state <> 'Done' OR export_id IS NOT NULL),
  FOREIGN KEY (tenant_id, source_export_id) REFERENCES render.exports (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, export_id) REFERENCES render.exports (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS renditions_source ON render.renditions (tenant_id, source_export_id);
CREATE INDEX IF NOT EXISTS renditions_result ON render.renditions (tenant_id, export_id) WHERE export_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS renditions_waiting ON render.renditions (not_before, id) WHERE state = 'Waiting';
CREATE INDEX IF NOT EXISTS renditions_leases ON render.renditions (lease_until) WHERE state = 'Claimed';
COMMENT ON TABLE render.renditions IS 'Further formats of a finished video, made from its proven MP4.';
COMMENT ON COLUMN render.renditions.epoch IS 'The fence: every claim raises it.';
COMMENT ON COLUMN render.renditions.export_id IS 'The result, an export of its own.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.renditions'); END $do$;

-- Share links: only a hash of the token is stored.
DO $do$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = 'render.export_shares'::regclass
             AND attname = 'token' AND NOT attisdropped) THEN
    ALTER TABLE render.export_shares RENAME COLUMN token TO token_hash;
  END IF;
END
$do$;
ALTER TABLE render.export_shares ADD COLUMN IF NOT EXISTS name text NOT NULL DEFAULT '';
ALTER TABLE render.export_shares ADD COLUMN IF NOT EXISTS max_downloads int;
ALTER TABLE render.export_shares ADD COLUMN IF NOT EXISTS downloads int NOT NULL DEFAULT 0;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.export_shares', 'export_shares_max_downloads', 'CHECK (max_downloads > 0)'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.export_shares', 'export_shares_downloads', 'CHECK (downloads >= 0 AND downloads <= coalesce(max_downloads, downloads))'); END $do$;
COMMENT ON COLUMN render.export_shares.token_hash IS 'SHA-256 of the token, in hex; the token itself is shown once.';
COMMENT ON COLUMN render.export_shares.max_downloads IS 'NULL: no limit.';

CREATE TABLE IF NOT EXISTS render.object_removals (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  object_key text NOT NULL UNIQUE,
  not_before timestamptz NOT NULL DEFAULT now(),
  attempts int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS object_removals_tenant ON render.object_removals (tenant_id);
CREATE INDEX IF NOT EXISTS object_removals_due ON render.object_removals (not_before, id);
COMMENT ON TABLE render.object_removals IS 'Objects that nothing refers to any more; a row goes when the store has said that the object is gone.';
COMMENT ON COLUMN render.object_removals.not_before IS 'Links that were given out just before stay good for their short life.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.object_removals', 'SELECT, INSERT'); END $do$;

-- Durations of recent jobs of a template, for the first guess of how long another takes.
CREATE INDEX IF NOT EXISTS render_jobs_pace ON render.render_jobs (tenant_id, package_sha256, resolution, finished_at DESC) WHERE step = 'Done';
