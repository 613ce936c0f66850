"""The inbox: read, mark, count, and the live stream of what arrives."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.identity import TokenIssuer
from flatrender.errors import FieldError, Invalid, NotFound, Unauthorized
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import keyset
from flatrender.plugin import PluginContext
from flatrender.security.ports import SessionLedger
from flatrender.security.principal import Principal
from flatrender.security.tokens import KeySource, WatchClaims
from flatrender.tasks.task import Task
from flatrender_notification import queries
from flatrender_notification.domain import Channel, NotificationType, silenceable
from flatrender_notification.queries import NotificationRow, Preference

STREAM_SECONDS = 300
QUIET_SECONDS = 60.0

_READ = """
UPDATE notification.notifications SET read_at = coalesce(read_at, now())
WHERE tenant_id = :tenant AND user_id = :user AND id = :id AND in_app RETURNING id
"""
_READ_ALL = """
UPDATE notification.notifications SET read_at = now()
WHERE tenant_id = :tenant AND user_id = :user AND in_app AND read_at IS NULL
"""
_CHOOSE = """
INSERT INTO notification.notification_preferences (tenant_id, user_id, type, channel, enabled)
SELECT :tenant, :user, r.type, r.channel, r.enabled
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(type text, channel text, enabled boolean)
ON CONFLICT (tenant_id, user_id, type, channel) DO UPDATE SET enabled = excluded.enabled
"""


class Ping(Struct, frozen=True):
    """Something new lies in a person's inbox."""

    user_id: UUID
    notification_id: UUID


class PreferenceChoice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Turn a channel on or off for a kind of message."""

    type: NotificationType
    channel: Channel
    enabled: bool


def channel_of(user_id: UUID) -> str:
    """Return the hub channel of a person's inbox."""
    return f"inbox:{user_id}"


class InboxService:
    """Use cases of the inbox."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._verifier = context.infra.security.token_verifier(context.port(KeySource))

    async def page(
        self, principal: Principal, params: CursorParams, *, unread: bool
    ) -> CursorPage[NotificationRow]:
        """Return a page of the caller's inbox."""
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        filters = {"user": str(principal.user_id), "unread": unread}
        keys = keyset(
            params, queries.ORDER, signer, route="list_notifications", filters=filters, first=5
        )
        rows = await queries.inbox(
            self._db.reads, principal.tenant_id, principal.user_id, unread=unread, keys=keys
        )
        return keys.page(rows, lambda row: [row.created_at, row.id])

    async def unread(self, principal: Principal) -> int:
        """Return how many notifications the caller has not read."""
        return await queries.unread_count(self._db.reads, principal.tenant_id, principal.user_id)

    async def mark_read(self, principal: Principal, notification_id: UUID) -> None:
        """Mark one as read. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            marked = await work.execute(
                _READ, tenant=principal.tenant_id, user=principal.user_id, id=notification_id
            )
            if marked.first() is None:
                raise NotFound()

    async def mark_all_read(self, principal: Principal) -> None:
        """Mark everything as read."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(_READ_ALL, tenant=principal.tenant_id, user=principal.user_id)

    async def preferences(self, principal: Principal) -> list[Preference]:
        """Return what the caller has chosen."""
        return await queries.preferences(self._db.reads, principal.tenant_id, principal.user_id)

    async def choose(self, principal: Principal, choices: list[PreferenceChoice]) -> None:
        """Keep the caller's choices; of two about the same the later one counts.

        Raises ``Invalid`` for turning off what protects the account.
        """
        errors = [
            _protected(number)
            for number, choice in enumerate(choices)
            if not choice.enabled and not silenceable(choice.type, choice.channel)
        ]
        if errors:
            raise Invalid(errors=errors)
        latest = {(choice.type, choice.channel): choice for choice in choices}
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await work.execute(
                _CHOOSE,
                tenant=principal.tenant_id,
                user=principal.user_id,
                rows=msgspec.json.encode(list(latest.values())).decode(),
            )

    async def ticket(self, principal: Principal) -> str:
        """Return a short token for the live stream."""
        user_id = principal.user_id
        if user_id is None:
            raise NotFound()
        return await self._context.port(TokenIssuer).watch(
            tenant_id=principal.tenant_id,
            user_id=user_id,
            job_id=user_id,
            seconds=STREAM_SECONDS,
            session_id=principal.session_id,
        )

    async def open_ticket(self, token: str | None, principal: Principal | None) -> WatchClaims:
        """Return whose inbox it is, by an inbox token or by who calls.

        Raises ``Unauthorized``.
        """
        if not token and principal is not None and principal.user_id is not None:
            user_id = principal.user_id
            return WatchClaims(
                tenant_id=principal.tenant_id,
                user_id=user_id,
                job_id=user_id,
                exp=int(self._context.clock.now().timestamp()) + STREAM_SECONDS,
                sid=principal.session_id,
            )
        if not token:
            raise Unauthorized()
        claims = await self._verifier.watch(token)
        if claims.job_id != claims.user_id:  # a ticket for a render opens no inbox
            raise Unauthorized()
        if not await self._session_live(claims):
            raise Unauthorized()
        return claims

    async def live(self, claims: WatchClaims) -> AsyncIterator[dict[str, Any]]:
        """Yield the unread count and then every notification as it arrives.

        Raises ``Unauthorized`` when the session ends meanwhile; ``Unavailable``.
        """
        security = self._context.infra.security
        vigil = security.vigil(claims, self._context.port(SessionLedger))
        async with self._context.infra.hub.listen(channel_of(claims.user_id)) as listener:
            count = await queries.unread_count(self._db.reads, claims.tenant_id, claims.user_id)
            yield {"type": "hello", "unread": count}
            while True:
                data = await listener.next_message(min(QUIET_SECONDS, vigil.wait()))
                await vigil.look(now=data is not None)  # rare and private: asked before each
                if data is None:
                    continue
                ping = msgspec.json.decode(data, type=Ping)
                row = await queries.one(
                    self._db.reads, claims.tenant_id, claims.user_id, ping.notification_id
                )
                if row is not None:
                    yield {"type": "notification", "notification": row}

    async def _session_live(self, claims: WatchClaims) -> bool:
        """Tell whether the session that opened the stream may still act."""
        if claims.sid is None:
            return True
        return await self._context.port(SessionLedger).session_live(claims.sid)


def _protected(number: int) -> FieldError:
    return FieldError(
        pointer=f"/preferences/{number}/enabled",
        code="not_silenceable",
        message_fa="پیام‌های امنیتی خاموش نمی‌شوند",
        message_en="Security messages cannot be turned off",
    )


async def ping(context: PluginContext, payload: Ping) -> None:
    """Wake the live streams of a person."""
    await context.infra.hub.publish(channel_of(payload.user_id), payload)


PING = Task(name="notification.ping", queue="messages", handler=ping, payload=Ping, timeout=10.0)
