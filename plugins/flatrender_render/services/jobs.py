"""Jobs: submit, cancel. What a submit takes it takes once, whatever happens in between.

Order of a submit: freeze the project (studio), reserve count and charge (identity, keyed by the
job's id), insert the job with its frame jobs. Should the insert fail, the reservation is
released at once; should the process die in between, the sweep of ``farm/accounts.py`` does it.
"""

import contextlib
import hashlib
from collections.abc import Sequence
from uuid import UUID

import msgspec

from flatrender.clock import uuid7
from flatrender.contracts.identity import RenderEntitlements, RenderReservation
from flatrender.contracts.render import JobQueued
from flatrender.contracts.studio import RenderSource, SavedProjects
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.security.support import impersonator
from flatrender.template.timing import total_frames
from flatrender_render.domain import (
    FrameRange,
    chunks,
    gops_per_chunk,
    output_size,
)
from flatrender_render.engines import engine
from flatrender_render.errors import TooManyActiveJobs, VideoTooManyFrames
from flatrender_render.farm.wake import WORK, Wake
from flatrender_render.services.acts import ActService, own

MAX_FRAMES = 60 * 60 * 30  # half an hour at 60 fps
WAKES = 32  # more workers than this are woken by the sweep a moment later

_INSERT_JOB = """
INSERT INTO render.render_jobs (id, tenant_id, user_id, saved_project_id, saved_project_version,
    project_name, container_id, submitted_via, engine, engine_version, package_object_key,
    package_sha256, composition, composition_sha256, needs, resolution, aspect, width, height, fps,
    duration, watermark, has_voiceover, has_audio, priority, total_frames, chunk_frames,
    frame_jobs_total, reservation_state, charge_minor, currency, plan_code, formats,
    share_weight, required_fonts, min_engine_version, support_id, deadline_at)
VALUES (:id, :tenant, :user, :saved, :version, :name, :container, :via, :engine, :engine_version,
    :package_key, :package_sha, CAST(:composition AS jsonb), :composition_sha,
    CAST(:needs AS jsonb), :resolution, :aspect, :width, :height, :fps, :duration, :watermark,
    :voiceover, :audio, :priority, :frames, :chunk_frames, :pieces, 'Reserved', :charge, :currency,
    :plan, CAST(:formats AS text[]), :weight,
    CAST(:fonts AS text[]), :oldest, :support, now() + interval '24 hours')
"""
_INSERT_FRAMES = """
INSERT INTO render.frame_jobs (id, tenant_id, job_id, kind, index, first_frame, last_frame, engine,
                               package_sha256, priority)
SELECT r.id, :tenant, :job, r.kind, r.index, r.first_frame, r.last_frame, :engine, :package_sha,
       :priority
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
     AS r(id uuid, kind text, index int, first_frame int, last_frame int)
"""
_ACTIVE = """
SELECT count(*) FROM render.render_jobs WHERE tenant_id = :tenant AND user_id = :user
AND batch_id IS NULL AND step NOT IN ('Done', 'Failed', 'Cancelled')
"""

#: Submits of one person wait for each other here: each counts what the other inserted.
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('submit:' || :user, 0))"


class JobService:
    """Use cases of render jobs."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def submit(
        self,
        principal: Principal,
        saved_project_id: UUID,
        resolution: str,
        *,
        extras: Sequence[str] = (),
    ) -> UUID:
        """Accept a render and return its job id. ``extras`` are formats besides MP4.

        Raises ``NotFound``, studio's ``project_incomplete`` and identity's refusals
        (``quality_locked``, ``daily_limit_reached``, ``not_enough_charge``).
        """
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        source = await self._context.port(SavedProjects).render_source(
            tenant_id, user_id, saved_project_id
        )
        if source is None:
            raise NotFound()
        frames = total_frames(source.composition)
        if frames > MAX_FRAMES:
            raise VideoTooManyFrames(limit=MAX_FRAMES, frames=frames)
        job_id = uuid7()
        entitlements = self._context.port(RenderEntitlements)
        reservation = await entitlements.reserve(
            tenant_id=tenant_id,
            user_id=user_id,
            job_id=job_id,
            resolution=resolution,
            seconds=frames / source.composition.fps,
        )
        try:
            async with self._db.unit_of_work(tenant_id) as work:
                await self._check_active(work, user_id, reservation)
                await self.insert(
                    work,
                    job_id=job_id,
                    principal=principal,
                    source=source,
                    resolution=resolution,
                    frames=frames,
                    reservation=reservation,
                    extras=extras,
                    support_id=impersonator(),
                )
        except BaseException:
            with contextlib.suppress(Exception):  # the sweep does it when this cannot
                await entitlements.release(tenant_id=tenant_id, job_id=job_id)
            raise
        return job_id

    async def cancel(self, principal: Principal, job_id: UUID) -> None:
        """Stop a job of this user. What was not rendered is given back.

        Raises ``NotFound`` and ``JobFinished``.
        """
        await self._context.get(ActService).stop(own(principal), job_id)

    async def _check_active(
        self, work: UnitOfWork, user_id: UUID, reservation: RenderReservation
    ) -> None:
        if reservation.max_active_jobs is None:
            return
        await work.execute(_ONE_AT_A_TIME, user=str(user_id))
        active = await work.execute(_ACTIVE, tenant=work.tenant, user=user_id)
        if int(active.scalar_one()) >= reservation.max_active_jobs:
            raise TooManyActiveJobs(limit=reservation.max_active_jobs)

    async def insert(
        self,
        work: UnitOfWork,
        *,
        job_id: UUID,
        principal: Principal,
        source: RenderSource,
        resolution: str,
        frames: int,
        reservation: RenderReservation,
        extras: Sequence[str] = (),
        support_id: UUID | None = None,
    ) -> None:
        """Write a job with its pieces into an open transaction; its charge is set aside already.
        ``support_id``: who of support asked for it in the owner's account."""
        composition = source.composition
        width, height = output_size(composition.width, composition.height, resolution)
        encoded = msgspec.json.encode(composition)
        slots = self._context.infra.settings.worker.render_slots or 2
        gops = gops_per_chunk(frames, slots)
        ranges = list(chunks(frames, gops=gops))
        pieces = [("video", index, piece) for index, piece in enumerate(ranges)]
        if composition.audio:
            pieces.append(("audio", 0, FrameRange(0, frames - 1)))
        # Claims go by id: in the order of the film, the sound last.
        ids = sorted(uuid7() for _ in pieces)
        rows = [_row(made, *piece) for made, piece in zip(ids, pieces, strict=True)]
        priority = reservation.priority
        await work.execute(
            _INSERT_JOB,
            id=job_id,
            tenant=work.tenant,
            user=principal.user_id,
            saved=source.saved_project_id,
            version=source.version,
            name=source.name,
            container=source.container_id,
            via="api_key" if principal.kind == "api_key" else "user",
            engine=source.engine,
            engine_version=engine(source.engine).version,
            package_key=source.package_object_key,
            package_sha=source.package_sha256,
            composition=encoded.decode(),
            composition_sha=hashlib.sha256(encoded).hexdigest(),
            needs=msgspec.json.encode({"export_days": reservation.export_days}).decode(),
            resolution=resolution,
            aspect=composition.aspect,
            width=width,
            height=height,
            fps=composition.fps,
            duration=frames / composition.fps,
            watermark=reservation.watermark,
            voiceover=source.has_voiceover,
            audio=bool(composition.audio),
            priority=priority,
            frames=frames,
            chunk_frames=ranges[0].count,
            pieces=len(rows) + 1,
            charge=reservation.charge_minor,
            currency=reservation.currency,
            plan=reservation.plan_code,
            weight=reservation.weight,
            fonts=source.needs.fonts,
            oldest=source.needs.engine_version,
            support=support_id,
            formats=["mp4", *sorted(set(extras))],
        )
        await work.execute(
            _INSERT_FRAMES,
            tenant=work.tenant,
            job=job_id,
            engine=source.engine,
            package_sha=source.package_sha256,
            priority=priority,
            rows=msgspec.json.encode(rows).decode(),
        )
        work.emit(
            JobQueued(
                job_id=job_id,
                user_id=principal.user_id or UUID(int=0),
                saved_project_id=source.saved_project_id,
                resolution=resolution,
                total_frames=frames,
            )
        )
        for _ in range(min(len(rows), WAKES)):
            work.enqueue(WORK, Wake(engine=source.engine))


def _row(piece_id: UUID, kind: str, index: int, piece: FrameRange) -> dict[str, object]:
    return {
        "id": piece_id,
        "kind": kind,
        "index": index,
        "first_frame": piece.first,
        "last_frame": piece.last,
    }
