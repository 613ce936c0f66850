-- 05_content_taxonomy: categories, tags, fonts and the music library.
-- A tenant's own rows and those of the default tenant are readable; only the own are writable.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('content', 'content'); END $do$;

CREATE TABLE IF NOT EXISTS content.categories (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  parent_id uuid,
  slug text NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 80),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  description_fa text NOT NULL DEFAULT '',
  description_en text NOT NULL DEFAULT '',
  icon text,
  image_object_key text,
  seo jsonb NOT NULL DEFAULT '{}',
  position int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  CHECK (parent_id <> id),
  FOREIGN KEY (tenant_id, parent_id) REFERENCES content.categories (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS categories_slug ON content.categories (tenant_id, lower(slug)) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS categories_tree ON content.categories (tenant_id, parent_id, position, id) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.categories IS 'Tree of template categories.';
COMMENT ON COLUMN content.categories.seo IS 'Title and description for search engines, per language.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.categories'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.categories', 'tenant_id = public.default_tenant()'); END $do$;

CREATE TABLE IF NOT EXISTS content.tags (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  slug text NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 80),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  color text CHECK (color ~ '^#[0-9a-fA-F]{6}$'),
  position int NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS tags_slug ON content.tags (tenant_id, lower(slug)) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS tags_list ON content.tags (tenant_id, position, id) WHERE deleted_at IS NULL;
COMMENT ON TABLE content.tags IS 'Tags of templates.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.tags'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.tags', 'tenant_id = public.default_tenant()'); END $do$;

CREATE TABLE IF NOT EXISTS content.fonts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  family text NOT NULL,
  style text NOT NULL DEFAULT 'Regular',
  weight int NOT NULL DEFAULT 400 CHECK (weight BETWEEN 1 AND 1000),
  italic boolean NOT NULL DEFAULT false,
  name_fa text,
  name_en text,
  postscript_name text,
  format text NOT NULL CHECK (format IN ('ttf', 'otf', 'woff', 'woff2', 'ttc')),
  version text,
  scripts text[] NOT NULL DEFAULT '{}',
  object_key text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  size_bytes bigint NOT NULL CHECK (size_bytes > 0),
  license text,
  license_url text,
  preview_object_key text,
  source text NOT NULL DEFAULT 'Upload' CHECK (source IN ('Upload', 'Package', 'System')),
  active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS fonts_face ON content.fonts (tenant_id, lower(family), lower(style)) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS fonts_sha ON content.fonts (tenant_id, sha256);
COMMENT ON TABLE content.fonts IS 'Font files that templates and customers may use; the farm installs them on its nodes.';
COMMENT ON COLUMN content.fonts.scripts IS 'ISO 15924 scripts it covers: Arab, Latn.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.fonts'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.fonts', 'tenant_id = public.default_tenant()'); END $do$;

CREATE TABLE IF NOT EXISTS content.music_tracks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  key text,
  title_fa text NOT NULL,
  title_en text NOT NULL,
  artist text NOT NULL DEFAULT '',
  object_key text NOT NULL,
  sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
  content_type text NOT NULL DEFAULT 'audio/mpeg',
  size_bytes bigint CHECK (size_bytes > 0),
  duration double precision NOT NULL CHECK (duration > 0),
  bpm double precision CHECK (bpm > 0),
  loudness_lufs double precision,
  mood text,
  genre text,
  instrumental boolean,
  waveform jsonb,
  preview_object_key text,
  cover_object_key text,
  license text,
  license_url text,
  source text NOT NULL DEFAULT 'Upload' CHECK (source IN ('Upload', 'Package')),
  container_id uuid,
  use_count bigint NOT NULL DEFAULT 0,
  position int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  search tsvector GENERATED ALWAYS AS (
    public.search_document(title_fa, title_en, artist, coalesce(mood, ''), coalesce(genre, ''))
  ) STORED,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS music_tracks_sha ON content.music_tracks (tenant_id, sha256) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS music_tracks_list ON content.music_tracks (tenant_id, position, id) WHERE active AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS music_tracks_mood ON content.music_tracks (tenant_id, mood, position, id) WHERE active AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS music_tracks_search ON content.music_tracks USING gin (search);
COMMENT ON TABLE content.music_tracks IS 'The music library; tracks that a template package brings are added at import.';
COMMENT ON COLUMN content.music_tracks.key IS 'Key in the package it came with.';
COMMENT ON COLUMN content.music_tracks.container_id IS 'The template it came with; a soft reference.';
COMMENT ON COLUMN content.music_tracks.waveform IS 'Peaks in 0..1 for drawing, evenly spaced over the duration.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('content.music_tracks'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('content.music_tracks', 'tenant_id = public.default_tenant()'); END $do$;
