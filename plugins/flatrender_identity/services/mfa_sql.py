"""The SQL of the authenticator app (``mfa``): a step is compared and set."""

TOTP = """
SELECT id, secret_enc FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND kind = 'totp' AND confirmed_at IS NOT NULL
"""
DROP_UNCONFIRMED = """
DELETE FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND kind = 'totp' AND confirmed_at IS NULL
"""
ENROL = """
INSERT INTO identity.mfa_factors (id, tenant_id, user_id, kind, name, secret_enc)
VALUES (:id, :tenant, :user, 'totp', 'TOTP', :secret)
"""
UNCONFIRMED = """
SELECT secret_enc FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND kind = 'totp'
  AND confirmed_at IS NULL FOR UPDATE
"""
CONFIRM = """
UPDATE identity.mfa_factors SET confirmed_at = now(), last_used_step = :step, last_used_at = now()
WHERE tenant_id = :tenant AND id = :id
"""
USE_STEP = """
UPDATE identity.mfa_factors SET last_used_step = :step, last_used_at = now()
WHERE tenant_id = :tenant AND id = :id AND coalesce(last_used_step, -1) < :step RETURNING id
"""
REMOVE_TOTP = """
DELETE FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND kind = 'totp' AND confirmed_at IS NOT NULL
RETURNING id
"""
