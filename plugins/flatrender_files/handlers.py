"""What other contexts' events do here: a plan decides how much a person may store,
and with an account goes what it stored."""

from uuid import UUID

from flatrender.contracts.identity import PlanActivated, PlanExpired, UserDeleted
from flatrender.db import UnitOfWork
from flatrender.events.subscriptions import Delivered, Subscription
from flatrender.plugin import PluginContext
from flatrender.privacy import gives_copy
from flatrender_files.services.library import LibraryService

_LIMIT = """
INSERT INTO file_mgr.quotas (tenant_id, user_id, limit_bytes) VALUES (:tenant, :user, :limit)
ON CONFLICT (tenant_id, user_id) DO UPDATE SET limit_bytes = excluded.limit_bytes
"""

_SECTIONS = {
    "files": "SELECT id, name, purpose, content_type, size_bytes, sha256, created_at, trashed_at "
    "FROM file_mgr.files WHERE tenant_id = :tenant AND user_id = :user AND state = 'Ready' "
    "ORDER BY created_at",
    "folders": "SELECT id, parent_id, name, created_at FROM file_mgr.folders "
    "WHERE tenant_id = :tenant AND user_id = :user ORDER BY created_at",
}


async def _set_limit(work: UnitOfWork, user_id: UUID, limit: int) -> None:
    await work.execute(_LIMIT, tenant=work.tenant, user=user_id, limit=limit)


async def raise_storage(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A plan begins: its storage is the limit."""
    event: PlanActivated = told.event
    await _set_limit(work, event.user_id, event.storage_bytes)


async def lower_storage(_context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """A plan ends: the free plan's storage is the limit; what is stored stays."""
    event: PlanExpired = told.event
    await _set_limit(work, event.user_id, event.storage_bytes)


async def erase_files(context: PluginContext, work: UnitOfWork, told: Delivered) -> None:
    """An account ended: what it stored goes."""
    event: UserDeleted = told.event
    await context.get(LibraryService).erase_person(work, event.user_id)


SUBSCRIPTIONS = (
    gives_copy(_SECTIONS),
    Subscription(event=UserDeleted, handler=erase_files),
    Subscription(event=PlanActivated, handler=raise_storage),
    Subscription(event=PlanExpired, handler=lower_storage),
)
