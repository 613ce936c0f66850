"""What other contexts' events do here: a template that is picked or rendered is more popular, a
project that waits to be scanned is read.

The template may be another tenant's, whose row the event's own unit of work cannot reach, so the
system role counts. It notes that it has counted in the same transaction: an event that comes again,
also after a crash between that commit and the inbox's own, counts nothing.
"""

from uuid import UUID

from flatrender.contracts.render import JobCompleted, ScanQueued
from flatrender.contracts.studio import ProjectSaved
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.privacy import forgets, gives_copy
from flatrender_content.tasks import READ_PROJECT, ReadProject

_ONCE = """
INSERT INTO content.inbox (event_id, handler) VALUES ($1, $2) ON CONFLICT DO NOTHING
RETURNING event_id
"""
_USED = "UPDATE content.project_containers SET use_count = use_count + 1 WHERE id = $1"
_RENDERED = "UPDATE content.project_containers SET render_count = render_count + 1 WHERE id = $1"

_ERASE = (
    "DELETE FROM content.favorites WHERE tenant_id = :tenant AND user_id = :user",
    "DELETE FROM content.ai_usage_daily WHERE tenant_id = :tenant AND user_id = :user",
)

_SECTIONS = {
    "favorites": "SELECT f.* FROM content.favorites f "
    "WHERE f.tenant_id = :tenant AND f.user_id = :user",
}


async def count_use(context: PluginContext, _work: UnitOfWork, told: Delivered) -> None:
    """Count a new saved project for its template."""
    event: ProjectSaved = told.event
    if event.created:
        await _count(context, told, "counted:use", _USED, event.container_id)


async def count_render(context: PluginContext, _work: UnitOfWork, told: Delivered) -> None:
    """Count a finished render for its template."""
    event: JobCompleted = told.event
    if event.container_id is not None:
        await _count(context, told, "counted:render", _RENDERED, event.container_id)


async def read_scan(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """Have a quick scan read; full ones wait for a node."""
    event: ScanQueued = told.event
    if event.kind == "quick":
        work.enqueue(READ_PROJECT, ReadProject(tenant_id=work.tenant, scan_id=event.scan_id))


async def _count(
    context: PluginContext, told: Delivered, what: str, statement: str, container_id: UUID
) -> None:
    async with context.db.system("popularity of a template") as work:
        if await work.fetchrow(_ONCE, told.envelope.event_id, what) is not None:
            await work.execute(statement, container_id)


SUBSCRIPTIONS = (
    Subscription(event=ProjectSaved, handler=count_use, strict=False),
    Subscription(event=JobCompleted, handler=count_render, strict=False),
    Subscription(event=ScanQueued, handler=read_scan, strict=False),
    forgets(*_ERASE, strict=False),
    gives_copy(_SECTIONS, strict=False),
)
