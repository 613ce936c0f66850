-- 02_identity_users: people, their sessions and factors, one-use tokens, what happened to whom.

CREATE TABLE IF NOT EXISTS identity.users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id),
  register_mode text NOT NULL CHECK (register_mode IN ('Email', 'Mobile', 'Google', 'Telegram', 'SSO', 'Reseller')),
  email text CHECK (length(email) <= 254),
  email_key text GENERATED ALWAYS AS (lower(email)) STORED,
  email_verified_at timestamptz,
  mobile text CHECK (mobile ~ '^\+[1-9][0-9]{6,14}$'),
  mobile_verified_at timestamptz,
  external_id text,
  password_hash text,
  password_changed_at timestamptz,
  role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin')),
  status text NOT NULL DEFAULT 'Active' CHECK (status IN ('Active', 'Banned', 'Deactivated', 'Deleted')),
  display_name text NOT NULL DEFAULT '',
  first_name text,
  last_name text,
  company text,
  avatar_object_key text,
  locale text NOT NULL DEFAULT 'fa' CHECK (locale IN ('fa', 'en')),
  timezone text,
  country text CHECK (country ~ '^[A-Z]{2}$'),
  banned_at timestamptz,
  banned_until timestamptz,
  ban_reason text,
  banned_by uuid,
  daily_render_limit int CHECK (daily_render_limit >= 0),
  session_epoch int NOT NULL DEFAULT 0,
  mfa_enabled boolean NOT NULL DEFAULT false,
  mfa_failed_attempts int NOT NULL DEFAULT 0,
  mfa_locked_until timestamptz,
  last_login_at timestamptz,
  last_login_ip inet,
  last_seen_at timestamptz,
  login_count int NOT NULL DEFAULT 0,
  marketing_consent boolean NOT NULL DEFAULT false,
  terms_accepted_at timestamptz,
  referral_code text,
  referred_by uuid,
  metadata jsonb NOT NULL DEFAULT '{}',
  deletion_requested_at timestamptz,
  deletion_due_at timestamptz,
  search text GENERATED ALWAYS AS (
    public.fold_text(display_name || ' ' || coalesce(first_name, '') || ' ' || coalesce(last_name, '') || ' '
      || coalesce(company, '') || ' ' || coalesce(email, '') || ' ' || coalesce(mobile, '') || ' ' || coalesce(external_id, ''))
  ) STORED,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS users_email ON identity.users (tenant_id, lower(email)) WHERE email IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS users_email_key ON identity.users (tenant_id, email_key) WHERE email_key IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS users_mobile ON identity.users (tenant_id, mobile) WHERE mobile IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS users_external ON identity.users (tenant_id, external_id) WHERE external_id IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS users_referral ON identity.users (tenant_id, referral_code) WHERE referral_code IS NOT NULL;
CREATE INDEX IF NOT EXISTS users_newest ON identity.users (tenant_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS users_staff ON identity.users (tenant_id, role) WHERE role <> 'user';
CREATE INDEX IF NOT EXISTS users_deletion ON identity.users (deletion_due_at) WHERE deletion_due_at IS NOT NULL AND deleted_at IS NULL;
COMMENT ON TABLE identity.users IS 'People of a tenant. E-mail, mobile and external id are unique per tenant.';
COMMENT ON COLUMN identity.users.email IS 'As typed; compared in lower case.';
COMMENT ON COLUMN identity.users.email_key IS 'lower(email), for requests to look up by: lower() is not leakproof, so under row-level security its index would not be used.';
COMMENT ON COLUMN identity.users.mobile IS 'E.164 with the plus.';
COMMENT ON COLUMN identity.users.external_id IS 'The reseller''s own id of its customer.';
COMMENT ON COLUMN identity.users.password_hash IS 'argon2id; NULL for people who never set a password.';
COMMENT ON COLUMN identity.users.daily_render_limit IS 'Overrides the plan''s limit; 0 means no limit, NULL means as the plan says.';
COMMENT ON COLUMN identity.users.session_epoch IS 'Raised by password change, ban and demotion; tokens of an older epoch are dead.';
COMMENT ON COLUMN identity.users.search IS 'Folded names and addresses for the staff''s search.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.users'); END $do$;

CREATE TABLE IF NOT EXISTS identity.sessions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL DEFAULT 'token' CHECK (kind IN ('token', 'cookie')),
  counter int NOT NULL DEFAULT 0 CHECK (counter >= 0),
  rotated_at timestamptz NOT NULL DEFAULT now(),
  amr text[] NOT NULL DEFAULT '{}',
  mfa_at timestamptz,
  user_epoch int NOT NULL DEFAULT 0,
  user_agent text NOT NULL DEFAULT '',
  device_name text,
  ip inet,
  last_ip inet,
  last_seen_at timestamptz NOT NULL DEFAULT now(),
  idle_expires_at timestamptz NOT NULL,
  absolute_expires_at timestamptz NOT NULL,
  trusted_device_id uuid,
  impersonator_id uuid,
  impersonation_reason text,
  revoked_at timestamptz,
  revoked_reason text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS sessions_live ON identity.sessions (tenant_id, user_id, last_seen_at DESC) WHERE revoked_at IS NULL;
CREATE INDEX IF NOT EXISTS sessions_expiry ON identity.sessions (absolute_expires_at);
COMMENT ON TABLE identity.sessions IS 'One row per session. Refresh tokens are derived from id and counter, none is stored.';
COMMENT ON COLUMN identity.sessions.counter IS 'Number of the current refresh token; one behind within 10 s of rotated_at answers the current one, older kills the session.';
COMMENT ON COLUMN identity.sessions.rotated_at IS 'When counter last rose.';
COMMENT ON COLUMN identity.sessions.amr IS 'Methods used to sign in (RFC 8176): pwd, otp, hwk, sms, fed.';
COMMENT ON COLUMN identity.sessions.mfa_at IS 'Last second factor in this session; staff acts and step-up look at it.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.sessions'); END $do$;

CREATE TABLE IF NOT EXISTS identity.signing_keys (
  kid text PRIMARY KEY,
  alg text NOT NULL CHECK (alg IN ('ES256', 'EdDSA')),
  state text NOT NULL CHECK (state IN ('next', 'current', 'previous', 'retired')),
  public_jwk jsonb NOT NULL,
  private_enc bytea NOT NULL,
  activated_at timestamptz,
  retired_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX IF NOT EXISTS signing_keys_one ON identity.signing_keys (state) WHERE state IN ('next', 'current');
COMMENT ON TABLE identity.signing_keys IS 'Keys that sign access tokens; the JWKS shows next, current and previous.';
COMMENT ON COLUMN identity.signing_keys.private_enc IS 'Private key, encrypted with the server''s key.';
-- Requests sign with a key; only the system role rotates them.
DO $do$ BEGIN PERFORM public.flatrender_plain_table('identity.signing_keys', 'SELECT'); END $do$;

CREATE TABLE IF NOT EXISTS identity.mfa_factors (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('totp', 'webauthn')),
  name text NOT NULL DEFAULT '',
  secret_enc bytea,
  last_used_step bigint,
  credential_id bytea,
  public_key bytea,
  sign_count bigint NOT NULL DEFAULT 0,
  transports text[] NOT NULL DEFAULT '{}',
  aaguid uuid,
  backed_up boolean,
  passwordless boolean NOT NULL DEFAULT false,
  confirmed_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (CASE kind WHEN 'totp' THEN secret_enc IS NOT NULL ELSE credential_id IS NOT NULL AND public_key IS NOT NULL END),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS mfa_factors_user ON identity.mfa_factors (tenant_id, user_id);
CREATE UNIQUE INDEX IF NOT EXISTS mfa_factors_credential ON identity.mfa_factors (tenant_id, credential_id) WHERE credential_id IS NOT NULL;
COMMENT ON TABLE identity.mfa_factors IS 'Second factors: TOTP secrets and WebAuthn credentials. One counts only once confirmed.';
COMMENT ON COLUMN identity.mfa_factors.last_used_step IS 'Last accepted TOTP time step; a code is good once.';
COMMENT ON COLUMN identity.mfa_factors.passwordless IS 'The passkey may also sign in alone.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.mfa_factors'); END $do$;

CREATE TABLE IF NOT EXISTS identity.mfa_recovery_codes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  code_hash bytea NOT NULL,
  used_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, user_id, code_hash),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.mfa_recovery_codes IS 'Ten recovery codes per person, hashed, each burned once.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.mfa_recovery_codes'); END $do$;

CREATE TABLE IF NOT EXISTS identity.mfa_challenges (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid,
  session_id uuid,
  purpose text NOT NULL CHECK (purpose IN ('login', 'step_up', 'enrol', 'passkey_login')),
  challenge bytea,
  amr text[] NOT NULL DEFAULT '{}',
  wrong_attempts int NOT NULL DEFAULT 0,
  data jsonb NOT NULL DEFAULT '{}',
  ip inet,
  expires_at timestamptz NOT NULL,
  consumed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS mfa_challenges_user ON identity.mfa_challenges (tenant_id, user_id);
CREATE INDEX IF NOT EXISTS mfa_challenges_expiry ON identity.mfa_challenges (expires_at);
COMMENT ON TABLE identity.mfa_challenges IS 'A second factor that was asked for: between the password and the session, for step-up, for enrolment.';
COMMENT ON COLUMN identity.mfa_challenges.challenge IS 'WebAuthn challenge; single use.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.mfa_challenges'); END $do$;

CREATE TABLE IF NOT EXISTS identity.trusted_devices (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  name text NOT NULL DEFAULT '',
  user_agent text NOT NULL DEFAULT '',
  last_ip inet,
  last_used_at timestamptz,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, token_hash),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS trusted_devices_user ON identity.trusted_devices (tenant_id, user_id);
COMMENT ON TABLE identity.trusted_devices IS 'Devices on which the second factor is not asked for a while.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.trusted_devices'); END $do$;

CREATE TABLE IF NOT EXISTS identity.one_time_tokens (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid,
  purpose text NOT NULL CHECK (purpose IN ('verify_email', 'verify_mobile', 'change_email', 'change_mobile',
    'reset_password', 'magic_link', 'invitation', 'oauth_code', 'delete_account', 'email_mfa')),
  target text NOT NULL DEFAULT '',
  token_hash bytea,
  code_hash bytea,
  attempts int NOT NULL DEFAULT 0,
  max_attempts int NOT NULL DEFAULT 5,
  data jsonb NOT NULL DEFAULT '{}',
  created_ip inet,
  expires_at timestamptz NOT NULL,
  consumed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (token_hash IS NOT NULL OR code_hash IS NOT NULL),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX IF NOT EXISTS one_time_tokens_token ON identity.one_time_tokens (tenant_id, token_hash) WHERE token_hash IS NOT NULL;
CREATE INDEX IF NOT EXISTS one_time_tokens_open ON identity.one_time_tokens (tenant_id, user_id, purpose, created_at DESC) WHERE consumed_at IS NULL;
CREATE INDEX IF NOT EXISTS one_time_tokens_target ON identity.one_time_tokens (tenant_id, target, purpose, created_at DESC) WHERE consumed_at IS NULL;
CREATE INDEX IF NOT EXISTS one_time_tokens_expiry ON identity.one_time_tokens (expires_at);
COMMENT ON TABLE identity.one_time_tokens IS 'Links and codes sent to people: hashed, short-lived, good once.';
COMMENT ON COLUMN identity.one_time_tokens.target IS 'The address it was sent to; a changed address makes it void.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.one_time_tokens'); END $do$;

CREATE TABLE IF NOT EXISTS identity.invitations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  email text,
  mobile text,
  role text NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'moderator', 'admin')),
  token_hash bytea NOT NULL,
  message text NOT NULL DEFAULT '',
  invited_by uuid,
  accepted_by uuid,
  accepted_at timestamptz,
  revoked_at timestamptz,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (email IS NOT NULL OR mobile IS NOT NULL),
  UNIQUE (tenant_id, token_hash)
);
CREATE INDEX IF NOT EXISTS invitations_list ON identity.invitations (tenant_id, created_at DESC);
COMMENT ON TABLE identity.invitations IS 'Invitations into a tenant, with the role they bring.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.invitations'); END $do$;

CREATE TABLE IF NOT EXISTS identity.role_permissions (
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  role text NOT NULL CHECK (role IN ('user', 'moderator', 'admin')),
  permission text NOT NULL CHECK (permission ~ '^[a-z_]+(\.[a-z_]+)*$'),
  allowed boolean NOT NULL DEFAULT true,
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, role, permission)
);
COMMENT ON TABLE identity.role_permissions IS 'A tenant''s changes to what its roles may do; what is not here is as the code says.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.role_permissions'); END $do$;

CREATE TABLE IF NOT EXISTS identity.security_events (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL,
  session_id uuid,
  ip inet,
  user_agent text NOT NULL DEFAULT '',
  detail jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS security_events_user ON identity.security_events (tenant_id, user_id, created_at DESC, id DESC);
COMMENT ON TABLE identity.security_events IS 'An account''s own security log: sign-ins, changed factors, killed sessions. Append only.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.security_events', 'SELECT, INSERT', 'SELECT, INSERT, DELETE'); END $do$;

CREATE TABLE IF NOT EXISTS identity.audit_log (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'node', 'system', 'cli')),
  actor_id uuid,
  impersonator_id uuid,
  action text NOT NULL,
  target_type text NOT NULL,
  target_id text NOT NULL,
  before jsonb,
  after jsonb,
  reason text,
  request_id text,
  ip inet,
  user_agent text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS audit_log_newest ON identity.audit_log (tenant_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS audit_log_target ON identity.audit_log (tenant_id, target_type, target_id, created_at DESC);
CREATE INDEX IF NOT EXISTS audit_log_actor ON identity.audit_log (tenant_id, actor_id, created_at DESC);
COMMENT ON TABLE identity.audit_log IS 'Who did what to whom, before and after, from where and why. No role of the context can change or delete a row.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.audit_log', 'SELECT, INSERT', 'SELECT, INSERT'); END $do$;

CREATE TABLE IF NOT EXISTS identity.data_exports (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  state text NOT NULL DEFAULT 'Requested' CHECK (state IN ('Requested', 'Running', 'Ready', 'Failed', 'Expired')),
  object_key text,
  size_bytes bigint,
  error text,
  ready_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS data_exports_user ON identity.data_exports (tenant_id, user_id, created_at DESC);
COMMENT ON TABLE identity.data_exports IS 'A person''s request for a copy of their own data.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.data_exports'); END $do$;

CREATE TABLE IF NOT EXISTS identity.push_subscriptions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  endpoint text NOT NULL CHECK (length(endpoint) <= 2000),
  p256dh text NOT NULL,
  auth_enc bytea NOT NULL,
  user_agent text NOT NULL DEFAULT '',
  locale text CHECK (locale IN ('fa', 'en')),
  failures int NOT NULL DEFAULT 0,
  last_success_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, endpoint),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS push_subscriptions_user ON identity.push_subscriptions (tenant_id, user_id);
COMMENT ON TABLE identity.push_subscriptions IS 'Browsers that take push messages; removed when the push service says gone.';
COMMENT ON COLUMN identity.push_subscriptions.auth_enc IS 'The subscription''s auth secret, encrypted.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.push_subscriptions'); END $do$;
