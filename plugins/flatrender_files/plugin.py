"""The files context's manifest: what it owns, offers and needs."""

from typing import ClassVar

from flatrender.plugin import FlatRenderPlugin, Manifest


class FilesPlugin(FlatRenderPlugin):
    """Uploads, files, folders and quotas."""

    manifest: ClassVar[Manifest] = Manifest(
        name="files",
        schema="file_mgr",
        summary="Uploads, files, folders and quotas.",
    )
