"""Reservations that stayed open: settled or given back by what became of their jobs.

The events of a job's end settle its reservation within moments. This sweep is for what they
missed: a process that died between reserving and inserting the job, an event that went to the
dead letters. A reservation that no job names any more was of a job before its retry. Every call
of the port is idempotent by reservation, so the sweep, the events and another sweep may meet.
Owns no row.
"""

from uuid import UUID

import structlog

from flatrender.contracts.identity import RenderEntitlements
from flatrender.plugin import PluginContext
from flatrender_render.domain import Step

log = structlog.get_logger(__name__)

BATCH = 500

_FATES = """
SELECT coalesce(reservation_id, id) AS id, tenant_id, step,
       coalesce(refund_fraction, 0) AS fraction, cancelled_by
FROM render.render_jobs
WHERE reservation_id = ANY ($1) OR (id = ANY ($1) AND reservation_id IS NULL)
UNION ALL  -- rows of a batch that are about to become jobs
SELECT job_id, tenant_id, 'Queued', 0, NULL FROM render.batch_rows
WHERE job_id = ANY ($1) AND state = 'Waiting'
"""


async def settle_overdue(context: PluginContext) -> int:
    """Close the open reservations whose jobs ended or never were; returns how many."""
    port = context.port(RenderEntitlements)
    open_ = await port.overdue(BATCH)
    if not open_:
        return 0
    rows = await context.db.system_fetch(
        "jobs of overdue reservations", _FATES, [one.job_id for one in open_]
    )
    fates = {(row["tenant_id"], row["id"]): row for row in rows}
    living: list[UUID] = []
    for one in open_:  # bounded by the batch, and rare
        tenant_id, job_id = one.tenant_id, one.job_id
        job = fates.get((tenant_id, job_id))
        step = None if job is None else Step(job["step"])
        if job is None:
            await port.release(tenant_id=tenant_id, job_id=job_id)
        elif step is Step.DONE:
            await port.settle(tenant_id=tenant_id, job_id=job_id)
        elif step is Step.FAILED:
            await port.release(tenant_id=tenant_id, job_id=job_id)
        elif step is Step.CANCELLED:
            await port.release(
                tenant_id=tenant_id,
                job_id=job_id,
                fraction=job["fraction"],
                give_back_count=job["cancelled_by"] != "user",
            )
        else:
            living.append(job_id)
            continue
        log.warning("overdue_reservation_closed", job_id=str(job_id), step=step)
    if living:
        await port.keep(living)
    return len(open_) - len(living)
