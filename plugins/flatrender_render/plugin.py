"""The render context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.plugin import FlatRenderPlugin, Manifest


class RenderPlugin(FlatRenderPlugin):
    """Render jobs, live progress, snapshots and exports."""

    manifest: ClassVar[Manifest] = Manifest(
        name="render",
        schema="render",
        summary="Render jobs, live progress, snapshots and exports.",
    )
