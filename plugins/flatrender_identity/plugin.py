"""The identity context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.plugin import FlatRenderPlugin, Manifest


class IdentityPlugin(FlatRenderPlugin):
    """Accounts, sessions, second factors, plans and what a render may cost."""

    manifest: ClassVar[Manifest] = Manifest(
        name="identity",
        schema="identity",
        summary="Accounts, sessions, second factors, plans and what a render may cost.",
    )
