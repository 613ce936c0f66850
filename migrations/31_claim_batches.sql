-- 31_claim_batches: a node with several free slots takes that many frame jobs in one transaction,
-- and claims do not stand in line for the bill of one tenant or lane while others wait to be served.

------------------------------------------------------------------------------------------------
-- The claim
------------------------------------------------------------------------------------------------

CREATE OR REPLACE FUNCTION render.claim_frame_jobs(
  p_engine text, p_node uuid, p_lease double precision, p_most int, p_now timestamptz DEFAULT NULL
) RETURNS TABLE (
  id uuid, kind text, index int, first_frame int, last_frame int, epoch bigint, attempt int,
  job_id uuid, tenant_id uuid, user_id uuid, step text, engine text, package_object_key text,
  package_sha256 text, composition text, width int, height int, fps int, total_frames int,
  watermark boolean, resolution text, project_name text, aspect text, duration double precision,
  saved_project_id uuid, has_audio boolean, trace jsonb
)
LANGUAGE plpgsql
-- Planned once in a session, however much or little waits then: no plan may read or sort a whole
-- table, and none is worth being made anew with every claim.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
#variable_conflict use_column
DECLARE
  -- Newcomers and the rested may be this far behind the most served one, no further: nobody saves up.
  credit CONSTANT double precision := 64;
  -- A turn is a lock, and the places of locks are few: so many are taken, then it goes without.
  most_turns CONSTANT int := 32 + 2 * p_most;
  turns CONSTANT bigint := hashtextextended('render.turn', 0) # hashtextextended(p_engine, 0);
  moment timestamptz := coalesce(p_now, now());
  machine record;
  sharer record;
  share record;
  lane record;
  piece record;
  bill record;
  sharers refcursor;
  lanes refcursor;
  crowded boolean;
  several boolean;
  by_share boolean;
  passed boolean;
  before int;
  turns_taken int := 0;
  -- How far down the queue, and down a tenant's lanes, pieces were found so far, and so many places
  -- ahead of that: those are compared with each other, the pieces found here counted.
  ahead CONSTANT int := 3;
  reach int := 0;
  lane_reach int := 0;
  place int;
  lane_place int;
  -- What was found, and what each costs whom.
  picked uuid[] := '{}';
  jobs uuid[] := '{}';
  tenants uuid[] := '{}';
  people uuid[] := '{}';
  costs double precision[] := '{}';
  weights double precision[] := '{}';
  rivals boolean[] := '{}';
BEGIN
  SELECT n.only_tenant_id, n.engine_versions->>p_engine AS version INTO machine
  FROM render.nodes n WHERE n.id = p_node;
  -- Who is alone in the queue has nobody to be fair to, and is not billed.
  crowded := 1 < (SELECT count(*) FROM (SELECT FROM render.queue_tenants q
                                        WHERE q.engine = p_engine AND q.active LIMIT 2) few);
  WHILE cardinality(picked) < p_most LOOP
    before := cardinality(picked);
    <<search>>
    FOR look IN 1..2 LOOP
      passed := false;
      place := 0;
      -- In the order of what each has received, the pieces found here included: the first places are
      -- put anew into order, and behind them stands nobody who got one.
      IF reach = 0 THEN
        OPEN sharers FOR
          SELECT q.tenant_id FROM render.queue_tenants q
          WHERE q.engine = p_engine AND q.active
            AND (machine.only_tenant_id IS NULL OR q.tenant_id = machine.only_tenant_id)
          ORDER BY q.received, q.woken_at;
      ELSE
        OPEN sharers FOR
          (SELECT near.tenant_id FROM (
             SELECT q.tenant_id, q.received, q.woken_at FROM render.queue_tenants q
             WHERE q.engine = p_engine AND q.active
               AND (machine.only_tenant_id IS NULL OR q.tenant_id = machine.only_tenant_id)
             ORDER BY q.received, q.woken_at LIMIT reach) near
           ORDER BY near.received + coalesce((
               SELECT sum(got.cost / got.weight) FROM unnest(tenants, costs, weights) got(tenant, cost, weight)
               WHERE got.tenant = near.tenant_id), 0), near.woken_at)
          UNION ALL
          (SELECT q.tenant_id FROM render.queue_tenants q
           WHERE q.engine = p_engine AND q.active
             AND (machine.only_tenant_id IS NULL OR q.tenant_id = machine.only_tenant_id)
           ORDER BY q.received, q.woken_at OFFSET reach);
      END IF;
      LOOP
        FETCH sharers INTO sharer;
        EXIT WHEN NOT FOUND;
        place := place + 1;
        -- A tenant whom another claim is serving has its turn: the next one, if there is one, need
        -- not wait for that bill. Only asked for, never waited for: turns need no order.
        IF crowded AND look = 1 AND turns_taken < most_turns THEN
          IF NOT pg_try_advisory_xact_lock(turns # hashtextextended(sharer.tenant_id::text, 0)) THEN
            passed := true;
            CONTINUE;
          END IF;
          turns_taken := turns_taken + 1;
        END IF;
        SELECT s.weight, s.max_running_frames AS cap, s.max_running_frames_per_user AS user_cap INTO share
        FROM render.tenant_shares s WHERE s.tenant_id = sharer.tenant_id;
        IF share.cap IS NOT NULL OR share.user_cap IS NOT NULL THEN
          -- Who counts must count alone; whoever comes second looks at the next tenant.
          CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended('render.cap', 0) # hashtextextended(sharer.tenant_id::text, 0));
        END IF;
        CONTINUE WHEN share.cap IS NOT NULL AND share.cap <= (
          SELECT count(*) FROM (SELECT FROM render.frame_jobs f
            WHERE f.tenant_id = sharer.tenant_id AND f.state = 'Claimed' LIMIT share.cap) r)
          + (SELECT count(*) FROM unnest(tenants) got(tenant) WHERE got.tenant = sharer.tenant_id);
        several := 1 < (SELECT count(*) FROM (SELECT FROM render.queue_lanes l
                                              WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id
                                                AND l.active LIMIT 2) few);
        lane_place := 0;
        by_share := random() < 0.2;
        IF lane_reach = 0 AND by_share THEN
          OPEN lanes FOR
            SELECT l.user_id, l.needs_key, l.needs, l.weight FROM render.queue_lanes l
            WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
            ORDER BY l.received, l.woken_at;
        ELSIF lane_reach = 0 THEN
          OPEN lanes FOR
            SELECT l.user_id, l.needs_key, l.needs, l.weight FROM render.queue_lanes l
            WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
            ORDER BY l.received - l.head_start, l.woken_at;
        ELSIF by_share THEN
          OPEN lanes FOR
            (SELECT near.user_id, near.needs_key, near.needs, near.weight FROM (
               SELECT l.user_id, l.needs_key, l.needs, l.weight, l.received, l.woken_at FROM render.queue_lanes l
               WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
               ORDER BY l.received, l.woken_at LIMIT lane_reach) near
             ORDER BY near.received + coalesce((
                 SELECT sum(got.cost) / near.weight FROM unnest(tenants, people, costs) got(tenant, person, cost)
                 WHERE got.tenant = sharer.tenant_id AND got.person = near.user_id), 0), near.woken_at)
            UNION ALL
            (SELECT l.user_id, l.needs_key, l.needs, l.weight FROM render.queue_lanes l
             WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
             ORDER BY l.received, l.woken_at OFFSET lane_reach);
        ELSE
          OPEN lanes FOR
            (SELECT near.user_id, near.needs_key, near.needs, near.weight FROM (
               SELECT l.user_id, l.needs_key, l.needs, l.weight, l.received - l.head_start AS stands, l.woken_at
               FROM render.queue_lanes l
               WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
               ORDER BY l.received - l.head_start, l.woken_at LIMIT lane_reach) near
             ORDER BY near.stands + coalesce((
                 SELECT sum(got.cost) / near.weight FROM unnest(tenants, people, costs) got(tenant, person, cost)
                 WHERE got.tenant = sharer.tenant_id AND got.person = near.user_id), 0), near.woken_at)
            UNION ALL
            (SELECT l.user_id, l.needs_key, l.needs, l.weight FROM render.queue_lanes l
             WHERE l.engine = p_engine AND l.tenant_id = sharer.tenant_id AND l.active
             ORDER BY l.received - l.head_start, l.woken_at OFFSET lane_reach);
        END IF;
        LOOP
          FETCH lanes INTO lane;
          EXIT WHEN NOT FOUND;
          lane_place := lane_place + 1;
          CONTINUE WHEN lane.needs_key <> '' AND NOT render.node_meets(p_node, machine.version, lane.needs);
          CONTINUE WHEN share.user_cap IS NOT NULL AND share.user_cap <= (
            SELECT count(*) FROM (SELECT FROM render.frame_jobs f
              WHERE f.tenant_id = sharer.tenant_id AND f.user_id = lane.user_id AND f.state = 'Claimed'
              LIMIT share.user_cap) r)
            + (SELECT count(*) FROM unnest(tenants, people) got(tenant, person)
               WHERE got.tenant = sharer.tenant_id AND got.person = lane.user_id);
          IF several AND look = 1 AND turns_taken < most_turns THEN
            IF NOT pg_try_advisory_xact_lock(turns # hashtextextended(sharer.tenant_id::text || lane.user_id::text, 0)) THEN
              passed := true;
              CONTINUE;
            END IF;
            turns_taken := turns_taken + 1;
          END IF;
          SELECT f.id, f.job_id, f.kind, f.package_sha256, f.not_before, f.first_frame, f.last_frame INTO piece
          FROM render.frame_jobs f
          WHERE f.tenant_id = sharer.tenant_id AND f.engine = p_engine AND f.user_id = lane.user_id
            AND f.needs_key = lane.needs_key AND f.state = 'Waiting' AND NOT f.held AND f.not_before <= moment
            AND f.id <> ALL (picked)
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
          picked := picked || piece.id;
          jobs := jobs || piece.job_id;
          tenants := tenants || sharer.tenant_id;
          people := people || lane.user_id;
          costs := costs || CASE WHEN piece.kind = 'video' THEN greatest(1, piece.last_frame - piece.first_frame + 1) / 60.0::float8 ELSE 0.25 END;
          weights := weights || coalesce(share.weight, 1);
          rivals := rivals || several;
          IF p_most > 1 THEN
            reach := greatest(reach, place, cardinality(picked) + ahead);
            lane_reach := greatest(lane_reach, lane_place, cardinality(picked) + ahead);
          END IF;
          CLOSE lanes;
          CLOSE sharers;
          EXIT search;
        END LOOP;
        CLOSE lanes;
      END LOOP;
      CLOSE sharers;
      EXIT WHEN NOT passed;
    END LOOP;
    EXIT WHEN cardinality(picked) = before;
  END LOOP;

  IF cardinality(picked) = 0 THEN
    RETURN;
  END IF;
  -- One statement for all: it reads every rule of these tables anew, and that costs more than a row.
  RETURN QUERY
  WITH claimed AS (
    UPDATE render.frame_jobs f
    SET state = 'Claimed', epoch = f.epoch + 1, attempts = f.attempts + 1, node_id = p_node,
        lease_until = moment + make_interval(secs => p_lease), claimed_at = moment,
        started_at = moment, done_frames = 0, error_class = NULL, error_code = NULL,
        error_message = NULL
    WHERE f.id = ANY (picked)
    RETURNING f.*
  ), noted AS (
    INSERT INTO render.frame_attempts (tenant_id, job_id, frame_job_id, epoch, attempt, node_id, started_at)
    SELECT t.tenant_id, t.job_id, t.id, t.epoch, t.attempts, p_node, moment FROM claimed t
  )
  SELECT t.id, t.kind, t.index, t.first_frame, t.last_frame, t.epoch, t.attempts,
         j.id, j.tenant_id, j.user_id, j.step, j.engine, j.package_object_key, j.package_sha256,
         CASE WHEN array_position(picked, t.id) = array_position(jobs, j.id) THEN j.composition::text END,
         j.width, j.height, j.fps, j.total_frames, j.watermark, j.resolution,
         j.project_name, j.aspect, j.duration, j.saved_project_id, j.has_audio, j.trace
  FROM claimed t JOIN render.render_jobs j ON j.id = t.job_id;

  -- The bill comes last: these rows are shared, so their locks live only until the commit. Tenants
  -- before lanes and each by key: two batches that meet here wait for each other in one order.
  IF crowded THEN
    FOR bill IN SELECT got.tenant, sum(got.cost / got.weight) AS share
                FROM unnest(tenants, costs, weights) got(tenant, cost, weight) GROUP BY 1 ORDER BY 1 LOOP
      UPDATE render.queue_tenants q
      SET received = bill.share + greatest(q.received, (
        SELECT max(o.received) FROM render.queue_tenants o WHERE o.engine = p_engine AND o.active) - credit)
      WHERE q.engine = p_engine AND q.tenant_id = bill.tenant;
    END LOOP;
  END IF;
  IF true = ANY (rivals) THEN
    FOR bill IN SELECT got.tenant, got.person, sum(got.cost) AS cost
                FROM unnest(tenants, people, costs, rivals) got(tenant, person, cost, rival)
                WHERE got.rival GROUP BY 1, 2 ORDER BY 1, 2 LOOP
      UPDATE render.queue_lanes l
      SET received = bill.cost / l.weight + greatest(l.received, (
        SELECT max(o.received) FROM render.queue_lanes o
        WHERE o.engine = p_engine AND o.tenant_id = bill.tenant AND o.active) - credit)
      WHERE l.engine = p_engine AND l.tenant_id = bill.tenant AND l.user_id = bill.person;
    END LOOP;
  END IF;
END
$$;
COMMENT ON FUNCTION render.claim_frame_jobs(text, uuid, double precision, int, timestamptz) IS 'Take the next frame jobs for a node, at most so many: raise the epoch of each, start its lease, note the attempt, bill tenants and lanes. Each piece goes to who is least served, those picked before it counted. One call a transaction. The composition comes with one row of each job only. No row: nothing this node may do.';

-- For workers of the version before, which a rolling restart leaves running for a while.
CREATE OR REPLACE FUNCTION render.claim_frame_job(
  p_engine text, p_node uuid, p_lease double precision, p_now timestamptz DEFAULT NULL
) RETURNS TABLE (
  id uuid, kind text, index int, first_frame int, last_frame int, epoch bigint, attempt int,
  job_id uuid, tenant_id uuid, user_id uuid, step text, engine text, package_object_key text,
  package_sha256 text, composition jsonb, width int, height int, fps int, total_frames int,
  watermark boolean, resolution text, project_name text, aspect text, duration double precision,
  saved_project_id uuid, has_audio boolean, trace jsonb
)
LANGUAGE sql
AS $$
  SELECT c.id, c.kind, c.index, c.first_frame, c.last_frame, c.epoch, c.attempt, c.job_id, c.tenant_id,
         c.user_id, c.step, c.engine, c.package_object_key, c.package_sha256, c.composition::jsonb,
         c.width, c.height, c.fps, c.total_frames, c.watermark, c.resolution, c.project_name, c.aspect,
         c.duration, c.saved_project_id, c.has_audio, c.trace
  FROM render.claim_frame_jobs(p_engine, p_node, p_lease, 1, p_now) c
$$;
COMMENT ON FUNCTION render.claim_frame_job(text, uuid, double precision, timestamptz) IS 'As claim_frame_jobs for one frame job; kept for workers of the version before.';

REVOKE ALL ON FUNCTION render.claim_frame_jobs(text, uuid, double precision, int, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION render.claim_frame_jobs(text, uuid, double precision, int, timestamptz)
TO flatrender_render_system;

------------------------------------------------------------------------------------------------
-- Remembered plans
------------------------------------------------------------------------------------------------

-- As for the claim: these run for every row or every statement of a submit, also of a large one
-- right after the first small ones.
ALTER FUNCTION render.frame_job_place() SET enable_seqscan = off;
ALTER FUNCTION render.queue_wake(text, uuid, uuid, text, jsonb, double precision, int) SET enable_seqscan = off;
ALTER FUNCTION render.queue_tidy() SET enable_seqscan = off;
