-- 22_identity_oauth_config: sign-in with others: providers as admins configure them, linked
-- accounts, and the state of a sign-in under way.

CREATE TABLE IF NOT EXISTS identity.oauth_config (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  provider text NOT NULL CHECK (provider ~ '^[a-z][a-z0-9_]{0,40}$'),
  driver text NOT NULL DEFAULT 'oidc' CHECK (driver IN ('google', 'oidc', 'telegram')),
  name_fa text NOT NULL DEFAULT '',
  name_en text NOT NULL DEFAULT '',
  client_id text NOT NULL DEFAULT '',
  client_secret_enc bytea,
  redirect_uri text NOT NULL DEFAULT '',
  issuer text,
  discovery_url text,
  scopes text[] NOT NULL DEFAULT '{openid,email,profile}',
  return_urls text[] NOT NULL DEFAULT '{}',
  allow_signup boolean NOT NULL DEFAULT true,
  link_by_email boolean NOT NULL DEFAULT true,
  options jsonb NOT NULL DEFAULT '{}',
  icon text,
  position int NOT NULL DEFAULT 0,
  enabled boolean NOT NULL DEFAULT false,
  tested_at timestamptz,
  test_result jsonb,
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, provider)
);
COMMENT ON TABLE identity.oauth_config IS 'Sign-in providers of a tenant, set in the admin panel.';
COMMENT ON COLUMN identity.oauth_config.client_secret_enc IS 'Encrypted; shown masked, and an unchanged mask keeps it.';
COMMENT ON COLUMN identity.oauth_config.return_urls IS 'Pages of frontends that may receive tokens.';
COMMENT ON COLUMN identity.oauth_config.link_by_email IS 'Link to an account with the same address when both sides verified it.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.oauth_config'); END $do$;

CREATE TABLE IF NOT EXISTS identity.oauth_identities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  provider text NOT NULL,
  issuer text NOT NULL,
  subject text NOT NULL,
  email text,
  email_verified boolean NOT NULL DEFAULT false,
  profile jsonb NOT NULL DEFAULT '{}',
  last_login_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, issuer, subject),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS oauth_identities_user ON identity.oauth_identities (tenant_id, user_id);
COMMENT ON TABLE identity.oauth_identities IS 'Accounts elsewhere that sign in here, keyed by issuer and subject, never by address.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.oauth_identities'); END $do$;

CREATE TABLE IF NOT EXISTS identity.oauth_states (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  provider text NOT NULL,
  state_hash bytea NOT NULL,
  browser_hash bytea NOT NULL,
  nonce text NOT NULL,
  code_verifier_enc bytea NOT NULL,
  return_to text NOT NULL,
  delivery text NOT NULL DEFAULT 'fragment' CHECK (delivery IN ('fragment', 'code')),
  link_user_id uuid,
  ip inet,
  expires_at timestamptz NOT NULL,
  consumed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, state_hash)
);
CREATE INDEX IF NOT EXISTS oauth_states_expiry ON identity.oauth_states (expires_at);
COMMENT ON TABLE identity.oauth_states IS 'A sign-in under way: single use, bound to the browser that began it.';
COMMENT ON COLUMN identity.oauth_states.browser_hash IS 'Hash of a cookie of that browser.';
COMMENT ON COLUMN identity.oauth_states.link_user_id IS 'Set when a signed-in person links an account instead of signing in.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.oauth_states'); END $do$;
