-- 10_studio_saved_projects: the customer's filled-in copy of a template. Creating one copies the
-- template's graph, so nothing here refers to content by key: later edits of a template change nothing.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('studio', 'studio'); END $do$;

CREATE TABLE IF NOT EXISTS studio.saved_projects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  container_id uuid NOT NULL,
  container_version_id uuid NOT NULL,
  project_id uuid NOT NULL,
  template_slug text NOT NULL DEFAULT '',
  template_name_fa text NOT NULL DEFAULT '',
  template_name_en text NOT NULL DEFAULT '',
  mode text NOT NULL CHECK (mode IN ('Fix', 'Flexible', 'Mockup', 'MusicVisualizer')),
  engine text NOT NULL DEFAULT 'lottie',
  direction text NOT NULL CHECK (direction IN ('rtl', 'ltr')),
  aspect text NOT NULL CHECK (aspect IN ('16:9', '1:1', '9:16')),
  width int NOT NULL CHECK (width BETWEEN 16 AND 8192),
  height int NOT NULL CHECK (height BETWEEN 16 AND 8192),
  fps int NOT NULL CHECK (fps BETWEEN 1 AND 60),
  package_object_key text NOT NULL,
  package_sha256 text NOT NULL CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
  scene_data jsonb NOT NULL DEFAULT '{}',
  presets jsonb NOT NULL DEFAULT '[]',
  preset_key text,
  duration double precision NOT NULL DEFAULT 0 CHECK (duration >= 0),
  scene_count int NOT NULL DEFAULT 0,

  music_source text NOT NULL DEFAULT 'none' CHECK (music_source IN ('none', 'package', 'library', 'file')),
  music_id uuid,
  music_file_id uuid,
  music_title text,
  music_object_key text,
  music_package_path text,
  music_sha256 text,
  music_duration double precision CHECK (music_duration > 0),
  music_start double precision NOT NULL DEFAULT 0 CHECK (music_start >= 0),
  music_trim_start double precision NOT NULL DEFAULT 0 CHECK (music_trim_start >= 0),
  music_trim_end double precision CHECK (music_trim_end > music_trim_start),
  music_fade_in double precision NOT NULL DEFAULT 0.3 CHECK (music_fade_in >= 0),
  music_fade_out double precision NOT NULL DEFAULT 1.2 CHECK (music_fade_out >= 0),
  music_loop boolean NOT NULL DEFAULT true,
  music_volume double precision NOT NULL DEFAULT 0.8 CHECK (music_volume BETWEEN 0 AND 2),

  voiceover_file_id uuid,
  voiceover_name text,
  voiceover_object_key text,
  voiceover_sha256 text,
  voiceover_duration double precision CHECK (voiceover_duration > 0),
  voiceover_start double precision NOT NULL DEFAULT 0 CHECK (voiceover_start >= 0),
  voiceover_trim_start double precision NOT NULL DEFAULT 0 CHECK (voiceover_trim_start >= 0),
  voiceover_trim_end double precision CHECK (voiceover_trim_end > voiceover_trim_start),
  voiceover_fade_in double precision NOT NULL DEFAULT 0 CHECK (voiceover_fade_in >= 0),
  voiceover_fade_out double precision NOT NULL DEFAULT 0 CHECK (voiceover_fade_out >= 0),
  voiceover_volume double precision NOT NULL DEFAULT 1 CHECK (voiceover_volume BETWEEN 0 AND 2),

  sfx_enabled boolean NOT NULL DEFAULT true,
  sfx_volume double precision NOT NULL DEFAULT 1 CHECK (sfx_volume BETWEEN 0 AND 2),

  thumbnail_object_key text,
  version int NOT NULL DEFAULT 1 CHECK (version >= 1),
  copied_from uuid,
  render_count int NOT NULL DEFAULT 0,
  last_render_job_id uuid,
  last_export_id uuid,
  last_rendered_at timestamptz,
  last_edited_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  CHECK (CASE music_source WHEN 'none' THEN true WHEN 'package' THEN music_package_path IS NOT NULL ELSE music_object_key IS NOT NULL END),
  CHECK ((voiceover_file_id IS NULL) = (voiceover_object_key IS NULL))
);
CREATE INDEX IF NOT EXISTS saved_projects_list ON studio.saved_projects (tenant_id, user_id, last_edited_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS saved_projects_trash ON studio.saved_projects (tenant_id, user_id, deleted_at DESC) WHERE deleted_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS saved_projects_container ON studio.saved_projects (tenant_id, container_id);
CREATE INDEX IF NOT EXISTS saved_projects_music_file ON studio.saved_projects (tenant_id, music_file_id) WHERE music_file_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS saved_projects_voiceover_file ON studio.saved_projects (tenant_id, voiceover_file_id) WHERE voiceover_file_id IS NOT NULL;
COMMENT ON TABLE studio.saved_projects IS 'A customer''s copy of one aspect of a template, with its music and voice-over.';
COMMENT ON COLUMN studio.saved_projects.container_version_id IS 'The package it was copied from; soft, like container_id and project_id.';
COMMENT ON COLUMN studio.saved_projects.scene_data IS 'The template''s scenes as they were when copied (what a Flexible project may add), and its audio defaults.';
COMMENT ON COLUMN studio.saved_projects.presets IS 'Palettes of the template as they were when copied.';
COMMENT ON COLUMN studio.saved_projects.preset_key IS 'The palette applied last.';
COMMENT ON COLUMN studio.saved_projects.duration IS 'Seconds of the whole video, overlaps taken off.';
COMMENT ON COLUMN studio.saved_projects.music_object_key IS 'The sound itself, copied here so that a later change of library or files does not change the project.';
COMMENT ON COLUMN studio.saved_projects.music_start IS 'Seconds on the timeline of the video.';
COMMENT ON COLUMN studio.saved_projects.music_trim_start IS 'Seconds into the sound.';
COMMENT ON COLUMN studio.saved_projects.music_volume IS 'Linear, 1 = as recorded.';
COMMENT ON COLUMN studio.saved_projects.sfx_volume IS 'Linear, for the template''s effects and the customer''s own.';
COMMENT ON COLUMN studio.saved_projects.version IS 'Rises with every change of anything below; the ETag.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('studio.saved_projects'); END $do$;

CREATE TABLE IF NOT EXISTS studio.saved_scenes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  source_scene_id uuid,
  key text NOT NULL,
  name_fa text NOT NULL,
  name_en text NOT NULL,
  title text,
  animation text NOT NULL,
  position int NOT NULL CHECK (position >= 0),
  duration double precision NOT NULL CHECK (duration > 0),
  default_duration double precision NOT NULL CHECK (default_duration > 0),
  min_duration double precision NOT NULL CHECK (min_duration > 0),
  max_duration double precision NOT NULL CHECK (max_duration > 0),
  intro double precision NOT NULL DEFAULT 0 CHECK (intro >= 0),
  outro double precision NOT NULL DEFAULT 0 CHECK (outro >= 0),
  transition jsonb NOT NULL DEFAULT '{}',
  sounds jsonb NOT NULL DEFAULT '[]',
  repeatable boolean NOT NULL DEFAULT false,
  removable boolean NOT NULL DEFAULT false,
  max_repeats int NOT NULL DEFAULT 20,
  snapshot_object_key text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  CONSTRAINT saved_scenes_position UNIQUE (saved_project_id, position) DEFERRABLE INITIALLY DEFERRED,
  CHECK (duration BETWEEN min_duration AND max_duration),
  FOREIGN KEY (tenant_id, saved_project_id) REFERENCES studio.saved_projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS saved_scenes_order ON studio.saved_scenes (tenant_id, saved_project_id, position);
COMMENT ON TABLE studio.saved_scenes IS 'Scenes of a saved project in their running order; the same template scene may occur more than once.';
COMMENT ON COLUMN studio.saved_scenes.title IS 'The customer''s own name for it.';
COMMENT ON COLUMN studio.saved_scenes.position IS 'Checked at commit, so that a reorder needs no free places.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('studio.saved_scenes'); END $do$;

CREATE TABLE IF NOT EXISTS studio.saved_scene_contents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  saved_scene_id uuid NOT NULL,
  key text NOT NULL,
  type text NOT NULL CHECK (type IN ('text', 'color', 'image', 'number', 'gradient', 'video', 'audio', 'switch')),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  required boolean NOT NULL DEFAULT false,
  group_key text,
  value jsonb,
  default_value jsonb,
  limits jsonb NOT NULL DEFAULT '{}',
  file_id uuid,
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (saved_scene_id, key),
  FOREIGN KEY (tenant_id, saved_project_id) REFERENCES studio.saved_projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, saved_scene_id) REFERENCES studio.saved_scenes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS saved_scene_contents_project ON studio.saved_scene_contents (tenant_id, saved_project_id, saved_scene_id, position);
CREATE INDEX IF NOT EXISTS saved_scene_contents_file ON studio.saved_scene_contents (tenant_id, file_id) WHERE file_id IS NOT NULL;
COMMENT ON TABLE studio.saved_scene_contents IS 'Slots of a saved scene with the customer''s values.';
COMMENT ON COLUMN studio.saved_scene_contents.value IS 'NULL: nothing chosen, the default is used.';
COMMENT ON COLUMN studio.saved_scene_contents.file_id IS 'The customer''s file in the value, to know which projects use it; soft.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('studio.saved_scene_contents'); END $do$;

CREATE TABLE IF NOT EXISTS studio.saved_shared_colors (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  element_key text NOT NULL,
  kind text NOT NULL DEFAULT 'color' CHECK (kind IN ('color', 'switch')),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  value text NOT NULL CHECK (CASE kind WHEN 'color' THEN value ~ '^#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})$' ELSE value ~ '^[0-3]$' END),
  default_value text NOT NULL,
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (saved_project_id, element_key),
  FOREIGN KEY (tenant_id, saved_project_id) REFERENCES studio.saved_projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS saved_shared_colors_project ON studio.saved_shared_colors (tenant_id, saved_project_id, position);
COMMENT ON TABLE studio.saved_shared_colors IS 'The customer''s colours of the whole project, by element key.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('studio.saved_shared_colors'); END $do$;

CREATE TABLE IF NOT EXISTS studio.saved_scene_colors (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  saved_scene_id uuid NOT NULL,
  element_key text NOT NULL,
  value text NOT NULL CHECK (value ~ '^#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})$'),
  default_value text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (saved_scene_id, element_key),
  FOREIGN KEY (tenant_id, saved_project_id) REFERENCES studio.saved_projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, saved_scene_id) REFERENCES studio.saved_scenes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS saved_scene_colors_project ON studio.saved_scene_colors (tenant_id, saved_project_id, saved_scene_id);
COMMENT ON TABLE studio.saved_scene_colors IS 'A shared colour changed for one scene only.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('studio.saved_scene_colors'); END $do$;

CREATE TABLE IF NOT EXISTS studio.saved_audio (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  saved_project_id uuid NOT NULL,
  saved_scene_id uuid,
  role text NOT NULL DEFAULT 'sfx' CHECK (role IN ('music', 'voice', 'sfx')),
  source text NOT NULL CHECK (source IN ('package', 'library', 'file')),
  file_id uuid,
  music_id uuid,
  object_key text,
  package_path text,
  sha256 text,
  name text NOT NULL DEFAULT '',
  source_duration double precision CHECK (source_duration > 0),
  start double precision NOT NULL DEFAULT 0 CHECK (start >= 0),
  duration double precision CHECK (duration > 0),
  trim_start double precision NOT NULL DEFAULT 0 CHECK (trim_start >= 0),
  volume double precision NOT NULL DEFAULT 1 CHECK (volume BETWEEN 0 AND 2),
  gain_db double precision NOT NULL DEFAULT 0 CHECK (gain_db BETWEEN -60 AND 12),
  fade_in double precision NOT NULL DEFAULT 0 CHECK (fade_in >= 0),
  fade_out double precision NOT NULL DEFAULT 0 CHECK (fade_out >= 0),
  loop boolean NOT NULL DEFAULT false,
  muted boolean NOT NULL DEFAULT false,
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (CASE source WHEN 'package' THEN package_path IS NOT NULL ELSE object_key IS NOT NULL END),
  FOREIGN KEY (tenant_id, saved_project_id) REFERENCES studio.saved_projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, saved_scene_id) REFERENCES studio.saved_scenes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS saved_audio_project ON studio.saved_audio (tenant_id, saved_project_id, position);
CREATE INDEX IF NOT EXISTS saved_audio_file ON studio.saved_audio (tenant_id, file_id) WHERE file_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS saved_audio_scene ON studio.saved_audio (tenant_id, saved_scene_id) WHERE saved_scene_id IS NOT NULL;
COMMENT ON TABLE studio.saved_audio IS 'Further sounds of a saved project, above all sound effects, each with its own place and volume.';
COMMENT ON COLUMN studio.saved_audio.saved_scene_id IS 'When set, start counts from the beginning of that scene and the sound moves with it.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('studio.saved_audio'); END $do$;
