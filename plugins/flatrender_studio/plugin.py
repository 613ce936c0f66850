"""The studio context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.plugin import FlatRenderPlugin, Manifest


class StudioPlugin(FlatRenderPlugin):
    """Saved projects: the customer's own filled-in copy of a template."""

    manifest: ClassVar[Manifest] = Manifest(
        name="studio",
        schema="studio",
        summary="Saved projects: the customer's own filled-in copy of a template.",
    )
