-- 07_content_scenes: what a template is made of: scenes, their slots, shared colours and palettes.
-- container_id is repeated in every table so that visibility follows the template in one look-up.

CREATE TABLE IF NOT EXISTS content.scenes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid NOT NULL,
  key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  animation text NOT NULL,
  position int NOT NULL DEFAULT 0,
  duration double precision NOT NULL CHECK (duration > 0),
  min_duration double precision NOT NULL CHECK (min_duration > 0),
  max_duration double precision NOT NULL CHECK (max_duration > 0),
  intro double precision NOT NULL DEFAULT 0 CHECK (intro >= 0),
  outro double precision NOT NULL DEFAULT 0 CHECK (outro >= 0),
  transition jsonb NOT NULL DEFAULT '{}',
  sounds jsonb NOT NULL DEFAULT '[]',
  in_default boolean NOT NULL DEFAULT true,
  repeatable boolean NOT NULL DEFAULT false,
  removable boolean NOT NULL DEFAULT false,
  max_repeats int NOT NULL DEFAULT 20 CHECK (max_repeats >= 1),
  snapshot_url text,
  snapshot_object_key text,
  source jsonb NOT NULL DEFAULT '{}',
  manual_fields text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  UNIQUE (project_id, key),
  CHECK (min_duration <= duration AND duration <= max_duration),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS scenes_order ON content.scenes (tenant_id, project_id, position, id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS scenes_container ON content.scenes (tenant_id, container_id);
COMMENT ON TABLE content.scenes IS 'Scenes of a project. (project, key) is unique over deleted ones too: an import brings a deleted scene back, it never inserts it again.';
COMMENT ON COLUMN content.scenes.animation IS 'Lottie: a/<animation>.json of the package; After Effects: the comp.';
COMMENT ON COLUMN content.scenes.intro IS 'Seconds at the beginning that keep their speed when the scene is stretched.';
COMMENT ON COLUMN content.scenes.outro IS 'Seconds at the end that keep their speed.';
COMMENT ON COLUMN content.scenes.transition IS 'How it comes in over the scene before: kind, overlap, direction, colour.';
COMMENT ON COLUMN content.scenes.in_default IS 'Part of a new saved project; the others may be added in Flexible mode.';
COMMENT ON COLUMN content.scenes.snapshot_url IS 'Permanent public address of a still; never a presigned link.';
COMMENT ON COLUMN content.scenes.source IS 'Where a scan found it (comp, layers).';
COMMENT ON COLUMN content.scenes.manual_fields IS 'Columns an admin edited by hand: a later scan leaves them alone.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.scenes'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.scenes', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.scene_contents (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid NOT NULL,
  scene_id uuid NOT NULL,
  key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  type text NOT NULL CHECK (type IN ('text', 'color', 'image', 'number', 'gradient', 'video', 'audio', 'switch')),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  required boolean NOT NULL DEFAULT false,
  group_key text,
  default_value jsonb,
  limits jsonb NOT NULL DEFAULT '{}',
  position int NOT NULL DEFAULT 0,
  source jsonb NOT NULL DEFAULT '{}',
  manual_fields text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (scene_id, key),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, scene_id) REFERENCES content.scenes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS scene_contents_project ON content.scene_contents (tenant_id, project_id, scene_id, position) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS scene_contents_scene ON content.scene_contents (tenant_id, scene_id);
COMMENT ON TABLE content.scene_contents IS 'Slots of a scene: what the customer fills in.';
COMMENT ON COLUMN content.scene_contents.key IS 'Slot id: the Lottie sid, or the key in an After Effects layer name.';
COMMENT ON COLUMN content.scene_contents.limits IS 'The slot''s own rules by type: max_chars, max_lines, fit, minimum, maximum, ...';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.scene_contents'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.scene_contents', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.shared_colors (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid NOT NULL,
  element_key text NOT NULL CHECK (element_key ~ '^[a-z][a-z0-9_]{0,62}$'),
  kind text NOT NULL DEFAULT 'color' CHECK (kind IN ('color', 'switch')),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  default_value text NOT NULL CHECK (CASE kind WHEN 'color' THEN default_value ~ '^#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})$' ELSE default_value ~ '^[0-3]$' END),
  position int NOT NULL DEFAULT 0,
  manual_fields text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (project_id, element_key),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS shared_colors_project ON content.shared_colors (tenant_id, project_id, position) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.shared_colors IS 'Colours of a whole project, by element key.';
COMMENT ON COLUMN content.shared_colors.kind IS 'A colour, or a variant switch 0-3 (After Effects frshare).';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.shared_colors'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.shared_colors', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.scene_color_elements (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid NOT NULL,
  scene_id uuid NOT NULL,
  element_key text NOT NULL CHECK (element_key ~ '^[a-z][a-z0-9_]{0,62}$'),
  layers jsonb NOT NULL DEFAULT '[]',
  default_value text CHECK (default_value ~ '^#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})$'),
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (scene_id, element_key),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, scene_id) REFERENCES content.scenes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS scene_color_elements_project ON content.scene_color_elements (tenant_id, project_id, scene_id);
COMMENT ON TABLE content.scene_color_elements IS 'Which shared colours a scene uses, and where.';
COMMENT ON COLUMN content.scene_color_elements.layers IS 'Names of the layers that take the colour.';
COMMENT ON COLUMN content.scene_color_elements.default_value IS 'The scene''s own default when it differs from the shared one.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.scene_color_elements'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.scene_color_elements', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.color_presets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid,
  key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  colors jsonb NOT NULL CHECK (jsonb_typeof(colors) = 'object'),
  poster_object_key text,
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE NULLS NOT DISTINCT (container_id, project_id, key),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS color_presets_container ON content.color_presets (tenant_id, container_id, position) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.color_presets IS 'Palettes of a template: element key to colour.';
COMMENT ON COLUMN content.color_presets.project_id IS 'NULL: for every aspect.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.color_presets'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.color_presets', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;
