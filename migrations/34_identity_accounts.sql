-- 34_identity_accounts: invitations by one-time links.

-- The token of an invitation's link lies in identity.one_time_tokens like every other one; sending
-- it again makes a new one and voids the old.
ALTER TABLE identity.invitations DROP COLUMN IF EXISTS token_hash;
CREATE UNIQUE INDEX IF NOT EXISTS invitations_open ON identity.invitations (tenant_id, lower(email))
  WHERE email IS NOT NULL AND accepted_at IS NULL AND revoked_at IS NULL;
