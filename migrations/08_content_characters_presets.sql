-- 08_content_characters_presets: characters, presets of content, recolourable previews.

CREATE TABLE IF NOT EXISTS content.characters (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid,
  key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  gender text,
  style text,
  poses jsonb NOT NULL DEFAULT '[]',
  colors jsonb NOT NULL DEFAULT '{}',
  package_object_key text,
  package_sha256 text CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
  poster_object_key text,
  position int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE NULLS NOT DISTINCT (tenant_id, container_id, key),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS characters_list ON content.characters (tenant_id, container_id, position) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.characters IS 'Animated characters, of one template or (without container) of the library.';
COMMENT ON COLUMN content.characters.poses IS 'Poses and actions: key, names, animation.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.characters'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.characters', $$
  tenant_id = public.default_tenant() AND (container_id IS NULL OR EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id))
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.presets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid,
  key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  description_fa text NOT NULL DEFAULT '',
  description_en text NOT NULL DEFAULT '',
  scenes jsonb NOT NULL DEFAULT '[]',
  colors jsonb NOT NULL DEFAULT '{}',
  audio jsonb NOT NULL DEFAULT '{}',
  poster_object_key text,
  preview_object_key text,
  position int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE NULLS NOT DISTINCT (container_id, project_id, key),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS presets_container ON content.presets (tenant_id, container_id, position) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.presets IS 'Ready-made fillings of a template: a running order with values, colours and music to start from.';
COMMENT ON COLUMN content.presets.scenes IS 'Running order: scene key, duration, slot values.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.presets'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.presets', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.template_svg_previews (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid NOT NULL,
  scene_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('Exact', 'Traced', 'Raster')),
  state text NOT NULL DEFAULT 'Pending' CHECK (state IN ('Pending', 'Ready', 'Failed')),
  svg text,
  object_key text,
  sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  package_sha256 text,
  at_seconds double precision NOT NULL DEFAULT 0,
  width int,
  height int,
  color_keys text[] NOT NULL DEFAULT '{}',
  error text,
  generated_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (scene_id, at_seconds),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, scene_id) REFERENCES content.scenes (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS template_svg_previews_project ON content.template_svg_previews (tenant_id, project_id, scene_id);
COMMENT ON TABLE content.template_svg_previews IS 'SVG stills of scenes whose fills are CSS variables, so that a page recolours them live.';
COMMENT ON COLUMN content.template_svg_previews.kind IS 'Written by the evaluator, traced from a raster, or the raster itself for photos.';
COMMENT ON COLUMN content.template_svg_previews.color_keys IS 'Shared colours that occur in it as var(--key).';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.template_svg_previews'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.template_svg_previews', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;
