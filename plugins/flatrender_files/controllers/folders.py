"""Folders: /v1/folders."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_files.errors import FolderCycle, FolderExists, TooManyFolders
from flatrender_files.queries import FolderView
from flatrender_files.schemas import ChangeFolderBody, FolderBody
from flatrender_files.services.folders import FolderService


class FolderController(Controller):
    """The caller's folders."""

    path = "/v1/folders"
    tags = ("files",)
    guards = (requires_user,)

    @get("/", operation_id="list_folders", summary="My folders")
    async def folders(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        folders: NamedDependency[FolderService],
        parent_id: Annotated[
            UUID | None, QueryParameter(description="Only in this folder.")
        ] = None,
        top: Annotated[bool, QueryParameter(description="Only those at the top.")] = False,
        trashed: Annotated[bool, QueryParameter(description="What lies in the trash.")] = False,
    ) -> Page[FolderView]:
        """Return the caller's folders by name; all levels unless a level is asked for."""
        return await folders.folders(
            principal, page_params, parent_id=parent_id, top=top, trashed=trashed
        )

    @post(
        "/",
        status_code=201,
        operation_id="create_folder",
        summary="Make a folder",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, FolderExists, TooManyFolders),
    )
    async def create(
        self,
        data: JSONBody[FolderBody],
        principal: NamedDependency[Principal],
        folders: NamedDependency[FolderService],
    ) -> FolderView:
        """Make a folder at the top or in another; names are unique within their folder."""
        folder_id = await folders.create(principal, data.name, data.parent_id)
        return await folders.read(principal, folder_id)

    @get(
        "/{folder_id:uuid}",
        operation_id="get_folder",
        summary="One folder",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        folder_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        folders: NamedDependency[FolderService],
    ) -> FolderView:
        """Return a folder."""
        return await folders.read(principal, folder_id)

    @patch(
        "/{folder_id:uuid}",
        operation_id="change_folder",
        summary="Rename or move a folder",
        responses=problem_responses(NotFound, FolderExists, FolderCycle, TooManyFolders),
    )
    async def change(
        self,
        folder_id: FromPath[UUID],
        data: JSONBody[ChangeFolderBody],
        principal: NamedDependency[Principal],
        folders: NamedDependency[FolderService],
    ) -> FolderView:
        """Give a folder another name or another place; ``parent_id`` null is the top."""
        await folders.change(
            principal,
            folder_id,
            name=None if data.name is UNSET else data.name,
            move=data.parent_id is not UNSET,
            parent_id=None if data.parent_id is UNSET else data.parent_id,
        )
        return await folders.read(principal, folder_id)

    @delete(
        "/{folder_id:uuid}",
        operation_id="trash_folder",
        summary="Put a folder into the trash",
        responses=problem_responses(NotFound),
    )
    async def trash(
        self,
        folder_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        folders: NamedDependency[FolderService],
    ) -> None:
        """Trash a folder with all that is in it."""
        await folders.trash(principal, folder_id)

    @post(
        "/{folder_id:uuid}/restore",
        status_code=200,
        operation_id="restore_folder",
        summary="Take a folder out of the trash",
        responses=problem_responses(NotFound, FolderExists),
    )
    async def restore(
        self,
        folder_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        folders: NamedDependency[FolderService],
    ) -> FolderView:
        """Restore a folder with what went into the trash together with it."""
        await folders.restore(principal, folder_id)
        return await folders.read(principal, folder_id)
