"""Repairs: ranges that were proven once and are not whole any more, or failed their proof.

Owns the ``frame_repair_jobs`` rows and the way back from an assembly to its pieces. Fenced like
every report; a range is made again at most three times, then the job fails and says why.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from flatrender.db import SystemTransaction
from flatrender_render.domain import MAX_REPAIRS, Step
from flatrender_render.farm import reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.failures import classify

Defect = Literal[
    "missing", "truncated", "corrupt", "wrong_count", "wrong_size", "wrong_hash", "black", "frozen"
]

#: The fault of a machine whose result does not pass the farm's own look, whatever its proof said.
NEVER_GOOD = "node_result_bad"

#: What a proof calls its fault, in the words of the table.
_DEFECTS: dict[str, Defect] = {
    "missing": "missing",
    "truncated": "truncated",
    "altered": "wrong_hash",
    "wrong_count": "wrong_count",
    "wrong_size": "wrong_size",
    "black": "black",
    "frozen": "frozen",
}

_SPENT = """
SELECT coalesce(max(r.attempt), 0) FROM render.frame_repair_jobs r
JOIN render.frame_jobs f ON f.id = r.frame_job_id
JOIN unnest($2::text[], $3::int[]) AS hurt(kind, index)
     ON hurt.kind = f.kind AND hurt.index = f.index
WHERE f.job_id = $1
"""
_AGAIN = """
WITH hurt AS (SELECT * FROM unnest($2::text[], $3::int[], $4::text[]) AS h(kind, index, defect)),
again AS (
    UPDATE render.frame_jobs f
    SET state = 'Waiting', done_frames = 0, finished_at = NULL, node_id = NULL, object_key = NULL,
        sha256 = NULL, packets = NULL, bytes = NULL, proof = NULL,
        not_before = coalesce($6::timestamptz, now())
    FROM hurt WHERE f.job_id = $1 AND f.kind = hurt.kind AND f.index = hurt.index
      AND f.state = 'Done'
    RETURNING f.id, f.tenant_id, f.job_id, f.first_frame, f.last_frame, hurt.defect)
INSERT INTO render.frame_repair_jobs (tenant_id, job_id, frame_job_id, first_frame, last_frame,
    defect, attempt, max_attempts, reason, missing_frames, corrupt_frames)
SELECT a.tenant_id, a.job_id, a.id, a.first_frame, a.last_frame, a.defect,
       1 + (SELECT count(*) FROM render.frame_repair_jobs r WHERE r.frame_job_id = a.id), $5,
       'not in the store as it was proven',
       CASE WHEN a.defect = 'missing' THEN a.last_frame - a.first_frame + 1 ELSE 0 END,
       CASE WHEN a.defect = 'missing' THEN 0 ELSE a.last_frame - a.first_frame + 1 END
FROM again a
RETURNING attempt, missing_frames, corrupt_frames
"""
#: Who made pieces that were never good; one that is missing or another by now says nothing of it.
_MAKERS = """
SELECT f.node_id, f.epoch FROM render.frame_jobs f
JOIN unnest($2::text[], $3::int[], $4::text[]) AS hurt(kind, index, defect)
     ON hurt.kind = f.kind AND hurt.index = f.index
WHERE f.job_id = $1 AND f.state = 'Done' AND f.node_id IS NOT NULL
  AND hurt.defect NOT IN ('missing', 'wrong_hash')
ORDER BY f.node_id
"""
_HOLD = """
UPDATE render.frame_jobs
SET state = 'Waiting', held = true, lease_until = NULL, node_id = NULL, done_frames = 0
WHERE id = $1
"""
_ATTEMPT = """
UPDATE render.frame_attempts SET outcome = 'Failed',
       finished_at = coalesce($4::timestamptz, now()), error_class = 'transient',
       error_code = 'segment_mismatch', error_message = $3
WHERE frame_job_id = $1 AND epoch = $2
"""
_JOB = """
UPDATE render.render_jobs SET repair_attempts = repair_attempts + 1 WHERE id = $1
"""
_NOTE = """
INSERT INTO render.frame_repair_jobs (tenant_id, job_id, frame_job_id, first_frame, last_frame,
    defect, attempt, max_attempts, reason, missing_frames, corrupt_frames)
SELECT $1, $2, $3::uuid, $4, $5, $6, n.past + 1, $7::int, $8, $9, $10
FROM (SELECT count(*) AS past FROM render.frame_repair_jobs WHERE frame_job_id = $3::uuid) n
WHERE n.past < $7::int
RETURNING attempt
"""


def defect_of(kind: str) -> Defect:
    """Return what a proof's fault is called here."""
    return _DEFECTS.get(kind, "corrupt")


class Damage(Struct, frozen=True, kw_only=True):
    """A piece that was proven and is not in the store as it was."""

    kind: Annotated[str, Meta(max_length=20)]
    index: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    defect: Defect


class Damaged(Exception):
    """An assembly found pieces that are not whole."""

    def __init__(self, damages: Sequence[Damage]) -> None:
        names = ", ".join(f"{d.kind} {d.index}: {d.defect}" for d in damages)
        super().__init__(names)
        self.damages = list(damages)


class RepairNote(Struct, frozen=True, kw_only=True):
    """What watchers are told: frames to be made again, and which try this is."""

    missing_frames: int
    corrupt_frames: int
    attempt: int
    max_attempts: int = MAX_REPAIRS


async def repair(
    work: SystemTransaction, claim: Claim, error: Damaged, *, now: datetime | None = None
) -> RepairNote | None:
    """Send damaged pieces back to be made again, and the assembly to wait for them.

    None when a piece has used up its repairs: the job failed. Raises ``StaleEpoch``.
    """
    await reports.lock_own(work, claim)
    kinds = [damage.kind for damage in error.damages]
    indexes = [damage.index for damage in error.damages]
    await work.execute(_ATTEMPT, claim.id, claim.epoch, str(error)[:2000], now)
    if await work.fetchval(_SPENT, claim.job.id, kinds, indexes) >= MAX_REPAIRS:
        verdict = classify("segment_mismatch", str(error))
        await reports.fail_job(work, claim.job.id, verdict, now=now)
        return None
    defects = [damage.defect for damage in error.damages]
    rows = await work.fetch(_AGAIN, claim.job.id, kinds, indexes, defects, MAX_REPAIRS, now)
    await work.execute(_HOLD, claim.id)
    await work.execute(_JOB, claim.job.id)
    await reports.enter(work, claim.job.id, Step.REPAIRING)
    return RepairNote(
        missing_frames=sum(row["missing_frames"] for row in rows),
        corrupt_frames=sum(row["corrupt_frames"] for row in rows),
        attempt=max((row["attempt"] for row in rows), default=1),
    )


async def makers(
    work: SystemTransaction, claim: Claim, damages: Sequence[Damage]
) -> list[tuple[UUID, int]]:
    """Return node and epoch of each piece that was never good, before it is sent back."""
    columns = zip(*((d.kind, d.index, d.defect) for d in damages), strict=True)
    rows = await work.fetch(_MAKERS, claim.job.id, *map(list, columns))
    return [(row["node_id"], row["epoch"]) for row in rows]


async def note_failed_proof(
    work: SystemTransaction, claim: Claim, kind: str, frames: Sequence[int], reason: str
) -> RepairNote | None:
    """Write down that a range failed its proof and is made again; None past the last try."""
    defect = defect_of(kind)
    bad = len(frames) or claim.frames
    missing = bad if defect in {"missing", "truncated", "wrong_count"} else 0
    attempt = await work.fetchval(
        _NOTE,
        claim.job.tenant_id,
        claim.job.id,
        claim.id,
        claim.first_frame,
        claim.last_frame,
        defect,
        MAX_REPAIRS,
        reason[:2000],
        missing,
        bad - missing,
    )
    if attempt is None:
        return None
    return RepairNote(missing_frames=missing, corrupt_frames=bad - missing, attempt=attempt)
