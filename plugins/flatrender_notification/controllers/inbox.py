"""The inbox: /v1/notifications, its live stream, and preferences."""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from flatrender.errors import Invalid, NotFound, Unauthorized
from flatrender.http.context import language
from flatrender.http.drain import Drain
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.http.sse import Event, EventStream
from flatrender.security.guards import owner_changes, requires_owner, requires_user
from flatrender.security.principal import Principal
from flatrender_notification.schemas import (
    Notification,
    Preferences,
    PreferencesBody,
    StreamTicket,
    UnreadCount,
    view,
)
from flatrender_notification.services.inbox import STREAM_SECONDS, InboxService

StreamToken = Annotated[
    str | None,
    QueryParameter(name="token", max_length=4096, description="From `create_inbox_token`."),
]


class InboxController(Controller):
    """The caller's notifications."""

    path = "/v1/notifications"
    tags = ("notification",)
    guards = (requires_user,)

    @get("/", operation_id="list_notifications", summary="My notifications")
    async def inbox(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        inbox: NamedDependency[InboxService],
        unread: Annotated[bool, QueryParameter(description="Only unread ones.")] = False,
    ) -> CursorPage[Notification]:
        """Return the inbox, newest first, in the language asked for."""
        page = await inbox.page(principal, cursor_params, unread=unread)
        return CursorPage(data=[view(row, language()) for row in page.data], meta=page.meta)

    @get("/unread-count", operation_id="count_unread", summary="How many are unread")
    async def unread(
        self, principal: NamedDependency[Principal], inbox: NamedDependency[InboxService]
    ) -> UnreadCount:
        """Return the number for a badge."""
        return UnreadCount(await inbox.unread(principal))

    @post(
        "/{notification_id:uuid}/read",
        status_code=204,
        operation_id="mark_read",
        summary="Mark one as read",
        guards=[requires_owner],
        responses=problem_responses(NotFound),
    )
    async def mark_read(
        self,
        notification_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        inbox: NamedDependency[InboxService],
    ) -> None:
        """Mark a notification as read; again is fine. What its owner has not seen is not for
        support to mark."""
        await inbox.mark_read(principal, notification_id)

    @post(
        "/read-all",
        status_code=204,
        operation_id="mark_all_read",
        summary="Mark all as read",
        guards=[requires_owner],
    )
    async def mark_all(
        self, principal: NamedDependency[Principal], inbox: NamedDependency[InboxService]
    ) -> None:
        """Mark everything as read."""
        await inbox.mark_all_read(principal)

    @post(
        "/stream-token",
        status_code=201,
        operation_id="create_inbox_token",
        summary="A short token for the live inbox",
    )
    async def ticket(
        self,
        principal: NamedDependency[Principal],
        inbox: NamedDependency[InboxService],
        public_url: NamedDependency[str],
    ) -> StreamTicket:
        """Return a token: an EventSource cannot send headers."""
        token = await inbox.ticket(principal)
        return StreamTicket(
            token=token,
            expires_in=STREAM_SECONDS,
            sse_url=f"{public_url}/v1/notifications/stream?token={token}",
        )


class InboxStreamController(Controller):
    """The live inbox."""

    path = "/v1/notifications"
    tags = ("notification",)

    @get(
        "/stream",
        operation_id="stream_notifications",
        summary="The inbox as server-sent events",
        opt={"auth": "optional"},
        responses=problem_responses(Unauthorized),
    )
    async def stream(
        self,
        inbox: NamedDependency[InboxService],
        drain: NamedDependency[Drain],
        principal: NamedDependency[Principal],
        stream_token: StreamToken = None,
    ) -> EventStream:
        """Send the unread count, then every notification as it arrives."""
        claims = await inbox.open_ticket(stream_token, principal)
        wanted = language()

        async def events() -> AsyncIterator[Event]:
            async for message in inbox.live(claims):
                row = message.pop("notification", None)
                data = {**message, **({"notification": view(row, wanted)} if row else {})}
                yield Event(event=str(message["type"]), data=data)

        return EventStream(events(), drain=drain)


class PreferenceController(Controller):
    """Which messages may use which channel."""

    path = "/v1/notification-preferences"
    tags = ("notification",)
    guards = (requires_user, owner_changes)

    @get("/", operation_id="get_notification_preferences", summary="My choices")
    async def read(
        self, principal: NamedDependency[Principal], inbox: NamedDependency[InboxService]
    ) -> Preferences:
        """Return what the caller has chosen."""
        return Preferences(await inbox.preferences(principal))

    @put(
        "/",
        operation_id="set_notification_preferences",
        summary="Choose channels",
        responses=problem_responses(Invalid),
    )
    async def choose(
        self,
        data: JSONBody[PreferencesBody],
        principal: NamedDependency[Principal],
        inbox: NamedDependency[InboxService],
    ) -> Preferences:
        """Turn channels on or off by kind of message. Security messages cannot be turned off."""
        await inbox.choose(principal, data.preferences)
        return Preferences(await inbox.preferences(principal))
