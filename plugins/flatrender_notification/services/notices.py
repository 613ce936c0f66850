"""Writing notifications: an inbox row, and a delivery for every channel the person wants."""

from typing import Any
from uuid import UUID

import msgspec

from flatrender.clock import uuid7
from flatrender.contracts.identity import UserContact, UserDirectory
from flatrender.contracts.notification import MessageRequested, NotificationCreated
from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.security.support import impersonator
from flatrender_notification.domain import wanted
from flatrender_notification.messages import BEGUN, BY_SUPPORT, MESSAGES, fill
from flatrender_notification.services.deliveries import DELIVER, Deliver
from flatrender_notification.services.inbox import PING, Ping

_INSERT = """
INSERT INTO notification.notifications (id, tenant_id, user_id, type, priority, title_fa, title_en,
    body_fa, body_en, data, action_url, event_id, in_app)
VALUES (:id, :tenant, :user, :type, :priority, :title_fa, :title_en, :body_fa, :body_en,
    CAST(:data AS jsonb), :url, :event, :in_app)
ON CONFLICT DO NOTHING RETURNING id
"""
_DELIVERY = """
INSERT INTO notification.deliveries (id, tenant_id, notification_id, user_id, event_id, channel,
    priority, recipient, locale, template, params, sealed_params)
VALUES (:id, :tenant, :notification, :user, :event, :channel, :priority, :recipient, :locale,
    :template, CAST(:params AS jsonb), :sealed)
ON CONFLICT DO NOTHING RETURNING id
"""
_CHOSEN = """
SELECT type, channel, enabled FROM notification.notification_preferences
WHERE tenant_id = :tenant AND user_id = :user AND type = :type
"""


class NoticeService:
    """Use cases of telling a person something."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def notify(
        self,
        work: UnitOfWork,
        *,
        user_id: UUID,
        kind: str,
        message: str,
        params: dict[str, str],
        data: dict[str, Any],
        event_id: UUID,
        path: str | None = None,
        priority: str = "Normal",
        by_support: bool = False,
    ) -> None:
        """Write one notification inside ``work``; the same event and kind only once.

        ``path`` is a route of ours that the notification opens; ``by_support``: of something that
        support had begun in the account, whether or not it is gone since.
        """
        contact = await self._context.port(UserDirectory).contact(work.tenant, user_id)
        if contact is None:
            return
        found = await work.execute(_CHOSEN, tenant=work.tenant, user=user_id, type=kind)
        chosen = {(row.type, row.channel): bool(row.enabled) for row in found}
        words = MESSAGES[message]
        notification_id = uuid7()
        inserted = await work.execute(
            _INSERT,
            id=notification_id,
            tenant=work.tenant,
            user=user_id,
            type=kind,
            priority=priority,
            title_fa=fill(words.title_fa, params),
            title_en=fill(words.title_en, params),
            body_fa=fill(words.body_fa, params),
            body_en=fill(words.body_en, params),
            data=msgspec.json.encode(data).decode(),
            url=path,
            event=event_id,
            in_app=wanted(kind, "InApp", chosen),
        )
        if inserted.first() is None:
            return
        if contact.email and wanted(kind, "Email", chosen):
            marked = {BY_SUPPORT: BEGUN} if by_support else _marked(contact)
            await self._mail(
                work, contact, notification_id, event_id, message, {**params, **marked}, path,
                priority,
            )  # fmt: skip
        work.emit(NotificationCreated(notification_id=notification_id, user_id=user_id, type=kind))
        work.enqueue(PING, Ping(user_id=user_id, notification_id=notification_id))

    async def request(self, work: UnitOfWork, asked: MessageRequested, event_id: UUID) -> None:
        """Write the delivery that another context asked for: a mail or an SMS."""
        if asked.channel not in ("Email", "SMS") or asked.template not in MESSAGES:
            return
        owner = asked.user_id
        known = None
        if owner is not None and asked.template != "support_began":  # which says so itself
            known = await self._context.port(UserDirectory).contact(work.tenant, owner)
        marked = _marked(known)
        made = await work.execute(
            _DELIVERY,
            id=uuid7(),
            tenant=work.tenant,
            notification=None,
            user=asked.user_id,
            event=event_id,
            channel=asked.channel,
            priority="High",
            recipient=asked.recipient,
            locale=asked.locale,
            template=asked.template,
            params=msgspec.json.encode({**asked.params, **marked}).decode(),
            sealed=asked.sealed_params,
        )
        delivery_id = made.scalar_one_or_none()
        if delivery_id is not None:
            work.enqueue(DELIVER, Deliver(delivery_id=delivery_id, tenant_id=work.tenant))

    async def _mail(  # noqa: PLR0917 - private, one caller
        self,
        work: UnitOfWork,
        contact: UserContact,
        notification_id: UUID,
        event_id: UUID,
        message: str,
        params: dict[str, str],
        path: str | None,
        priority: str,
    ) -> None:
        link = {"link": f"{self._base}{path}"} if path else {}
        shown = {**params, **link}
        made = await work.execute(
            _DELIVERY,
            id=uuid7(),
            tenant=work.tenant,
            notification=notification_id,
            user=contact.user_id,
            event=event_id,
            channel="Email",
            priority=priority,
            recipient=contact.email,
            locale=contact.locale,
            template=message,
            params=msgspec.json.encode(shown).decode(),
            sealed="",
        )
        delivery_id = made.scalar_one_or_none()
        if delivery_id is not None:
            work.enqueue(DELIVER, Deliver(delivery_id=delivery_id, tenant_id=work.tenant))


def _marked(contact: UserContact | None) -> dict[str, str]:
    """Return what marks a message that support's acts may have caused: those that it asked for,
    and all while it acts in the account."""
    acts = impersonator() is not None or (contact is not None and contact.support_acts)
    return {BY_SUPPORT: "1"} if acts else {}
