"""Deliveries: claim one, send it, write down what became of it.

A delivery is claimed with a lease before anything is sent, so two workers never send it at once;
what a dead worker had claimed is taken up when its lease has run out.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.notification import (
    NotificationDelivered,
    NotificationFailed,
    message_place,
)
from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.tasks.task import Nothing, Task
from flatrender_notification.channels.failure import SendFailed
from flatrender_notification.channels.mail import MailChannel
from flatrender_notification.channels.sms import SmsChannel
from flatrender_notification.domain import retry_after
from flatrender_notification.messages import short, write

_CLAIM = """
UPDATE notification.deliveries SET state = 'Sending', attempts = attempts + 1,
    lease_until = now() + interval '2 minutes'
WHERE tenant_id = :tenant AND id = :id
  AND ((state = 'Pending' AND next_attempt_at <= now())
       OR (state = 'Sending' AND lease_until < now()))
RETURNING notification_id, channel, recipient, locale, template, params, sealed_params, attempts
"""
_CLOSE = """
UPDATE notification.deliveries SET state = :state, lease_until = NULL, error_message = :error,
    skip_reason = :skip, provider = :provider,
    -- What was sent need not be readable any longer, not even with the key.
    sealed_params = CASE WHEN :state = 'Sent' THEN '' ELSE sealed_params END,
    provider_message_id = :message_id,
    next_attempt_at = now() + CAST(:wait AS interval),
    sent_at = CASE WHEN :state = 'Sent' THEN now() END
WHERE tenant_id = :tenant AND id = :id
"""
_DUE = """
SELECT id, tenant_id FROM notification.deliveries
WHERE (state = 'Pending' AND next_attempt_at <= now() - interval '30 seconds')
   OR (state = 'Sending' AND lease_until < now())
ORDER BY next_attempt_at LIMIT 200
"""


class Deliver(Struct, frozen=True):
    """One delivery to attempt."""

    delivery_id: UUID
    tenant_id: UUID


class DeliveryService:
    """Use cases of deliveries."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._mail = MailChannel(context)
        self._sms = SmsChannel(context)
        self._scale = context.infra.settings.core.time_scale

    async def deliver(self, order: Deliver) -> None:
        """Attempt one delivery; a second call finds nothing to do."""
        async with self._context.db.unit_of_work(order.tenant_id) as work:
            claimed = await work.execute(_CLAIM, tenant=order.tenant_id, id=order.delivery_id)
            row: Any = claimed.first()
        if row is None:
            return
        sms = row.channel == "SMS"
        if not (self._sms.configured if sms else self._mail.configured):
            skip = f"no {'SMS provider' if sms else 'mail server'} is configured"
            async with self._context.db.unit_of_work(order.tenant_id) as work:
                await self._close(work, order, row.channel, "Skipped", skip=skip)
            return
        try:
            message_id = await self._send(order, row)
        except SendFailed as error:
            await self._failed(order, row, error)
            return
        async with self._context.db.unit_of_work(order.tenant_id) as work:
            await self._close(work, order, row.channel, "Sent", message_id=message_id)
            if row.notification_id is not None:
                work.emit(
                    NotificationDelivered(notification_id=row.notification_id, channel=row.channel)
                )

    async def _send(self, order: Deliver, row: Any) -> str:
        """Send it on its channel; returns the provider's id. Raises :class:`SendFailed`."""
        params = {**row.params, **self._unsealed(row)}
        if row.channel == "SMS":
            return await self._sms.send(row.recipient, short(row.template, params, row.locale))
        written = write(row.template, params, row.locale, params.get("link"))
        return await self._mail.send(order.delivery_id, row.recipient, written)

    def _unsealed(self, row: Any) -> dict[str, str]:
        if not row.sealed_params:
            return {}
        opened = self._context.infra.encryptor.decrypt_bytes(
            row.sealed_params, message_place(row.recipient)
        )
        return msgspec.json.decode(opened, type=dict[str, str])

    async def sweep(self) -> None:
        """Take up what waits too long: lost wake-ups, dead workers."""
        rows = await self._context.db.system_fetch("deliveries that wait", _DUE)
        for row in rows:
            await self._context.infra.queue.enqueue_task(
                "notification",
                DELIVER.queue,
                DELIVER.name,
                Deliver(delivery_id=row["id"], tenant_id=row["tenant_id"]),
            )

    async def _failed(self, order: Deliver, row: Any, error: SendFailed) -> None:
        seconds = None if error.permanent else retry_after(row.attempts)
        wait = None if seconds is None else seconds * self._scale
        async with self._context.db.unit_of_work(order.tenant_id) as work:
            if wait is not None:
                await self._close(work, order, row.channel, "Pending", error=str(error), wait=wait)
                work.enqueue(DELIVER, order, delay=wait)
                return
            await self._close(work, order, row.channel, "Failed", error=str(error))
            if row.notification_id is not None:
                work.emit(
                    NotificationFailed(
                        notification_id=row.notification_id, channel="Email", code="mail_failed"
                    )
                )

    async def _close(
        self,
        work: UnitOfWork,
        order: Deliver,
        channel: str,
        state: str,
        *,
        error: str | None = None,
        skip: str | None = None,
        message_id: str | None = None,
        wait: float = 0.0,
    ) -> None:
        await work.execute(
            _CLOSE,
            state=state,
            provider="sms" if channel == "SMS" else "smtp",
            error=error[:1000] if error else None,
            skip=skip,
            message_id=message_id,
            wait=timedelta(seconds=wait),
            tenant=order.tenant_id,
            id=order.delivery_id,
        )


async def deliver(context: PluginContext, order: Deliver) -> None:
    """Attempt one delivery."""
    await context.get(DeliveryService).deliver(order)


async def sweep(context: PluginContext, _payload: Nothing) -> None:
    """Take up deliveries that wait too long."""
    await context.get(DeliveryService).sweep()


DELIVER = Task(
    name="notification.deliver", queue="messages", handler=deliver, payload=Deliver, timeout=60.0
)
SWEEP = Task(name="notification.sweep", queue="cleanup", handler=sweep, max_attempts=1, alone=True)
