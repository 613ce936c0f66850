"""Whose fault a crash is: the node's, unless the piece crashes whoever takes it.

One crash says nothing of a template. Three of the same piece do when they happened on three
nodes, or on nodes that all proved pieces of other templates after they had crashed on this one:
such nodes are sound, and the template ends the job instead of going round until the job is too
old. A node that crashes on everything gives no such evidence, so it never fails a job.
"""

from flatrender.db import SystemTransaction
from flatrender_render.farm.claims import Claim
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
             AND o.outcome = 'Done' AND f.package_sha256 IS DISTINCT FROM $4)) AS sound
FROM crashed
"""


async def judge(work: SystemTransaction, claim: Claim, verdict: Verdict) -> Verdict:
    """Return the verdict on a crash: as it was, or the template's when the evidence says so."""
    if verdict.code not in CODES:
        return verdict
    seen = await work.fetchrow(
        _EVIDENCE, claim.id, claim.epoch, list(CODES), claim.job.package_sha256
    )
    if seen["times"] < CRASHES or not (seen["nodes"] >= CRASHES or seen["sound"]):
        return verdict
    return classify(
        "template_broken",
        f"crashed {seen['times']} times on {seen['nodes']} nodes: {verdict.message}",
        engine=claim.job.engine,
    )
