"""The content context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.plugin import FlatRenderPlugin, Manifest


class ContentPlugin(FlatRenderPlugin):
    """Templates, their scenes and palettes, fonts, music and categories."""

    manifest: ClassVar[Manifest] = Manifest(
        name="content",
        schema="content",
        summary="Templates, their scenes and palettes, fonts, music and categories.",
    )
