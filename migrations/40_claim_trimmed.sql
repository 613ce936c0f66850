-- 40_claim_trimmed: the claim does less for each piece. Who comes, and in which order, is as in
-- 31_claim_batches; what was read again for each piece is remembered within the call.

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
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
  -- Newcomers and the rested may be this far behind the most served one, no further: nobody saves up.
  credit CONSTANT double precision := 64;
  -- A turn is a lock, and the places of locks are few: so many are taken, then it goes without.
  most_turns CONSTANT int := 32 + 2 * p_most;
  turns CONSTANT bigint := hashtextextended('render.turn', 0) # hashtextextended(p_engine, 0);
  moment CONSTANT timestamptz := coalesce(p_now, now());
  machine record;
  sharer record;
  lane record;
  piece record;
  sharers refcursor;
  lanes refcursor;
  passed boolean;
  lane_passed boolean;
  free boolean;
  by_share boolean;
  before int;
  turns_taken int := 0;
  -- Tenants that were met, in the order of meeting: what each has received with the pieces found
  -- here, what it may have, how many it got, and whether we hold its turn.
  met uuid[] := '{}';
  stands double precision[] := '{}';
  weights double precision[] := '{}';
  caps int[] := '{}';
  user_caps int[] := '{}';
  several boolean[] := '{}';
  got boolean[] := '{}';
  turned boolean[] := '{}';
  -- Those of them that may have more to give, the least served first.
  line int[] := '{}';
  place int;
  one int;
  tenant uuid;
  next_one boolean := false;
  last_one boolean := false;
  share double precision;
  -- How far down a tenant's lanes pieces were found so far, and so many places ahead of that: those
  -- are compared with each other, the pieces found here counted.
  ahead CONSTANT int := 3;
  lane_reach int := 0;
  lane_place int;
  -- What was found, and what each costs whom.
  picked uuid[] := '{}';
  jobs uuid[] := '{}';
  tenants uuid[] := '{}';
  people uuid[] := '{}';
  costs double precision[] := '{}';
  shares double precision[] := '{}';
  rivals boolean := false;
  cost double precision;
BEGIN
  -- Who is alone in the queue has nobody to be fair to, and is not billed. Looked for from the end of
  -- the index: at its beginning lies what claims have moved away since the last vacuum.
  SELECT n.only_tenant_id, n.engine_versions->>p_engine AS version,
         1 < (SELECT count(*) FROM (SELECT FROM render.queue_tenants q
                                    WHERE q.engine = p_engine AND q.active
                                    ORDER BY q.received DESC, q.woken_at DESC LIMIT 2) few) AS crowded
  INTO machine FROM render.nodes n WHERE n.id = p_node;
  -- One row at a time, and no more than are needed.
  OPEN sharers NO SCROLL FOR
    SELECT q.tenant_id, q.received, coalesce(s.weight, 1) AS weight, s.max_running_frames AS cap,
           s.max_running_frames_per_user AS user_cap,
           1 < (SELECT count(*) FROM (SELECT FROM render.queue_lanes l
                                      WHERE l.engine = p_engine AND l.tenant_id = q.tenant_id
                                        AND l.active LIMIT 2) few) AS several
    FROM render.queue_tenants q LEFT JOIN render.tenant_shares s ON s.tenant_id = q.tenant_id
    WHERE q.engine = p_engine AND q.active
      AND (machine.only_tenant_id IS NULL OR q.tenant_id = machine.only_tenant_id)
    ORDER BY q.received, q.woken_at;
  WHILE cardinality(picked) < p_most LOOP
    before := cardinality(picked);
    <<search>>
    FOR look IN 1..2 LOOP
      passed := false;
      place := 1;
      LOOP
        -- The least served of those that were met and of who comes next in the queue.
        IF NOT next_one AND NOT last_one THEN
          FETCH sharers INTO sharer;
          next_one := FOUND;
          last_one := NOT FOUND;
        END IF;
        IF place <= cardinality(line)
          AND (last_one OR stands[line[place]] < sharer.received OR NOT got[line[place]]) THEN
          one := line[place];
        ELSIF next_one THEN
          next_one := false;
          one := cardinality(met) + 1;
          met := met || sharer.tenant_id;
          stands := stands || sharer.received;
          weights := weights || sharer.weight;
          caps := caps || sharer.cap;
          user_caps := user_caps || sharer.user_cap;
          several := several || sharer.several;
          got := got || false;
          turned := turned || false;
          line := line[:place - 1] || one || line[place:];
        ELSE
          EXIT;
        END IF;
        tenant := met[one];
        -- A tenant whom another claim is serving has its turn: the next one, if there is one, need
        -- not wait for that bill. Only asked for, never waited for: turns need no order.
        IF machine.crowded AND look = 1 AND NOT turned[one] AND turns_taken < most_turns THEN
          IF NOT pg_try_advisory_xact_lock(turns # hashtextextended(tenant::text, 0)) THEN
            passed := true;
            place := place + 1;
            CONTINUE;
          END IF;
          turned[one] := true;
          turns_taken := turns_taken + 1;
        END IF;
        free := true;
        IF caps[one] IS NOT NULL OR user_caps[one] IS NOT NULL THEN
          -- Who counts must count alone; whoever comes second looks at the next tenant.
          free := pg_try_advisory_xact_lock(hashtextextended('render.cap', 0) # hashtextextended(tenant::text, 0));
          IF free AND caps[one] IS NOT NULL THEN
            free := caps[one] > (
              SELECT count(*) FROM (SELECT FROM render.frame_jobs f
                WHERE f.tenant_id = tenant AND f.state = 'Claimed' LIMIT caps[one]) r)
              + cardinality(array_positions(tenants, tenant));
          END IF;
        END IF;
        lane_passed := false;
        IF free THEN
          lane_place := 0;
          by_share := random() < 0.2;
          IF NOT (got[one] AND several[one]) AND by_share THEN
            OPEN lanes NO SCROLL FOR
              SELECT l.user_id, l.needs_key, l.needs FROM render.queue_lanes l
              WHERE l.engine = p_engine AND l.tenant_id = tenant AND l.active
              ORDER BY l.received, l.woken_at;
          ELSIF NOT (got[one] AND several[one]) THEN
            OPEN lanes NO SCROLL FOR
              SELECT l.user_id, l.needs_key, l.needs FROM render.queue_lanes l
              WHERE l.engine = p_engine AND l.tenant_id = tenant AND l.active
              ORDER BY l.received - l.head_start, l.woken_at;
          ELSIF by_share THEN
            OPEN lanes NO SCROLL FOR
              (SELECT near.user_id, near.needs_key, near.needs FROM (
                 SELECT l.user_id, l.needs_key, l.needs, l.weight, l.received, l.woken_at
                 FROM render.queue_lanes l
                 WHERE l.engine = p_engine AND l.tenant_id = tenant AND l.active
                 ORDER BY l.received, l.woken_at LIMIT lane_reach) near
               ORDER BY near.received + coalesce((
                   SELECT sum(had.cost) / near.weight FROM unnest(tenants, people, costs) had(tenant, person, cost)
                   WHERE had.tenant = met[one] AND had.person = near.user_id), 0), near.woken_at)
              UNION ALL
              (SELECT l.user_id, l.needs_key, l.needs FROM render.queue_lanes l
               WHERE l.engine = p_engine AND l.tenant_id = tenant AND l.active
               ORDER BY l.received, l.woken_at OFFSET lane_reach);
          ELSE
            OPEN lanes NO SCROLL FOR
              (SELECT near.user_id, near.needs_key, near.needs FROM (
                 SELECT l.user_id, l.needs_key, l.needs, l.weight, l.received - l.head_start AS stands, l.woken_at
                 FROM render.queue_lanes l
                 WHERE l.engine = p_engine AND l.tenant_id = tenant AND l.active
                 ORDER BY l.received - l.head_start, l.woken_at LIMIT lane_reach) near
               ORDER BY near.stands + coalesce((
                   SELECT sum(had.cost) / near.weight FROM unnest(tenants, people, costs) had(tenant, person, cost)
                   WHERE had.tenant = met[one] AND had.person = near.user_id), 0), near.woken_at)
              UNION ALL
              (SELECT l.user_id, l.needs_key, l.needs FROM render.queue_lanes l
               WHERE l.engine = p_engine AND l.tenant_id = tenant AND l.active
               ORDER BY l.received - l.head_start, l.woken_at OFFSET lane_reach);
          END IF;
          LOOP
            FETCH lanes INTO lane;
            EXIT WHEN NOT FOUND;
            lane_place := lane_place + 1;
            CONTINUE WHEN lane.needs_key <> '' AND NOT render.node_meets(p_node, machine.version, lane.needs);
            IF user_caps[one] IS NOT NULL THEN
              CONTINUE WHEN user_caps[one] <= (
                SELECT count(*) FROM (SELECT FROM render.frame_jobs f
                  WHERE f.tenant_id = tenant AND f.user_id = lane.user_id AND f.state = 'Claimed'
                  LIMIT user_caps[one]) r)
                + (SELECT count(*) FROM unnest(tenants, people) had(tenant, person)
                   WHERE had.tenant = met[one] AND had.person = lane.user_id);
            END IF;
            IF several[one] AND look = 1 AND turns_taken < most_turns THEN
              IF NOT pg_try_advisory_xact_lock(turns # hashtextextended(tenant::text || lane.user_id::text, 0)) THEN
                lane_passed := true;
                CONTINUE;
              END IF;
              turns_taken := turns_taken + 1;
            END IF;
            SELECT f.id, f.job_id, f.kind, f.package_sha256, f.not_before, f.first_frame, f.last_frame INTO piece
            FROM render.frame_jobs f
            WHERE f.tenant_id = tenant AND f.engine = p_engine AND f.user_id = lane.user_id
              AND f.needs_key = lane.needs_key AND f.state = 'Waiting' AND NOT f.held AND f.not_before <= moment
              AND f.id <> ALL (picked)
              AND NOT EXISTS (SELECT FROM render.job_node_blocks b
                              WHERE b.job_id = f.job_id AND b.node_id = p_node
                                AND (b.until IS NULL OR b.until > moment))
            ORDER BY f.tenant_id, f.engine, f.user_id, f.needs_key, f.rank, f.id LIMIT 1 FOR UPDATE SKIP LOCKED;
            CONTINUE WHEN NOT FOUND;
            -- For its first two seconds a piece is kept for a node that has the template, if one is idle.
            IF piece.kind = 'video' AND piece.not_before > moment - interval '2 seconds' THEN
              CONTINUE WHEN NOT EXISTS (
                  SELECT FROM render.node_template_cache c
                  WHERE c.node_id = p_node AND c.package_sha256 = piece.package_sha256 AND c.state = 'Ready')
                AND EXISTS (
                  SELECT FROM render.node_template_cache c JOIN render.nodes n ON n.id = c.node_id
                  WHERE c.package_sha256 = piece.package_sha256 AND c.state = 'Ready'
                    AND n.status = 'Idle' AND n.deleted_at IS NULL AND p_engine = ANY (n.engines)
                    AND (n.only_tenant_id IS NULL OR n.only_tenant_id = tenant)
                    AND (n.rest_until IS NULL OR n.rest_until <= moment)
                    AND n.last_heartbeat_at > moment - interval '15 seconds');
            END IF;
            CLOSE lanes;
            cost := CASE WHEN piece.kind = 'video' THEN greatest(1, piece.last_frame - piece.first_frame + 1) / 60.0::float8 ELSE 0.25 END;
            share := cost / weights[one];
            picked := picked || piece.id;
            jobs := jobs || piece.job_id;
            tenants := tenants || tenant;
            people := people || lane.user_id;
            costs := costs || cost;
            shares := shares || share;
            rivals := rivals OR several[one];
            EXIT search WHEN p_most = 1;
            lane_reach := greatest(lane_reach, lane_place, cardinality(picked) + ahead);
            got[one] := true;
            stands[one] := stands[one] + share;
            line := line[:place - 1] || line[place + 1:];
            WHILE place <= cardinality(line) AND stands[line[place]] <= stands[one] LOOP
              place := place + 1;
            END LOOP;
            line := line[:place - 1] || one || line[place:];
            EXIT search;
          END LOOP;
          CLOSE lanes;
        END IF;
        IF lane_passed THEN
          passed := true;
          place := place + 1;
        ELSE  -- it has nothing more for this node
          line := line[:place - 1] || line[place + 1:];
        END IF;
      END LOOP;
      EXIT WHEN NOT passed;
    END LOOP;
    EXIT WHEN cardinality(picked) = before;
  END LOOP;
  CLOSE sharers;

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
    RETURNING f.id, f.kind, f.index, f.first_frame, f.last_frame, f.epoch, f.attempts, f.tenant_id, f.job_id
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
  -- before lanes and each by key: two batches that meet here wait for each other in one order. The
  -- rows of several are locked in it first and written together then.
  IF machine.crowded AND cardinality(picked) = 1 THEN
    UPDATE render.queue_tenants q
    SET received = share + greatest(q.received, (
      SELECT max(o.received) FROM render.queue_tenants o WHERE o.engine = p_engine AND o.active) - credit)
    WHERE q.engine = p_engine AND q.tenant_id = tenants[1];
  ELSIF machine.crowded THEN
    PERFORM FROM render.queue_tenants q
    WHERE q.engine = p_engine AND q.tenant_id = ANY (tenants) ORDER BY q.tenant_id FOR NO KEY UPDATE;
    UPDATE render.queue_tenants q
    SET received = bill.share + greatest(q.received, (
      SELECT max(o.received) FROM render.queue_tenants o WHERE o.engine = p_engine AND o.active) - credit)
    FROM (SELECT had.tenant, sum(had.share) AS share FROM unnest(tenants, shares) had(tenant, share)
          GROUP BY had.tenant) bill
    WHERE q.engine = p_engine AND q.tenant_id = bill.tenant;
  END IF;
  -- Among the lanes of somebody who is alone in the tenant nothing is to be shared.
  IF rivals AND cardinality(picked) = 1 THEN
    UPDATE render.queue_lanes l
    SET received = cost / l.weight + greatest(l.received, (
      SELECT max(o.received) FROM render.queue_lanes o
      WHERE o.engine = p_engine AND o.tenant_id = tenants[1] AND o.active) - credit)
    WHERE l.engine = p_engine AND l.tenant_id = tenants[1] AND l.user_id = people[1];
  ELSIF rivals THEN
    PERFORM FROM unnest(tenants, people) had(tenant, person)
    JOIN render.queue_lanes l ON l.engine = p_engine AND l.tenant_id = had.tenant AND l.user_id = had.person
    WHERE several[array_position(met, had.tenant)]
    ORDER BY ROW(l.tenant_id, l.user_id, l.needs_key) FOR NO KEY UPDATE OF l;
    UPDATE render.queue_lanes l
    SET received = bill.cost / l.weight + greatest(l.received, (
      SELECT max(o.received) FROM render.queue_lanes o
      WHERE o.engine = p_engine AND o.tenant_id = bill.tenant AND o.active) - credit)
    FROM (SELECT had.tenant, had.person, sum(had.cost) AS cost
          FROM unnest(tenants, people, costs) had(tenant, person, cost)
          WHERE several[array_position(met, had.tenant)] GROUP BY had.tenant, had.person) bill
    WHERE l.engine = p_engine AND l.tenant_id = bill.tenant AND l.user_id = bill.person;
  END IF;
END
$$;
COMMENT ON FUNCTION render.claim_frame_jobs(text, uuid, double precision, int, timestamptz) IS 'Take the next frame jobs for a node, at most so many: raise the epoch of each, start its lease, note the attempt, bill tenants and lanes. Each piece goes to who is least served, those picked before it counted. One call a transaction. The composition comes with one row of each job only. No row: nothing this node may do.';
REVOKE ALL ON FUNCTION render.claim_frame_jobs(text, uuid, double precision, int, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION render.claim_frame_jobs(text, uuid, double precision, int, timestamptz)
TO flatrender_render_system;

------------------------------------------------------------------------------------------------
-- What a report pays for
------------------------------------------------------------------------------------------------

-- No query goes by updated_at, and every report moves it: without this index a report leaves the
-- job's row in place (HOT) and touches none of the others. Who looks for jobs that are not over has
-- render_jobs_live, of the same rows.
DROP INDEX IF EXISTS render.render_jobs_sweep;
-- Each attempt is written twice, when it begins and when it ends: room for the second beside the first.
ALTER TABLE render.frame_attempts SET (fillfactor = 60);
