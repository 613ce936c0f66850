"""What other contexts' events do here: people are told."""

from flatrender.contracts.identity import PlanActivated, PlanExpired
from flatrender.contracts.notification import MessageRequested
from flatrender.contracts.render import ExportDeleted, ExportExpiring, JobCompleted, JobFailed
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender_notification import erasure
from flatrender_notification.services.notices import NoticeService


async def tell_render_completed(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A video is ready."""
    event: JobCompleted = told.event
    await context.get(NoticeService).notify(
        work,
        user_id=event.user_id,
        kind="RenderCompleted",
        message="render_completed",
        params={
            "project": event.project_name,
            "resolution": event.resolution,
            "seconds": f"{event.duration_sec:.1f}",
        },
        data={
            "job_id": str(event.job_id),
            "export_id": str(event.export_id),
            "saved_project_id": str(event.saved_project_id),
        },
        event_id=told.envelope.event_id,
        path=f"/v1/exports/{event.export_id}/download",
        by_support=event.by_support,
    )


async def tell_render_failed(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A video could not be made."""
    event: JobFailed = told.event
    await context.get(NoticeService).notify(
        work,
        user_id=event.user_id,
        kind="RenderFailed",
        message="render_failed",
        params={
            "project": event.project_name,
            "reason_fa": event.message_fa,
            "reason_en": event.message_en,
        },
        data={"job_id": str(event.job_id), "code": event.code, "retryable": event.retryable},
        event_id=told.envelope.event_id,
        priority="High",
        by_support=event.by_support,
    )


async def tell_export_expiring(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A video will be deleted soon."""
    event: ExportExpiring = told.event
    await context.get(NoticeService).notify(
        work,
        user_id=event.user_id,
        kind="ExportExpiring",
        message="export_expiring",
        params={
            "project": event.project_name,
            "format": event.format.upper(),
            "days": str(event.days_left),
        },
        data={
            "export_id": str(event.export_id),
            "job_id": str(event.job_id),
            "expires_at": event.expires_at.isoformat(),
        },
        event_id=told.envelope.event_id,
        path=f"/v1/exports/{event.export_id}/download",
    )


async def tell_export_deleted(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A video's time is over. Who deleted one knows it."""
    event: ExportDeleted = told.event
    if event.reason != "expired":
        return
    await context.get(NoticeService).notify(
        work,
        user_id=event.user_id,
        kind="ExportDeleted",
        message="export_deleted",
        params={"project": event.project_name, "format": event.format.upper()},
        data={"export_id": str(event.export_id), "job_id": str(event.job_id)},
        event_id=told.envelope.event_id,
    )


async def tell_plan_activated(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A plan began."""
    event: PlanActivated = told.event
    await context.get(NoticeService).notify(
        work,
        user_id=event.user_id,
        kind="Other",
        message="plan_activated",
        params={"plan": event.plan_code},
        data={"plan_code": event.plan_code},
        event_id=told.envelope.event_id,
    )


async def tell_plan_expired(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A plan ended."""
    event: PlanExpired = told.event
    await context.get(NoticeService).notify(
        work,
        user_id=event.user_id,
        kind="PlanExpired",
        message="plan_expired",
        params={"plan": event.plan_code},
        data={"plan_code": event.plan_code},
        event_id=told.envelope.event_id,
    )


async def send_requested(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """Another context asked for a message."""
    event: MessageRequested = told.event
    await context.get(NoticeService).request(work, event, told.envelope.event_id)


SUBSCRIPTIONS = (
    Subscription(event=JobCompleted, handler=tell_render_completed),
    Subscription(event=JobFailed, handler=tell_render_failed),
    Subscription(event=ExportExpiring, handler=tell_export_expiring),
    Subscription(event=ExportDeleted, handler=tell_export_deleted),
    Subscription(event=PlanActivated, handler=tell_plan_activated),
    Subscription(event=PlanExpired, handler=tell_plan_expired),
    Subscription(event=MessageRequested, handler=send_requested),
    *erasure.SUBSCRIPTIONS,
)
