"""Live progress of a batch: the WebSocket /ws/v1/batch/{batch_id} and server-sent events."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, WebSocket, get, post, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath

from flatrender.errors import NotFound, Unauthorized
from flatrender.http.drain import Drain
from flatrender.http.problems import problem_responses
from flatrender.http.sse import EventStream, last_event_id
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_render.controllers.streams import LastSeen, WatchToken, carry, event_stream
from flatrender_render.schemas import WatchTicket
from flatrender_render.services.batch_streams import BatchStreamService


@websocket("/ws/v1/batch/{batch_id:uuid}", opt={"auth": "public"})
async def watch_batch(
    socket: WebSocket[Any, Any, Any],
    batch_id: FromPath[UUID],
    batch_streams: NamedDependency[BatchStreamService],
    drain: NamedDependency[Drain],
) -> None:
    """Send `flatrender.v1` messages until the batch ends; close codes as for a render."""
    await carry(
        socket,
        lambda token: batch_streams.open_ticket(token, batch_id),
        batch_streams.messages,
        drain=drain,
        stranger="not your batch",
    )


class BatchStreamController(Controller):
    """Watch a batch."""

    path = "/v1/batches"
    tags = ("render",)

    @post(
        "/{batch_id:uuid}/watch-token",
        status_code=201,
        operation_id="create_batch_watch_token",
        summary="A short token for a batch's live stream",
        guards=[requires_user],
        responses=problem_responses(NotFound),
    )
    async def watch_token(
        self,
        batch_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        batch_streams: NamedDependency[BatchStreamService],
    ) -> WatchTicket:
        """Return a token for the WebSocket and the server-sent events of this batch."""
        return await batch_streams.ticket(principal, batch_id)

    @get(
        "/{batch_id:uuid}/stream",
        operation_id="stream_batch",
        summary="A batch's live progress as server-sent events",
        opt={"auth": "public"},
        responses=problem_responses(NotFound, Unauthorized),
    )
    async def stream(
        self,
        batch_id: FromPath[UUID],
        batch_streams: NamedDependency[BatchStreamService],
        drain: NamedDependency[Drain],
        request: Request[Any, Any, Any],
        watch_token: WatchToken = None,
        last_seen: LastSeen = None,
    ) -> EventStream:
        """Carry the same messages as the WebSocket. A browser that reconnects sends the last
        `id` by itself; its progress goes on from there."""
        del last_seen  # read with the header
        claims = await batch_streams.open_ticket(watch_token, batch_id)
        if claims is None:
            raise NotFound()
        return event_stream(batch_streams.messages(claims, last_event_id(request)), drain)
