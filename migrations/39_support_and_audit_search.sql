-- 39_support_and_audit_search: renders that support asked for stay known as such; words of the audit
-- log are found by an index.

ALTER TABLE render.render_jobs ADD COLUMN IF NOT EXISTS support_id uuid;
ALTER TABLE render.batch_rows ADD COLUMN IF NOT EXISTS support_id uuid;
COMMENT ON COLUMN render.render_jobs.support_id IS 'Who of support acted in the owner''s account when the render was asked for, or asked for again; NULL: its owner did.';
COMMENT ON COLUMN render.batch_rows.support_id IS 'As in render_jobs, until the row''s job is made.';

CREATE INDEX IF NOT EXISTS audit_log_search ON identity.audit_log USING gin (search);

-- As identity.search_users: under row-level security no request uses an index of words. The caller
-- joins the audit log, whose policy stays.
CREATE OR REPLACE FUNCTION identity.search_audit(query text, most int) RETURNS SETOF uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
SET search_path = pg_catalog, pg_temp
-- How rare the words are decides the plan.
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
  tenant uuid := public.current_tenant();
  wanted tsquery := public.search_query(query);
BEGIN
  IF tenant IS NULL OR wanted IS NULL THEN
    RETURN;
  END IF;
  RETURN QUERY
  SELECT a.id FROM identity.audit_log a WHERE a.search @@ wanted AND a.tenant_id = tenant LIMIT most;
END
$$;
REVOKE ALL ON FUNCTION identity.search_audit(text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity.search_audit(text, int) TO flatrender_identity, flatrender_identity_system;
COMMENT ON FUNCTION identity.search_audit(text, int) IS 'Acts in the audit log of the session''s tenant that have every word typed, each as a prefix; at most so many, in no order.';
