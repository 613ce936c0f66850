-- 12_render_jobs: jobs, their frame jobs with fence and lease, proof and repair, snapshots, exports.
-- A worker claims a frame job by raising its epoch; every report carries the epoch, and one that is
-- not the row's own changes nothing. All times of leases are the database's.

CREATE TABLE IF NOT EXISTS render.batches (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  name text NOT NULL DEFAULT '',
  resolution text NOT NULL CHECK (resolution IN ('360p', '540p', '720p', '1080p', '4K')),
  state text NOT NULL DEFAULT 'Running' CHECK (state IN ('Running', 'Done', 'Failed', 'Cancelled')),
  total int NOT NULL CHECK (total > 0),
  done int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  source_object_key text,
  errors jsonb NOT NULL DEFAULT '[]',
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS batches_list ON render.batches (tenant_id, user_id, created_at DESC, id DESC);
COMMENT ON TABLE render.batches IS 'One saved project rendered over the rows of a table.';
COMMENT ON COLUMN render.batches.errors IS 'Per-row errors of rows that failed after the start.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.batches'); END $do$;

CREATE TABLE IF NOT EXISTS render.tenant_shares (
  tenant_id uuid PRIMARY KEY,
  weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
  max_running_frames int CHECK (max_running_frames > 0),
  max_active_jobs int CHECK (max_active_jobs > 0),
  max_active_jobs_per_user int CHECK (max_active_jobs_per_user > 0),
  virtual_time double precision NOT NULL DEFAULT 0,
  running_frames int NOT NULL DEFAULT 0 CHECK (running_frames >= 0),
  waiting_frames int NOT NULL DEFAULT 0,
  last_claim_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
COMMENT ON TABLE render.tenant_shares IS 'How tenants share the farm; the claim takes from the tenant that is furthest behind.';
COMMENT ON COLUMN render.tenant_shares.virtual_time IS 'Work received divided by weight (weighted fair queueing); the lowest goes first.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.tenant_shares', 'SELECT'); END $do$;

CREATE TABLE IF NOT EXISTS render.render_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  saved_project_version int NOT NULL DEFAULT 1,
  project_name text NOT NULL DEFAULT '',
  container_id uuid,
  batch_id uuid,
  batch_row int,
  retry_of uuid,
  submitted_via text NOT NULL DEFAULT 'user' CHECK (submitted_via IN ('user', 'api_key', 'admin', 'system')),

  engine text NOT NULL,
  engine_version text NOT NULL DEFAULT '',
  package_object_key text NOT NULL,
  package_sha256 text NOT NULL CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
  composition jsonb NOT NULL,
  composition_sha256 text NOT NULL CHECK (composition_sha256 ~ '^[0-9a-f]{64}$'),
  needs jsonb NOT NULL DEFAULT '{}',

  resolution text NOT NULL CHECK (resolution IN ('360p', '540p', '720p', '1080p', '4K')),
  aspect text NOT NULL CHECK (aspect IN ('16:9', '1:1', '9:16')),
  width int NOT NULL CHECK (width > 0 AND width % 2 = 0),
  height int NOT NULL CHECK (height > 0 AND height % 2 = 0),
  fps int NOT NULL CHECK (fps BETWEEN 1 AND 60),
  duration double precision NOT NULL CHECK (duration > 0),
  formats text[] NOT NULL DEFAULT '{mp4}' CHECK (formats <@ ARRAY['mp4', 'webm', 'gif']),
  watermark boolean NOT NULL,
  has_voiceover boolean NOT NULL DEFAULT false,
  has_audio boolean NOT NULL DEFAULT false,

  step text NOT NULL DEFAULT 'Queued' CHECK (step IN ('Queued', 'Preparing', 'Rendering', 'Repairing', 'Encoding', 'Uploading', 'Validating', 'Done', 'Failed', 'Cancelled', 'Paused')),
  step_before_pause text CHECK (step_before_pause IN ('Queued', 'Preparing', 'Rendering', 'Repairing', 'Encoding', 'Uploading', 'Validating')),
  epoch bigint NOT NULL DEFAULT 0,
  priority int NOT NULL DEFAULT 0,
  total_frames int NOT NULL CHECK (total_frames > 0),
  done_frames int NOT NULL DEFAULT 0 CHECK (done_frames >= 0),
  chunk_frames int NOT NULL DEFAULT 60 CHECK (chunk_frames > 0),
  frame_jobs_total int NOT NULL DEFAULT 0,
  frame_jobs_done int NOT NULL DEFAULT 0,
  repair_attempts int NOT NULL DEFAULT 0,
  blamed_attempts int NOT NULL DEFAULT 0,
  lost_attempts int NOT NULL DEFAULT 0,
  wait_reason text,

  error_code text,
  error_class text CHECK (error_class IN ('node', 'template', 'input', 'resource', 'licence', 'transient')),
  error_message text,
  error_fa text,
  error_en text,
  retryable boolean,

  reservation_state text NOT NULL DEFAULT 'None' CHECK (reservation_state IN ('None', 'Reserved', 'Settling', 'Settled', 'Releasing', 'Released')),
  charge_minor bigint NOT NULL DEFAULT 0 CHECK (charge_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  plan_code text NOT NULL DEFAULT '',
  refund_fraction double precision CHECK (refund_fraction BETWEEN 0 AND 1),

  export_id uuid,
  compute_seconds double precision NOT NULL DEFAULT 0,
  timings jsonb NOT NULL DEFAULT '{}',
  trace jsonb NOT NULL DEFAULT '{}',
  submitted_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  deadline_at timestamptz,
  cancel_requested_at timestamptz,
  cancelled_by text,
  pause_requested_at timestamptz,
  paused_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  CHECK (done_frames <= total_frames),
  CHECK ((finished_at IS NOT NULL) = (step IN ('Done', 'Failed', 'Cancelled'))),
  CHECK (step <> 'Paused' OR step_before_pause IS NOT NULL),
  FOREIGN KEY (tenant_id, batch_id) REFERENCES render.batches (tenant_id, id)
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS render_jobs_list ON render.render_jobs (tenant_id, user_id, submitted_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS render_jobs_newest ON render.render_jobs (tenant_id, submitted_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS render_jobs_project ON render.render_jobs (tenant_id, saved_project_id, submitted_at DESC);
CREATE INDEX IF NOT EXISTS render_jobs_live ON render.render_jobs (tenant_id, user_id) WHERE step NOT IN ('Done', 'Failed', 'Cancelled');
CREATE INDEX IF NOT EXISTS render_jobs_sweep ON render.render_jobs (updated_at) WHERE step NOT IN ('Done', 'Failed', 'Cancelled');
CREATE INDEX IF NOT EXISTS render_jobs_batch ON render.render_jobs (tenant_id, batch_id, batch_row) WHERE batch_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS render_jobs_unsettled ON render.render_jobs (finished_at) WHERE reservation_state IN ('Reserved', 'Settling', 'Releasing') AND finished_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS render_jobs_export ON render.render_jobs (tenant_id, export_id) WHERE export_id IS NOT NULL;
COMMENT ON TABLE render.render_jobs IS 'One video to be made. PostgreSQL is the truth about it; queues only wake workers.';
COMMENT ON COLUMN render.render_jobs.composition IS 'The frozen composition; with package and engine version it decides every byte.';
COMMENT ON COLUMN render.render_jobs.needs IS 'What a node must have: fonts, engine version, memory.';
COMMENT ON COLUMN render.render_jobs.resolution IS 'Named by the short side.';
COMMENT ON COLUMN render.render_jobs.epoch IS 'Rises when everything running for the job becomes void (retry, cancel).';
COMMENT ON COLUMN render.render_jobs.blamed_attempts IS 'Attempts the job itself was to blame for; at most 3 per range.';
COMMENT ON COLUMN render.render_jobs.lost_attempts IS 'Attempts lost to nodes or to something passing; bounded by deadline_at only.';
COMMENT ON COLUMN render.render_jobs.wait_reason IS 'Why it waits, as a stable code.';
COMMENT ON COLUMN render.render_jobs.error_fa IS 'Explanation the customer can act on.';
COMMENT ON COLUMN render.render_jobs.reservation_state IS 'Where the money stands; Settling and Releasing are repeated until identity has answered.';
COMMENT ON COLUMN render.render_jobs.timings IS 'Seconds by phase: prepare, render, convert, encode, proof, assemble, audio, upload.';
COMMENT ON COLUMN render.render_jobs.trace IS 'W3C trace context of the submit.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.render_jobs'); END $do$;

CREATE TABLE IF NOT EXISTS render.frame_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('video', 'audio', 'assemble', 'snapshot', 'poster', 'transcode')),
  index int NOT NULL CHECK (index >= 0),
  first_frame int NOT NULL DEFAULT 0 CHECK (first_frame >= 0),
  last_frame int NOT NULL DEFAULT 0,
  engine text NOT NULL,
  package_sha256 text,
  needs jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'Waiting' CHECK (state IN ('Waiting', 'Claimed', 'Done', 'Failed', 'Cancelled')),
  held boolean NOT NULL DEFAULT false,
  priority int NOT NULL DEFAULT 0,
  not_before timestamptz NOT NULL DEFAULT now(),
  epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
  attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  blamed_attempts int NOT NULL DEFAULT 0 CHECK (blamed_attempts >= 0),
  node_id uuid,
  lease_until timestamptz,
  claimed_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  done_frames int NOT NULL DEFAULT 0,
  object_key text,
  sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  packets int,
  bytes bigint,
  proof jsonb,
  error_class text CHECK (error_class IN ('node', 'template', 'input', 'resource', 'licence', 'transient')),
  error_code text,
  error_message text,
  timings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  UNIQUE (job_id, kind, index),
  CHECK (last_frame >= first_frame),
  CHECK ((state = 'Claimed') = (lease_until IS NOT NULL)),
  CHECK (state <> 'Claimed' OR node_id IS NOT NULL),
  CHECK (state <> 'Done' OR finished_at IS NOT NULL),
  FOREIGN KEY (tenant_id, job_id) REFERENCES render.render_jobs (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500);
-- The claim: one descent per tenant and engine, whatever waits behind it.
CREATE INDEX IF NOT EXISTS frame_jobs_claim ON render.frame_jobs (tenant_id, engine, priority DESC, not_before, id) WHERE state = 'Waiting' AND NOT held;
CREATE INDEX IF NOT EXISTS frame_jobs_claim_any ON render.frame_jobs (engine, priority DESC, not_before, id) WHERE state = 'Waiting' AND NOT held;
CREATE INDEX IF NOT EXISTS frame_jobs_leases ON render.frame_jobs (lease_until) WHERE state = 'Claimed';
CREATE INDEX IF NOT EXISTS frame_jobs_node ON render.frame_jobs (node_id) WHERE state = 'Claimed';
CREATE INDEX IF NOT EXISTS frame_jobs_job ON render.frame_jobs (tenant_id, job_id, kind, index);
COMMENT ON TABLE render.frame_jobs IS 'Pieces of a job that a node claims: whole-GOP ranges of frames, the sound, the assembly.';
COMMENT ON COLUMN render.frame_jobs.last_frame IS 'Inclusive.';
COMMENT ON COLUMN render.frame_jobs.held IS 'Waits for something other than a node: a pause, or pieces it builds on.';
COMMENT ON COLUMN render.frame_jobs.epoch IS 'The fence: every claim raises it; a report with another epoch gets 409 and changes nothing.';
COMMENT ON COLUMN render.frame_jobs.lease_until IS 'Set exactly while claimed; heartbeats move it on, the reaper takes back what is past.';
COMMENT ON COLUMN render.frame_jobs.object_key IS 'Key of the attempt that won; keys carry the epoch, so attempts never overwrite each other.';
COMMENT ON COLUMN render.frame_jobs.proof IS 'What was checked and found.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.frame_jobs'); END $do$;

CREATE TABLE IF NOT EXISTS render.frame_attempts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  frame_job_id uuid NOT NULL,
  epoch bigint NOT NULL,
  attempt int NOT NULL,
  node_id uuid,
  outcome text NOT NULL DEFAULT 'Running' CHECK (outcome IN ('Running', 'Done', 'Failed', 'Lost', 'Cancelled')),
  blamed boolean NOT NULL DEFAULT false,
  error_class text CHECK (error_class IN ('node', 'template', 'input', 'resource', 'licence', 'transient')),
  error_code text,
  error_message text,
  rule_code text,
  exit_code int,
  log_tail text,
  stale_reports int NOT NULL DEFAULT 0,
  frames int NOT NULL DEFAULT 0,
  object_key text,
  timings jsonb NOT NULL DEFAULT '{}',
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (frame_job_id, epoch),
  FOREIGN KEY (tenant_id, frame_job_id) REFERENCES render.frame_jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS frame_attempts_job ON render.frame_attempts (tenant_id, job_id, started_at);
CREATE INDEX IF NOT EXISTS frame_attempts_node ON render.frame_attempts (node_id, started_at DESC);
COMMENT ON TABLE render.frame_attempts IS 'History of claims of a frame job: who, when, how long, why again.';
COMMENT ON COLUMN render.frame_attempts.blamed IS 'Counts among the three the job itself may cost.';
COMMENT ON COLUMN render.frame_attempts.stale_reports IS 'Reports that came with this epoch after it was over.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.frame_attempts'); END $do$;

CREATE TABLE IF NOT EXISTS render.frame_repair_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  frame_job_id uuid NOT NULL,
  first_frame int NOT NULL CHECK (first_frame >= 0),
  last_frame int NOT NULL,
  defect text NOT NULL CHECK (defect IN ('missing', 'truncated', 'corrupt', 'wrong_count', 'wrong_size', 'wrong_hash', 'black', 'frozen')),
  attempt int NOT NULL CHECK (attempt BETWEEN 1 AND 3),
  max_attempts int NOT NULL DEFAULT 3,
  state text NOT NULL DEFAULT 'Waiting' CHECK (state IN ('Waiting', 'Running', 'Done', 'Failed', 'Cancelled')),
  reason text NOT NULL DEFAULT '',
  missing_frames int NOT NULL DEFAULT 0,
  corrupt_frames int NOT NULL DEFAULT 0,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (frame_job_id, attempt),
  CHECK (last_frame >= first_frame),
  FOREIGN KEY (tenant_id, job_id) REFERENCES render.render_jobs (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, frame_job_id) REFERENCES render.frame_jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS frame_repair_jobs_job ON render.frame_repair_jobs (tenant_id, job_id, created_at);
COMMENT ON TABLE render.frame_repair_jobs IS 'Ranges whose proof failed and that are made again, at most three times.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.frame_repair_jobs'); END $do$;

CREATE TABLE IF NOT EXISTS render.job_node_blocks (
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  node_id uuid NOT NULL REFERENCES render.nodes (id) ON DELETE CASCADE,
  failures int NOT NULL DEFAULT 1,
  reason text NOT NULL DEFAULT '',
  until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (job_id, node_id),
  FOREIGN KEY (tenant_id, job_id) REFERENCES render.render_jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS job_node_blocks_tenant ON render.job_node_blocks (tenant_id, job_id);
COMMENT ON TABLE render.job_node_blocks IS 'Nodes that may not work on a job again.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.job_node_blocks'); END $do$;

CREATE TABLE IF NOT EXISTS render.job_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  job_id uuid NOT NULL,
  kind text NOT NULL,
  step text,
  node_id uuid,
  frame_job_id uuid,
  data jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, job_id) REFERENCES render.render_jobs (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS job_events_job ON render.job_events (tenant_id, job_id, created_at, id);
COMMENT ON TABLE render.job_events IS 'Timeline of a job: steps, repairs, node events, acts of people. Append only.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.job_events', 'SELECT, INSERT', 'SELECT, INSERT, DELETE'); END $do$;

CREATE TABLE IF NOT EXISTS render.snapshots (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid,
  cache_key text NOT NULL CHECK (cache_key ~ '^[0-9a-f]{64}$'),
  saved_project_id uuid,
  saved_scene_id uuid,
  project_id uuid,
  scene_id uuid,
  engine text NOT NULL,
  engine_version text NOT NULL DEFAULT '',
  package_object_key text NOT NULL,
  package_sha256 text NOT NULL,
  composition jsonb,
  frame int NOT NULL CHECK (frame >= 0),
  width int NOT NULL CHECK (width > 0),
  height int NOT NULL CHECK (height > 0),
  watermark boolean NOT NULL DEFAULT false,
  format text NOT NULL DEFAULT 'png' CHECK (format IN ('png', 'jpeg', 'webp')),
  state text NOT NULL DEFAULT 'Waiting' CHECK (state IN ('Waiting', 'Claimed', 'Done', 'Failed', 'Cancelled')),
  epoch bigint NOT NULL DEFAULT 0,
  attempts int NOT NULL DEFAULT 0,
  node_id uuid,
  lease_until timestamptz,
  object_key text,
  sha256 text,
  size_bytes bigint,
  public_token text UNIQUE,
  error_code text,
  error_message text,
  hits bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, cache_key),
  CHECK (state <> 'Done' OR object_key IS NOT NULL)
);
CREATE INDEX IF NOT EXISTS snapshots_waiting ON render.snapshots (created_at, id) WHERE state = 'Waiting';
CREATE INDEX IF NOT EXISTS snapshots_leases ON render.snapshots (lease_until) WHERE state = 'Claimed';
CREATE INDEX IF NOT EXISTS snapshots_project ON render.snapshots (tenant_id, saved_project_id, created_at DESC);
CREATE INDEX IF NOT EXISTS snapshots_lru ON render.snapshots (last_used_at) WHERE state = 'Done' AND public_token IS NULL;
COMMENT ON TABLE render.snapshots IS 'Stills, content-addressed: the same picture is drawn once per tenant.';
COMMENT ON COLUMN render.snapshots.cache_key IS 'SHA-256 over package, engine and version, fonts, inputs, frame, size, watermark.';
COMMENT ON COLUMN render.snapshots.public_token IS 'Part of a permanent public address, where one was asked for.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.snapshots'); END $do$;

CREATE TABLE IF NOT EXISTS render.exports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  job_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  name text NOT NULL DEFAULT '',
  format text NOT NULL DEFAULT 'mp4' CHECK (format IN ('mp4', 'webm', 'gif')),
  resolution text NOT NULL CHECK (resolution IN ('360p', '540p', '720p', '1080p', '4K')),
  aspect text NOT NULL CHECK (aspect IN ('16:9', '1:1', '9:16')),
  width int NOT NULL,
  height int NOT NULL,
  fps int NOT NULL,
  frames int NOT NULL,
  duration double precision NOT NULL,
  watermark boolean NOT NULL,
  video_codec text NOT NULL DEFAULT 'h264',
  audio_codec text,
  object_key text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  poster_object_key text,
  thumbnail_object_key text,
  contact_sheet_object_key text,
  compute_seconds double precision NOT NULL DEFAULT 0,
  download_count int NOT NULL DEFAULT 0,
  last_downloaded_at timestamptz,
  expires_at timestamptz,
  expiry_reminded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  UNIQUE (job_id, format),
  FOREIGN KEY (tenant_id, job_id) REFERENCES render.render_jobs (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS exports_list ON render.exports (tenant_id, user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS exports_project ON render.exports (tenant_id, saved_project_id, created_at DESC) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS exports_expiry ON render.exports (expires_at) WHERE expires_at IS NOT NULL AND deleted_at IS NULL;
COMMENT ON TABLE render.exports IS 'Proven results of jobs. One per job and format: a job cannot finish twice.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.exports'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.render_jobs', 'render_jobs_export',
  'FOREIGN KEY (tenant_id, export_id) REFERENCES render.exports (tenant_id, id) DEFERRABLE INITIALLY DEFERRED'); END $do$;

CREATE TABLE IF NOT EXISTS render.export_shares (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  export_id uuid NOT NULL,
  token text NOT NULL UNIQUE,
  password_hash text,
  allow_download boolean NOT NULL DEFAULT true,
  created_by uuid,
  expires_at timestamptz,
  revoked_at timestamptz,
  view_count bigint NOT NULL DEFAULT 0,
  last_viewed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, export_id) REFERENCES render.exports (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS export_shares_export ON render.export_shares (tenant_id, export_id);
COMMENT ON TABLE render.export_shares IS 'Public links to exports: permanent routes of ours that answer with a fresh presigned link.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.export_shares'); END $do$;

CREATE TABLE IF NOT EXISTS render.scan_jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid,
  kind text NOT NULL CHECK (kind IN ('Quick', 'Full')),
  source_object_key text NOT NULL,
  source_sha256 text NOT NULL CHECK (source_sha256 ~ '^[0-9a-f]{64}$'),
  engine text NOT NULL DEFAULT 'aerender',
  state text NOT NULL DEFAULT 'Waiting' CHECK (state IN ('Waiting', 'Claimed', 'Done', 'Failed', 'Cancelled', 'Applied')),
  epoch bigint NOT NULL DEFAULT 0,
  attempts int NOT NULL DEFAULT 0,
  node_id uuid,
  lease_until timestamptz,
  result jsonb,
  diff jsonb,
  orphans jsonb,
  error_code text,
  error_message text,
  requested_by uuid,
  cancel_requested_at timestamptz,
  applied_at timestamptz,
  applied_by uuid,
  finished_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS scan_jobs_container ON render.scan_jobs (tenant_id, container_id, created_at DESC);
CREATE INDEX IF NOT EXISTS scan_jobs_waiting ON render.scan_jobs (engine, created_at, id) WHERE state = 'Waiting';
CREATE INDEX IF NOT EXISTS scan_jobs_leases ON render.scan_jobs (lease_until) WHERE state = 'Claimed';
COMMENT ON TABLE render.scan_jobs IS 'Reading of After Effects templates: quick on the server, full on a node; previewed as a diff, then applied.';
COMMENT ON COLUMN render.scan_jobs.epoch IS 'The fence: a late result of a cancelled scan changes nothing.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.scan_jobs'); END $do$;
