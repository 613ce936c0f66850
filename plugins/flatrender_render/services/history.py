"""What became of a render: every attempt of every piece, the acts of people, why it waits."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender_render.farm import why
from flatrender_render.farm.why import Why
from flatrender_render.services.acts import Reach

_HISTORY = """
SELECT j.id, j.tenant_id, j.user_id, j.project_name, j.step, j.priority, j.engine, j.resolution,
       j.submitted_at, j.started_at, j.finished_at, j.deadline_at, j.cancelled_by,
       j.error_code, j.error_fa, j.error_en, j.reservation_state, j.charge_minor,
       coalesce((
           SELECT json_agg(json_build_object(
               'kind', f.kind, 'index', f.index, 'first_frame', f.first_frame,
               'last_frame', f.last_frame, 'state', f.state, 'held', f.held,
               'not_before', f.not_before, 'done_frames', f.done_frames,
               'attempts', coalesce((
                   SELECT json_agg(json_build_object(
                       'attempt', a.attempt, 'node', n.name, 'outcome', a.outcome,
                       'started_at', a.started_at, 'finished_at', a.finished_at,
                       'seconds', extract(epoch FROM coalesce(a.finished_at, now()) - a.started_at),
                       'first_frame_seconds', (a.timings->>'first_frame')::float8,
                       'error_class', a.error_class, 'error_code', a.error_code,
                       'error_message', CASE WHEN $4 THEN a.error_message END,
                       'rule', a.rule_code, 'blamed', a.blamed, 'late_reports', a.stale_reports
                   ) ORDER BY a.epoch)
                   FROM render.frame_attempts a LEFT JOIN render.nodes n ON n.id = a.node_id
                   WHERE a.tenant_id = f.tenant_id AND a.frame_job_id = f.id), '[]')
           ) ORDER BY f.kind DESC, f.index)
           FROM render.frame_jobs f WHERE f.tenant_id = j.tenant_id AND f.job_id = j.id), '[]')
       AS pieces,
       coalesce((
           SELECT json_agg(json_build_object('kind', e.kind, 'step', e.step, 'at', e.created_at,
                                             'by', e.data->>'by', 'reason', e.data->>'reason')
                           ORDER BY e.created_at, e.id)
           FROM render.job_events e WHERE e.tenant_id = j.tenant_id AND e.job_id = j.id), '[]')
       AS acts
FROM render.render_jobs j
WHERE j.id = $1 AND ($2::uuid IS NULL OR j.tenant_id = $2) AND ($3::uuid IS NULL OR j.user_id = $3)
"""


class Attempt(Struct, frozen=True, kw_only=True):
    """One machine's try of a piece. ``error_message`` is for administrators; ``rule`` is the
    failure rule that decided what came next. ``first_frame_seconds`` is how long the machine took
    to the first frame of a range, fetching and opening included."""

    attempt: int
    node: str | None
    outcome: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float
    first_frame_seconds: float | None
    error_class: str | None
    error_code: str | None
    error_message: str | None
    rule: str | None
    blamed: bool
    late_reports: int


class PieceHistory(Struct, frozen=True, kw_only=True):
    """A range of frames, the sound or the assembly."""

    kind: str
    index: int
    first_frame: int
    last_frame: int
    state: str
    held: bool
    not_before: datetime
    done_frames: int
    attempts: list[Attempt]


class Act(Struct, frozen=True, kw_only=True):
    """Something that a person did to the job."""

    kind: str
    step: str | None
    at: datetime
    by: str | None
    reason: str | None


class JobHistory(Struct, frozen=True, kw_only=True):
    """A render and everything that happened to it."""

    id: UUID
    tenant_id: UUID
    user_id: UUID
    project_name: str
    step: str
    priority: int
    engine: str
    resolution: str
    submitted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    cancelled_by: str | None
    error_code: str | None
    error_fa: str | None
    error_en: str | None
    reservation_state: str
    charge_minor: int
    why: Why | None
    pieces: list[PieceHistory]
    acts: list[Act]


class HistoryService:
    """Reads about single jobs, across tenants where the reach says so."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def of(self, reach: Reach, job_id: UUID) -> JobHistory:
        """Return a job's history. Raises ``NotFound``."""
        async with self._db.system("history of a job") as work:
            row: Any = await work.fetchrow(
                _HISTORY, job_id, reach.tenant_id, reach.user_id, reach.staff
            )
            if row is None:
                raise NotFound()
            waits = await why.explain(work, job_id)
        return msgspec.convert({**dict(row), "why": waits}, JobHistory, strict=False)
