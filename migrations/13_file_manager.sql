-- 13_file_manager: folders, files, quotas, upload sessions, trash, cleanup. Bytes lie in the object
-- store under keys of ours; names are data.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('files', 'file_mgr'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.folders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  parent_id uuid,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
  color text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  trashed_at timestamptz,
  UNIQUE (tenant_id, user_id, id),
  CHECK (parent_id <> id),
  FOREIGN KEY (tenant_id, user_id, parent_id) REFERENCES file_mgr.folders (tenant_id, user_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX IF NOT EXISTS folders_name ON file_mgr.folders (tenant_id, user_id, parent_id, lower(name)) NULLS NOT DISTINCT WHERE trashed_at IS NULL;
CREATE INDEX IF NOT EXISTS folders_trash ON file_mgr.folders (tenant_id, user_id, trashed_at DESC) WHERE trashed_at IS NOT NULL;
COMMENT ON TABLE file_mgr.folders IS 'Folders of a person; names are unique within their parent.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.folders'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.files (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  folder_id uuid,
  purpose text NOT NULL DEFAULT 'library' CHECK (purpose IN ('library', 'image', 'video', 'audio', 'voiceover', 'music', 'font', 'avatar', 'branding', 'template', 'export', 'other')),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 4096),
  bucket text NOT NULL,
  object_key text NOT NULL,
  state text NOT NULL DEFAULT 'Uploading' CHECK (state IN ('Uploading', 'Checking', 'Ready', 'Rejected', 'Deleted')),
  reject_code text,
  declared_type text NOT NULL DEFAULT '',
  content_type text NOT NULL DEFAULT 'application/octet-stream',
  extension text NOT NULL DEFAULT '',
  size_bytes bigint NOT NULL DEFAULT 0 CHECK (size_bytes >= 0),
  sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  etag text,
  width int CHECK (width > 0),
  height int CHECK (height > 0),
  duration double precision CHECK (duration >= 0),
  fps double precision,
  has_alpha boolean,
  probe jsonb NOT NULL DEFAULT '{}',
  thumbnail_object_key text,
  waveform jsonb,
  download_count bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz,
  search text GENERATED ALWAYS AS (public.search_words(left(name, 500))) STORED,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  trashed_at timestamptz,
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  UNIQUE (bucket, object_key),
  CHECK (state <> 'Ready' OR sha256 IS NOT NULL),
  FOREIGN KEY (tenant_id, user_id, folder_id) REFERENCES file_mgr.folders (tenant_id, user_id, id)
);
CREATE INDEX IF NOT EXISTS files_folder ON file_mgr.files (tenant_id, user_id, folder_id, created_at DESC, id DESC) WHERE state = 'Ready' AND trashed_at IS NULL;
CREATE INDEX IF NOT EXISTS files_newest ON file_mgr.files (tenant_id, user_id, created_at DESC, id DESC) WHERE state = 'Ready' AND trashed_at IS NULL;
CREATE INDEX IF NOT EXISTS files_trash ON file_mgr.files (tenant_id, user_id, trashed_at DESC) WHERE trashed_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS files_sha ON file_mgr.files (tenant_id, user_id, sha256) WHERE sha256 IS NOT NULL;
CREATE INDEX IF NOT EXISTS files_trash_due ON file_mgr.files (trashed_at) WHERE trashed_at IS NOT NULL AND deleted_at IS NULL;
COMMENT ON TABLE file_mgr.files IS 'What people uploaded. A file is usable once Ready: sniffed, probed, hashed.';
COMMENT ON COLUMN file_mgr.files.name IS 'The person''s name for it, any text; never part of a key.';
COMMENT ON COLUMN file_mgr.files.object_key IS 'Ours: uuid and extension.';
COMMENT ON COLUMN file_mgr.files.declared_type IS 'What the client said; content_type is what was found.';
COMMENT ON COLUMN file_mgr.files.trashed_at IS 'In the trash; still counts against the quota.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.files'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.quotas (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  limit_bytes bigint NOT NULL CHECK (limit_bytes >= 0),
  used_bytes bigint NOT NULL DEFAULT 0 CHECK (used_bytes >= 0),
  reserved_bytes bigint NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),
  file_count int NOT NULL DEFAULT 0 CHECK (file_count >= 0),
  warned_percent int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id)
) WITH (fillfactor = 50);
COMMENT ON TABLE file_mgr.quotas IS 'Storage of a person. A reservation is one UPDATE whose WHERE holds used + reserved + wanted <= limit; a lowered limit may leave used above it.';
COMMENT ON COLUMN file_mgr.quotas.reserved_bytes IS 'Promised to uploads that are not finished.';
COMMENT ON COLUMN file_mgr.quotas.warned_percent IS 'Highest threshold the person was told of (80, 100).';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.quotas'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.upload_sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  file_id uuid NOT NULL,
  kind text NOT NULL DEFAULT 'Single' CHECK (kind IN ('Single', 'Multipart', 'Import')),
  bucket text NOT NULL,
  object_key text NOT NULL,
  declared_type text NOT NULL DEFAULT '',
  declared_bytes bigint NOT NULL CHECK (declared_bytes > 0),
  declared_sha256 text CHECK (declared_sha256 ~ '^[0-9a-f]{64}$'),
  reserved_bytes bigint NOT NULL DEFAULT 0 CHECK (reserved_bytes >= 0),
  multipart_upload_id text,
  part_bytes bigint CHECK (part_bytes > 0),
  parts jsonb NOT NULL DEFAULT '[]',
  source_url text,
  state text NOT NULL DEFAULT 'Open' CHECK (state IN ('Open', 'Completing', 'Completed', 'Rejected', 'Aborted', 'Expired')),
  error_code text,
  expires_at timestamptz NOT NULL,
  completed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  CHECK (kind <> 'Multipart' OR part_bytes IS NOT NULL),
  FOREIGN KEY (tenant_id, file_id) REFERENCES file_mgr.files (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS upload_sessions_user ON file_mgr.upload_sessions (tenant_id, user_id, created_at DESC);
CREATE INDEX IF NOT EXISTS upload_sessions_file ON file_mgr.upload_sessions (tenant_id, file_id);
CREATE INDEX IF NOT EXISTS upload_sessions_expiry ON file_mgr.upload_sessions (expires_at) WHERE state IN ('Open', 'Completing');
COMMENT ON TABLE file_mgr.upload_sessions IS 'An upload from its reservation to its end; an abandoned one gives its bytes back.';
COMMENT ON COLUMN file_mgr.upload_sessions.reserved_bytes IS 'What it still holds of quotas.reserved_bytes; 0 once ended.';
COMMENT ON COLUMN file_mgr.upload_sessions.parts IS 'Multipart: number and ETag of the parts that are there.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.upload_sessions'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.public_links (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  file_id uuid NOT NULL,
  token text NOT NULL UNIQUE,
  created_by uuid,
  as_attachment boolean NOT NULL DEFAULT true,
  expires_at timestamptz,
  revoked_at timestamptz,
  hits bigint NOT NULL DEFAULT 0,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, file_id) REFERENCES file_mgr.files (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS public_links_file ON file_mgr.public_links (tenant_id, file_id);
COMMENT ON TABLE file_mgr.public_links IS 'Public links: permanent routes of ours that answer 302 to a fresh presigned link. No presigned link is ever stored.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.public_links'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.pending_deletions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  bucket text NOT NULL,
  object_key text NOT NULL,
  reason text NOT NULL DEFAULT '',
  due_at timestamptz NOT NULL DEFAULT now(),
  attempts int NOT NULL DEFAULT 0,
  last_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (bucket, object_key)
);
CREATE INDEX IF NOT EXISTS pending_deletions_due ON file_mgr.pending_deletions (due_at, id);
CREATE INDEX IF NOT EXISTS pending_deletions_tenant ON file_mgr.pending_deletions (tenant_id, due_at);
COMMENT ON TABLE file_mgr.pending_deletions IS 'Objects whose row is gone and whose bytes must follow; repeated until the store says so.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.pending_deletions'); END $do$;

CREATE TABLE IF NOT EXISTS file_mgr.cleanup_schedules (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  target text NOT NULL CHECK (target IN ('Trash', 'UploadSessions', 'Orphans', 'Exports', 'Snapshots', 'UnusedFiles')),
  after_days double precision NOT NULL CHECK (after_days >= 0),
  enabled boolean NOT NULL DEFAULT true,
  options jsonb NOT NULL DEFAULT '{}',
  next_run_at timestamptz NOT NULL DEFAULT now(),
  last_run_at timestamptz,
  last_result jsonb,
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, target)
);
CREATE INDEX IF NOT EXISTS cleanup_schedules_due ON file_mgr.cleanup_schedules (next_run_at) WHERE enabled;
COMMENT ON TABLE file_mgr.cleanup_schedules IS 'What is cleaned away after how many days, per tenant.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('file_mgr.cleanup_schedules'); END $do$;
DO $$
BEGIN
  PERFORM set_config('app.tenant_id', public.default_tenant()::text, true);
  INSERT INTO file_mgr.cleanup_schedules (tenant_id, target, after_days)
  VALUES (public.default_tenant(), 'Trash', 30), (public.default_tenant(), 'UploadSessions', 1),
         (public.default_tenant(), 'Orphans', 2)
  ON CONFLICT DO NOTHING;
END
$$;
