"""Live progress: the WebSocket /ws/v1/render/{job_id} and the same as server-sent events."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, WebSocket, get, websocket
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from flatrender.errors import NotFound, Unauthorized, Unavailable
from flatrender.http.drain import Drain
from flatrender.http.problems import problem_responses
from flatrender.http.sse import EventStream, last_event_id
from flatrender.http.websocket import (
    CLOSE_BAD_TOKEN,
    CLOSE_NOT_YOURS,
    CLOSE_TRY_LATER,
    LiveSocket,
    accept,
    refuse,
    token_of,
)
from flatrender.security.tokens import WatchClaims
from flatrender_render.audience import Told
from flatrender_render.services.streams import StreamService

WatchToken = Annotated[
    str | None,
    QueryParameter(name="token", max_length=4096, description="From `create_watch_token`."),
]
LastSeen = Annotated[
    str | None,
    QueryParameter(
        name="last_event_id", max_length=64, description="The `id` of the last message seen."
    ),
]


@websocket("/ws/v1/render/{job_id:uuid}", opt={"auth": "public"})
async def watch_render(
    socket: WebSocket[Any, Any, Any],
    job_id: FromPath[UUID],
    streams: NamedDependency[StreamService],
    drain: NamedDependency[Drain],
) -> None:
    """Send `flatrender.v1` messages until the job ends.

    Closes with 4401 for a bad token and when its session ends, 4403 for another's job, 1013 when
    nobody can be asked.
    """
    await carry(
        socket,
        lambda token: streams.open_ticket(token, job_id),
        streams.messages,
        drain=drain,
        stranger="not your job",
    )


async def carry(
    socket: WebSocket[Any, Any, Any],
    open_ticket: Callable[[str | None], Awaitable[WatchClaims | None]],
    messages: Callable[[WatchClaims, str | None], AsyncIterator[Told]],
    *,
    drain: Drain,
    stranger: str,
) -> None:
    """Carry a stream over a socket, from its ticket to its close code; ``stranger`` is the
    reason given to whoever may not see it."""
    try:
        claims = await open_ticket(token_of(socket))
    except Unauthorized:
        await refuse(socket, CLOSE_BAD_TOKEN, "bad token")
        return
    if claims is None:
        await refuse(socket, CLOSE_NOT_YOURS, stranger)
        return
    if not await accept(socket):
        return
    live = LiveSocket(socket, drain=drain, ping_seconds=20.0)

    async def produce(out: LiveSocket) -> None:
        async for message in messages(claims, socket.query_params.get("last_event_id")):
            out.send(message.text, droppable=message.droppable)

    try:
        await live.run(produce)
    except NotFound:
        await refuse(socket, CLOSE_NOT_YOURS, stranger)
    except Unauthorized as error:
        await refuse(socket, CLOSE_BAD_TOKEN, error.code)
    except Unavailable as error:
        await refuse(socket, CLOSE_TRY_LATER, error.code)


class StreamController(Controller):
    """Server-sent events of a render."""

    path = "/v1/renders"
    tags = ("render",)

    @get(
        "/{job_id:uuid}/stream",
        operation_id="stream_render",
        summary="Live progress as server-sent events",
        opt={"auth": "public"},
        responses=problem_responses(NotFound, Unauthorized),
    )
    async def stream(
        self,
        job_id: FromPath[UUID],
        streams: NamedDependency[StreamService],
        drain: NamedDependency[Drain],
        request: Request[Any, Any, Any],
        watch_token: WatchToken = None,
        last_seen: LastSeen = None,
    ) -> EventStream:
        """Carry the same messages as the WebSocket, for clients without one. A browser that
        reconnects sends the last `id` by itself; its progress goes on from there."""
        del last_seen  # read with the header
        seen = last_event_id(request)
        claims = await streams.open_ticket(watch_token, job_id)
        if claims is None:
            raise NotFound()

        return event_stream(streams.messages(claims, seen), drain)


def event_stream(messages: AsyncIterator[Told], drain: Drain) -> EventStream:
    """Return messages as an answer of server-sent events."""

    async def events() -> AsyncIterator[bytes]:
        async for message in messages:
            yield message.sse

    return EventStream(events(), drain=drain)
