-- 19_tenant_share_changes: who gave a tenant more or less of the farm, when and why.

CREATE TABLE IF NOT EXISTS render.tenant_share_changes (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  weight double precision NOT NULL CHECK (weight > 0),
  max_running_frames int CHECK (max_running_frames > 0),
  max_running_frames_per_user int CHECK (max_running_frames_per_user > 0),
  changed_by uuid,
  reason text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS tenant_share_changes_tenant ON render.tenant_share_changes (tenant_id, created_at DESC);
COMMENT ON TABLE render.tenant_share_changes IS 'Every change of a tenant''s share of the farm, with what it became.';
COMMENT ON COLUMN render.tenant_share_changes.tenant_id IS 'Whose share it is; not who changed it.';
COMMENT ON COLUMN render.tenant_share_changes.changed_by IS 'An administrator of the farm; NULL: the operator''s command line.';
-- Nobody reads or writes it for a tenant: the system role keeps it, and only adds.
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.tenant_share_changes', '', 'SELECT, INSERT'); END $do$;
