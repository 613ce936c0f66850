"""The notification context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.plugin import FlatRenderPlugin, Manifest


class NotificationPlugin(FlatRenderPlugin):
    """The inbox, preferences and messages on every channel."""

    manifest: ClassVar[Manifest] = Manifest(
        name="notification",
        schema="notification",
        summary="The inbox, preferences and messages on every channel.",
    )
