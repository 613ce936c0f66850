-- 37_identity_audit: the audit log shut against everybody and searchable, sessions of support that
-- acts for a customer, signed answers of sign-in services that are good once.

-- From where an act came, to the session; what free text is searched in.
ALTER TABLE identity.audit_log ADD COLUMN IF NOT EXISTS session_id uuid;
ALTER TABLE identity.audit_log ADD COLUMN IF NOT EXISTS search tsvector GENERATED ALWAYS AS (
  public.search_document(action, target_type, target_id, coalesce(reason, ''), user_agent,
    left(coalesce(before::text, ''), 20000), left(coalesce(after::text, ''), 20000))) STORED;
COMMENT ON COLUMN identity.audit_log.actor_kind IS 'user, api_key, node: by that credential; cli: the operator''s command line; system: the platform itself.';
COMMENT ON COLUMN identity.audit_log.actor_id IS 'Whose account or key it was; NULL for the command line and the platform.';
COMMENT ON COLUMN identity.audit_log.impersonator_id IS 'Who of support acted in the account of actor_id; NULL: its owner.';
COMMENT ON COLUMN identity.audit_log.session_id IS 'The session of the request; NULL where there was none.';
COMMENT ON COLUMN identity.audit_log.before IS 'What the act changed, as it was; never a secret.';
COMMENT ON COLUMN identity.audit_log.after IS 'The same as the act left it; never a secret.';
COMMENT ON COLUMN identity.audit_log.ip IS 'Where the request came from, as the trusted proxies tell it; NULL for the command line and the platform.';
COMMENT ON COLUMN identity.audit_log.search IS 'Words of the act, its target, reason and values, folded.';
CREATE INDEX IF NOT EXISTS audit_log_impersonator ON identity.audit_log (tenant_id, impersonator_id, created_at DESC)
  WHERE impersonator_id IS NOT NULL;

CREATE OR REPLACE FUNCTION identity.append_only() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% are neither changed nor deleted', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION identity.append_only() IS 'Keeps a record as it was written, whoever asks: a grant that slips in changes nothing.';
REVOKE ALL ON FUNCTION identity.append_only() FROM PUBLIC;
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON identity.audit_log
  FOR EACH ROW EXECUTE FUNCTION identity.append_only();
CREATE OR REPLACE TRIGGER append_only_whole BEFORE TRUNCATE ON identity.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION identity.append_only();

-- Support acts in a customer's account: a session of the customer's that belongs to an administrator.
ALTER TABLE identity.sessions ADD COLUMN IF NOT EXISTS impersonator_session_id uuid;
ALTER TABLE identity.sessions ADD COLUMN IF NOT EXISTS impersonator_epoch int;
COMMENT ON COLUMN identity.sessions.impersonator_id IS 'Who of support acts in this session; NULL: the account''s owner.';
COMMENT ON COLUMN identity.sessions.impersonation_reason IS 'Why support acts, as the audit log has it.';
COMMENT ON COLUMN identity.sessions.impersonator_session_id IS 'The session of support that opened this one; it dies with it.';
COMMENT ON COLUMN identity.sessions.impersonator_epoch IS 'session_epoch of support at that time: a ban or another role ends this session too.';
CREATE INDEX IF NOT EXISTS sessions_impersonator ON identity.sessions (tenant_id, impersonator_id)
  WHERE impersonator_id IS NOT NULL AND revoked_at IS NULL;
ALTER TABLE identity.security_events ADD COLUMN IF NOT EXISTS impersonator_id uuid;
COMMENT ON COLUMN identity.security_events.impersonator_id IS 'Who of support acted; NULL: the account''s owner.';

-- Telegram signs who somebody is; the signature is taken once.
CREATE TABLE IF NOT EXISTS identity.used_assertions (
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  digest bytea NOT NULL CHECK (length(digest) = 32),
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, digest)
);
CREATE INDEX IF NOT EXISTS used_assertions_expiry ON identity.used_assertions (expires_at);
COMMENT ON TABLE identity.used_assertions IS 'Signed answers of sign-in services that were taken: each is good once, and kept until it is too old to be good at all.';
COMMENT ON COLUMN identity.used_assertions.digest IS 'SHA-256 of the answer''s signature.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.used_assertions', 'SELECT, INSERT', 'SELECT, DELETE'); END $do$;
