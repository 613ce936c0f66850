-- 36_identity_people: finding people, bans that end, passwords that must be changed, tags of customers.

-- A password that staff have set is good for choosing another one.
ALTER TABLE identity.users ADD COLUMN IF NOT EXISTS password_must_change boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN identity.users.password_must_change IS 'Staff set the password: signing in with it leads to choosing another one, and nowhere else.';
COMMENT ON COLUMN identity.users.banned_until IS 'When the ban lifts by itself; NULL: when somebody lifts it.';
COMMENT ON COLUMN identity.users.ban_reason IS 'As its owner was told.';
ALTER TABLE identity.one_time_tokens DROP CONSTRAINT IF EXISTS one_time_tokens_purpose_check;
ALTER TABLE identity.one_time_tokens ADD CONSTRAINT one_time_tokens_purpose_check
  CHECK (purpose IN ('verify_email', 'verify_mobile', 'change_email', 'change_mobile', 'reset_password',
    'magic_link', 'invitation', 'oauth_code', 'delete_account', 'email_mfa', 'change_password'));

CREATE INDEX IF NOT EXISTS users_ban_due ON identity.users (banned_until)
  WHERE status = 'Banned' AND banned_until IS NOT NULL;
CREATE INDEX IF NOT EXISTS users_by_name ON identity.users (tenant_id, display_name, id) WHERE deleted_at IS NULL;
-- Who never signed in stands at the beginning of time: columns of an order are never NULL.
CREATE INDEX IF NOT EXISTS users_by_login ON identity.users
  (tenant_id, coalesce(last_login_at, TIMESTAMPTZ '1970-01-01 00:00:00+00'), id) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS users_barred ON identity.users (tenant_id, status, created_at DESC, id DESC)
  WHERE status <> 'Active' AND deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS user_plans_holders ON identity.user_plans (tenant_id, plan_id) WHERE status = 'Active';

-- Search. As in content: text search operators are not leakproof, so under row-level security their
-- index is not used for a request. These functions look with their owner's rights, only where the
-- tenant of the session is, and give nothing but ids; the caller joins users, whose policy stays.
CREATE OR REPLACE FUNCTION identity.person_document(
  display_name text, first_name text, last_name text, company text, email text, mobile text, external_id text
) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  -- Iranian numbers are also looked for as people type them, with 0 for +98.
  SELECT public.search_document(display_name, coalesce(first_name, ''), coalesce(last_name, ''), coalesce(company, ''),
    coalesce(email, ''), coalesce(mobile, ''), CASE WHEN left(mobile, 3) = '+98' THEN '0' || substr(mobile, 4) ELSE '' END,
    coalesce(external_id, ''))
$$;
COMMENT ON FUNCTION identity.person_document(text, text, text, text, text, text, text) IS 'The words by which a person is found: names and addresses, folded.';
REVOKE ALL ON FUNCTION identity.person_document(text, text, text, text, text, text, text) FROM PUBLIC;
-- Whoever writes a row computes its words.
GRANT EXECUTE ON FUNCTION identity.person_document(text, text, text, text, text, text, text)
  TO flatrender_identity, flatrender_identity_system;
CREATE INDEX IF NOT EXISTS users_search ON identity.users USING gin
  (identity.person_document(display_name, first_name, last_name, company, email, mobile, external_id)) WHERE deleted_at IS NULL;

CREATE OR REPLACE FUNCTION identity.search_users(query text) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  tenant uuid := public.current_tenant();
  wanted tsquery := public.search_query(query);
BEGIN
  IF tenant IS NULL OR wanted IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT u.id FROM identity.users u
  WHERE identity.person_document(u.display_name, u.first_name, u.last_name, u.company, u.email, u.mobile, u.external_id) @@ wanted
    AND u.tenant_id = tenant AND u.deleted_at IS NULL;
END
$$;
REVOKE ALL ON FUNCTION identity.search_users(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.search_users(text) TO flatrender_identity, flatrender_identity_system;
COMMENT ON FUNCTION identity.search_users(text) IS 'People of the session''s tenant that have every word typed, each as a prefix.';

CREATE OR REPLACE FUNCTION identity.tag_keys(tags text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  SELECT coalesce(array_agg(public.fold_text(tag)), '{}') FROM unnest(tags) AS tag
$$;
COMMENT ON FUNCTION identity.tag_keys(text[]) IS 'Tags as they are compared: folded.';
REVOKE ALL ON FUNCTION identity.tag_keys(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.tag_keys(text[]) TO flatrender_identity, flatrender_identity_system;
CREATE INDEX IF NOT EXISTS user_crm_tags ON identity.user_crm USING gin (identity.tag_keys(tags)) WHERE tags <> '{}';

CREATE OR REPLACE FUNCTION identity.users_tagged(tag text) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.user_id FROM identity.user_crm c
  WHERE identity.tag_keys(c.tags) @> ARRAY[public.fold_text(tag)] AND c.tags <> '{}'
    AND c.tenant_id = public.current_tenant()
$$;
REVOKE ALL ON FUNCTION identity.users_tagged(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.users_tagged(text) TO flatrender_identity, flatrender_identity_system;
COMMENT ON FUNCTION identity.users_tagged(text) IS 'Customers of the session''s tenant with this tag, however it is spelled.';
COMMENT ON COLUMN identity.user_crm.note IS 'HTML, sanitised when written.';
