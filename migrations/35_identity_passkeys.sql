-- 35_identity_passkeys: whose page a passkey belongs to; trusted devices end when all sessions do.

ALTER TABLE identity.mfa_factors ADD COLUMN IF NOT EXISTS rp_id text;
COMMENT ON COLUMN identity.mfa_factors.rp_id IS 'The relying party (a host name) that a passkey was made for; it answers no other.';
ALTER TABLE identity.mfa_factors DROP CONSTRAINT IF EXISTS mfa_factors_rp_id;
ALTER TABLE identity.mfa_factors ADD CONSTRAINT mfa_factors_rp_id CHECK (kind <> 'webauthn' OR rp_id IS NOT NULL);
COMMENT ON COLUMN identity.mfa_factors.sign_count IS 'The passkey''s own counter of uses as last seen; one that does not rise is refused. 0: it does not count.';
COMMENT ON COLUMN identity.mfa_factors.backed_up IS 'The passkey is copied among its owner''s devices.';

COMMENT ON COLUMN identity.mfa_challenges.session_id IS 'The session that asked, for step-up and enrolment: no other may answer.';
COMMENT ON COLUMN identity.sessions.amr IS 'Methods used to sign in (RFC 8176 where it has a word): pwd, otp, sms, email, fed, passkey, recovery_code; trusted_device: no second factor was asked for.';

ALTER TABLE identity.trusted_devices ADD COLUMN IF NOT EXISTS user_epoch int NOT NULL DEFAULT 0;
COMMENT ON COLUMN identity.trusted_devices.user_epoch IS 'users.session_epoch when it was trusted: a changed password, a ban or the end of all sessions raises that and ends the trust.';
COMMENT ON COLUMN identity.trusted_devices.token_hash IS 'Keyed hash; the device holds the token.';
