-- 100_acme_hello: greetings, a context of its own.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('acme_hello', 'acme_hello'); END $do$;

CREATE TABLE IF NOT EXISTS acme_hello.greetings (
  id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL
);
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('acme_hello.greetings'); END $do$;
