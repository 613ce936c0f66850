-- 33_farm_audit: who did what to the machines, the rules and the shares of the farm, and from where.
-- A share's changes (19) and a rule's versions (11) are their own record; they learn where an act
-- came from and are shut like the rest. What had no record of its own is a row of farm_acts.

CREATE TABLE IF NOT EXISTS render.farm_acts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'cli', 'farm')),
  actor_id uuid,
  act text NOT NULL CHECK (act ~ '^[a-z]+[.][a-z_]+$'),
  target_type text NOT NULL CHECK (target_type IN ('node', 'rule', 'font')),
  target_id text NOT NULL,
  target_name text NOT NULL DEFAULT '',
  before jsonb,
  after jsonb,
  reason text NOT NULL DEFAULT '',
  request_id text,
  ip inet,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((actor_kind = 'user') = (actor_id IS NOT NULL))
);
CREATE INDEX IF NOT EXISTS farm_acts_newest ON render.farm_acts (created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS farm_acts_target ON render.farm_acts (target_type, target_id, created_at DESC);
COMMENT ON TABLE render.farm_acts IS 'Acts on the farm''s machines, rules and fonts. Append only; shares and versions of rules are recorded where they lie.';
COMMENT ON COLUMN render.farm_acts.actor_kind IS 'user: an administrator; cli: the operator''s command line; farm: the farm itself.';
COMMENT ON COLUMN render.farm_acts.target_name IS 'The target''s name at that time: a removed node keeps it here.';
COMMENT ON COLUMN render.farm_acts.before IS 'What the act changed, where it is small; never a secret.';
COMMENT ON COLUMN render.farm_acts.ip IS 'Where the request came from, as the trusted proxies tell it; NULL for the command line and the farm.';
DO $do$ BEGIN PERFORM public.flatrender_plain_table('render.farm_acts', '', 'SELECT, INSERT'); END $do$;

ALTER TABLE render.tenant_share_changes ADD COLUMN IF NOT EXISTS request_id text;
ALTER TABLE render.tenant_share_changes ADD COLUMN IF NOT EXISTS ip inet;
COMMENT ON COLUMN render.tenant_share_changes.ip IS 'Where the request came from; NULL: the command line.';
ALTER TABLE render.failure_rules ADD COLUMN IF NOT EXISTS request_id text;
ALTER TABLE render.failure_rules ADD COLUMN IF NOT EXISTS ip inet;
COMMENT ON COLUMN render.failure_rules.ip IS 'Where the request for this version came from; NULL: built in.';
-- Of a version only whether it is in force may change.
REVOKE UPDATE, DELETE ON render.failure_rules FROM flatrender_render_system;
GRANT UPDATE (active) ON render.failure_rules TO flatrender_render_system;

CREATE OR REPLACE FUNCTION render.append_only() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  RAISE EXCEPTION 'rows of %.% are neither changed nor deleted', TG_TABLE_SCHEMA, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END
$$;
COMMENT ON FUNCTION render.append_only() IS 'Keeps a record as it was written, whoever asks: a grant that slips in changes nothing.';
REVOKE ALL ON FUNCTION render.append_only() FROM PUBLIC;

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON render.farm_acts
  FOR EACH ROW EXECUTE FUNCTION render.append_only();
CREATE OR REPLACE TRIGGER append_only_whole BEFORE TRUNCATE ON render.farm_acts
  FOR EACH STATEMENT EXECUTE FUNCTION render.append_only();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE ON render.tenant_share_changes
  FOR EACH ROW EXECUTE FUNCTION render.append_only();
CREATE OR REPLACE TRIGGER append_only_whole BEFORE TRUNCATE ON render.tenant_share_changes
  FOR EACH STATEMENT EXECUTE FUNCTION render.append_only();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE ON render.failure_rules
  FOR EACH ROW EXECUTE FUNCTION render.append_only();
CREATE OR REPLACE TRIGGER append_only_version
  BEFORE UPDATE OF id, code, version, builtin, priority, engine, stage, exit_codes, pattern, error_codes, class, action,
    back_off_seconds, retryable, explanation_fa, explanation_en, note, changed_by, request_id, ip, created_at
  ON render.failure_rules FOR EACH ROW EXECUTE FUNCTION render.append_only();
