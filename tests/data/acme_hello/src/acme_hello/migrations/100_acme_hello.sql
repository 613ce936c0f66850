-- 100_acme_hello: greetings, a context of its own.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('acme_hello', 'acme_hello'); END $do$;

CREATE TABLE IF NOT EXISTS acme_hello.greetings (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  occasion text NOT NULL CHECK (occasion IN ('asked', 'welcome')),
  email text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS greetings_by_occasion ON acme_hello.greetings (tenant_id, occasion);
COMMENT ON COLUMN acme_hello.greetings.email IS 'Whom the thanks went to; null until then.';

DO $do$ BEGIN PERFORM public.flatrender_tenant_table('acme_hello.greetings'); END $do$;
