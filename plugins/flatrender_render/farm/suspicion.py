"""Whose fault a crash is: the node's, unless the piece crashes whoever takes it.

One crash says nothing of a template. Three of the same piece do when they happened on three
nodes, or on nodes that all proved pieces of other jobs after they had crashed on this one (of the
same template too: a customer's own words may be what kills). Such nodes are sound, and the crashes
end the job instead of sending it round until it is too old. A node that crashes on everything gives
no such evidence, so it never fails a job. What the template did is then taken off the nodes'
account: they neither rest nor are set aside for it.

The other way round, one machine outside that calls a template or a customer's file broken may be
broken itself: its word ends a job only where no other node could try, or one that did says the
same.
"""

from uuid import UUID

from msgspec.structs import replace

from flatrender.db import SystemTransaction
from flatrender_render.domain import BLAMED, ErrorClass
from flatrender_render.farm import report_sql as sql
from flatrender_render.farm import reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.conduct import REST_AFTER
from flatrender_render.farm.failures import Verdict, classify

#: So many crashes of one piece are no chance any more; also: so many nodes are no bad node.
CRASHES = 3
CODES = frozenset({"worker_crashed", "process_died"})

_EVIDENCE = """
WITH crashed AS (
    SELECT a.node_id, min(a.started_at) AS first, count(*) AS times
    FROM render.frame_attempts a
    WHERE a.frame_job_id = $1 AND (a.epoch = $2 OR a.error_code = ANY ($3))
      AND a.node_id IS NOT NULL
    GROUP BY a.node_id)
SELECT coalesce(sum(times), 0)::int AS times, count(*)::int AS nodes,
       bool_and(EXISTS (
           SELECT FROM render.frame_attempts o JOIN render.frame_jobs f ON f.id = o.frame_job_id
           WHERE o.node_id = crashed.node_id AND o.started_at >= crashed.first
             AND o.outcome = 'Done' AND f.job_id <> $4)) AS sound
FROM crashed
"""
#: In the order of their ids: two templates may be found guilty at once, by the same nodes.
_ABSOLVE = """
WITH crashed AS (
    SELECT a.node_id, count(*)::int AS times FROM render.frame_attempts a
    WHERE a.tenant_id = $1 AND a.job_id = $2 AND a.outcome = 'Failed' AND a.error_code = ANY ($3)
      AND a.node_id IS NOT NULL
    GROUP BY a.node_id),
locked AS (
    SELECT n.id, greatest(0, n.consecutive_failures - c.times) AS left
    FROM render.nodes n JOIN crashed c ON c.node_id = n.id ORDER BY n.id FOR UPDATE OF n)
UPDATE render.nodes n
SET consecutive_failures = l.left,
    rest_until = CASE WHEN l.left < $4 THEN NULL ELSE n.rest_until END
FROM locked l WHERE n.id = l.id
"""
_UNHEARD = """
SELECT EXISTS (SELECT FROM render.nodes WHERE id = $1 AND kind = 'Remote')
   AND NOT EXISTS (
       SELECT FROM render.frame_attempts a
       WHERE a.tenant_id = $2 AND a.job_id = $3 AND a.node_id <> $1 AND a.blamed)
"""


async def second_opinion(
    work: SystemTransaction, claim: Claim, verdict: Verdict, node_id: UUID, *, seconds: float
) -> Verdict:
    """Return the verdict, softened where another node is to try first.

    The job then keeps away from ``node_id`` for ``seconds``. Raises nothing for a claim that is
    over: whoever reports the failure does.
    """
    if not verdict.fail_now or ErrorClass(verdict.error_class) not in BLAMED:
        return verdict
    job = claim.job
    await work.fetchrow(sql.LOCK_JOB, job.id)
    if not await work.fetchval(_UNHEARD, node_id, job.tenant_id, job.id):
        return verdict
    softened = replace(verdict, fail_now=False, action="elsewhere")
    if await reports.send_elsewhere(work, claim, node_id, softened, seconds, None):
        return softened
    return verdict


async def judge(work: SystemTransaction, claim: Claim, verdict: Verdict) -> Verdict:
    """Return the verdict on a crash: as it was, or the template's when the evidence says so."""
    if verdict.code not in CODES:
        return verdict
    seen = await work.fetchrow(_EVIDENCE, claim.id, claim.epoch, list(CODES), claim.job.id)
    if seen["times"] < CRASHES or not (seen["nodes"] >= CRASHES or seen["sound"]):
        return verdict
    return classify(
        "template_broken",
        f"crashed {seen['times']} times on {seen['nodes']} nodes: {verdict.message}",
        engine=claim.job.engine,
    )


async def absolve(work: SystemTransaction, claim: Claim) -> None:
    """Take the crashes of a job whose template was found guilty off its nodes' failures in a row.

    After the job is locked: it locks nodes. The crash reports stay.
    """
    job = claim.job
    await work.execute(_ABSOLVE, job.tenant_id, job.id, list(CODES), REST_AFTER)
