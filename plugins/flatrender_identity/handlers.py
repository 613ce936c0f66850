"""What other contexts' events do in identity: a render's end settles what it took,
and parts of a person's copy of their data arrive."""

from flatrender.contracts.identity import DataExportGiven
from flatrender.contracts.render import JobCancelled, JobCompleted, JobFailed
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender_identity.services.data_exports import DataExportService
from flatrender_identity.services.entitlements import EntitlementService


async def settle_render(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A finished render turns its reservation into a charge."""
    event: JobCompleted = told.event
    await context.get(EntitlementService).settle_in(work, event.reservation_id or event.job_id)


async def refund_failed_render(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A render that failed gives back everything it took."""
    event: JobFailed = told.event
    await context.get(EntitlementService).release_in(
        work,
        event.reservation_id or event.job_id,
        fraction=event.refund_fraction,
        give_back_count=True,
    )


async def refund_cancelled_render(
    context: PluginContext, work: UnitOfWork, told: Delivered
) -> None:
    """A cancelled render gives back what was not drawn."""
    event: JobCancelled = told.event
    await context.get(EntitlementService).release_in(
        work,
        event.reservation_id or event.job_id,
        fraction=event.refund_fraction,
        give_back_count=event.give_back_count,
    )


async def note_part(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A context gave its part of a person's copy."""
    event: DataExportGiven = told.event
    await context.get(DataExportService).given(work, event)


SUBSCRIPTIONS = (
    Subscription(event=DataExportGiven, handler=note_part),
    Subscription(event=JobCompleted, handler=settle_render),
    Subscription(event=JobFailed, handler=refund_failed_render),
    Subscription(event=JobCancelled, handler=refund_cancelled_render),
)
