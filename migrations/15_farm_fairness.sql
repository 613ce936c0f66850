-- 15_farm_fairness: who is served next, and what a failure means.
-- Tenants share the farm by weight, and so do the people of a tenant. What waits stands in lanes
-- (engine, tenant, person, what a node must have); each lane and each tenant carries the work it
-- received divided by its weight, and the least served goes first (start-time fair queueing).
-- A claim looks at the first lane only, however much waits behind it.

------------------------------------------------------------------------------------------------
-- What frame jobs carry for the queue
------------------------------------------------------------------------------------------------

ALTER TABLE render.render_jobs ADD COLUMN IF NOT EXISTS required_fonts text[] NOT NULL DEFAULT '{}';
ALTER TABLE render.render_jobs ADD COLUMN IF NOT EXISTS min_engine_version text;
ALTER TABLE render.render_jobs ADD COLUMN IF NOT EXISTS share_weight double precision NOT NULL DEFAULT 1;
ALTER TABLE render.render_jobs ADD COLUMN IF NOT EXISTS reservation_id uuid;
COMMENT ON COLUMN render.render_jobs.reservation_id IS 'The reservation in identity that pays for the job as it is now; NULL: the one of the job''s own id. A retry has a new one, for the first was given back.';
CREATE INDEX IF NOT EXISTS render_jobs_reservation ON render.render_jobs (reservation_id) WHERE reservation_id IS NOT NULL;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.render_jobs', 'render_jobs_share_weight', 'CHECK (share_weight > 0)'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.render_jobs', 'render_jobs_min_engine_version',
  'CHECK (min_engine_version ~ ''^[0-9]+([.][0-9]+)*$'')'); END $do$;
COMMENT ON COLUMN render.render_jobs.required_fonts IS 'Families or PostScript names that a node must have installed to draw frames of this job.';
COMMENT ON COLUMN render.render_jobs.min_engine_version IS 'The oldest engine that can draw it; NULL: any.';
COMMENT ON COLUMN render.render_jobs.share_weight IS 'Share of this person among the people of the tenant, from the plan.';

ALTER TABLE render.tenant_shares ADD COLUMN IF NOT EXISTS max_running_frames_per_user int;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.tenant_shares', 'tenant_shares_per_user', 'CHECK (max_running_frames_per_user > 0)'); END $do$;
COMMENT ON COLUMN render.tenant_shares.weight IS 'Share among tenants; a tenant without a row has 1.';
COMMENT ON COLUMN render.tenant_shares.max_running_frames IS 'At most so many frame jobs of the tenant run at once; NULL: no limit.';
COMMENT ON COLUMN render.tenant_shares.max_running_frames_per_user IS 'At most so many frame jobs of one person of the tenant run at once; NULL: no limit.';

ALTER TABLE render.frame_jobs ADD COLUMN IF NOT EXISTS user_id uuid;
ALTER TABLE render.frame_jobs ADD COLUMN IF NOT EXISTS needs_key text NOT NULL DEFAULT '';
ALTER TABLE render.frame_jobs ADD COLUMN IF NOT EXISTS share_weight double precision NOT NULL DEFAULT 1;
ALTER TABLE render.frame_jobs ADD COLUMN IF NOT EXISTS rank timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN render.frame_jobs.user_id IS 'Of the job; set by trigger.';
COMMENT ON COLUMN render.frame_jobs.needs IS 'What a node must have, from the job: {"fonts": [...], "engine": "24.0"}; set by trigger.';
COMMENT ON COLUMN render.frame_jobs.needs_key IS 'Empty where any node will do, else a digest of needs: rows of one lane are alike for every node.';
COMMENT ON COLUMN render.frame_jobs.rank IS 'Order within a lane: the time it was made, a minute earlier for every point of priority (at most 100). Who waits long enough comes before any priority.';

-- The table's own walls would hide its rows from a migrator without superuser rights.
ALTER TABLE render.frame_jobs NO FORCE ROW LEVEL SECURITY;
ALTER TABLE render.render_jobs NO FORCE ROW LEVEL SECURITY;
UPDATE render.frame_jobs f SET user_id = j.user_id,
  rank = f.created_at - make_interval(mins => greatest(-100, least(100, f.priority)))
FROM render.render_jobs j WHERE j.id = f.job_id AND f.user_id IS NULL;
ALTER TABLE render.frame_jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE render.render_jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE render.frame_jobs ALTER COLUMN user_id SET NOT NULL;

CREATE OR REPLACE FUNCTION render.frame_job_place() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
  j record;
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT user_id, required_fonts, min_engine_version, share_weight INTO j
    FROM render.render_jobs WHERE id = NEW.job_id;
    NEW.user_id := coalesce(NEW.user_id, j.user_id);
    NEW.share_weight := coalesce(j.share_weight, 1);
    IF NEW.kind = 'video' AND NEW.needs = '{}' THEN
      NEW.needs := jsonb_strip_nulls(jsonb_build_object(
        'fonts', CASE WHEN cardinality(j.required_fonts) > 0 THEN to_jsonb(j.required_fonts) END,
        'engine', j.min_engine_version));
    END IF;
    NEW.needs_key := CASE WHEN NEW.needs = '{}' THEN '' ELSE md5(NEW.needs::text) END;
  END IF;
  NEW.rank := NEW.created_at - make_interval(mins => greatest(-100, least(100, NEW.priority)));
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION render.frame_job_place() IS 'Fill what the queue needs of a frame job: person, needs, order within the lane.';
CREATE OR REPLACE TRIGGER frame_job_place BEFORE INSERT OR UPDATE OF priority ON render.frame_jobs
  FOR EACH ROW EXECUTE FUNCTION render.frame_job_place();

DROP INDEX IF EXISTS render.frame_jobs_claim;
DROP INDEX IF EXISTS render.frame_jobs_claim_any;
-- The claim: one descent, whatever waits behind it.
CREATE INDEX IF NOT EXISTS frame_jobs_queue ON render.frame_jobs (tenant_id, engine, user_id, needs_key, rank, id) WHERE state = 'Waiting' AND NOT held;
-- Every claim pays for every index. A heartbeat moves nothing but the lease: without an index on it
-- the row stays where it is (HOT). What is past is looked for among the claimed, by frame_jobs_node.
DROP INDEX IF EXISTS render.frame_jobs_leases;
-- The unique key of (job_id, kind, index) serves as well.
DROP INDEX IF EXISTS render.frame_jobs_job;
-- Caps: counted up to the cap only.
CREATE INDEX IF NOT EXISTS frame_jobs_running ON render.frame_jobs (tenant_id, user_id) WHERE state = 'Claimed';

------------------------------------------------------------------------------------------------
-- The queue: tenants and their lanes
------------------------------------------------------------------------------------------------

CREATE TABLE IF NOT EXISTS render.queue_tenants (
  engine text NOT NULL,
  tenant_id uuid NOT NULL,
  active boolean NOT NULL DEFAULT true,
  received double precision NOT NULL DEFAULT 0,
  woken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, engine)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX IF NOT EXISTS queue_tenants_next ON render.queue_tenants (engine, received, woken_at) WHERE active;
COMMENT ON TABLE render.queue_tenants IS 'Tenants in the queue of an engine; the least served of those with work goes first.';
COMMENT ON COLUMN render.queue_tenants.received IS 'Virtual time: work received divided by weight. Who joins starts where the least served one is.';
COMMENT ON COLUMN render.queue_tenants.active IS 'Something may wait; put right every few seconds by queue_tidy().';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.queue_tenants', ''); END $do$;

CREATE TABLE IF NOT EXISTS render.queue_lanes (
  engine text NOT NULL,
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  needs_key text NOT NULL DEFAULT '',
  needs jsonb NOT NULL DEFAULT '{}',
  weight double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
  active boolean NOT NULL DEFAULT true,
  received double precision NOT NULL DEFAULT 0,
  head_start double precision NOT NULL DEFAULT 0,
  woken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, engine, user_id, needs_key)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);
CREATE INDEX IF NOT EXISTS queue_lanes_next ON render.queue_lanes (engine, tenant_id, (received - head_start), woken_at) WHERE active;
CREATE INDEX IF NOT EXISTS queue_lanes_fair ON render.queue_lanes (engine, tenant_id, received, woken_at) WHERE active;
COMMENT ON TABLE render.queue_lanes IS 'What waits for an engine, by tenant, person and what a node must have: rows of a lane are alike for every node.';
COMMENT ON COLUMN render.queue_lanes.received IS 'Virtual time among the lanes of the tenant, as in queue_tenants.';
COMMENT ON COLUMN render.queue_lanes.head_start IS 'Priority: so many pieces of work before others of the tenant. One claim in five does not look at it, so that nobody waits for ever.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('render.queue_lanes', ''); END $do$;
-- The functions that keep the queue run as their owner, whichever tenant submits.
DROP POLICY IF EXISTS queue_owner ON render.queue_tenants;
CREATE POLICY queue_owner ON render.queue_tenants TO CURRENT_USER USING (true) WITH CHECK (true);
DROP POLICY IF EXISTS queue_owner ON render.queue_lanes;
CREATE POLICY queue_owner ON render.queue_lanes TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE OR REPLACE FUNCTION render.queue_wake(
  p_engine text, p_tenant uuid, p_user uuid, p_key text, p_needs jsonb, p_weight double precision, p_priority int
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Rows that are awake are only kept awake until we commit: this lock stops queue_tidy(), not claims.
  PERFORM FROM render.queue_tenants WHERE engine = p_engine AND tenant_id = p_tenant AND active FOR KEY SHARE;
  IF NOT FOUND THEN
    INSERT INTO render.queue_tenants AS q (engine, tenant_id, received)
    VALUES (p_engine, p_tenant,
            coalesce((SELECT min(received) FROM render.queue_tenants WHERE engine = p_engine AND active), 0))
    ON CONFLICT (tenant_id, engine) DO UPDATE
    SET active = true, woken_at = now(), received = greatest(q.received, excluded.received);
  END IF;
  PERFORM FROM render.queue_lanes WHERE engine = p_engine AND tenant_id = p_tenant
    AND user_id = p_user AND needs_key = p_key AND active FOR KEY SHARE;
  IF NOT FOUND THEN
    INSERT INTO render.queue_lanes AS l (engine, tenant_id, user_id, needs_key, needs, weight, received, head_start)
    VALUES (p_engine, p_tenant, p_user, p_key, p_needs, p_weight,
            coalesce((SELECT min(received) FROM render.queue_lanes
                      WHERE engine = p_engine AND tenant_id = p_tenant AND active), 0),
            greatest(-100, least(100, p_priority)))
    ON CONFLICT (tenant_id, engine, user_id, needs_key) DO UPDATE
    SET active = true, woken_at = now(), weight = excluded.weight, head_start = excluded.head_start,
        received = greatest(l.received, excluded.received);
  END IF;
END
$$;
COMMENT ON FUNCTION render.queue_wake(text, uuid, uuid, text, jsonb, double precision, int) IS 'Put a lane into the queue; nothing happens where it is in it.';

CREATE OR REPLACE FUNCTION render.queue_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM render.queue_wake(l.engine, l.tenant_id, l.user_id, l.needs_key, l.needs, l.share_weight, l.priority)
  FROM (SELECT DISTINCT ON (engine, tenant_id, user_id, needs_key) * FROM fresh
        WHERE state = 'Waiting' AND NOT held
        ORDER BY engine, tenant_id, user_id, needs_key, priority DESC) l;
  RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER queue_inserted AFTER INSERT ON render.frame_jobs
  REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION render.queue_inserted();

CREATE OR REPLACE FUNCTION render.queue_returned() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM render.queue_wake(NEW.engine, NEW.tenant_id, NEW.user_id, NEW.needs_key, NEW.needs,
                            NEW.share_weight, NEW.priority);
  RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER queue_returned AFTER UPDATE OF state, held ON render.frame_jobs FOR EACH ROW
  WHEN (NEW.state = 'Waiting' AND NOT NEW.held AND (OLD.state <> 'Waiting' OR OLD.held))
  EXECUTE FUNCTION render.queue_returned();
COMMENT ON FUNCTION render.queue_inserted() IS 'Frame jobs that wait put their lanes into the queue, whoever inserts them.';
COMMENT ON FUNCTION render.queue_returned() IS 'As queue_inserted, for frame jobs that wait again.';

CREATE OR REPLACE FUNCTION render.queue_tidy() RETURNS int
LANGUAGE plpgsql
AS $$
DECLARE
  changed int := 0;
  slept int;
  held tid[];
  lost record;
BEGIN
  -- What waits in no lane is put into one; a lane is only lost where somebody wrote by hand. One
  -- descent of the index for each lane, however many rows wait in it. This comes first: it waits
  -- for the locks of submits, and what follows must not be held by one that waits.
  FOR lost IN
    WITH RECURSIVE lanes AS (
      (SELECT f.tenant_id, f.engine, f.user_id, f.needs_key, f.needs, f.share_weight, f.priority
       FROM render.frame_jobs f WHERE f.state = 'Waiting' AND NOT f.held
       ORDER BY f.tenant_id, f.engine, f.user_id, f.needs_key, f.rank, f.id LIMIT 1)
      UNION ALL
      SELECT n.* FROM lanes b CROSS JOIN LATERAL (
        SELECT f.tenant_id, f.engine, f.user_id, f.needs_key, f.needs, f.share_weight, f.priority
        FROM render.frame_jobs f WHERE f.state = 'Waiting' AND NOT f.held
          AND (f.tenant_id, f.engine, f.user_id, f.needs_key) > (b.tenant_id, b.engine, b.user_id, b.needs_key)
        ORDER BY f.tenant_id, f.engine, f.user_id, f.needs_key, f.rank, f.id LIMIT 1) n
    )
    SELECT w.* FROM lanes w
    WHERE NOT EXISTS (SELECT FROM render.queue_lanes l JOIN render.queue_tenants q USING (engine, tenant_id)
                      WHERE l.engine = w.engine AND l.tenant_id = w.tenant_id AND l.user_id = w.user_id
                        AND l.needs_key = w.needs_key AND l.active AND q.active)
    ORDER BY w.engine, w.tenant_id, w.user_id, w.needs_key
  LOOP
    PERFORM render.queue_wake(lost.engine, lost.tenant_id, lost.user_id, lost.needs_key, lost.needs,
                              lost.share_weight, lost.priority);
    changed := changed + 1;
  END LOOP;
  -- Two statements each: whoever holds a row awake is passed over, and once the row is ours the
  -- second look sees all that was committed before.
  WITH empty AS (
    SELECT l.ctid FROM render.queue_lanes l
    WHERE l.active AND NOT EXISTS (
      SELECT FROM render.frame_jobs f
      WHERE f.tenant_id = l.tenant_id AND f.engine = l.engine AND f.user_id = l.user_id
        AND f.needs_key = l.needs_key AND f.state = 'Waiting' AND NOT f.held)
    ORDER BY l.engine, l.tenant_id, l.user_id, l.needs_key
    FOR UPDATE OF l SKIP LOCKED)
  SELECT array_agg(ctid) INTO held FROM empty;
  UPDATE render.queue_lanes l SET active = false
  WHERE l.ctid = ANY (held) AND l.active AND NOT EXISTS (
    SELECT FROM render.frame_jobs f
    WHERE f.tenant_id = l.tenant_id AND f.engine = l.engine AND f.user_id = l.user_id
      AND f.needs_key = l.needs_key AND f.state = 'Waiting' AND NOT f.held);
  GET DIAGNOSTICS slept = ROW_COUNT;
  changed := changed + slept;
  WITH empty AS (
    SELECT q.ctid FROM render.queue_tenants q
    WHERE q.active AND NOT EXISTS (
      SELECT FROM render.queue_lanes l
      WHERE l.engine = q.engine AND l.tenant_id = q.tenant_id AND l.active)
    ORDER BY q.engine, q.tenant_id
    FOR UPDATE OF q SKIP LOCKED)
  SELECT array_agg(ctid) INTO held FROM empty;
  UPDATE render.queue_tenants q SET active = false
  WHERE q.ctid = ANY (held) AND q.active AND NOT EXISTS (
    SELECT FROM render.queue_lanes l
    WHERE l.engine = q.engine AND l.tenant_id = q.tenant_id AND l.active);
  DELETE FROM render.queue_lanes WHERE NOT active AND woken_at < now() - interval '7 days';
  RETURN changed;
END
$$;
COMMENT ON FUNCTION render.queue_tidy() IS 'Take empty lanes out of the queue and put in what is missing; returns how many. By the farm''s sweep, every few seconds.';

------------------------------------------------------------------------------------------------
-- What a node has
------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION render.version_parts(value text) RETURNS int[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
AS $$ SELECT string_to_array((regexp_match(value, '^[0-9]+(?:[.][0-9]+){0,5}'))[1], '.')::int[] $$;
COMMENT ON FUNCTION render.version_parts(text) IS 'The numbers at the start of a version, to compare by: 24.6x2 is {24,6}.';

CREATE OR REPLACE FUNCTION render.missing_fonts(p_node uuid, p_needs jsonb) RETURNS text[]
LANGUAGE sql STABLE
AS $$
  SELECT coalesce(array_agg(w.font ORDER BY w.font), '{}')
  FROM jsonb_array_elements_text(coalesce(p_needs->'fonts', '[]')) AS w(font)
  WHERE NOT EXISTS (
    SELECT FROM render.node_fonts n
    WHERE n.node_id = p_node AND n.state = 'Installed'
      AND (lower(n.family) = lower(w.font) OR lower(n.postscript_name) = lower(w.font)))
$$;
COMMENT ON FUNCTION render.missing_fonts(uuid, jsonb) IS 'The fonts of needs that a node does not have, by family or PostScript name.';

CREATE OR REPLACE FUNCTION render.node_meets(p_node uuid, p_version text, p_needs jsonb) RETURNS boolean
LANGUAGE sql STABLE
AS $$
  SELECT (p_needs->>'engine' IS NULL
          OR coalesce(render.version_parts(p_version) >= render.version_parts(p_needs->>'engine'), false))
     AND cardinality(render.missing_fonts(p_node, p_needs)) = 0
$$;
COMMENT ON FUNCTION render.node_meets(uuid, text, jsonb) IS 'Whether a node with this version of the engine has what a lane needs.';

------------------------------------------------------------------------------------------------
-- The claim
------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION render.claim_frame_job(
  p_engine text, p_node uuid, p_lease double precision, p_now timestamptz DEFAULT NULL
) RETURNS TABLE (
  id uuid, kind text, index int, first_frame int, last_frame int, epoch bigint, attempt int,
  job_id uuid, tenant_id uuid, user_id uuid, step text, engine text, package_object_key text,
  package_sha256 text, composition jsonb, width int, height int, fps int, total_frames int,
  watermark boolean, resolution text, project_name text, aspect text, duration double precision,
  saved_project_id uuid, has_audio boolean, trace jsonb
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
  -- Newcomers and the rested may be this far behind the most served one, no further: nobody saves up.
  credit CONSTANT double precision := 64;
  moment timestamptz := coalesce(p_now, now());
  machine record;
  sharer record;
  share record;
  lane record;
  piece record;
  lanes refcursor;
  cost double precision;
  taken boolean := false;
BEGIN
  SELECT n.only_tenant_id, n.engine_versions->>p_engine AS version INTO machine
  FROM render.nodes n WHERE n.id = p_node;
  <<search>>
  FOR sharer IN
    SELECT q.tenant_id FROM render.queue_tenants q
    WHERE q.engine = p_engine AND q.active
      AND (machine.only_tenant_id IS NULL OR q.tenant_id = machine.only_tenant_id)
    ORDER BY q.received, q.woken_at
  LOOP
    SELECT s.weight, s.max_running_frames AS cap, s.max_running_frames_per_user AS user_cap INTO share
    FROM render.tenant_shares s WHERE s.tenant_id = sharer.tenant_id;
    IF share.cap IS NOT NULL OR share.user_cap IS NOT NULL THEN
      -- Who counts must count alone; whoever comes second looks at the next tenant.
      CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended('render.cap', 0) # hashtextextended(sharer.tenant_id::text, 0));
    END IF;
    CONTINUE WHEN share.cap IS NOT NULL AND share.cap <= (
      SELECT count(*) FROM (SELECT FROM render.frame_jobs f
        WHERE f.tenant_id = sharer.tenant_id AND f.state = 'Claimed' LIMIT share.cap) r);
    IF random() < 0.2 THEN
      OPEN lanes FOR SELECT l.user_id, l.needs_key, l.needs, l.weight FROM render.queue_lanes l
        WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
        ORDER BY l.received, l.woken_at;
    ELSE
      OPEN lanes FOR SELECT l.user_id, l.needs_key, l.needs, l.weight FROM render.queue_lanes l
        WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
        ORDER BY l.received - l.head_start, l.woken_at;
    END IF;
    LOOP
      FETCH lanes INTO lane;
      EXIT WHEN NOT FOUND;
      CONTINUE WHEN lane.needs_key <> '' AND NOT render.node_meets(p_node, machine.version, lane.needs);
      CONTINUE WHEN share.user_cap IS NOT NULL AND share.user_cap <= (
        SELECT count(*) FROM (SELECT FROM render.frame_jobs f
          WHERE f.tenant_id = sharer.tenant_id AND f.user_id = lane.user_id AND f.state = 'Claimed'
          LIMIT share.user_cap) r);
      SELECT f.id, f.job_id, f.kind, f.package_sha256, f.not_before, f.first_frame, f.last_frame INTO piece
      FROM render.frame_jobs f
      WHERE f.tenant_id = sharer.tenant_id AND f.engine = p_engine AND f.user_id = lane.user_id
        AND f.needs_key = lane.needs_key AND f.state = 'Waiting' AND NOT f.held AND f.not_before <= moment
        AND NOT EXISTS (SELECT FROM render.job_node_blocks b
                        WHERE b.job_id = f.job_id AND b.node_id = p_node
                          AND (b.until IS NULL OR b.until > moment))
      ORDER BY f.tenant_id, f.engine, f.user_id, f.needs_key, f.rank, f.id LIMIT 1 FOR UPDATE SKIP LOCKED;
      CONTINUE WHEN NOT FOUND;
      -- For its first two seconds a piece is kept for a node that has the template, if one is idle.
      CONTINUE WHEN piece.kind = 'video' AND piece.not_before > moment - interval '2 seconds'
        AND NOT EXISTS (SELECT FROM render.node_template_cache c
                        WHERE c.node_id = p_node AND c.package_sha256 = piece.package_sha256 AND c.state = 'Ready')
        AND EXISTS (SELECT FROM render.node_template_cache c JOIN render.nodes n ON n.id = c.node_id
                    WHERE c.package_sha256 = piece.package_sha256 AND c.state = 'Ready'
                      AND n.status = 'Idle' AND n.deleted_at IS NULL AND p_engine = ANY (n.engines)
                      AND (n.only_tenant_id IS NULL OR n.only_tenant_id = sharer.tenant_id)
                      AND (n.rest_until IS NULL OR n.rest_until <= moment)
                      AND n.last_heartbeat_at > moment - interval '15 seconds');
      taken := true;
      EXIT search;
    END LOOP;
    CLOSE lanes;
  END LOOP;
  IF NOT taken THEN
    RETURN;
  END IF;

  cost := CASE WHEN piece.kind = 'video' THEN greatest(1, piece.last_frame - piece.first_frame + 1) / 60.0 ELSE 0.25 END;
  RETURN QUERY
  WITH claimed AS (
    UPDATE render.frame_jobs f
    SET state = 'Claimed', epoch = f.epoch + 1, attempts = f.attempts + 1, node_id = p_node,
        lease_until = moment + make_interval(secs => p_lease), claimed_at = moment,
        started_at = moment, done_frames = 0, error_class = NULL, error_code = NULL,
        error_message = NULL
    WHERE f.id = piece.id
    RETURNING f.*
  ), noted AS (
    INSERT INTO render.frame_attempts (tenant_id, job_id, frame_job_id, epoch, attempt, node_id, started_at)
    SELECT t.tenant_id, t.job_id, t.id, t.epoch, t.attempts, p_node, moment FROM claimed t
  )
  SELECT t.id, t.kind, t.index, t.first_frame, t.last_frame, t.epoch, t.attempts,
         j.id, j.tenant_id, j.user_id, j.step, j.engine, j.package_object_key, j.package_sha256,
         j.composition, j.width, j.height, j.fps, j.total_frames, j.watermark, j.resolution,
         j.project_name, j.aspect, j.duration, j.saved_project_id, j.has_audio, j.trace
  FROM claimed t JOIN render.render_jobs j ON j.id = t.job_id;

  -- The bill comes last: these two rows are shared, so their locks live only until the commit. Who is
  -- alone in the queue has nobody to be fair to.
  IF EXISTS (SELECT FROM render.queue_tenants q
             WHERE q.engine = p_engine AND q.active AND q.tenant_id <> sharer.tenant_id) THEN
    UPDATE render.queue_tenants q
    SET received = cost / coalesce(share.weight, 1) + greatest(q.received, (
      SELECT max(o.received) FROM render.queue_tenants o WHERE o.engine = p_engine AND o.active) - credit)
    WHERE q.engine = p_engine AND q.tenant_id = sharer.tenant_id;
  END IF;
  IF EXISTS (SELECT FROM render.queue_lanes l
             WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
               AND (l.user_id <> lane.user_id OR l.needs_key <> lane.needs_key)) THEN
    UPDATE render.queue_lanes l
    SET received = cost / l.weight + greatest(l.received, (
      SELECT max(o.received) FROM render.queue_lanes o
      WHERE o.engine = p_engine AND o.tenant_id = sharer.tenant_id AND o.active) - credit)
    WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.user_id = lane.user_id;
  END IF;
END
$$;
COMMENT ON FUNCTION render.claim_frame_job(text, uuid, double precision, timestamptz) IS 'Take the next frame job for a node: raise its epoch, start its lease, note the attempt, bill the tenant and the lane. One claim a transaction. No row: nothing this node may do.';

REVOKE ALL ON FUNCTION
  render.frame_job_place(), render.queue_wake(text, uuid, uuid, text, jsonb, double precision, int),
  render.queue_inserted(), render.queue_returned(), render.queue_tidy(), render.version_parts(text),
  render.missing_fonts(uuid, jsonb), render.node_meets(uuid, text, jsonb),
  render.claim_frame_job(text, uuid, double precision, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  render.queue_wake(text, uuid, uuid, text, jsonb, double precision, int), render.queue_tidy(),
  render.version_parts(text), render.missing_fonts(uuid, jsonb), render.node_meets(uuid, text, jsonb),
  render.claim_frame_job(text, uuid, double precision, timestamptz)
TO flatrender_render_system;

------------------------------------------------------------------------------------------------
-- What a failure means
------------------------------------------------------------------------------------------------

ALTER TABLE render.failure_rules ADD COLUMN IF NOT EXISTS retryable boolean NOT NULL DEFAULT true;
ALTER TABLE render.failure_rules ADD COLUMN IF NOT EXISTS note text NOT NULL DEFAULT '';
COMMENT ON COLUMN render.failure_rules.retryable IS 'Whether the customer is told that trying again may help.';
COMMENT ON COLUMN render.failure_rules.note IS 'Why this version was made.';
COMMENT ON COLUMN render.failure_rules.error_codes IS 'Codes of failures, * for any ending; empty matches any.';
COMMENT ON COLUMN render.failure_rules.pattern IS 'Regular expression (Python re) searched in each line, of which the first 2000 characters count; NULL matches any.';
-- The first set spoke in other codes than the engines do.
UPDATE render.failure_rules SET active = false WHERE builtin AND active AND version = 1 AND id IN (
  SELECT ('00000000-0000-0000-0002-00000000000' || n)::uuid FROM generate_series(1, 9) n);
INSERT INTO render.failure_rules (id, code, version, builtin, priority, engine, stage, exit_codes, pattern, error_codes, class, action, back_off_seconds, retryable, explanation_fa, explanation_en)
VALUES
  ('00000000-0000-0000-0002-000000000100', 'template_fault', 1, true, 10, NULL, NULL, '{}', NULL, ARRAY['template_broken', 'template_invalid', 'template_unsupported', 'engine_unknown', 'lottie_*', 'package_*', 'binding_failed'], 'template', 'fail_now', 0, false,
   'این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد.',
   'This template has a fault and could not be drawn. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000101', 'input_fault', 1, true, 10, NULL, NULL, '{}', NULL, ARRAY['input_*', 'media_unreadable', 'media_too_large', 'asset_lost'], 'input', 'fail_now', 0, false,
   'یکی از فایل‌های شما خوانده نشد. آن را دوباره بارگذاری کنید؛ هزینه‌ای کم نشد.',
   'One of your files could not be read. Upload it again; nothing was charged.'),
  ('00000000-0000-0000-0002-000000000102', 'job_too_old', 1, true, 10, NULL, NULL, '{}', NULL, ARRAY['job_too_old'], 'transient', 'fail_now', 0, true,
   'این رندر در زمان مجاز تمام نشد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'The render was not finished in its time. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000103', 'ae_refuses_instance', 1, true, 20, 'aerender', NULL, '{}', '(?i)already running|another instance|multiple instances|more than one instance', '{}', 'node', 'elsewhere', 10, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000104', 'ae_licence', 1, true, 20, 'aerender', NULL, '{}', '(?i)licen[cs]e|licensing|sign in to|subscription|trial has|activat(e|ion)', '{}', 'licence', 'quarantine', 30, true,
   'مجوز افترافکتس روی یک دستگاه کار نکرد؛ کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد.',
   'The After Effects licence of a machine did not work; another one takes over. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000105', 'ae_missing_fonts', 1, true, 30, 'aerender', NULL, '{}', '(?i)missing fonts?|font .{0,120}(is missing|not found)', '{}', 'node', 'elsewhere', 5, true,
   'فونت این قالب روی دستگاه رندر نبود؛ منتظر دستگاهی با این فونت می‌مانیم. هزینه‌ای کم نشد.',
   'The machine lacks a font of the template; the render waits for one that has it. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000106', 'ae_missing_footage', 1, true, 30, 'aerender', NULL, '{}', '(?i)file not found|missing footage|footage .{0,120}(is missing|not found)|files? (is|are) missing', '{}', 'template', 'fail_now', 0, false,
   'یکی از فایل‌های خود قالب نیست. به طراح خبر دادیم؛ هزینه‌ای کم نشد.',
   'A file of the template itself is missing. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000107', 'ae_no_comp', 1, true, 30, 'aerender', NULL, '{}', '(?i)no comp was found', '{}', 'template', 'fail_now', 0, false,
   'این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد.',
   'This template has a fault and could not be drawn. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000108', 'ae_output_module', 1, true, 30, 'aerender', NULL, '{}', '(?i)no output module template|output module .{0,120}not (be )?found', '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000109', 'ae_old_version', 1, true, 30, 'aerender', NULL, '{}', '(?i)created (by|with|in) a (newer|later) version|newer version of After Effects', '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000110', 'ae_missing_effect', 1, true, 30, 'aerender', NULL, '{}', '(?i)missing effects?|effect .{0,120}(is missing|not found)|plug-?in .{0,120}missing', '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000111', 'ae_text_layer', 1, true, 35, 'aerender', NULL, '{}', '(?i)error reading the text layer', '{}', 'template', 'back_off', 1, true,
   'این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد.',
   'This template has a fault and could not be drawn. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000112', 'ae_expression', 1, true, 35, 'aerender', NULL, '{}', '(?i)expression (error|disabled)', '{}', 'template', 'back_off', 1, true,
   'این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد.',
   'This template has a fault and could not be drawn. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000113', 'out_of_memory', 2, true, 40, NULL, NULL, '{}', NULL, ARRAY['out_of_memory'], 'resource', 'elsewhere', 15, true,
   'حافظه یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. هزینه‌ای کم نشد.',
   'A render machine ran out of memory; another one tries again. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000114', 'memory_line', 1, true, 40, NULL, NULL, '{}', '(?i)out of memory|not enough memory|unable to allocate|insufficient memory|cannot allocate|memory allocation', '{}', 'resource', 'elsewhere', 15, true,
   'حافظه یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. هزینه‌ای کم نشد.',
   'A render machine ran out of memory; another one tries again. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000115', 'disk_full', 1, true, 40, NULL, NULL, '{}', NULL, ARRAY['disk_full', 'encode_failed'], 'resource', 'elsewhere', 15, true,
   'دیسک یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. هزینه‌ای کم نشد.',
   'A render machine ran out of room; another one tries again. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000116', 'disk_line', 1, true, 40, NULL, NULL, '{}', '(?i)disk (is )?full|no space left|not enough (disk )?space', '{}', 'resource', 'elsewhere', 15, true,
   'دیسک یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. هزینه‌ای کم نشد.',
   'A render machine ran out of room; another one tries again. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000117', 'proof_failed', 2, true, 50, NULL, NULL, '{}', NULL, ARRAY['proof_failed', 'segment_mismatch'], 'template', 'back_off', 0.5, true,
   'خروجی این بخش درست از آب درنیامد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A part of the video did not pass its check. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000118', 'watchdog', 1, true, 60, NULL, NULL, '{}', NULL, ARRAY['worker_hung', 'timeout', '*_timeout', 'watchdog_*'], 'node', 'elsewhere', 2, true,
   'یک دستگاه پاسخ نداد؛ دستگاه دیگری دوباره تلاش می‌کند. هزینه‌ای کم نشد.',
   'A machine stopped answering; another one tries again. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000119', 'process_died', 2, true, 60, NULL, NULL, '{}', NULL, ARRAY['worker_crashed', 'process_died', 'lease_lost', 'lease_expired', 'node_*'], 'node', 'elsewhere', 1, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000120', 'ae_script', 1, true, 70, 'aerender', NULL, ARRAY[5], NULL, '{}', 'template', 'back_off', 2, true,
   'این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد.',
   'This template has a fault and could not be drawn. Nothing was charged.'),
  ('00000000-0000-0000-0002-000000000121', 'ae_usage', 1, true, 70, 'aerender', NULL, ARRAY[2, 3], NULL, '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000122', 'ae_socket', 1, true, 70, 'aerender', NULL, ARRAY[11], NULL, '{}', 'transient', 'back_off', 5, true,
   'خطایی گذرا پیش آمد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'Something passing went wrong. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000123', 'ae_runtime', 1, true, 70, 'aerender', NULL, ARRAY[7, 9], NULL, '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000124', 'ae_application', 1, true, 75, 'aerender', NULL, ARRAY[1], NULL, '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000125', 'ae_error_line', 1, true, 80, 'aerender', NULL, '{}', 'aerender ERROR|After Effects error|Unable to Render|Runtime error in After Effects', '{}', 'node', 'elsewhere', 5, true,
   'دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'A render machine stopped working; another one takes over. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000126', 'storage_unavailable', 2, true, 90, NULL, NULL, '{}', NULL, ARRAY['store_unavailable', 'storage_unavailable', 'database_unavailable', 'network*'], 'transient', 'back_off', 5, true,
   'ذخیره‌سازی موقتا در دسترس نبود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'Storage was not reachable for a moment. Nothing was charged; you may try again.'),
  ('00000000-0000-0000-0002-000000000127', 'unknown', 2, true, 1000, NULL, NULL, '{}', NULL, '{}', 'transient', 'back_off', 5, true,
   'خطایی گذرا پیش آمد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.',
   'Something passing went wrong. Nothing was charged; you may try again.')
ON CONFLICT DO NOTHING;
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('render.failure_rules', 'failure_rules_fair',
  'CHECK (CASE WHEN class IN (''template'', ''input'') THEN action IN (''fail_now'', ''back_off'')
               ELSE action <> ''fail_now'' OR code = ''job_too_old'' END) NOT VALID'); END $do$;
COMMENT ON CONSTRAINT failure_rules_fair ON render.failure_rules IS 'A bad template never blocks a node, a bad node never fails a job. Age is the one other end of a job.';
