-- 01_identity_tenants: tenants, how they look, their keys, webhooks, usage and request logs.
-- identity.tenants is the root of everything; no other context may reference it by key.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('identity', 'identity'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL CHECK (kind IN ('Internal', 'Reseller', 'Enterprise')),
  slug text NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 63),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  status text NOT NULL DEFAULT 'Active' CHECK (status IN ('Active', 'Suspended', 'Closed')),
  suspended_at timestamptz,
  suspended_reason text,
  publishable_key text NOT NULL UNIQUE,
  timezone text NOT NULL DEFAULT 'Asia/Tehran',
  locale text NOT NULL DEFAULT 'fa' CHECK (locale IN ('fa', 'en')),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency IN ('IRR', 'IRT')),
  owner_user_id uuid,
  contact_name text,
  contact_email text,
  contact_mobile text,
  policy jsonb NOT NULL DEFAULT '{}',
  farm_weight double precision NOT NULL DEFAULT 1 CHECK (farm_weight > 0 AND farm_weight <= 1000),
  max_active_jobs int CHECK (max_active_jobs > 0),
  storage_limit_bytes bigint CHECK (storage_limit_bytes >= 0),
  metadata jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz
);
CREATE UNIQUE INDEX IF NOT EXISTS tenants_slug ON identity.tenants (lower(slug)) WHERE deleted_at IS NULL;
COMMENT ON TABLE identity.tenants IS 'Who sells: FlatRender itself, resellers and enterprises. Root of every tenant_id.';
COMMENT ON COLUMN identity.tenants.publishable_key IS 'Not a secret: names the tenant of an anonymous call from a browser.';
COMMENT ON COLUMN identity.tenants.timezone IS 'IANA zone; days of limits and series are cut here.';
COMMENT ON COLUMN identity.tenants.currency IS 'How money is shown; it is stored in IRR.';
COMMENT ON COLUMN identity.tenants.policy IS 'Tightens defaults: session lifetimes, required MFA, password rules, allowed e-mail domains, CORS origins.';
COMMENT ON COLUMN identity.tenants.farm_weight IS 'Share of the render farm relative to other tenants.';
-- A tenant reads and edits itself; only the system role makes or removes tenants.
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenants', 'SELECT, UPDATE', tenant_column => 'id'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenant_domains (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  domain text NOT NULL CHECK (domain = lower(domain) AND length(domain) BETWEEN 3 AND 253),
  verification_token text NOT NULL,
  is_primary boolean NOT NULL DEFAULT false,
  proven_at timestamptz,
  last_checked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS tenant_domains_claim ON identity.tenant_domains (tenant_id, domain);
CREATE UNIQUE INDEX IF NOT EXISTS tenant_domains_proven ON identity.tenant_domains (domain) WHERE proven_at IS NOT NULL;
COMMENT ON TABLE identity.tenant_domains IS 'Domains a tenant claims; only a proven one decides the tenant of an anonymous call.';
COMMENT ON COLUMN identity.tenant_domains.verification_token IS 'Expected in a DNS TXT record of the domain.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenant_domains'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenant_branding (
  tenant_id uuid PRIMARY KEY REFERENCES identity.tenants (id) ON DELETE CASCADE,
  display_name_fa text,
  display_name_en text,
  tagline_fa text,
  tagline_en text,
  logo_object_key text,
  logo_dark_object_key text,
  favicon_object_key text,
  watermark_object_key text,
  watermark_text text,
  colors jsonb NOT NULL DEFAULT '{}',
  font_family text,
  support_email text,
  support_phone text,
  support_url text,
  website_url text,
  email_from_name text,
  email_from_address text,
  email_footer_fa text,
  email_footer_en text,
  social_links jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE identity.tenant_branding IS 'How a tenant looks to its customers: names, pictures, colours, sender, watermark.';
COMMENT ON COLUMN identity.tenant_branding.colors IS 'Palette of the tenant''s pages: name to #rrggbb.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenant_branding'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenant_api_keys (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  name text NOT NULL,
  prefix text NOT NULL UNIQUE,
  key_hash bytea NOT NULL,
  hash_key_id text NOT NULL DEFAULT '1',
  last_four text NOT NULL DEFAULT '',
  signing_secret_enc bytea,
  require_signature boolean NOT NULL DEFAULT false,
  scopes text[] NOT NULL DEFAULT '{}',
  allowed_ips text[] NOT NULL DEFAULT '{}',
  rate_limit_per_minute int CHECK (rate_limit_per_minute > 0),
  created_by uuid,
  expires_at timestamptz,
  last_used_at timestamptz,
  last_used_ip inet,
  revoked_at timestamptz,
  revoked_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (NOT require_signature OR signing_secret_enc IS NOT NULL),
  UNIQUE (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS tenant_api_keys_list ON identity.tenant_api_keys (tenant_id, created_at DESC);
COMMENT ON TABLE identity.tenant_api_keys IS 'API keys id.secret of a tenant; of the secret only a keyed hash is kept.';
COMMENT ON COLUMN identity.tenant_api_keys.prefix IS 'Public half of the key, used to find the row.';
COMMENT ON COLUMN identity.tenant_api_keys.key_hash IS 'HMAC-SHA-256 of the secret half under the server''s pepper.';
COMMENT ON COLUMN identity.tenant_api_keys.hash_key_id IS 'Which pepper made key_hash.';
COMMENT ON COLUMN identity.tenant_api_keys.signing_secret_enc IS 'Encrypted secret for X-Signature; needed in clear to verify, so it cannot be hashed.';
COMMENT ON COLUMN identity.tenant_api_keys.allowed_ips IS 'CIDR blocks; empty allows any address.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenant_api_keys'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenant_webhooks (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  url text NOT NULL CHECK (length(url) <= 2048),
  description text NOT NULL DEFAULT '',
  events text[] NOT NULL DEFAULT '{}',
  secret_enc bytea NOT NULL,
  previous_secret_enc bytea,
  previous_secret_until timestamptz,
  headers jsonb NOT NULL DEFAULT '{}',
  enabled boolean NOT NULL DEFAULT true,
  disabled_at timestamptz,
  disabled_reason text,
  failing_since timestamptz,
  consecutive_failures int NOT NULL DEFAULT 0,
  last_success_at timestamptz,
  last_failure_at timestamptz,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS tenant_webhooks_live ON identity.tenant_webhooks (tenant_id, id) WHERE enabled AND deleted_at IS NULL;
COMMENT ON TABLE identity.tenant_webhooks IS 'Where a tenant is told of events (Standard Webhooks).';
COMMENT ON COLUMN identity.tenant_webhooks.events IS 'Event types wanted; empty means all.';
COMMENT ON COLUMN identity.tenant_webhooks.previous_secret_enc IS 'Also signs until previous_secret_until after a rotation.';
COMMENT ON COLUMN identity.tenant_webhooks.failing_since IS 'First failure without a success since; five days of it disable the webhook.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenant_webhooks'); END $do$;

CREATE TABLE IF NOT EXISTS identity.webhook_deliveries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  webhook_id uuid NOT NULL,
  event_id uuid NOT NULL,
  event_type text NOT NULL,
  payload jsonb NOT NULL,
  state text NOT NULL DEFAULT 'Pending' CHECK (state IN ('Pending', 'Delivered', 'Failed', 'Cancelled')),
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  last_status int,
  last_error text,
  delivered_at timestamptz,
  is_test boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (webhook_id, event_id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, webhook_id) REFERENCES identity.tenant_webhooks (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS webhook_deliveries_list ON identity.webhook_deliveries (tenant_id, webhook_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS webhook_deliveries_due ON identity.webhook_deliveries (next_attempt_at) WHERE state = 'Pending';
COMMENT ON TABLE identity.webhook_deliveries IS 'One event for one webhook; its id is the webhook-id header, the same in every attempt.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.webhook_deliveries'); END $do$;

CREATE TABLE IF NOT EXISTS identity.webhook_attempts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  delivery_id uuid NOT NULL,
  attempt int NOT NULL CHECK (attempt > 0),
  started_at timestamptz NOT NULL DEFAULT now(),
  duration_ms int,
  status int,
  error text,
  response_excerpt text,
  UNIQUE (tenant_id, delivery_id, attempt),
  FOREIGN KEY (tenant_id, delivery_id) REFERENCES identity.webhook_deliveries (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.webhook_attempts IS 'Every try of a delivery and what came back (the first kilobyte).';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.webhook_attempts'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenant_usage_daily (
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  day date NOT NULL,
  renders_submitted int NOT NULL DEFAULT 0,
  renders_completed int NOT NULL DEFAULT 0,
  renders_failed int NOT NULL DEFAULT 0,
  renders_cancelled int NOT NULL DEFAULT 0,
  output_seconds double precision NOT NULL DEFAULT 0,
  compute_seconds double precision NOT NULL DEFAULT 0,
  frames bigint NOT NULL DEFAULT 0,
  charge_minor bigint NOT NULL DEFAULT 0,
  revenue_minor bigint NOT NULL DEFAULT 0,
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  api_calls bigint NOT NULL DEFAULT 0,
  api_errors bigint NOT NULL DEFAULT 0,
  signups int NOT NULL DEFAULT 0,
  messages_sent int NOT NULL DEFAULT 0,
  uploaded_bytes bigint NOT NULL DEFAULT 0,
  storage_bytes bigint NOT NULL DEFAULT 0,
  egress_bytes bigint NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, day)
);
COMMENT ON TABLE identity.tenant_usage_daily IS 'What a tenant used per day of its own time zone: what it is metered by.';
COMMENT ON COLUMN identity.tenant_usage_daily.storage_bytes IS 'Level at the end of the day, not a sum.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenant_usage_daily'); END $do$;

CREATE TABLE IF NOT EXISTS identity.tenant_api_request_logs (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  key_id uuid,
  request_id text NOT NULL,
  method text NOT NULL,
  route text NOT NULL,
  status int NOT NULL,
  error_code text,
  duration_ms double precision NOT NULL,
  request_bytes bigint,
  response_bytes bigint,
  ip inet,
  user_agent text,
  PRIMARY KEY (tenant_id, created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX IF NOT EXISTS tenant_api_request_logs_key ON identity.tenant_api_request_logs (tenant_id, key_id, created_at DESC);
COMMENT ON TABLE identity.tenant_api_request_logs IS 'API calls made with a tenant''s keys, monthly partitions; no body, no token, no query.';
COMMENT ON COLUMN identity.tenant_api_request_logs.route IS 'Path template, never the raw path.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.tenant_api_request_logs', 'SELECT, INSERT'); END $do$;
INSERT INTO public.partitioned_tables (table_name, retention_months)
VALUES ('identity.tenant_api_request_logs', 13) ON CONFLICT DO NOTHING;
DO $do$ BEGIN PERFORM public.ensure_partitions(); END $do$;

-- The default tenant. The scope is set so that this also works for a migrator that row-level
-- security binds.
DO $$
BEGIN
  PERFORM set_config('app.tenant_id', public.default_tenant()::text, true);
  INSERT INTO identity.tenants (id, kind, slug, name_fa, name_en, publishable_key)
  VALUES (public.default_tenant(), 'Internal', 'flatrender', 'فلت‌رندر', 'FlatRender', 'pk_flatrender_default')
  ON CONFLICT (id) DO NOTHING;
  INSERT INTO identity.tenant_branding (tenant_id, display_name_fa, display_name_en, watermark_text)
  VALUES (public.default_tenant(), 'فلت‌رندر', 'FlatRender', 'FlatRender')
  ON CONFLICT (tenant_id) DO NOTHING;
END
$$;
