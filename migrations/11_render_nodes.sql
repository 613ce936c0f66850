-- 11_render_nodes: the machines of the farm. They serve every tenant, so only the system role of
-- render sees them; requests of admins enter that scope, which is logged.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('render', 'render'); END $do$;

CREATE TABLE IF NOT EXISTS render.nodes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  kind text NOT NULL DEFAULT 'Worker' CHECK (kind IN ('Worker', 'Remote')),
  status text NOT NULL DEFAULT 'Starting' CHECK (status IN ('Starting', 'Idle', 'Busy', 'Draining', 'Offline', 'Crashed', 'Quarantined')),
  status_reason text NOT NULL DEFAULT '',
  status_since timestamptz NOT NULL DEFAULT now(),
  hostname text NOT NULL DEFAULT '',
  os text NOT NULL DEFAULT '',
  arch text NOT NULL DEFAULT '',
  region text NOT NULL DEFAULT '',
  labels jsonb NOT NULL DEFAULT '{}',
  cpu_cores int CHECK (cpu_cores > 0),
  memory_bytes bigint CHECK (memory_bytes > 0),
  disk_total_bytes bigint,
  disk_free_bytes bigint,
  gpu text,
  engines text[] NOT NULL DEFAULT '{}',
  engine_versions jsonb NOT NULL DEFAULT '{}',
  capabilities jsonb NOT NULL DEFAULT '{}',
  agent_version text NOT NULL DEFAULT '',
  slots int NOT NULL DEFAULT 1 CHECK (slots >= 0),
  busy_slots int NOT NULL DEFAULT 0 CHECK (busy_slots >= 0),
  only_tenant_id uuid,
  boot_id uuid,
  secret_enc bytea,
  secret_version int NOT NULL DEFAULT 1,
  previous_secret_enc bytea,
  previous_secret_until timestamptz,
  last_heartbeat_at timestamptz,
  last_address inet,
  clock_offset_ms double precision,
  drain_requested_at timestamptz,
  consecutive_failures int NOT NULL DEFAULT 0,
  crash_count int NOT NULL DEFAULT 0,
  rest_until timestamptz,
  quarantined_at timestamptz,
  quarantine_reason text,
  frames_done bigint NOT NULL DEFAULT 0,
  busy_seconds double precision NOT NULL DEFAULT 0,
  cache_budget_bytes bigint NOT NULL DEFAULT 10737418240 CHECK (cache_budget_bytes >= 0),
  bandwidth_limit_bps bigint CHECK (bandwidth_limit_bps > 0),
  enrolled_by uuid,
  registered_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS nodes_name ON render.nodes (lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS nodes_heartbeat ON render.nodes (last_heartbeat_at) WHERE status NOT IN ('Offline') AND deleted_at IS NULL;
COMMENT ON TABLE render.nodes IS 'Machines that render: workers of the pool and remote nodes over HTTP.';
COMMENT ON COLUMN render.nodes.boot_id IS 'Identifies one run of the node; a new one means everything it held is lost.';
COMMENT ON COLUMN render.nodes.only_tenant_id IS 'A node kept for one tenant; NULL serves all.';
COMMENT ON COLUMN render.nodes.secret_enc IS 'Signing secret, encrypted; needed in clear to verify X-Node-Signature.';
COMMENT ON COLUMN render.nodes.rest_until IS 'After failures a node rests, longer each time.';
COMMENT ON COLUMN render.nodes.clock_offset_ms IS 'Node clock minus database clock, for people; no rule uses it.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.nodes', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.node_commands (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  node_id uuid NOT NULL REFERENCES render.nodes (id) ON DELETE CASCADE,
  act text NOT NULL CHECK (act IN ('drain', 'release', 'restart', 'close_ae', 'quarantine', 'test_render', 'install_font', 'rotate_secret', 'clean_disk', 'update')),
  arguments jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'Pending' CHECK (state IN ('Pending', 'Sent', 'Done', 'Failed', 'Expired')),
  requested_by uuid,
  reason text NOT NULL DEFAULT '',
  result jsonb,
  sent_at timestamptz,
  finished_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS node_commands_open ON render.node_commands (node_id, created_at) WHERE state IN ('Pending', 'Sent');
COMMENT ON TABLE render.node_commands IS 'Acts of admins and of the farm on a node, delivered with its next heartbeat.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.node_commands', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.node_crashes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  node_id uuid NOT NULL REFERENCES render.nodes (id) ON DELETE CASCADE,
  job_id uuid,
  frame_job_id uuid,
  epoch bigint,
  engine text,
  engine_version text,
  kind text NOT NULL,
  classification text NOT NULL CHECK (classification IN ('node', 'template', 'input', 'resource', 'licence', 'transient')),
  rule_code text,
  exit_code int,
  signal int,
  message text NOT NULL DEFAULT '',
  log_tail text NOT NULL DEFAULT '',
  log_object_key text,
  details jsonb NOT NULL DEFAULT '{}',
  occurred_at timestamptz NOT NULL DEFAULT now(),
  acknowledged_at timestamptz,
  acknowledged_by uuid,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS node_crashes_node ON render.node_crashes (node_id, occurred_at DESC);
CREATE INDEX IF NOT EXISTS node_crashes_newest ON render.node_crashes (occurred_at DESC, id DESC);
COMMENT ON TABLE render.node_crashes IS 'Crashes of engines and nodes with their classification and the end of the log.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.node_crashes', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.node_template_cache (
  node_id uuid NOT NULL REFERENCES render.nodes (id) ON DELETE CASCADE,
  package_sha256 text NOT NULL CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint NOT NULL CHECK (size_bytes >= 0),
  state text NOT NULL DEFAULT 'Ready' CHECK (state IN ('Fetching', 'Ready', 'Evicting')),
  pins int NOT NULL DEFAULT 0 CHECK (pins >= 0),
  hits bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz NOT NULL DEFAULT now(),
  verified_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, package_sha256)
);
CREATE INDEX IF NOT EXISTS node_template_cache_lru ON render.node_template_cache (node_id, last_used_at) WHERE pins = 0;
CREATE INDEX IF NOT EXISTS node_template_cache_package ON render.node_template_cache (package_sha256) WHERE state = 'Ready';
COMMENT ON TABLE render.node_template_cache IS 'Which template packages lie on which node; least recently used goes first, pinned ones stay.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.node_template_cache', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.node_health_logs (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  node_id uuid NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT now(),
  status text NOT NULL,
  busy_slots int,
  cpu_percent double precision,
  load_average double precision,
  memory_used_bytes bigint,
  memory_total_bytes bigint,
  disk_free_bytes bigint,
  disk_total_bytes bigint,
  network_rx_bytes bigint,
  network_tx_bytes bigint,
  temperature_c double precision,
  frames_done bigint,
  frame_ms double precision,
  details jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (node_id, recorded_at, id)
) PARTITION BY RANGE (recorded_at);
COMMENT ON TABLE render.node_health_logs IS 'How nodes were, sampled from heartbeats; monthly partitions.';
COMMENT ON COLUMN render.node_health_logs.frame_ms IS 'Median time of a frame since the sample before.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.node_health_logs', ''); END $do$;
INSERT INTO public.partitioned_tables (table_name, retention_months)
VALUES ('render.node_health_logs', 6) ON CONFLICT DO NOTHING;
DO $do$ BEGIN PERFORM public.ensure_partitions(); END $do$;

CREATE TABLE IF NOT EXISTS render.font_requests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  font_id uuid,
  family text NOT NULL,
  style text NOT NULL DEFAULT 'Regular',
  postscript_name text,
  object_key text,
  sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint,
  state text NOT NULL DEFAULT 'Open' CHECK (state IN ('Open', 'Installing', 'Done', 'Failed', 'Withdrawn')),
  requested_for_job uuid,
  requested_by uuid,
  note text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS font_requests_open ON render.font_requests (lower(family), lower(style)) WHERE state IN ('Open', 'Installing');
COMMENT ON TABLE render.font_requests IS 'Fonts the farm should have: uploaded ones to install, missing ones to find.';
COMMENT ON COLUMN render.font_requests.object_key IS 'NULL while nobody has uploaded the font.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.font_requests', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.node_fonts (
  node_id uuid NOT NULL REFERENCES render.nodes (id) ON DELETE CASCADE,
  family text NOT NULL,
  style text NOT NULL DEFAULT 'Regular',
  postscript_name text,
  sha256 text,
  state text NOT NULL DEFAULT 'Pending' CHECK (state IN ('Pending', 'Installing', 'Installed', 'Failed', 'Removed')),
  error text,
  request_id uuid REFERENCES render.font_requests (id) ON DELETE SET NULL,
  installed_at timestamptz,
  reported_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (node_id, family, style)
);
CREATE INDEX IF NOT EXISTS node_fonts_face ON render.node_fonts (lower(family), lower(style)) WHERE state = 'Installed';
COMMENT ON TABLE render.node_fonts IS 'Matrix of nodes and fonts as the nodes report it.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.node_fonts', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.failure_rules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  code text NOT NULL,
  version int NOT NULL DEFAULT 1 CHECK (version >= 1),
  active boolean NOT NULL DEFAULT true,
  builtin boolean NOT NULL DEFAULT false,
  priority int NOT NULL DEFAULT 100,
  engine text,
  stage text,
  exit_codes int[] NOT NULL DEFAULT '{}',
  pattern text,
  error_codes text[] NOT NULL DEFAULT '{}',
  class text NOT NULL CHECK (class IN ('node', 'template', 'input', 'resource', 'licence', 'transient')),
  action text NOT NULL CHECK (action IN ('elsewhere', 'back_off', 'blocklist', 'quarantine', 'fail_now')),
  back_off_seconds double precision NOT NULL DEFAULT 5 CHECK (back_off_seconds >= 0),
  explanation_fa text NOT NULL,
  explanation_en text NOT NULL,
  changed_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (code, version)
);
CREATE UNIQUE INDEX IF NOT EXISTS failure_rules_active ON render.failure_rules (code) WHERE active;
COMMENT ON TABLE render.failure_rules IS 'How failures are classified and what follows; the first active match by priority decides. A change is a new version.';
COMMENT ON COLUMN render.failure_rules.pattern IS 'Regular expression (Python re) over the line or message; NULL matches any.';
COMMENT ON COLUMN render.failure_rules.error_codes IS 'Named errors of engines (FrameTimeout, PackageCorrupt); empty matches any.';
COMMENT ON COLUMN render.failure_rules.explanation_fa IS 'What the customer can do about it.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.failure_rules', 'SELECT'); END $do$;
INSERT INTO render.failure_rules (id, code, builtin, priority, engine, error_codes, class, action, back_off_seconds, explanation_fa, explanation_en)
VALUES
  ('00000000-0000-0000-0002-000000000001', 'package_corrupt', true, 10, NULL, ARRAY['package_corrupt', 'package_missing'], 'template', 'fail_now', 0,
   'بسته‌ی این قالب خراب است. به پشتیبانی خبر دهید؛ هزینه برگشت داده شد.', 'The template''s package is damaged. Tell support; what you paid is given back.'),
  ('00000000-0000-0000-0002-000000000002', 'template_unsupported', true, 20, NULL, ARRAY['template_invalid', 'template_unsupported'], 'template', 'fail_now', 0,
   'این قالب چیزی دارد که موتور رندر نمی‌تواند بکشد. قالب دیگری انتخاب کنید.', 'The template holds something that the engine cannot draw. Choose another template.'),
  ('00000000-0000-0000-0002-000000000003', 'input_invalid', true, 30, NULL, ARRAY['input_invalid', 'input_missing', 'image_undecodable', 'audio_undecodable'], 'input', 'fail_now', 0,
   'یکی از فایل‌ها یا متن‌های شما قابل استفاده نیست. آن را عوض کنید و دوباره بفرستید.', 'One of your files or texts cannot be used. Replace it and submit again.'),
  ('00000000-0000-0000-0002-000000000004', 'out_of_memory', true, 40, NULL, ARRAY['out_of_memory', 'disk_full'], 'resource', 'elsewhere', 5,
   'حافظه یا دیسک یک دستگاه پر شد؛ روی دستگاه دیگری دوباره تلاش می‌شود.', 'A machine ran out of memory or disk; another one tries again.'),
  ('00000000-0000-0000-0002-000000000005', 'proof_failed', true, 50, NULL, ARRAY['proof_failed', 'frame_count_wrong', 'hash_wrong', 'frame_black', 'frame_frozen', 'segment_truncated'], 'node', 'elsewhere', 1,
   'بخشی از ویدئو درست نبود و دوباره ساخته می‌شود.', 'A part of the video was not right and is made again.'),
  ('00000000-0000-0000-0002-000000000006', 'timeout', true, 60, NULL, ARRAY['timeout', 'frame_timeout', 'open_timeout', 'launch_timeout', 'exit_timeout'], 'node', 'elsewhere', 2,
   'یک دستگاه پاسخ نداد؛ روی دستگاه دیگری دوباره تلاش می‌شود.', 'A machine stopped answering; another one tries again.'),
  ('00000000-0000-0000-0002-000000000007', 'process_died', true, 70, NULL, ARRAY['process_died', 'lease_lost', 'node_lost'], 'node', 'elsewhere', 1,
   'یک دستگاه از کار افتاد؛ روی دستگاه دیگری دوباره تلاش می‌شود.', 'A machine died; another one tries again.'),
  ('00000000-0000-0000-0002-000000000008', 'storage_unavailable', true, 80, NULL, ARRAY['storage_unavailable', 'database_unavailable', 'network'], 'transient', 'back_off', 5,
   'ذخیره‌سازی موقتا در دسترس نیست؛ به زودی دوباره تلاش می‌شود.', 'Storage is not reachable for the moment; it is tried again soon.'),
  ('00000000-0000-0000-0002-000000000009', 'unknown', true, 1000, NULL, ARRAY[]::text[], 'transient', 'back_off', 5,
   'خطای ناشناخته‌ای رخ داد؛ دوباره تلاش می‌شود.', 'An unknown error occurred; it is tried again.')
ON CONFLICT DO NOTHING;
