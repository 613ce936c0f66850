"""The SQL of second factors (``mfa``): steps, codes and tries are compared and set."""

FACTORS = """
SELECT id, secret_enc FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND kind = 'totp' AND confirmed_at IS NOT NULL
"""
LOCK_USER = "SELECT 1 FROM identity.users WHERE tenant_id = :tenant AND id = :user FOR UPDATE"
USE_STEP = """
UPDATE identity.mfa_factors SET last_used_step = :step, last_used_at = now()
WHERE tenant_id = :tenant AND id = :id AND coalesce(last_used_step, -1) < :step RETURNING id
"""
BURN = """
UPDATE identity.mfa_recovery_codes SET used_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND code_hash = :hash AND used_at IS NULL
RETURNING id
"""
TRY_CHALLENGE = """
UPDATE identity.mfa_challenges SET wrong_attempts = wrong_attempts + 1
WHERE tenant_id = :tenant AND id = :id AND consumed_at IS NULL AND expires_at > now()
  AND wrong_attempts < :wrong RETURNING id
"""
# The tenth try locks until it proves right.
TRY_ACCOUNT = """
UPDATE identity.users SET mfa_failed_attempts = CASE WHEN mfa_failed_attempts + 1 >= :limit
        THEN 0 ELSE mfa_failed_attempts + 1 END,
    mfa_locked_until = CASE WHEN mfa_failed_attempts + 1 >= :limit
        THEN now() + CAST(:lock AS interval) END
WHERE tenant_id = :tenant AND id = :user
  AND (mfa_locked_until IS NULL OR mfa_locked_until <= now())
RETURNING id
"""
TRIES_BACK = """
UPDATE identity.users SET mfa_failed_attempts = 0, mfa_locked_until = NULL
WHERE tenant_id = :tenant AND id = :user
"""
REMOVE_TOTP = """
DELETE FROM identity.mfa_factors
WHERE tenant_id = :tenant AND user_id = :user AND kind = 'totp' AND confirmed_at IS NOT NULL
RETURNING id
"""
NO_MFA = """
UPDATE identity.users u SET mfa_enabled = EXISTS (
    SELECT FROM identity.mfa_factors f
    WHERE f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.confirmed_at IS NOT NULL)
WHERE u.tenant_id = :tenant AND u.id = :user
"""
END_SESSIONS = """
UPDATE identity.sessions SET revoked_at = now(), revoked_reason = 'second factor removed'
WHERE tenant_id = :tenant AND user_id = :user AND revoked_at IS NULL RETURNING id
"""
