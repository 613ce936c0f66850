-- 00_setup: the ground every context stands on.
--
-- Owns: the migration ledger, tenant scope (row-level security), roles per context, the plumbing
-- tables of a context (outbox, inbox, idempotency keys, dead letters), text folding for search and
-- monthly partitions. Knows no context by name.
--
-- Runs under `psql -d flatrender -f` and under `flatrender migrate`: no psql metacommands, no
-- BEGIN/COMMIT, no extension, PostgreSQL 15 and later, any number of times.
--
-- Roles. Each context logs in with two roles of its own, made by public.flatrender_setup_context():
--   flatrender_<ctx>         requests; row-level security shows it one tenant
--   flatrender_<ctx>_system  work that crosses tenants by nature; policies of its own
-- Neither is superuser, owner of anything, nor exempt from row-level security. Passwords come from
-- the settings flatrender.<ctx>_password and flatrender.<ctx>_system_password, for instance
--   PGOPTIONS='-c flatrender.identity_password=...' psql -d flatrender -f migrations/01_...sql
-- An unset password leaves the role as it is. The migrator owns every table; it needs CREATEROLE and
-- to own the database, but it need not be a superuser.

-- Nobody gets anything by being somebody.
DO $$
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  -- Since 15 the schema belongs to the database's owner; older templates left it open to all.
  REVOKE ALL ON SCHEMA public FROM PUBLIC;
END
$$;

CREATE TABLE IF NOT EXISTS public.flatrender_migrations (
  number int PRIMARY KEY,
  name text NOT NULL,
  sha256 text NOT NULL,
  applied_at timestamptz NOT NULL DEFAULT now(),
  applied_by text NOT NULL DEFAULT current_user
);
COMMENT ON TABLE public.flatrender_migrations IS 'Ledger of applied migration files; written by the migration runner in the transaction of the file.';
COMMENT ON COLUMN public.flatrender_migrations.sha256 IS 'Hex SHA-256 of the file as applied; a changed file is refused.';

CREATE TABLE IF NOT EXISTS public.flatrender_contexts (
  ctx text PRIMARY KEY,
  schema_name text NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.flatrender_contexts IS 'Which schema belongs to which context; tells the helper functions whose roles to grant to.';

------------------------------------------------------------------------------------------------
-- Tenant scope
------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION public.current_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT nullif(current_setting('app.tenant_id', true), '')::uuid $$;
COMMENT ON FUNCTION public.current_tenant() IS 'The tenant of this session (app.tenant_id), NULL when none is set: then no row is visible. The setting is an empty string, not NULL, after a local set.';

CREATE OR REPLACE FUNCTION public.default_tenant() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT '00000000-0000-0000-0000-000000000001'::uuid $$;
COMMENT ON FUNCTION public.default_tenant() IS 'The tenant whose catalogue is shared with the others.';

CREATE OR REPLACE FUNCTION public.touch_updated_at() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.touch_updated_at() IS 'BEFORE UPDATE trigger: updated_at is the time of the transaction, whoever writes.';

CREATE OR REPLACE FUNCTION public.flatrender_add_constraint(tbl regclass, name text, definition text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint c
    WHERE c.conrelid = tbl AND c.conname = flatrender_add_constraint.name
  ) THEN
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', tbl, name, definition);
  END IF;
END
$$;
COMMENT ON FUNCTION public.flatrender_add_constraint(regclass, text, text) IS 'ALTER TABLE ... ADD CONSTRAINT that may be run again.';

CREATE OR REPLACE FUNCTION public.flatrender_plain_table(
  tbl regclass,
  request_privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE',
  system_privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE'
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  own_ctx text;
BEGIN
  SELECT c.ctx INTO STRICT own_ctx
  FROM public.flatrender_contexts c
  JOIN pg_catalog.pg_namespace n ON n.nspname = c.schema_name
  JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid
  WHERE r.oid = tbl;

  EXECUTE format('REVOKE ALL ON TABLE %s FROM PUBLIC, %I, %I',
                 tbl, 'flatrender_' || own_ctx, 'flatrender_' || own_ctx || '_system');
  IF request_privileges <> '' THEN
    EXECUTE format('GRANT %s ON TABLE %s TO %I', request_privileges, tbl, 'flatrender_' || own_ctx);
  END IF;
  IF system_privileges <> '' THEN
    EXECUTE format('GRANT %s ON TABLE %s TO %I',
                   system_privileges, tbl, 'flatrender_' || own_ctx || '_system');
  END IF;

  IF EXISTS (
    SELECT FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = tbl AND a.attname = 'updated_at' AND NOT a.attisdropped
  ) THEN
    EXECUTE format('CREATE OR REPLACE TRIGGER touch_updated_at BEFORE UPDATE ON %s '
                   'FOR EACH ROW EXECUTE FUNCTION public.touch_updated_at()', tbl);
  END IF;
END
$$;
COMMENT ON FUNCTION public.flatrender_plain_table(regclass, text, text) IS 'Finish a table that belongs to no tenant: privileges of its context''s two roles (an empty text means none) and the updated_at trigger.';

CREATE OR REPLACE FUNCTION public.flatrender_tenant_table(
  tbl regclass,
  request_privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE',
  system_privileges text DEFAULT 'SELECT, INSERT, UPDATE, DELETE',
  tenant_column text DEFAULT 'tenant_id'
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  own_ctx text;
BEGIN
  PERFORM public.flatrender_plain_table(tbl, request_privileges, system_privileges);
  SELECT c.ctx INTO STRICT own_ctx
  FROM public.flatrender_contexts c
  JOIN pg_catalog.pg_namespace n ON n.nspname = c.schema_name
  JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid
  WHERE r.oid = tbl;

  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tbl);

  -- For every role, so that a migrator without superuser rights can seed one tenant at a time.
  EXECUTE format('DROP POLICY IF EXISTS tenant_isolation ON %s', tbl);
  EXECUTE format('CREATE POLICY tenant_isolation ON %s USING (%I = (SELECT public.current_tenant())) '
                 'WITH CHECK (%I = (SELECT public.current_tenant()))', tbl, tenant_column, tenant_column);

  EXECUTE format('DROP POLICY IF EXISTS system_all ON %s', tbl);
  EXECUTE format('CREATE POLICY system_all ON %s TO %I USING (true) WITH CHECK (true)',
                 tbl, 'flatrender_' || own_ctx || '_system');
END
$$;
COMMENT ON FUNCTION public.flatrender_tenant_table(regclass, text, text, text) IS 'Finish a tenant''s table: as flatrender_plain_table, plus forced row-level security that shows a request its own tenant and the system role everything.';

CREATE OR REPLACE FUNCTION public.flatrender_shared_read(tbl regclass, visible text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  EXECUTE format('DROP POLICY IF EXISTS shared_read ON %s', tbl);
  -- Without a tenant nothing is visible, not even what is shared with all.
  EXECUTE format('CREATE POLICY shared_read ON %s FOR SELECT '
                 'USING ((SELECT public.current_tenant()) IS NOT NULL AND (%s))', tbl, visible);
END
$$;
COMMENT ON FUNCTION public.flatrender_shared_read(regclass, text) IS 'Let requests of other tenants read, never write, the rows for which the SQL condition holds.';

------------------------------------------------------------------------------------------------
-- Text folding for search in Persian, Arabic and English
------------------------------------------------------------------------------------------------

-- Compatibility decomposition (NFKD) splits hamza and madda off their letters and turns
-- presentation forms into letters; the marks then go with all other diacritics. What stays is mapped:
-- Arabic yeh, alef maksura and kaf to the Persian letters, teh marbuta and Kurdish ae to heh,
-- alef wasla to alef, both digit sets to ASCII. ZWNJ ends a word for search; other invisible
-- characters (ZWJ, bidi marks, tatweel, soft hyphen, byte order mark) vanish.
CREATE OR REPLACE FUNCTION public.fold_text(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
  SELECT btrim(regexp_replace(
    translate(
      lower(regexp_replace(
        normalize(value, NFKD),
        E'[\u0300-\u036F\u0610-\u061A\u061C\u0621\u0640\u064B-\u065F\u0670\u06D6-\u06ED\u00AD\u200B\u200D-\u200F\u202A-\u202E\u2060-\u2069\uFE00-\uFE0F\uFEFF]',
        '', 'g')),
      E'\u064A\u0649\u0643\u0629\u06D5\u06C1\u06BE\u0671\u200C\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u06F0\u06F1\u06F2\u06F3\u06F4\u06F5\u06F6\u06F7\u06F8\u06F9',
      E'\u06CC\u06CC\u06A9\u0647\u0647\u0647\u0647\u0627 01234567890123456789'),
    '\s+', ' ', 'g'))
$$;
COMMENT ON FUNCTION public.fold_text(text) IS 'Fold text for search: one spelling for Arabic and Persian letters and digits, no diacritics, ZWNJ as a space, lower case. Idempotent.';

CREATE OR REPLACE FUNCTION public.search_words(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
  -- Punctuation by code point: character classes depend on the locale of the cluster.
  SELECT btrim(regexp_replace(public.fold_text(value),
    E'[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00BF\u00D7\u00F7\u060C\u061B\u061E\u061F\u066A-\u066D\u06D4\u2000-\u206F\u2E00-\u2E7F\u3000-\u303F\uFF00-\uFF0F\uFFFD]+',
    ' ', 'g'))
$$;
COMMENT ON FUNCTION public.search_words(text) IS 'fold_text with punctuation turned into spaces: what is indexed and what is asked for are cut into words alike.';

CREATE OR REPLACE FUNCTION public.search_document(variadic parts text[]) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
  -- A word written with ZWNJ is indexed apart and joined, so that both spellings find it.
  SELECT to_tsvector('pg_catalog.simple'::regconfig,
    coalesce(public.search_words(array_to_string(parts, ' ')), '') || ' ' ||
    coalesce((
      SELECT string_agg(public.search_words(replace(word, E'\u200C', '')), ' ')
      FROM regexp_split_to_table(array_to_string(parts, ' '), '\s+') AS word
      WHERE strpos(word, E'\u200C') > 0
    ), ''))
$$;
COMMENT ON FUNCTION public.search_document(text[]) IS 'The tsvector (configuration simple) of texts in words of search_words; array_to_string of texts depends on no setting, so it is immutable.';

CREATE OR REPLACE FUNCTION public.search_query(value text, prefix boolean DEFAULT true) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$
  -- Every word must occur; of a word with ZWNJ the joined spelling will do as well. Only quoted words
  -- without punctuation reach the cast, so no input is a syntax error.
  SELECT string_agg('(' || apart || coalesce(' | ' || joined, '') || ')', ' & ' ORDER BY n)::tsquery
  FROM (
    SELECT n,
      (SELECT '(' || string_agg(quote_literal(part) || CASE WHEN prefix THEN ':*' ELSE '' END, ' & ') || ')'
       FROM string_to_table(public.search_words(word), ' ') AS part WHERE part <> '') AS apart,
      CASE WHEN strpos(word, E'\u200C') > 0 THEN
        quote_literal(replace(public.search_words(replace(word, E'\u200C', '')), ' ', ''))
          || CASE WHEN prefix THEN ':*' ELSE '' END END AS joined
    FROM regexp_split_to_table(left(value, 200), '\s+') WITH ORDINALITY AS words(word, n)
  ) AS alternatives
  WHERE apart IS NOT NULL
$$;
COMMENT ON FUNCTION public.search_query(text, boolean) IS 'A tsquery from what a person typed: folded, all words required, each a prefix unless told otherwise. Never fails; nothing to look for gives NULL, which matches nothing.';

------------------------------------------------------------------------------------------------
-- Monthly partitions
------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS public.partitioned_tables (
  table_name text PRIMARY KEY,
  retention_months int NOT NULL CHECK (retention_months >= 1),
  first_month date NOT NULL DEFAULT DATE '2026-01-01' CHECK (extract(day FROM first_month) = 1)
);
COMMENT ON TABLE public.partitioned_tables IS 'Tables partitioned by month of a timestamptz (UTC) and how long their months are kept.';
COMMENT ON COLUMN public.partitioned_tables.table_name IS 'Qualified name, schema.table.';
COMMENT ON COLUMN public.partitioned_tables.first_month IS 'Oldest month that exists; retention moves it on, so that dropped months are not made again.';

CREATE OR REPLACE FUNCTION public.ensure_partitions(months_ahead int DEFAULT 3) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
AS $$
DECLARE
  registered record;
  parent regclass;
  schema_name text;
  month date;
  partition_name text;
  grantee record;
  made int := 0;
BEGIN
  IF months_ahead IS NULL OR months_ahead < 0 OR months_ahead > 120 THEN
    RAISE EXCEPTION 'months_ahead must be between 0 and 120, not %', months_ahead
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- One at a time: a second caller waits, then finds everything there.
  PERFORM pg_advisory_xact_lock(hashtextextended('flatrender.partitions', 0));
  FOR registered IN SELECT * FROM public.partitioned_tables ORDER BY table_name LOOP
    parent := to_regclass(registered.table_name);
    CONTINUE WHEN parent IS NULL;
    SELECT n.nspname INTO schema_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = parent;
    month := registered.first_month;
    WHILE month <= (date_trunc('month', now()) + make_interval(months => months_ahead))::date LOOP
      partition_name := format('%s_y%sm%s', split_part(registered.table_name, '.', 2),
                               to_char(month, 'YYYY'), to_char(month, 'MM'));
      IF to_regclass(format('%I.%I', schema_name, partition_name)) IS NULL THEN
        -- Made apart and attached: that does not block readers and writers of the parent.
        EXECUTE format('CREATE TABLE %I.%I (LIKE %s INCLUDING ALL)', schema_name, partition_name, parent);
        -- Rows are reached through the parent only, where its policies hold.
        FOR grantee IN
          SELECT DISTINCT acl.grantee::regrole::text AS name
          FROM pg_class c, aclexplode(c.relacl) AS acl
          WHERE c.oid = to_regclass(format('%I.%I', schema_name, partition_name))
            AND acl.grantee NOT IN (0, c.relowner)
        LOOP
          EXECUTE format('REVOKE ALL ON TABLE %I.%I FROM %s', schema_name, partition_name, grantee.name);
        END LOOP;
        EXECUTE format('REVOKE ALL ON TABLE %I.%I FROM PUBLIC', schema_name, partition_name);
        EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
                       schema_name, partition_name);
        EXECUTE format('COMMENT ON TABLE %I.%I IS %L', schema_name, partition_name,
                       format('%s of %s.', to_char(month, 'YYYY-MM'), registered.table_name));
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                       parent, schema_name, partition_name,
                       to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00',
                       to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
        made := made + 1;
      END IF;
      month := (month + interval '1 month')::date;
    END LOOP;
  END LOOP;
  RETURN made;
END
$$;
COMMENT ON FUNCTION public.ensure_partitions(int) IS 'Make every missing month of every registered table, from its first month (2026-01) to months_ahead after this one; returns how many were made. Called by migrate, at start, by schedule and by hand; safe to run at once from many places.';

CREATE OR REPLACE FUNCTION public.drop_expired_partitions() RETURNS int
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '5s'
AS $$
DECLARE
  registered record;
  schema_name text;
  keep_from date;
  child record;
  dropped int := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('flatrender.partitions', 0));
  FOR registered IN SELECT * FROM public.partitioned_tables ORDER BY table_name LOOP
    CONTINUE WHEN to_regclass(registered.table_name) IS NULL;
    schema_name := split_part(registered.table_name, '.', 1);
    keep_from := (date_trunc('month', now()) - make_interval(months => registered.retention_months))::date;
    CONTINUE WHEN keep_from <= registered.first_month;
    FOR child IN
      SELECT c.relname, to_date(right(c.relname, 7), 'YYYY"m"MM') AS month
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = to_regclass(registered.table_name)
        AND c.relname ~ '_y[0-9]{4}m[0-9]{2}$'
    LOOP
      IF child.month < keep_from THEN
        EXECUTE format('DROP TABLE %I.%I', schema_name, child.relname);
        dropped := dropped + 1;
      END IF;
    END LOOP;
    UPDATE public.partitioned_tables SET first_month = keep_from
    WHERE table_name = registered.table_name;
  END LOOP;
  RETURN dropped;
END
$$;
COMMENT ON FUNCTION public.drop_expired_partitions() IS 'Drop the months that are older than their table''s retention; returns how many. Gives up after 5 s without the lock; the next run goes on.';

------------------------------------------------------------------------------------------------
-- Contexts: roles, schema, grants, plumbing
------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION public.flatrender_outbox_notify() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
  -- PostgreSQL folds equal notifications of one transaction into one; delivery is at commit.
  PERFORM pg_notify('flatrender_outbox', TG_TABLE_SCHEMA);
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION public.flatrender_outbox_notify() IS 'Wake the relay: NOTIFY flatrender_outbox with the schema whose outbox got rows.';

CREATE OR REPLACE FUNCTION public.flatrender_make_role(role_name text, password text, schema_name text)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  wanted_path text := format('search_path=%s, public', quote_ident(schema_name));
  tries int := 0;
BEGIN
  -- Roles belong to the cluster: another database's migration may be making this one right now.
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = role_name) THEN
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN', role_name);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END IF;
  IF EXISTS (
    SELECT FROM pg_catalog.pg_roles r
    WHERE r.rolname = role_name AND (r.rolsuper OR r.rolbypassrls)
  ) THEN
    RAISE EXCEPTION 'role % is superuser or bypasses row-level security', role_name
      USING HINT = 'Row-level security would not hold. Take those attributes away from the role.';
  END IF;
  LOOP
    BEGIN
      IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_db_role_setting s
        JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
        WHERE r.rolname = role_name AND s.setdatabase = 0 AND wanted_path = ANY (s.setconfig)
      ) THEN
        EXECUTE format('ALTER ROLE %I SET search_path = %I, public', role_name, schema_name);
      END IF;
      IF password IS NOT NULL THEN
        EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L', role_name, password);
      END IF;
      RETURN;
    EXCEPTION WHEN internal_error OR unique_violation THEN
      -- "tuple concurrently updated": a migration of another database touched the role.
      tries := tries + 1;
      IF tries > 50 THEN
        RAISE;
      END IF;
      PERFORM pg_catalog.pg_sleep(0.02 * random());
    END;
  END LOOP;
END
$$;
COMMENT ON FUNCTION public.flatrender_make_role(text, text, text) IS 'Make a login role if it is missing, set its search_path and, when given, its password; refuses roles that row-level security would not bind.';

CREATE OR REPLACE FUNCTION public.flatrender_setup_context(ctx text, schema_name text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  request_role text := 'flatrender_' || ctx;
  system_role text := 'flatrender_' || ctx || '_system';
  request_password text := nullif(current_setting('flatrender.' || ctx || '_password', true), '');
  system_password text := coalesce(
    nullif(current_setting('flatrender.' || ctx || '_system_password', true), ''), request_password);
  fn text;
BEGIN
  IF ctx !~ '^[a-z][a-z0-9_]{0,30}$' OR ctx ~ '_system$' THEN
    RAISE EXCEPTION 'context name % is not usable: lower-case letters, digits and _, at most 31, not ending in _system', ctx
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF schema_name !~ '^[a-z][a-z0-9_]{0,40}$' OR schema_name ~ '^pg_'
     OR schema_name IN ('public', 'information_schema') THEN
    RAISE EXCEPTION 'schema name % is not usable', schema_name USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('flatrender.contexts', 0));
  IF EXISTS (
    SELECT FROM public.flatrender_contexts c
    WHERE (c.ctx = flatrender_setup_context.ctx) <> (c.schema_name = flatrender_setup_context.schema_name)
  ) THEN
    RAISE EXCEPTION 'context % or schema % is taken', ctx, schema_name USING ERRCODE = 'duplicate_schema';
  END IF;

  PERFORM public.flatrender_make_role(request_role, request_password, schema_name);
  PERFORM public.flatrender_make_role(system_role, system_password, schema_name);
  INSERT INTO public.flatrender_contexts (ctx, schema_name)
  VALUES (flatrender_setup_context.ctx, flatrender_setup_context.schema_name)
  ON CONFLICT DO NOTHING;

  EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', schema_name);
  EXECUTE format('REVOKE ALL ON SCHEMA %I FROM PUBLIC', schema_name);
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), request_role, system_role);
  EXECUTE format('GRANT USAGE ON SCHEMA %I, public TO %I, %I', schema_name, request_role, system_role);
  -- No default privileges on tables: one that nobody finished with flatrender_tenant_table or
  -- flatrender_plain_table is unreachable, rather than open to every tenant.
  EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT USAGE, SELECT ON SEQUENCES TO %I, %I',
                 schema_name, request_role, system_role);
  FOREACH fn IN ARRAY ARRAY[
    'public.current_tenant()', 'public.default_tenant()', 'public.fold_text(text)', 'public.search_words(text)',
    'public.search_document(text[])', 'public.search_query(text, boolean)'
  ] LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I, %I', fn, request_role, system_role);
  END LOOP;
  FOREACH fn IN ARRAY ARRAY['public.ensure_partitions(int)', 'public.drop_expired_partitions()'] LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', fn, system_role);
  END LOOP;

  -- outbox: rows join the transaction of the change they tell of; only the relay reads them.
  EXECUTE format($ddl$
    CREATE TABLE IF NOT EXISTS %1$I.outbox (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      event_id uuid NOT NULL UNIQUE,
      kind text NOT NULL CHECK (kind IN ('event', 'task')),
      name text NOT NULL,
      tenant_id uuid,
      payload jsonb NOT NULL,
      queue text,
      headers jsonb NOT NULL DEFAULT '{}',
      created_at timestamptz NOT NULL DEFAULT now(),
      available_at timestamptz NOT NULL DEFAULT now(),
      attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
      published_at timestamptz,
      last_error text
    ) WITH (autovacuum_vacuum_scale_factor = 0.02)
  $ddl$, schema_name);
  EXECUTE format('CREATE INDEX IF NOT EXISTS outbox_due ON %I.outbox (available_at, id) WHERE published_at IS NULL', schema_name);
  EXECUTE format('CREATE INDEX IF NOT EXISTS outbox_published ON %I.outbox (published_at) WHERE published_at IS NOT NULL', schema_name);
  EXECUTE format('CREATE OR REPLACE TRIGGER wake_relay AFTER INSERT ON %I.outbox '
                 'FOR EACH STATEMENT EXECUTE FUNCTION public.flatrender_outbox_notify()', schema_name);
  EXECUTE format('COMMENT ON TABLE %I.outbox IS %L', schema_name,
                 'Events and tasks written in the transaction that caused them; the relay publishes them after commit.');
  EXECUTE format('COMMENT ON COLUMN %I.outbox.headers IS %L', schema_name, 'Trace context (W3C traceparent) and correlation id.');
  EXECUTE format('COMMENT ON COLUMN %I.outbox.available_at IS %L', schema_name, 'Not before this time: delayed tasks and back-off.');
  EXECUTE format('COMMENT ON COLUMN %I.outbox.queue IS %L', schema_name, 'Task queue class; NULL for events.');

  EXECUTE format($ddl$
    CREATE TABLE IF NOT EXISTS %1$I.inbox (
      event_id uuid NOT NULL,
      handler text NOT NULL,
      handled_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (event_id, handler)
    )
  $ddl$, schema_name);
  EXECUTE format('CREATE INDEX IF NOT EXISTS inbox_handled ON %I.inbox (handled_at)', schema_name);
  EXECUTE format('COMMENT ON TABLE %I.inbox IS %L', schema_name,
                 'Which handler has handled which event; written in the handler''s transaction, so a repeat does nothing.');

  EXECUTE format($ddl$
    CREATE TABLE IF NOT EXISTS %1$I.idempotency_keys (
      tenant_id uuid NOT NULL,
      subject text NOT NULL,
      key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
      route text NOT NULL,
      request_hash bytea NOT NULL,
      state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
      status int CHECK (status BETWEEN 100 AND 599),
      headers jsonb,
      body bytea,
      locked_until timestamptz NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      expires_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, subject, key)
    )
  $ddl$, schema_name);
  EXECUTE format('CREATE INDEX IF NOT EXISTS idempotency_keys_expiry ON %I.idempotency_keys (expires_at)', schema_name);
  EXECUTE format('COMMENT ON TABLE %I.idempotency_keys IS %L', schema_name,
                 'Answers kept by Idempotency-Key for 24 hours: the same key and body get the first answer again.');
  EXECUTE format('COMMENT ON COLUMN %I.idempotency_keys.request_hash IS %L', schema_name, 'SHA-256 of the request body; another body under the same key is refused.');
  EXECUTE format('COMMENT ON COLUMN %I.idempotency_keys.locked_until IS %L', schema_name, 'A running request owns the key until then; afterwards a repeat may take over.');

  EXECUTE format($ddl$
    CREATE TABLE IF NOT EXISTS %1$I.dead_letters (
      id uuid PRIMARY KEY,
      kind text NOT NULL CHECK (kind IN ('event', 'task')),
      name text NOT NULL,
      queue text,
      tenant_id uuid,
      payload jsonb NOT NULL,
      error text NOT NULL,
      attempts int NOT NULL DEFAULT 0 CHECK (attempts >= 0),
      failed_at timestamptz NOT NULL DEFAULT now(),
      replayed_at timestamptz
    )
  $ddl$, schema_name);
  EXECUTE format('CREATE INDEX IF NOT EXISTS dead_letters_open ON %I.dead_letters (failed_at DESC, id) WHERE replayed_at IS NULL', schema_name);
  EXECUTE format('COMMENT ON TABLE %I.dead_letters IS %L', schema_name,
                 'Events and tasks that failed for good; listed and replayed by operators.');

  PERFORM public.flatrender_tenant_table(format('%I.outbox', schema_name)::regclass, 'INSERT');
  -- An event may belong to no tenant (a node came online).
  EXECUTE format('DROP POLICY IF EXISTS tenantless_insert ON %I.outbox', schema_name);
  EXECUTE format('CREATE POLICY tenantless_insert ON %I.outbox FOR INSERT TO %I WITH CHECK (tenant_id IS NULL)',
                 schema_name, request_role);
  PERFORM public.flatrender_plain_table(format('%I.inbox', schema_name)::regclass);
  PERFORM public.flatrender_tenant_table(format('%I.idempotency_keys', schema_name)::regclass);
  PERFORM public.flatrender_tenant_table(format('%I.dead_letters', schema_name)::regclass, '');
END
$$;
COMMENT ON FUNCTION public.flatrender_setup_context(text, text) IS 'Make or complete a context: its two roles, its schema, grants and plumbing tables. Third-party plugins call it first in their own migrations; a table of theirs is reachable once flatrender_tenant_table or flatrender_plain_table has finished it.';

-- Functions are executable by everybody unless told otherwise.
REVOKE ALL ON FUNCTION
  public.current_tenant(), public.default_tenant(), public.touch_updated_at(),
  public.flatrender_add_constraint(regclass, text, text),
  public.flatrender_plain_table(regclass, text, text),
  public.flatrender_tenant_table(regclass, text, text, text),
  public.flatrender_shared_read(regclass, text),
  public.fold_text(text), public.search_words(text), public.search_document(text[]), public.search_query(text, boolean),
  public.ensure_partitions(int), public.drop_expired_partitions(),
  public.flatrender_outbox_notify(), public.flatrender_make_role(text, text, text),
  public.flatrender_setup_context(text, text)
FROM PUBLIC;
