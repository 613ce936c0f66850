"""What neighbours ask of files: the ``FileStore`` port."""

from collections.abc import Sequence
from uuid import UUID

from flatrender.contracts.files import FileRef
from flatrender.plugin import PluginContext
from flatrender_files import queries


class FileStoreService:
    """Implements :class:`flatrender.contracts.files.FileStore`."""

    def __init__(self, context: PluginContext) -> None:
        self._reads = context.db.reads

    async def resolve(
        self, tenant_id: UUID, user_id: UUID, file_ids: Sequence[UUID]
    ) -> dict[UUID, FileRef]:
        """Return the usable files among ``file_ids`` that belong to this user."""
        if not file_ids:
            return {}
        return await queries.resolve(self._reads, tenant_id, user_id, file_ids)
