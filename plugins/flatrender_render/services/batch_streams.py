"""Live streams of a batch: its state first, then every change, never backwards, until it ends."""

from collections.abc import AsyncIterator
from uuid import UUID

from flatrender.plugin import PluginContext
from flatrender.security.ports import SessionLedger
from flatrender.security.principal import Principal
from flatrender.security.tokens import WatchClaims
from flatrender_render.audience import Rooms, Told, follow, mark_of, told
from flatrender_render.batch_audience import BatchRoom, ending_of, hello_of
from flatrender_render.batch_schemas import Batch
from flatrender_render.schemas import WatchTicket
from flatrender_render.services.batch_views import BatchViews
from flatrender_render.services.streams import StreamService
from flatrender_render.services.views import watch_ticket


class BatchStreamService:
    """Makes the message stream that WebSocket and server-sent events both carry."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._rooms: Rooms[BatchRoom] = Rooms()

    async def ticket(self, principal: Principal, batch_id: UUID) -> WatchTicket:
        """Return a token for the live streams of a batch. Raises ``NotFound``."""
        await self._context.get(BatchViews).batch(principal, batch_id)
        return await watch_ticket(
            self._context,
            principal,
            batch_id,
            socket=f"/ws/v1/batch/{batch_id}",
            stream=f"/v1/batches/{batch_id}/stream",
        )

    async def open_ticket(self, token: str | None, batch_id: UUID) -> WatchClaims | None:
        """Return the claims of a watch token for this batch; None for another's token.

        Raises ``Unauthorized`` when the token does not hold or its session ended.
        """
        return await self._context.get(StreamService).open_ticket(token, batch_id)

    async def messages(
        self, claims: WatchClaims, last_id: str | None = None
    ) -> AsyncIterator[Told]:
        """Yield ``hello`` and then every change until the batch ends.

        ``last_id`` is the ``id`` of the last message that a reconnecting watcher has seen: its
        progress does not go back. Raises ``NotFound``; ``Unauthorized`` when the session ends
        meanwhile; ``Unavailable``.
        """
        context = self._context
        vigil = context.infra.security.vigil(claims, context.port(SessionLedger))
        owner = Principal(kind="user", tenant_id=claims.tenant_id, user_id=claims.user_id)
        batch_id, mark = claims.job_id, mark_of(last_id)

        async def look() -> Batch:
            return await context.get(BatchViews).batch(owner, batch_id)

        def make() -> BatchRoom:
            return BatchRoom(context.infra.hub, context.clock, batch_id, look)

        await look()  # whoever may not see it opens no room
        async with self._rooms.enter(batch_id, make) as (seat, room):
            batch = await look()
            hello = hello_of(batch, None if mark is None else mark.progress)
            moment = int(context.clock.now().timestamp() * 1000)
            yield told(hello, moment)
            if (end := ending_of(batch)) is not None:
                yield told(end, moment)
                return
            room.seen(hello)
            async for one in follow(seat, vigil, float(hello["progress"])):
                yield one
