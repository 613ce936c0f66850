-- 06_content_projects: what is sold. A container is the template that people see; a project is one
-- renderable aspect of it. Templates of the default tenant are shared with the tenants it chooses.

CREATE TABLE IF NOT EXISTS content.project_containers (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  slug text NOT NULL CHECK (slug ~ '^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$' AND length(slug) <= 80),
  slug_key text GENERATED ALWAYS AS (lower(slug)) STORED,
  name_fa text NOT NULL,
  name_en text NOT NULL,
  description_fa text NOT NULL DEFAULT '',
  description_en text NOT NULL DEFAULT '',
  keywords text[] NOT NULL DEFAULT '{}',
  category_id uuid REFERENCES content.categories (id) ON DELETE SET NULL,
  tag_ids uuid[] NOT NULL DEFAULT '{}',
  mode text NOT NULL CHECK (mode IN ('Fix', 'Flexible', 'Mockup', 'MusicVisualizer')),
  direction text NOT NULL DEFAULT 'rtl' CHECK (direction IN ('rtl', 'ltr')),
  engine text NOT NULL DEFAULT 'lottie',
  aspects text[] NOT NULL DEFAULT '{}' CHECK (aspects <@ ARRAY['16:9', '1:1', '9:16']),
  duration double precision CHECK (duration > 0),
  scene_count int NOT NULL DEFAULT 0,
  sharing text NOT NULL CHECK (sharing IN ('all', 'chosen', 'none')),
  min_plan_tier int NOT NULL DEFAULT 0,
  current_version_id uuid,
  package_object_key text,
  package_sha256 text CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
  package_version text,
  package_size bigint CHECK (package_size > 0),
  manifest jsonb,
  audio jsonb NOT NULL DEFAULT '{}',
  default_music_id uuid REFERENCES content.music_tracks (id) ON DELETE SET NULL,
  poster_object_key text,
  poster_object_keys jsonb NOT NULL DEFAULT '{}',
  preview_object_keys jsonb NOT NULL DEFAULT '{}',
  author text NOT NULL DEFAULT '',
  import_report jsonb,
  published_at timestamptz,
  featured_at timestamptz,
  view_count bigint NOT NULL DEFAULT 0,
  use_count bigint NOT NULL DEFAULT 0,
  render_count bigint NOT NULL DEFAULT 0,
  favorite_count bigint NOT NULL DEFAULT 0,
  position int NOT NULL DEFAULT 0,
  manual_fields text[] NOT NULL DEFAULT '{}',
  seo jsonb NOT NULL DEFAULT '{}',
  created_by uuid,
  search tsvector GENERATED ALWAYS AS (
    setweight(public.search_document(name_fa, name_en), 'A')
    || setweight(public.search_document(VARIADIC keywords), 'B')
    || setweight(public.search_document(description_fa, description_en), 'C')
  ) STORED,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  -- Nobody but the default tenant can put templates into other tenants' catalogues.
  CONSTRAINT project_containers_sharing CHECK (sharing = 'none' OR tenant_id = '00000000-0000-0000-0000-000000000001'),
  CONSTRAINT project_containers_publishable CHECK (published_at IS NULL OR package_sha256 IS NOT NULL)
);
CREATE UNIQUE INDEX IF NOT EXISTS project_containers_slug ON content.project_containers (tenant_id, slug_key) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS project_containers_newest ON content.project_containers (tenant_id, published_at DESC, id DESC) WHERE published_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS project_containers_popular ON content.project_containers (tenant_id, render_count DESC, id DESC) WHERE published_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS project_containers_category ON content.project_containers (tenant_id, category_id, published_at DESC, id DESC) WHERE published_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS project_containers_mode ON content.project_containers (tenant_id, mode, published_at DESC, id DESC) WHERE published_at IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS project_containers_admin ON content.project_containers (tenant_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS project_containers_search ON content.project_containers USING gin (search);
COMMENT ON TABLE content.project_containers IS 'The sellable template: names, taxonomy, package and what is counted of it.';
COMMENT ON COLUMN content.project_containers.slug IS 'Unique per owner, without regard to case.';
COMMENT ON COLUMN content.project_containers.slug_key IS 'lower(slug), unique per owner and what a request looks up by: lower() is not leakproof, so under row-level security its index would not be used.';
COMMENT ON COLUMN content.project_containers.tag_ids IS 'Tags; container_tags follows it by trigger for filtering.';
COMMENT ON COLUMN content.project_containers.aspects IS 'Aspects that have a live project; follows content.projects by trigger.';
COMMENT ON COLUMN content.project_containers.sharing IS 'Who else sees it once published: all tenants, those in container_shares, or none. When left out: all for the default tenant, none for others.';
COMMENT ON COLUMN content.project_containers.min_plan_tier IS 'Lowest plan tier that may use it.';
COMMENT ON COLUMN content.project_containers.current_version_id IS 'The imported package that package_* describe.';
COMMENT ON COLUMN content.project_containers.manifest IS 'flatrender.json of the current package.';
COMMENT ON COLUMN content.project_containers.audio IS 'AudioDefaults of the manifest.';
COMMENT ON COLUMN content.project_containers.poster_object_keys IS 'Aspect to object key of a still.';
COMMENT ON COLUMN content.project_containers.preview_object_keys IS 'Aspect to object key of a preview video.';
COMMENT ON COLUMN content.project_containers.manual_fields IS 'Columns an admin edited by hand: a later import leaves them alone.';
COMMENT ON COLUMN content.project_containers.search IS 'Folded words: names weigh A, keywords B, descriptions C.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.project_containers'); END $do$;

CREATE OR REPLACE FUNCTION content.default_sharing() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF NEW.sharing IS NULL THEN
    NEW.sharing := CASE WHEN NEW.tenant_id = public.default_tenant() THEN 'all' ELSE 'none' END;
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION content.default_sharing() FROM PUBLIC;
CREATE OR REPLACE TRIGGER default_sharing BEFORE INSERT ON content.project_containers
FOR EACH ROW EXECUTE FUNCTION content.default_sharing();

CREATE TABLE IF NOT EXISTS content.container_shares (
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  shared_with uuid NOT NULL,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (shared_with, container_id),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS container_shares_container ON content.container_shares (tenant_id, container_id);
COMMENT ON TABLE content.container_shares IS 'Which tenants see a template whose sharing is "chosen".';
COMMENT ON COLUMN content.container_shares.tenant_id IS 'Owner of the template.';
COMMENT ON COLUMN content.container_shares.shared_with IS 'The tenant that may see it.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.container_shares'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.container_shares', 'shared_with = (SELECT public.current_tenant())'); END $do$;

-- A function and not a subquery: it is only called for templates shared with chosen tenants, and the
-- plans of all other reads stay small.
CREATE OR REPLACE FUNCTION content.chosen_for_tenant(container uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN EXISTS (
    SELECT FROM content.container_shares s
    WHERE s.shared_with = public.current_tenant() AND s.container_id = container);
END
$$;
REVOKE ALL ON FUNCTION content.chosen_for_tenant(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION content.chosen_for_tenant(uuid) TO flatrender_content, flatrender_content_system;
COMMENT ON FUNCTION content.chosen_for_tenant(uuid) IS 'Whether a template was shared with the tenant of this session by name.';

-- The sharing CHECK makes owner = default tenant a consequence, so nothing is joined.
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.project_containers', $$
  published_at IS NOT NULL AND deleted_at IS NULL
  AND (sharing = 'all' OR (sharing = 'chosen' AND content.chosen_for_tenant(id)))
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.container_versions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  version text NOT NULL,
  engine text NOT NULL DEFAULT 'lottie',
  package_object_key text NOT NULL,
  package_sha256 text NOT NULL CHECK (package_sha256 ~ '^[0-9a-f]{64}$'),
  package_size bigint NOT NULL CHECK (package_size > 0),
  manifest jsonb NOT NULL,
  report jsonb,
  changelog text NOT NULL DEFAULT '',
  imported_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  UNIQUE (container_id, package_sha256),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS container_versions_list ON content.container_versions (tenant_id, container_id, created_at DESC);
COMMENT ON TABLE content.container_versions IS 'Every package that was imported, unchanged for ever: saved projects hold on to the version they copied.';
COMMENT ON COLUMN content.container_versions.report IS 'What the import warned of.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.container_versions', 'SELECT, INSERT', 'SELECT, INSERT, DELETE'); END $do$;
-- Children of a template are visible where the template is: the subquery is under its policies.
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.container_versions', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('content.project_containers', 'project_containers_current_version',
  'FOREIGN KEY (tenant_id, current_version_id) REFERENCES content.container_versions (tenant_id, id) DEFERRABLE INITIALLY DEFERRED'); END $do$;

CREATE TABLE IF NOT EXISTS content.container_tags (
  tenant_id uuid NOT NULL,
  tag_id uuid NOT NULL REFERENCES content.tags (id) ON DELETE CASCADE,
  container_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, tag_id, container_id),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS container_tags_container ON content.container_tags (tenant_id, container_id);
COMMENT ON TABLE content.container_tags IS 'project_containers.tag_ids turned over, for lists by tag; kept by trigger, never written by hand.';
COMMENT ON COLUMN content.container_tags.tenant_id IS 'Owner of the template.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.container_tags'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.container_tags', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE OR REPLACE FUNCTION content.sync_container_tags() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    DELETE FROM content.container_tags t
    WHERE t.tenant_id = NEW.tenant_id AND t.container_id = NEW.id AND NOT t.tag_id = ANY (NEW.tag_ids);
  END IF;
  INSERT INTO content.container_tags (tenant_id, tag_id, container_id)
  SELECT DISTINCT NEW.tenant_id, tag, NEW.id FROM unnest(NEW.tag_ids) AS tag
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION content.sync_container_tags() FROM PUBLIC;
CREATE OR REPLACE TRIGGER sync_container_tags_insert AFTER INSERT ON content.project_containers
FOR EACH ROW WHEN (cardinality(NEW.tag_ids) > 0) EXECUTE FUNCTION content.sync_container_tags();
CREATE OR REPLACE TRIGGER sync_container_tags_update AFTER UPDATE OF tag_ids ON content.project_containers
FOR EACH ROW WHEN (OLD.tag_ids IS DISTINCT FROM NEW.tag_ids) EXECUTE FUNCTION content.sync_container_tags();

CREATE TABLE IF NOT EXISTS content.projects (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  aspect text NOT NULL CHECK (aspect IN ('16:9', '1:1', '9:16')),
  width int NOT NULL CHECK (width BETWEEN 16 AND 8192),
  height int NOT NULL CHECK (height BETWEEN 16 AND 8192),
  fps int NOT NULL DEFAULT 30 CHECK (fps BETWEEN 1 AND 60),
  duration double precision NOT NULL CHECK (duration > 0),
  scene_count int NOT NULL DEFAULT 0,
  final_comp text,
  source_object_key text,
  source_sha256 text,
  poster_object_key text,
  preview_object_key text,
  manual_fields text[] NOT NULL DEFAULT '{}',
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  UNIQUE (container_id, aspect),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS projects_container ON content.projects (tenant_id, container_id, position) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.projects IS 'One renderable aspect of a template. A deleted one comes back when its aspect is imported again.';
COMMENT ON COLUMN content.projects.duration IS 'Seconds of the default running order, overlaps taken off.';
COMMENT ON COLUMN content.projects.final_comp IS 'After Effects: name of the final comp (frfinal, flatrender).';
COMMENT ON COLUMN content.projects.source_object_key IS 'After Effects: the .aep or .zip bundle.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.projects'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.projects', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE OR REPLACE FUNCTION content.sync_container_aspects() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  changed uuid := coalesce(NEW.container_id, OLD.container_id);
  owner uuid := coalesce(NEW.tenant_id, OLD.tenant_id);
  live text[];
BEGIN
  SELECT coalesce(array_agg(p.aspect ORDER BY p.position, p.aspect), '{}') INTO live
  FROM content.projects p
  WHERE p.tenant_id = owner AND p.container_id = changed AND p.deleted_at IS NULL;
  UPDATE content.project_containers c SET aspects = live
  WHERE c.tenant_id = owner AND c.id = changed AND c.aspects IS DISTINCT FROM live;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION content.sync_container_aspects() FROM PUBLIC;
CREATE OR REPLACE TRIGGER sync_container_aspects AFTER INSERT OR DELETE OR UPDATE OF aspect, position, deleted_at ON content.projects
FOR EACH ROW EXECUTE FUNCTION content.sync_container_aspects();

CREATE TABLE IF NOT EXISTS content.project_assets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  container_id uuid NOT NULL,
  project_id uuid,
  version_id uuid,
  kind text NOT NULL CHECK (kind IN ('Image', 'Video', 'Audio', 'Font', 'Footage', 'Animation', 'Data')),
  path text NOT NULL,
  name text NOT NULL DEFAULT '',
  object_key text,
  content_type text,
  sha256 text CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint CHECK (size_bytes >= 0),
  width int,
  height int,
  duration double precision,
  missing boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, container_id) REFERENCES content.project_containers (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, project_id) REFERENCES content.projects (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, version_id) REFERENCES content.container_versions (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS project_assets_container ON content.project_assets (tenant_id, container_id, path);
COMMENT ON TABLE content.project_assets IS 'Files a template is made of: pictures, sounds, fonts, footage.';
COMMENT ON COLUMN content.project_assets.path IS 'Path inside the package or bundle.';
COMMENT ON COLUMN content.project_assets.object_key IS 'Where it lies when it is also stored apart from the package.';
COMMENT ON COLUMN content.project_assets.missing IS 'A scan found the reference but not the file.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.project_assets'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.project_assets', $$
  tenant_id = public.default_tenant() AND EXISTS (SELECT FROM content.project_containers c WHERE c.id = container_id)
$$); END $do$;

CREATE TABLE IF NOT EXISTS content.favorites (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  container_id uuid NOT NULL REFERENCES content.project_containers (id) ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, container_id)
);
CREATE INDEX IF NOT EXISTS favorites_container ON content.favorites (container_id);
COMMENT ON TABLE content.favorites IS 'Templates a person marked; tenant_id is the person''s.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.favorites'); END $do$;

-- Search. Text search operators are not leakproof, so under row-level security their index is not
-- used for a request. This function searches with its owner's rights, looks only where the tenant of
-- the session may look, and gives nothing but ids and ranks: the caller joins project_containers,
-- whose policies stay the second wall.
CREATE OR REPLACE FUNCTION content.search_containers(query text, max_results int DEFAULT 500)
RETURNS TABLE (id uuid, rank real)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant uuid := public.current_tenant();
  wanted tsquery := public.search_query(query);
BEGIN
  IF tenant IS NULL OR wanted IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT c.id, ts_rank_cd(c.search, wanted) AS rank
  FROM content.project_containers c
  WHERE c.search @@ wanted AND c.deleted_at IS NULL
    AND (c.tenant_id = tenant
      OR (c.published_at IS NOT NULL
        AND (c.sharing = 'all' OR (c.sharing = 'chosen' AND content.chosen_for_tenant(c.id)))))
  ORDER BY 2 DESC, c.published_at DESC NULLS LAST, c.id
  LIMIT least(greatest(max_results, 0), 2000);
END
$$;
REVOKE ALL ON FUNCTION content.search_containers(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION content.search_containers(text, int) TO flatrender_content, flatrender_content_system;
COMMENT ON FUNCTION content.search_containers(text, int) IS 'Templates the tenant of the session may see that hold every word typed (as prefixes), best first.';
