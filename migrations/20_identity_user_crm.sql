-- 20_identity_user_crm: what the people who look after customers note about them.

CREATE TABLE IF NOT EXISTS identity.user_crm (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  tags text[] NOT NULL DEFAULT '{}',
  note text NOT NULL DEFAULT '' CHECK (length(note) <= 20000),
  pipeline_status text NOT NULL DEFAULT 'New' CHECK (pipeline_status IN ('New', 'Contacted', 'Qualified', 'Negotiating', 'Customer', 'Churned', 'Lost')),
  pipeline_changed_at timestamptz,
  owner_id uuid,
  next_follow_up_at timestamptz,
  last_contacted_at timestamptz,
  updated_by uuid,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS user_crm_pipeline ON identity.user_crm (tenant_id, pipeline_status, updated_at DESC);
CREATE INDEX IF NOT EXISTS user_crm_follow_up ON identity.user_crm (tenant_id, next_follow_up_at) WHERE next_follow_up_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS user_crm_owner ON identity.user_crm (tenant_id, owner_id) WHERE owner_id IS NOT NULL;
COMMENT ON TABLE identity.user_crm IS 'Tags, note and pipeline status of a customer, for staff only.';
COMMENT ON COLUMN identity.user_crm.owner_id IS 'Member of staff who looks after the customer.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.user_crm'); END $do$;

CREATE TABLE IF NOT EXISTS identity.user_crm_activities (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('Note', 'Call', 'Message', 'StatusChange', 'TagChange')),
  body text NOT NULL DEFAULT '' CHECK (length(body) <= 20000),
  before jsonb,
  after jsonb,
  actor_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS user_crm_activities_user ON identity.user_crm_activities (tenant_id, user_id, created_at DESC, id DESC);
COMMENT ON TABLE identity.user_crm_activities IS 'History of a customer''s CRM entry. Append only.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.user_crm_activities', 'SELECT, INSERT', 'SELECT, INSERT, DELETE'); END $do$;
