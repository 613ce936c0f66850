"""Claim, lease and fence, in SQL.

All times are the database's (``now`` is a parameter for simulations; NULL means ``now()``). Every
function runs inside an open cross-tenant transaction of the render context.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from prometheus_client import Counter

from flatrender.contracts.render import JobStarted
from flatrender.db import ContextDatabase, SystemTransaction
from flatrender.observability.metrics import REGISTRY
from flatrender.template.composition import Composition

LEASE_SECONDS = 30.0
KEPT_SECONDS = 2.0  # a fresh piece is kept so long for an idle node that has its template

CLAIMS = Counter(
    "flatrender_farm_claims_total", "Claimed frame jobs by kind.", ("kind",), registry=REGISTRY
)
STALE = Counter(
    "flatrender_farm_stale_reports_total",
    "Reports of attempts that were over, by kind of report; they changed nothing.",
    ("report",),
    registry=REGISTRY,
)
LOST = Counter("flatrender_farm_leases_lost_total", "Leases that ran out.", registry=REGISTRY)

_CLAIM = "SELECT * FROM render.claim_frame_jobs($1, $2, $3, $4, $5)"

#: For one machine, which may have to wait: what drains, rests or is set aside gets nothing, and
#: after a rest there is one piece at a time until one is proven. No node gets more than its slots.
_TAKE = """
SELECT c.* FROM render.nodes n CROSS JOIN LATERAL render.claim_frame_jobs($1, n.id, $3,
    CASE WHEN n.rest_until IS NULL THEN least($5::int, n.slots) ELSE 1 END, $4) c
WHERE n.id = $2 AND n.deleted_at IS NULL AND n.drain_requested_at IS NULL
  AND n.status NOT IN ('Draining', 'Quarantined', 'Offline')
  AND (n.rest_until IS NULL
       OR (n.rest_until <= coalesce($4::timestamptz, now())
           AND NOT EXISTS (SELECT FROM render.frame_jobs f
                           WHERE f.node_id = n.id AND f.state = 'Claimed')))
"""

_JOB = """
SELECT id, tenant_id, user_id, step, engine, package_object_key, package_sha256, composition,
       width, height, fps, total_frames, watermark, resolution, project_name, aspect, duration,
       saved_project_id, has_audio, trace
FROM render.render_jobs WHERE id = $1
"""

#: An attempt of a node's, over or not.
_ATTEMPT = """
SELECT f.id, f.kind, f.index, f.first_frame, f.last_frame, a.epoch, a.attempt, f.job_id
FROM render.frame_attempts a JOIN render.frame_jobs f ON f.id = a.frame_job_id
WHERE a.frame_job_id = $1 AND a.epoch = $2 AND a.node_id = $3
"""

#: Asked only when there was nothing to claim, so few rows are looked at.
_KEPT = """
SELECT EXISTS (
    SELECT FROM render.queue_tenants q CROSS JOIN LATERAL (
        SELECT f.not_before FROM render.frame_jobs f
        WHERE f.tenant_id = q.tenant_id AND f.engine = q.engine AND f.state = 'Waiting'
          AND NOT f.held AND f.kind = 'video' LIMIT 64) w
    WHERE q.engine = $1 AND q.active
      AND w.not_before BETWEEN now() - make_interval(secs => $2) AND now()) AS kept
"""

_BEGIN = """
UPDATE render.render_jobs SET step = 'Rendering', started_at = coalesce(started_at, now())
WHERE id = $1 AND step IN ('Queued', 'Preparing')
RETURNING user_id, tenant_id, started_at = now() AS first
"""

_HEARTBEAT = """
UPDATE render.frame_jobs
SET lease_until = coalesce($4::timestamptz, now()) + make_interval(secs => $3),
    done_frames = greatest(done_frames, least($5, last_frame - first_frame + 1))
WHERE id = $1 AND epoch = $2 AND state = 'Claimed'
RETURNING id, job_id, done_frames
"""

_STALE = """
UPDATE render.frame_attempts SET stale_reports = stale_reports + 1
WHERE frame_job_id = $1 AND epoch = $2
"""

_REAP = """
UPDATE render.frame_jobs f
SET state = 'Waiting', lease_until = NULL, node_id = NULL, done_frames = 0,
    not_before = coalesce($1::timestamptz, now())
WHERE f.id IN (
    SELECT id FROM render.frame_jobs
    WHERE state = 'Claimed' AND lease_until < coalesce($1::timestamptz, now())
    ORDER BY lease_until LIMIT 200 FOR UPDATE SKIP LOCKED)
RETURNING f.id, f.epoch, f.job_id, f.tenant_id
"""

_LOST = """
UPDATE render.frame_attempts SET outcome = 'Lost', finished_at = now(), error_class = 'node',
       error_code = 'lease_expired'
WHERE frame_job_id = $1 AND epoch = $2 AND outcome = 'Running'
"""

_RELEASE = """
UPDATE render.frame_jobs
SET state = 'Waiting', lease_until = NULL, node_id = NULL, done_frames = 0,
    not_before = coalesce($3::timestamptz, now())
WHERE id = $1 AND epoch = $2 AND state = 'Claimed' RETURNING job_id
"""


_STANDING = """
SELECT j.step, least(j.total_frames, coalesce(sum({frames})
           FILTER (WHERE f.kind = 'video'), 0))::int AS drawn, j.total_frames AS total,
       count(DISTINCT f.node_id) FILTER (WHERE f.state = 'Claimed')::int AS nodes,
       j.started_at, now() AS now
FROM render.render_jobs j JOIN render.frame_jobs f ON f.job_id = j.id
"""
_FACTS = _STANDING.format(frames="f.done_frames") + "WHERE j.id = $1 GROUP BY j.id"
# The statement's own change is not in what it reads of the table.
_BEAT = (
    f"WITH own AS ({_HEARTBEAT})"
    + _STANDING.format(frames="CASE WHEN f.id = own.id THEN own.done_frames ELSE f.done_frames END")
    + "JOIN own ON own.job_id = j.id GROUP BY j.id"
)


class StaleEpoch(Exception):
    """The report belongs to an attempt that is no longer the row's own. It changed nothing."""


class JobFacts(Struct, frozen=True, kw_only=True):
    """How a job stands, by the database's clock."""

    step: str
    drawn: int
    total: int
    nodes: int
    started_at: datetime | None
    now: datetime

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left, by the pace so far; None until there is a pace."""
        if self.started_at is None or self.drawn <= 0:
            return None
        spent = (self.now - self.started_at).total_seconds()
        return round(max(0.0, spent / self.drawn * (self.total - self.drawn)) + 1.0, 1)


class ClaimedJob(Struct, frozen=True, kw_only=True):
    """What a worker must know of the job behind its claim."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    step: str
    engine: str
    package_object_key: str
    package_sha256: str
    composition: Composition
    width: int
    height: int
    fps: int
    total_frames: int
    watermark: bool
    resolution: str
    project_name: str
    aspect: str
    duration: float
    saved_project_id: UUID
    has_audio: bool
    trace: dict[str, str]


_PLAIN = [name for name in ClaimedJob.__struct_fields__ if name not in ("id", "composition")]


class Claim(Struct, frozen=True, kw_only=True):
    """One claimed frame job. ``epoch`` is the fence: every report carries it."""

    id: UUID
    kind: str
    index: int
    first_frame: int
    last_frame: int
    epoch: int
    attempt: int
    job: ClaimedJob

    @property
    def frames(self) -> int:
        """The number of frames in the range."""
        return self.last_frame - self.first_frame + 1

    def object_key(self, suffix: str) -> str:
        """Return the attempt-scoped key: two attempts never write the same object."""
        return (
            f"renders/{self.job.tenant_id}/{self.job.id}/"
            f"{self.kind}-{self.index:05d}.{self.epoch}.{suffix}"
        )


_OF_PIECE = [name for name in Claim.__struct_fields__ if name != "job"]


async def claim(
    work: SystemTransaction,
    *,
    engine: str,
    node_id: UUID,
    lease: float = LEASE_SECONDS,
    now: datetime | None = None,
) -> Claim | None:
    """Take the next frame job of ``engine``, or None. Raises the epoch and starts the lease."""
    found = await claim_many(work, engine=engine, node_id=node_id, most=1, lease=lease, now=now)
    return found[0] if found else None


async def claim_many(
    work: SystemTransaction,
    *,
    engine: str,
    node_id: UUID,
    most: int,
    lease: float = LEASE_SECONDS,
    now: datetime | None = None,
) -> list[Claim]:
    """As :func:`claim`, for up to ``most`` frame jobs, each to who is least served by then."""
    return claims_of(await work.fetch(_CLAIM, engine, node_id, lease, most, now))


async def take(
    database: ContextDatabase, *, engine: str, node_id: UUID, lease: float = LEASE_SECONDS
) -> Claim | None:
    """As :func:`claim` for a node that may work, in a transaction of its own, one round trip."""
    found = await take_many(database, engine=engine, node_id=node_id, most=1, lease=lease)
    return found[0] if found else None


async def take_many(
    database: ContextDatabase,
    *,
    engine: str,
    node_id: UUID,
    most: int,
    lease: float = LEASE_SECONDS,
) -> list[Claim]:
    """As :func:`take`, for a node with ``most`` free slots; all in one transaction.

    Each piece has its own epoch, lease and attempt. A node gets no more than its slots at once,
    and one only while it has to prove itself after a rest.
    """
    args = (engine, node_id, lease, None, most)
    return claims_of(await database.system_fetch("farm claim", _TAKE, *args))


def claims_of(rows: Sequence[Any]) -> list[Claim]:
    """Return the claims in rows of ``render.claim_frame_jobs``, in their order."""
    compositions = {
        row["job_id"]: msgspec.json.decode(row["composition"], type=Composition, strict=False)
        for row in rows
        if row["composition"] is not None  # it comes with one row of each job
    }
    found: list[Claim] = []
    for row in rows:
        CLAIMS.labels(row["kind"]).inc()
        job = ClaimedJob(
            id=row["job_id"],
            composition=compositions[row["job_id"]],
            **{name: row[name] for name in _PLAIN},
        )
        found.append(_build(row, job))
    return found


def _build(row: Any, job: ClaimedJob) -> Claim:
    return Claim(**{name: row[name] for name in _OF_PIECE}, job=job)


async def attempt_of(
    work: SystemTransaction, *, frame_job_id: UUID, epoch: int, node_id: UUID
) -> Claim | None:
    """Return the claim that a node has or had; None when it never had it."""
    row = await work.fetchrow(_ATTEMPT, frame_job_id, epoch, node_id)
    return None if row is None else _build(row, await job_of(work, row["job_id"]))


async def kept(database: ContextDatabase, engine: str) -> bool:
    """Whether fresh pieces wait that may be kept for a node which has their template."""
    rows = await database.system_fetch("kept pieces", _KEPT, engine, KEPT_SECONDS)
    return bool(rows[0]["kept"])


async def job_of(work: SystemTransaction, job_id: UUID) -> ClaimedJob:
    """Return what a worker must know of a job."""
    row = await work.fetchrow(_JOB, job_id)
    return msgspec.convert(dict(row), ClaimedJob, strict=False)


async def heartbeat(
    work: SystemTransaction,
    *,
    frame_job_id: UUID,
    epoch: int,
    done_frames: int,
    lease: float = LEASE_SECONDS,
    now: datetime | None = None,
) -> None:
    """Prolong the lease and note progress. Raises :class:`StaleEpoch`."""
    row = await work.fetchrow(_HEARTBEAT, frame_job_id, epoch, lease, now, done_frames)
    if row is None:
        STALE.labels("heartbeat").inc()
        raise StaleEpoch


async def beat(
    database: ContextDatabase, frame_job_id: UUID, epoch: int, done_frames: int
) -> JobFacts:
    """As ``heartbeat``, in one round trip; return how the job stands now."""
    rows = await database.system_fetch(
        "farm heartbeat", _BEAT, frame_job_id, epoch, LEASE_SECONDS, None, done_frames
    )
    if not rows:
        STALE.labels("heartbeat").inc()
        raise StaleEpoch
    return JobFacts(**rows[0])


async def begin(work: SystemTransaction, job_id: UUID) -> bool:
    """Note that a job's first piece is being worked on; False when it was noted before.

    In a transaction of its own after the claim: a claim locks its frame job first, everything
    else locks the job first, and the two orders must not meet.
    """
    begun = await work.fetchrow(_BEGIN, job_id)
    if begun is None:
        return False
    if begun["first"]:  # and not after a pause or a retry
        work.emit(JobStarted(job_id=job_id, user_id=begun["user_id"]), tenant_id=begun["tenant_id"])
    return True


async def count_stale(work: SystemTransaction, frame_job_id: UUID, epoch: int) -> None:
    """Count a stale report with its attempt; in a transaction that changes nothing else."""
    await work.execute(_STALE, frame_job_id, epoch)


async def release(
    work: SystemTransaction, *, frame_job_id: UUID, epoch: int, now: datetime | None = None
) -> bool:
    """Give a claim back unharmed (a worker that stops); False when it was no longer ours."""
    row = await work.fetchrow(_RELEASE, frame_job_id, epoch, now)
    if row is not None:
        await work.execute(_LOST, frame_job_id, epoch)
    return row is not None


async def reap(work: SystemTransaction, *, now: datetime | None = None) -> list[Any]:
    """Put frame jobs whose lease ran out back to waiting; returns their rows."""
    rows = await work.fetch(_REAP, now)
    for row in rows:  # bounded by the batch of 200
        await work.execute(_LOST, row["id"], row["epoch"])
    LOST.inc(len(rows))
    return rows


async def tidy(work: SystemTransaction) -> int:
    """Take empty lanes out of the queue and put in what is missing; by the sweep."""
    return int(await work.fetchval("SELECT render.queue_tidy()"))


async def progress_of(work: SystemTransaction, job_id: UUID) -> JobFacts:
    """Return how a job stands now."""
    row = await work.fetchrow(_FACTS, job_id)
    return JobFacts(**row)
