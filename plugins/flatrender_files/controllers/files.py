"""Files: /v1/files."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Redirect
from msgspec import UNSET

from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_files.domain import Purpose
from flatrender_files.errors import QuotaExceeded
from flatrender_files.queries import Quota
from flatrender_files.schemas import ChangeFileBody, File, file_of
from flatrender_files.services.library import LibraryService


class FileController(Controller):
    """The caller's files."""

    path = "/v1/files"
    tags = ("files",)
    guards = (requires_user,)

    @get("/", operation_id="list_files", summary="My files")
    async def files(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        library: NamedDependency[LibraryService],
        public_url: NamedDependency[str],
        purpose: Annotated[Purpose | None, QueryParameter(description="Only this purpose.")] = None,
        folder_id: Annotated[UUID | None, QueryParameter(description="Only this folder.")] = None,
        trashed: Annotated[bool, QueryParameter(description="What lies in the trash.")] = False,
        q: Annotated[
            str | None, QueryParameter(max_length=100, description="Part of the name.")
        ] = None,
    ) -> CursorPage[File]:
        """Return the caller's files; sort by created_at, name or size_bytes."""
        page = await library.files(
            principal,
            cursor_params,
            trashed=trashed,
            purpose=purpose,
            folder_id=folder_id,
            text=q,
        )
        return CursorPage(data=[file_of(v, public_url) for v in page.data], meta=page.meta)

    @get("/quota", operation_id="get_quota", summary="My storage")
    async def quota(
        self, principal: NamedDependency[Principal], library: NamedDependency[LibraryService]
    ) -> Quota:
        """Return limit, use and what open uploads have reserved."""
        return await library.quota(principal)

    @get(
        "/{file_id:uuid}",
        operation_id="get_file",
        summary="One file",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        file_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        library: NamedDependency[LibraryService],
        public_url: NamedDependency[str],
    ) -> File:
        """Return a file."""
        return file_of(await library.read(principal, file_id), public_url)

    @patch(
        "/{file_id:uuid}",
        operation_id="change_file",
        summary="Rename or move a file",
        responses=problem_responses(NotFound),
    )
    async def change(
        self,
        file_id: FromPath[UUID],
        data: JSONBody[ChangeFileBody],
        principal: NamedDependency[Principal],
        library: NamedDependency[LibraryService],
        public_url: NamedDependency[str],
    ) -> File:
        """Give the file another name (any text is one) or another folder."""
        await library.change(
            principal,
            file_id,
            name=None if data.name is UNSET else data.name,
            move=data.folder_id is not UNSET,
            folder_id=None if data.folder_id is UNSET else data.folder_id,
        )
        return file_of(await library.read(principal, file_id), public_url)

    @delete(
        "/{file_id:uuid}",
        operation_id="trash_file",
        summary="Put a file into the trash",
        responses=problem_responses(NotFound),
    )
    async def trash(
        self,
        file_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        library: NamedDependency[LibraryService],
        permanently: Annotated[
            bool, QueryParameter(description="For good, and at once free the storage.")
        ] = False,
    ) -> None:
        """Trash a file; it counts against the storage until it is deleted after 30 days."""
        if permanently:
            await library.purge(principal, file_id)
        else:
            await library.trash(principal, file_id)

    @post(
        "/{file_id:uuid}/restore",
        status_code=200,
        operation_id="restore_file",
        summary="Take a file out of the trash",
        responses=problem_responses(NotFound, QuotaExceeded),
    )
    async def restore(
        self,
        file_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        library: NamedDependency[LibraryService],
        public_url: NamedDependency[str],
    ) -> File:
        """Restore a file from the trash."""
        await library.restore(principal, file_id)
        return file_of(await library.read(principal, file_id), public_url)

    @get(
        "/{file_id:uuid}/download",
        operation_id="download_file",
        summary="Download a file",
        status_code=302,
        responses=problem_responses(NotFound),
    )
    async def download(
        self,
        file_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        library: NamedDependency[LibraryService],
        inline: Annotated[bool, QueryParameter(description="Show harmless types.")] = False,
    ) -> Redirect:
        """Redirect to a presigned link of ten minutes."""
        link = await library.link(principal, file_id, inline=inline)
        return Redirect(link, status_code=302, headers={"cache-control": "no-store"})
