"""The files context's manifest: what it owns, offers and needs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from litestar.di import Provide

from flatrender.contracts import files as contract
from flatrender.contracts.identity import UploadEntitlements
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender_files.controllers.files import FileController
from flatrender_files.controllers.folders import FolderController
from flatrender_files.controllers.uploads import UploadController
from flatrender_files.handlers import SUBSCRIPTIONS
from flatrender_files.services.figures import FigureService
from flatrender_files.services.folders import FolderService
from flatrender_files.services.library import LibraryService
from flatrender_files.services.store import FileStoreService
from flatrender_files.services.uploads import UploadService
from flatrender_files.tasks import SCHEDULES, TASKS


class FilesPlugin(FlatRenderPlugin):
    """Uploads, files, folders and quotas."""

    manifest: ClassVar[Manifest] = Manifest(
        name="files",
        schema="file_mgr",
        summary="Uploads, files, folders and quotas.",
        controllers=(UploadController, FileController, FolderController),
        tasks=TASKS,
        schedules=SCHEDULES,
        subscriptions=SUBSCRIPTIONS,
        offers=(contract.FileStore, contract.PersonStorage),
        needs=(UploadEntitlements,),
        emits=(contract.FileUploaded, contract.FileDeleted),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return the file manager's services by the names handlers use."""
        return self.provide(
            {
                "uploads": UploadService,
                "library": LibraryService,
                "folders": FolderService,
                "public_url": lambda c: c.infra.settings.http.public_url.rstrip("/"),
            }
        )

    def ports(self) -> Mapping[type[Any], Any]:
        """Return the implementations of what files offers."""
        return {
            contract.FileStore: self.context.get(FileStoreService),
            contract.PersonStorage: self.context.get(FigureService),
        }

    async def start(self) -> None:
        """Make the bucket of a fresh deployment."""
        await self.context.infra.storage.ensure_bucket()
