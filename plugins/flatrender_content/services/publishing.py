"""Publishing: whether customers can pick a template. Owns the two states and their events."""

from uuid import UUID

from flatrender.contracts.content import TemplatePublished, TemplateUnpublished
from flatrender.db import UnitOfWork
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext

_PUBLISH = """
UPDATE content.project_containers c SET published_at = coalesce(c.published_at, now())
FROM (SELECT id, published_at FROM content.project_containers
      WHERE tenant_id = :tenant AND id = :id AND deleted_at IS NULL FOR UPDATE) AS before
WHERE c.id = before.id AND c.package_sha256 IS NOT NULL
RETURNING c.slug, c.package_version, before.published_at IS NULL
"""
_UNPUBLISH = """
UPDATE content.project_containers c SET published_at = NULL
FROM (SELECT id, published_at FROM content.project_containers
      WHERE tenant_id = :tenant AND id = :id AND deleted_at IS NULL FOR UPDATE) AS before
WHERE c.id = before.id
RETURNING c.slug, before.published_at IS NOT NULL
"""


async def publish(work: UnitOfWork, container_id: UUID) -> None:
    """Offer a template; again is fine and tells nobody. Raises :class:`NotFound`."""
    row = (await work.execute(_PUBLISH, tenant=work.tenant, id=container_id)).first()
    if row is None:
        raise NotFound()
    slug, version, fresh = row
    if fresh:
        work.emit(TemplatePublished(container_id=container_id, slug=slug, version=version))


async def unpublish(work: UnitOfWork, container_id: UUID) -> None:
    """Withdraw a template; again is fine and tells nobody. Raises :class:`NotFound`."""
    row = (await work.execute(_UNPUBLISH, tenant=work.tenant, id=container_id)).first()
    if row is None:
        raise NotFound()
    slug, was_published = row
    if was_published:
        work.emit(TemplateUnpublished(container_id=container_id, slug=slug))


class PublishingService:
    """The two use cases for controllers."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def publish(self, tenant_id: UUID, container_id: UUID) -> None:
        """Offer a template. Raises :class:`NotFound`."""
        async with self._db.unit_of_work(tenant_id) as work:
            await publish(work, container_id)

    async def unpublish(self, tenant_id: UUID, container_id: UUID) -> None:
        """Withdraw a template; saved projects keep working. Raises :class:`NotFound`."""
        async with self._db.unit_of_work(tenant_id) as work:
            await unpublish(work, container_id)
