"""The notification context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from litestar.di import Provide

from flatrender.contracts import notification as contract
from flatrender.contracts.identity import TokenIssuer, UserDirectory
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender.security.ports import SessionLedger
from flatrender.security.tokens import KeySource
from flatrender.tasks.task import Schedule
from flatrender_notification.controllers.inbox import (
    InboxController,
    InboxStreamController,
    PreferenceController,
)
from flatrender_notification.handlers import SUBSCRIPTIONS
from flatrender_notification.services.deliveries import DELIVER, SWEEP
from flatrender_notification.services.inbox import PING, InboxService


class NotificationPlugin(FlatRenderPlugin):
    """The inbox, preferences and messages on every channel."""

    manifest: ClassVar[Manifest] = Manifest(
        name="notification",
        schema="notification",
        summary="The inbox, preferences and messages on every channel.",
        controllers=(InboxController, InboxStreamController, PreferenceController),
        tasks=(DELIVER, SWEEP, PING),
        schedules=(Schedule(task=SWEEP, every=30.0),),
        subscriptions=SUBSCRIPTIONS,
        needs=(UserDirectory, TokenIssuer, KeySource, SessionLedger),
        emits=(
            contract.NotificationCreated,
            contract.NotificationDelivered,
            contract.NotificationFailed,
        ),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return notification's services by the names handlers use."""
        return self.provide(
            {
                "inbox": InboxService,
                "drain": lambda c: c.infra.drain,
                "public_url": lambda c: c.infra.settings.http.public_url.rstrip("/"),
            }
        )
