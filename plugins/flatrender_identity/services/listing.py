"""Lists of identity: sessions of a user, plans of a tenant."""

from uuid import UUID

from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender_identity.queries import (
    PlanOffer,
    SecurityLine,
    SessionLine,
    plans_of,
    security_log_of,
    sessions_of,
)


class ListingService:
    """Pages over identity's queries."""

    def __init__(self, context: PluginContext) -> None:
        self._reads = context.db.reads

    async def sessions(
        self, tenant_id: UUID, user_id: UUID, page: PageParams, *, current: UUID | None
    ) -> Page[SessionLine]:
        """Return one page of a user's live sessions; ``current`` is the one that asks."""
        rows, total = await sessions_of(
            self._reads,
            tenant_id,
            user_id,
            current=current,
            limit=page.limit,
            offset=page.offset,
        )
        return page.of(rows, total)

    async def security_log(
        self, tenant_id: UUID, user_id: UUID, page: PageParams
    ) -> Page[SecurityLine]:
        """Return one page of what happened to an account, the latest first."""
        rows, total = await security_log_of(
            self._reads, tenant_id, user_id, limit=page.limit, offset=page.offset
        )
        return page.of(rows, total)

    async def plans(self, tenant_id: UUID, page: PageParams) -> Page[PlanOffer]:
        """Return one page of the plans a tenant sells."""
        rows = await plans_of(self._reads, tenant_id, limit=10_000, offset=0)
        return page.of(rows[page.offset : page.offset + page.limit], len(rows))
