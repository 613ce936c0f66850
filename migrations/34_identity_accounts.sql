-- 34_identity_accounts: invitations by one-time links, copies of a person's data from every context.

-- The token of an invitation's link lies in identity.one_time_tokens like every other one; sending
-- it again makes a new one and voids the old.
ALTER TABLE identity.invitations DROP COLUMN IF EXISTS token_hash;
CREATE UNIQUE INDEX IF NOT EXISTS invitations_open ON identity.invitations (tenant_id, lower(email))
  WHERE email IS NOT NULL AND accepted_at IS NULL AND revoked_at IS NULL;

-- A copy of a person's data is gathered from every context.
ALTER TABLE identity.data_exports ADD COLUMN IF NOT EXISTS parts jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN identity.data_exports.parts IS 'Context to the object with its part, while the copy is being made.';
CREATE INDEX IF NOT EXISTS data_exports_running ON identity.data_exports (created_at) WHERE state = 'Running';
CREATE INDEX IF NOT EXISTS data_exports_expiry ON identity.data_exports (expires_at) WHERE state = 'Ready';
