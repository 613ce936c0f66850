"""Batches: one saved project over the rows of a table.

Order of a submit: check every cell of every row; set count and charge aside for all rows in one
transaction of identity; write batch and rows with the ids that their jobs will have. Jobs are made
in portions by a task: a row is locked, its job inserted and the row marked in one transaction, so
however often the task runs a row has one job. What a crash leaves set aside without a job is
released by the sweep of ``farm/accounts.py``, once no row waits for it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from flatrender.clock import uuid7
from flatrender.contracts.identity import RenderEntitlements, RenderReservation
from flatrender.contracts.render import JobCancelled, JobCompleted, JobFailed
from flatrender.contracts.studio import FilledRows, RenderSource, SavedProjects
from flatrender.db import UnitOfWork
from flatrender.errors import Invalid, NotFound
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.security.support import for_anybody, impersonator
from flatrender.tasks.task import Nothing, Schedule, Task
from flatrender.template.composition import SlotValue
from flatrender.template.timing import total_frames
from flatrender_render.batch_audience import nudge
from flatrender_render.batch_schemas import BatchBody, BatchCheck
from flatrender_render.batch_table import KEY, check_columns, columns_of, keys_of, numbered
from flatrender_render.errors import BatchEmpty, BatchTooLarge, JobFinished, VideoTooManyFrames
from flatrender_render.services import batch_sql as sql
from flatrender_render.services.jobs import MAX_FRAMES, JobService

PORTION = 25


class BatchWake(Struct, frozen=True):
    """Rows of a batch wait to become jobs, or its jobs to be stopped."""

    tenant_id: UUID
    batch_id: UUID


class BatchService:
    """Use cases of batches."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def check(self, principal: Principal, body: BatchBody) -> BatchCheck:
        """Say what a batch would be. Raises like :meth:`submit`, but for money."""
        filled, _ = await self._filled(principal, body)
        frames = total_frames(filled.source.composition)
        return BatchCheck(
            rows=len(body.rows),
            seconds_each=round(frames / filled.source.composition.fps, 3),
            columns=columns_of(body.rows),
        )

    async def submit(self, principal: Principal, body: BatchBody) -> UUID:
        """Accept all rows or none and return the batch's id.

        Raises ``NotFound``, ``BatchTooLarge``, ``Invalid`` with a pointer
        ``/rows/<index>/<column>`` for every refused cell, and identity's refusals.
        """
        filled, keys = await self._filled(principal, body)
        composition = filled.source.composition
        frames = total_frames(composition)
        batch_id = uuid7()
        jobs = sorted(uuid7() for _ in body.rows)
        terms = await self._reserve(principal, jobs, body.resolution, frames / composition.fps)
        rows = [
            {
                "row": number,
                "key": key,
                "cells": {k: v for k, v in cells.items() if k != KEY},
                "filled": one.values,
                "job_id": job,
            }
            for number, (key, cells, one, job) in enumerate(
                zip(keys, body.rows, filled.rows, jobs, strict=True), 1
            )
        ]
        try:
            async with self._db.unit_of_work(principal.tenant_id) as work:
                await work.execute(
                    sql.INSERT,
                    id=batch_id,
                    tenant=work.tenant,
                    user=principal.user_id,
                    saved=body.saved_project_id,
                    name=body.name or filled.source.name,
                    resolution=body.resolution,
                    total=len(rows),
                    source=_json(filled.source),
                    terms=_json(terms),
                    columns=columns_of(body.rows),
                    formats=["mp4", *sorted(set(body.extras))],
                    charge=terms.charge_minor * len(rows),
                    currency=terms.currency,
                )
                await work.execute(
                    sql.INSERT_ROWS,
                    tenant=work.tenant,
                    batch=batch_id,
                    charge=terms.charge_minor,
                    rows=_json(rows),
                    support=impersonator(),
                )
                work.enqueue(EXPAND, BatchWake(tenant_id=work.tenant, batch_id=batch_id))
        except BaseException:
            await self._release(principal.tenant_id, jobs)
            raise
        return batch_id

    async def cancel(self, principal: Principal, batch_id: UUID) -> None:
        """Stop what has not ended. Raises ``NotFound`` and ``JobFinished``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            batch = await _locked(work, batch_id)
            if batch is None or batch.user_id != principal.user_id:
                raise NotFound()
            if batch.state != "Running":
                raise JobFinished(step=batch.state)
            own = {"tenant": work.tenant, "batch": batch_id}
            await work.execute(sql.STOP, **own)
            await work.execute(sql.STOP_ROWS, **own)
            await work.execute(sql.RECOUNT, **own)
            work.enqueue(STOP, BatchWake(tenant_id=work.tenant, batch_id=batch_id))
        await nudge(self._context, batch_id)

    async def retry(self, principal: Principal, batch_id: UUID) -> int:
        """Render the failed rows again, set aside anew; returns how many.

        Raises ``NotFound``, ``BatchEmpty`` and identity's refusals.
        """
        source, resolution = await self._source(principal, batch_id)
        found = await self._db.reads.records(
            principal.tenant_id, sql.FAILED, principal.tenant_id, batch_id
        )
        if not found:
            raise BatchEmpty()
        jobs = sorted(uuid7() for _ in found)
        seconds = total_frames(source.composition) / source.composition.fps
        terms = await self._reserve(principal, jobs, resolution, seconds)
        rows = [
            {"row": row["row"], "old": row["job_id"], "job_id": job}
            for row, job in zip(found, jobs, strict=True)
        ]
        taken: set[UUID] = set()
        try:
            async with self._db.unit_of_work(principal.tenant_id) as work:
                await _locked(work, batch_id)
                own = {"tenant": work.tenant, "batch": batch_id}
                again = await work.execute(
                    sql.AGAIN,
                    **own,
                    rows=_json(rows),
                    charge=terms.charge_minor,
                    support=impersonator(),
                )
                taken = {row[0] for row in again}
                charge = terms.charge_minor * len(taken)
                await work.execute(sql.CHARGED, **own, charge=charge, terms=_json(terms))
                await work.execute(sql.RECOUNT, **own)
                work.enqueue(EXPAND, BatchWake(tenant_id=work.tenant, batch_id=batch_id))
        except BaseException:
            await self._release(principal.tenant_id, jobs)
            raise
        # Somebody else retried some of them meanwhile: what was set aside for those goes back.
        await self._release(principal.tenant_id, [job for job in jobs if job not in taken])
        return len(taken)

    async def expand(self, wake: BatchWake) -> None:
        """Make jobs of the rows that wait, a portion in each transaction."""
        while await self._portion(wake):
            await nudge(self._context, wake.batch_id)
        await nudge(self._context, wake.batch_id)

    async def stop_jobs(self, wake: BatchWake) -> None:
        """Stop the jobs of a cancelled batch, and release what never became one."""
        reads, own = self._db.reads, (wake.tenant_id, wake.batch_id)
        never = await reads.records(wake.tenant_id, sql.NEVER_MADE, *own)
        await self._release(wake.tenant_id, [row["job_id"] for row in never], quiet=False)
        async with self._db.unit_of_work(wake.tenant_id) as work:
            batch = await _locked(work, wake.batch_id)
        if batch is None:
            return
        owner = Principal(kind="user", tenant_id=wake.tenant_id, user_id=batch.user_id)
        jobs = self._context.get(JobService)
        for row in await reads.records(wake.tenant_id, sql.STILL_GOING, *own):
            with contextlib.suppress(JobFinished, NotFound):  # it ended by itself
                await jobs.cancel(owner, row["job_id"])

    async def _portion(self, wake: BatchWake) -> bool:
        async with self._db.unit_of_work(wake.tenant_id) as work:
            batch = await _locked(work, wake.batch_id)
            if batch is None or batch.state != "Running" or batch.stop:
                return False
            own = {"tenant": work.tenant, "batch": wake.batch_id}
            found = (await work.execute(sql.TAKE, **own, portion=PORTION)).all()
            if not found:
                return False
            source = msgspec.convert(batch.source, RenderSource, strict=False)
            terms = msgspec.convert(batch.terms, RenderReservation, strict=False)
            frames = total_frames(source.composition)
            owner = Principal(kind="user", tenant_id=work.tenant, user_id=batch.user_id)
            jobs = self._context.get(JobService)
            for row in found:
                await jobs.insert(
                    work,
                    job_id=row.job_id,
                    principal=owner,
                    source=_over(source, row.values),
                    resolution=batch.resolution,
                    frames=frames,
                    reservation=replace(terms, job_id=row.job_id),
                    extras=[form for form in batch.formats if form != "mp4"],
                    support_id=row.support_id,
                )
            await work.execute(sql.SUBMITTED, **own, jobs=[row.job_id for row in found])
            return len(found) == PORTION

    async def _filled(self, principal: Principal, body: BatchBody) -> tuple[FilledRows, list[str]]:
        """Return the checked rows and their keys."""
        tenant_id, user_id = principal.tenant_id, principal.user_id
        if user_id is None:
            raise NotFound()
        limits = await self._context.port(RenderEntitlements).limits(tenant_id, user_id)
        if len(body.rows) > limits.max_batch_rows:
            raise BatchTooLarge(limit=limits.max_batch_rows, rows=len(body.rows))
        if refused := check_columns(columns_of(body.rows)):
            raise Invalid(errors=refused)  # before a cell of them is looked at
        keys, errors = keys_of(body.rows)
        cells = [{k: v for k, v in row.items() if k != KEY} for row in body.rows]
        filled = await self._context.port(SavedProjects).fill_rows(
            tenant_id, user_id, body.saved_project_id, cells
        )
        if filled is None:
            raise NotFound()
        errors += filled.errors
        for number, row in enumerate(filled.rows, 1):
            errors += [numbered(error, number) for error in row.errors]
        if errors:
            raise Invalid(errors=errors)
        frames = total_frames(filled.source.composition)
        if frames > MAX_FRAMES:
            raise VideoTooManyFrames(limit=MAX_FRAMES, frames=frames)
        return filled, keys

    async def _source(self, principal: Principal, batch_id: UUID) -> tuple[RenderSource, str]:
        # A read: the first unit of work that commits is what the request's key stands for.
        found = await self._db.reads.records(
            principal.tenant_id, sql.LOOK, principal.tenant_id, batch_id
        )
        if not found or found[0]["user_id"] != principal.user_id:
            raise NotFound()
        source = msgspec.convert(found[0]["source"], RenderSource, strict=False)
        return source, found[0]["resolution"]

    async def _reserve(
        self, principal: Principal, jobs: Sequence[UUID], resolution: str, seconds: float
    ) -> RenderReservation:
        if principal.user_id is None:
            raise NotFound()
        return await self._context.port(RenderEntitlements).reserve_many(
            tenant_id=principal.tenant_id,
            user_id=principal.user_id,
            job_ids=jobs,
            resolution=resolution,
            seconds=seconds,
        )

    async def _release(self, tenant_id: UUID, jobs: Sequence[UUID], *, quiet: bool = True) -> None:
        port = self._context.port(RenderEntitlements)
        for job in jobs:
            try:
                await port.release(tenant_id=tenant_id, job_id=job)
            except Exception:
                if not quiet:  # a task is repeated; a request leaves it to the sweep
                    raise


async def _locked(work: UnitOfWork, batch_id: UUID) -> Any:
    found = await work.execute(sql.LOCK, tenant=work.tenant, batch=batch_id)
    return found.first()


def _over(source: RenderSource, filled: Mapping[str, Any]) -> RenderSource:
    """Lay a row's values over the frozen project."""
    values = msgspec.convert(filled, dict[str, dict[str, SlotValue]], strict=False)
    scenes = [
        replace(scene, values={**scene.values, **values[scene.id]}) if scene.id in values else scene
        for scene in source.composition.scenes
    ]
    return replace(source, composition=replace(source.composition, scenes=scenes))


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def _end_row(work: UnitOfWork, job_id: UUID, state: str, **facts: object) -> None:
    found = await work.execute(sql.BATCH_OF, tenant=work.tenant, job=job_id)
    row = found.first()
    if row is None:
        return
    await _locked(work, row[0])  # the batch first: two rows that end at once count each other
    told: dict[str, object] = {"export": None, "code": None, "fa": None, "en": None, **facts}
    ended = await work.execute(sql.ENDED, tenant=work.tenant, job=job_id, state=state, **told)
    if ended.first() is not None:
        await work.execute(sql.RECOUNT, tenant=work.tenant, batch=row[0])
        # As a task: who watches is told after this is committed, and only then.
        work.enqueue(TOLD, BatchWake(tenant_id=work.tenant, batch_id=row[0]))


async def row_done(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A row has its video."""
    del context
    event: JobCompleted = told.event
    await _end_row(work, event.job_id, "Done", export=event.export_id)


async def row_failed(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A row could not be rendered."""
    del context
    event: JobFailed = told.event
    await _end_row(
        work,
        event.job_id,
        "Failed",
        code=event.code,
        fa=event.message_fa,
        en=event.message_en,
    )


async def row_cancelled(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A row was stopped."""
    del context
    event: JobCancelled = told.event
    await _end_row(work, event.job_id, "Cancelled")


async def expand(context: PluginContext, wake: BatchWake) -> None:
    """Make jobs of rows that wait, whoever asked for the last of them."""
    with for_anybody():
        await context.get(BatchService).expand(wake)


async def stop(context: PluginContext, wake: BatchWake) -> None:
    """Stop a batch's jobs."""
    await context.get(BatchService).stop_jobs(wake)


async def tell(context: PluginContext, wake: BatchWake) -> None:
    """Tell watchers that a row ended."""
    await nudge(context, wake.batch_id)


async def sweep(context: PluginContext, _payload: Nothing) -> None:
    """Wake workers for rows that still wait: nothing depends on a wake-up having arrived."""
    for row in await context.db.system_fetch("rows that wait", sql.LATE):
        await context.infra.queue.enqueue_task(
            "render",
            EXPAND.queue,
            EXPAND.name,
            BatchWake(tenant_id=row["tenant_id"], batch_id=row["batch_id"]),
        )


EXPAND = Task(
    name="render.batch_expand", queue="default", handler=expand, payload=BatchWake, timeout=900.0
)
STOP = Task(
    name="render.batch_stop", queue="default", handler=stop, payload=BatchWake, timeout=900.0
)
TOLD = Task(
    name="render.batch_told", queue="default", handler=tell, payload=BatchWake, max_attempts=1
)
SWEEP = Task(name="render.batch_sweep", queue="cleanup", handler=sweep, max_attempts=1, alone=True)
TASKS = (EXPAND, STOP, TOLD, SWEEP)
SCHEDULES = (Schedule(task=SWEEP, every=30.0),)
SUBSCRIPTIONS = (
    Subscription(event=JobCompleted, handler=row_done),
    Subscription(event=JobFailed, handler=row_failed),
    Subscription(event=JobCancelled, handler=row_cancelled),
)
