"""How nodes behave: crash reports, rest after failures, quarantine, and the way back.

Failures of class node, resource and licence count against the node they happened on; a fault of
a template or of a customer's input never does. The second failure in a row begins a rest that
doubles; after a rest the node gets one piece at a time until one is proven; the eighth failure,
or a rule that says so, sets it aside. What the farm set aside proves itself by a test render;
what an administrator set aside waits for one. All times are the database's.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from flatrender.clock import uuid7
from flatrender.contracts.render import NodeCrashed
from flatrender.db import ContextDatabase, SystemTransaction
from flatrender.observability.metrics import REGISTRY
from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender_render.domain import ErrorClass
from flatrender_render.farm import audit
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.failures import Verdict

#: So many failures in a row are bad luck; from then on each one means a rest.
REST_AFTER = 2
REST_SECONDS = 10.0
MAX_REST_SECONDS = 600.0
QUARANTINE_AFTER = 8
#: How long after a failed test render the farm lets a node try another.
TEST_EVERY_SECONDS = 300.0
LOG_TAIL = 4000

#: Failures that say something of the node.
NODES_OWN = frozenset({ErrorClass.NODE, ErrorClass.RESOURCE, ErrorClass.LICENCE})

CRASHES = Counter(
    "flatrender_farm_node_crashes_total", "Crash reports by class.", ("class",), registry=REGISTRY
)
QUARANTINES = Counter(
    "flatrender_farm_quarantines_total", "Nodes that the farm set aside.", registry=REGISTRY
)

_COUNT = """
UPDATE render.nodes
SET consecutive_failures = consecutive_failures + 1, crash_count = crash_count + 1,
    rest_until = CASE WHEN consecutive_failures + 1 >= $2 THEN
        greatest(rest_until, coalesce($5::timestamptz, now()) + make_interval(secs =>
            least($4, $3 * power(2, least(consecutive_failures + 1 - $2, 20)))))
        ELSE rest_until END
WHERE id = $1 AND deleted_at IS NULL
RETURNING name, consecutive_failures, quarantined_at, status
"""
_CRASH = """
INSERT INTO render.node_crashes (id, node_id, job_id, frame_job_id, epoch, engine, engine_version,
                                 kind, classification, rule_code, message, log_tail, occurred_at)
SELECT $1, n.id, $3, $4, $5, $6, n.engine_versions->>$6, $7, $8, nullif($9, ''),
       left($10, 500), right($10, $11), coalesce($12::timestamptz, now())
FROM render.nodes n WHERE n.id = $2
"""
_SET_ASIDE = """
UPDATE render.nodes
SET status = 'Quarantined', status_since = coalesce($3::timestamptz, now()), status_reason = $2,
    quarantined_at = coalesce($3::timestamptz, now()), quarantine_reason = $2,
    quarantined_by = NULL
WHERE id = $1 AND quarantined_at IS NULL RETURNING name
"""
#: Only a row that has something to forget is written: most nodes never fail.
_PROVEN = """
UPDATE render.nodes SET consecutive_failures = 0, rest_until = NULL
WHERE id = $1 AND (consecutive_failures > 0 OR rest_until IS NOT NULL)
"""
_DONE = "UPDATE render.nodes SET frames_done = frames_done + $2 WHERE id = $1"
_LOST = """
INSERT INTO render.node_crashes (node_id, job_id, frame_job_id, epoch, engine, kind,
                                 classification, rule_code, message)
SELECT a.node_id, f.job_id, f.id, a.epoch, f.engine, 'lease_expired', 'node', 'process_died',
       'The lease ran out: the node said nothing more.'
FROM unnest($1::uuid[], $2::bigint[]) l(id, epoch)
JOIN render.frame_jobs f ON f.id = l.id
JOIN render.frame_attempts a ON a.frame_job_id = l.id AND a.epoch = l.epoch
JOIN render.nodes n ON n.id = a.node_id
"""
_TEST_DUE = """
INSERT INTO render.node_commands (id, node_id, act, reason, expires_at)
SELECT gen_random_uuid(), n.id, 'test_render', 'after a quarantine', now() + interval '1 hour'
FROM render.nodes n
WHERE n.status = 'Quarantined' AND n.quarantined_by IS NULL AND n.quarantined_at IS NOT NULL
  AND n.deleted_at IS NULL AND n.last_heartbeat_at > now() - interval '1 minute'
  AND n.quarantined_at < now() - make_interval(secs => $1)
  AND NOT EXISTS (SELECT FROM render.node_commands c
                  WHERE c.node_id = n.id AND c.act = 'test_render'
                    AND (c.state IN ('Pending', 'Sent')
                         OR c.finished_at > now() - make_interval(secs => $1)))
"""
_RECOVER = """
UPDATE render.nodes
SET quarantined_at = NULL, quarantine_reason = NULL, consecutive_failures = 0, rest_until = NULL,
    status = CASE WHEN drain_requested_at IS NULL THEN 'Idle' ELSE 'Draining' END,
    status_reason = 'proved itself by a test render', status_since = now()
WHERE id = $1 AND status = 'Quarantined' AND quarantined_by IS NULL RETURNING name
"""


async def note_failure(
    work: SystemTransaction,
    node_id: UUID,
    claim: Claim,
    verdict: Verdict,
    *,
    scale: float = 1.0,
    now: datetime | None = None,
) -> bool:
    """Count a failed attempt against its node, if it is the node's; True when it is set aside."""
    of = (claim.job.id, claim.id, claim.epoch, claim.job.engine)
    return await _note(work, node_id, of, verdict, scale=scale, now=now)


async def note_other_failure(
    work: SystemTransaction,
    node_id: UUID,
    verdict: Verdict,
    *,
    epoch: int,
    engine: str | None = None,
    job_id: UUID | None = None,
    scale: float = 1.0,
) -> bool:
    """As :func:`note_failure`, for work that is no frame job: a scan, a rendition."""
    return await _note(work, node_id, (job_id, None, epoch, engine), verdict, scale=scale)


async def _note(
    work: SystemTransaction,
    node_id: UUID,
    of: tuple[UUID | None, UUID | None, int, str | None],
    verdict: Verdict,
    *,
    scale: float,
    now: datetime | None = None,
) -> bool:
    """Count a failure ``of`` a job, a frame job, an epoch, an engine."""
    if ErrorClass(verdict.error_class) not in NODES_OWN:
        return False
    row = await work.fetchrow(
        _COUNT, node_id, REST_AFTER, REST_SECONDS * scale, MAX_REST_SECONDS * scale, now
    )
    if row is None:  # gone, or not of this farm
        return False
    CRASHES.labels(verdict.error_class).inc()
    await work.execute(
        _CRASH,
        uuid7(),
        node_id,
        *of,
        verdict.code,
        verdict.error_class,
        verdict.rule,
        verdict.message,
        LOG_TAIL,
        now,
    )
    if verdict.action != "quarantine" and row["consecutive_failures"] < QUARANTINE_AFTER:
        return False
    return await _set_aside(work, node_id, verdict, now)


async def _set_aside(
    work: SystemTransaction, node_id: UUID, verdict: Verdict, now: datetime | None
) -> bool:
    name = await work.fetchval(_SET_ASIDE, node_id, verdict.code, now)
    if name is None:
        return False
    QUARANTINES.inc()
    await audit.record_own(work, "node.quarantine", node_id, name=name, reason=verdict.code)
    work.emit(
        NodeCrashed(node_id=node_id, name=name, classification=verdict.error_class),
        tenant_id=DEFAULT_TENANT_ID,
    )
    return True


async def note_proven(work: SystemTransaction, node_id: UUID, frames: int) -> None:
    """Note a proven piece: the node's failures in a row are over."""
    await work.execute(_PROVEN, node_id)
    if frames:
        await work.execute(_DONE, node_id, frames)


async def note_lost(work: SystemTransaction, reaped: list[Any]) -> None:
    """Report leases that ran out. They do not count as failures: when the farm itself was away,
    every node's leases run out."""
    if reaped:
        await work.execute(_LOST, [row["id"] for row in reaped], [row["epoch"] for row in reaped])
        CRASHES.labels("node").inc(len(reaped))


async def ask_for_tests(database: ContextDatabase, *, scale: float = 1.0) -> None:
    """Let nodes that the farm set aside prove themselves from time to time."""
    await database.system_fetch("tests of nodes", _TEST_DUE, TEST_EVERY_SECONDS * scale)


async def recover(work: SystemTransaction, node_id: UUID) -> bool:
    """Lift a quarantine of the farm's own after a test render that passed."""
    name = await work.fetchval(_RECOVER, node_id)
    if name is None:
        return False
    await audit.record_own(work, "node.recover", node_id, name=name, reason="a test render passed")
    return True
