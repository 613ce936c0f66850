-- 09_content_cms: blog, slides, pages and the settings of the AI helpers.

CREATE TABLE IF NOT EXISTS content.blogs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  locale text NOT NULL DEFAULT 'fa' CHECK (locale IN ('fa', 'en')),
  slug text NOT NULL CHECK (length(slug) BETWEEN 1 AND 200),
  title text NOT NULL,
  excerpt text NOT NULL DEFAULT '',
  body_html text NOT NULL DEFAULT '',
  cover_object_key text,
  author_id uuid,
  author_name text NOT NULL DEFAULT '',
  tags text[] NOT NULL DEFAULT '{}',
  status text NOT NULL DEFAULT 'Draft' CHECK (status IN ('Draft', 'Scheduled', 'Published', 'Archived')),
  published_at timestamptz,
  seo_title text,
  seo_description text,
  reading_minutes int,
  view_count bigint NOT NULL DEFAULT 0,
  search tsvector GENERATED ALWAYS AS (
    setweight(public.search_document(title), 'A')
    || setweight(public.search_document(VARIADIC tags), 'B')
    || setweight(public.search_document(excerpt), 'C')
  ) STORED,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CHECK (status NOT IN ('Scheduled', 'Published') OR published_at IS NOT NULL)
);
CREATE UNIQUE INDEX IF NOT EXISTS blogs_slug ON content.blogs (tenant_id, locale, lower(slug)) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS blogs_newest ON content.blogs (tenant_id, locale, published_at DESC, id DESC) WHERE status = 'Published' AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS blogs_search ON content.blogs USING gin (search);
COMMENT ON TABLE content.blogs IS 'Articles of a tenant''s blog, one row per language.';
COMMENT ON COLUMN content.blogs.body_html IS 'Sanitised when written.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.blogs'); END $do$;

CREATE TABLE IF NOT EXISTS content.pages (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  locale text NOT NULL DEFAULT 'fa' CHECK (locale IN ('fa', 'en')),
  slug text NOT NULL CHECK (length(slug) BETWEEN 1 AND 200),
  title text NOT NULL,
  body_html text NOT NULL DEFAULT '',
  seo_title text,
  seo_description text,
  published_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS pages_slug ON content.pages (tenant_id, locale, lower(slug)) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.pages IS 'Standing pages (terms, about), one row per language; body sanitised when written.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.pages'); END $do$;

CREATE TABLE IF NOT EXISTS content.slides (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  placement text NOT NULL DEFAULT 'home',
  title_fa text NOT NULL DEFAULT '',
  title_en text NOT NULL DEFAULT '',
  subtitle_fa text NOT NULL DEFAULT '',
  subtitle_en text NOT NULL DEFAULT '',
  button_fa text NOT NULL DEFAULT '',
  button_en text NOT NULL DEFAULT '',
  link_url text,
  container_id uuid,
  image_object_key text,
  image_mobile_object_key text,
  video_object_key text,
  position int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  starts_at timestamptz,
  ends_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  CHECK (ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at)
);
CREATE INDEX IF NOT EXISTS slides_show ON content.slides (tenant_id, placement, position, id) WHERE active AND deleted_at IS NULL;
COMMENT ON TABLE content.slides IS 'Slides and banners of a tenant''s pages.';
COMMENT ON COLUMN content.slides.container_id IS 'Template it leads to, when it leads to one.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.slides'); END $do$;

CREATE TABLE IF NOT EXISTS content.ai_settings (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('Text', 'Image', 'Voice', 'Translate')),
  provider text NOT NULL DEFAULT 'openai',
  base_url text NOT NULL,
  model text NOT NULL,
  api_key_enc bytea,
  system_prompt_fa text NOT NULL DEFAULT '',
  system_prompt_en text NOT NULL DEFAULT '',
  temperature double precision CHECK (temperature BETWEEN 0 AND 2),
  max_tokens int CHECK (max_tokens > 0),
  timeout_seconds double precision NOT NULL DEFAULT 30 CHECK (timeout_seconds > 0),
  daily_limit_per_user int CHECK (daily_limit_per_user >= 0),
  daily_limit int CHECK (daily_limit >= 0),
  options jsonb NOT NULL DEFAULT '{}',
  enabled boolean NOT NULL DEFAULT false,
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, purpose)
);
COMMENT ON TABLE content.ai_settings IS 'Which OpenAI-compatible service a tenant uses for what.';
COMMENT ON COLUMN content.ai_settings.api_key_enc IS 'Encrypted; shown masked.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.ai_settings'); END $do$;

CREATE TABLE IF NOT EXISTS content.ai_usage_daily (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  day date NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('Text', 'Image', 'Voice', 'Translate')),
  requests int NOT NULL DEFAULT 0,
  failures int NOT NULL DEFAULT 0,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, day, purpose)
);
COMMENT ON TABLE content.ai_usage_daily IS 'Use of the AI helpers per person and day of the tenant''s zone; limits count here.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.ai_usage_daily'); END $do$;
