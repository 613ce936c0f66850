"""Uploads: /v1/uploads."""

from uuid import UUID

from litestar import Controller, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_user
from flatrender.security.principal import Principal
from flatrender_files.errors import (
    ContentMismatch,
    FileTooLarge,
    ImageTooLarge,
    MediaUnreadable,
    NotUploaded,
    QuotaExceeded,
    SizeMismatch,
    UploadBusy,
    UploadClosed,
    UploadOverPlan,
)
from flatrender_files.schemas import File, UploadBody, file_of
from flatrender_files.services.library import LibraryService
from flatrender_files.services.uploads import Upload, UploadService


class UploadController(Controller):
    """Two calls and a form POST to the object store in between."""

    path = "/v1/uploads"
    tags = ("files",)
    guards = (requires_user,)

    @post(
        "/",
        status_code=201,
        operation_id="begin_upload",
        summary="Ask for a place to upload to",
        opt={"idempotent": True, "limit": "upload"},
        responses=problem_responses(FileTooLarge, UploadOverPlan, QuotaExceeded),
    )
    async def begin(
        self,
        data: JSONBody[UploadBody],
        principal: NamedDependency[Principal],
        uploads: NamedDependency[UploadService],
    ) -> Upload:
        """Reserve storage and return a presigned form: fixed key, type and length, 30 minutes."""
        return await uploads.begin(
            principal,
            name=data.name,
            content_type=data.content_type,
            size=data.size_bytes,
            purpose=data.purpose,
            sha256=data.sha256,
        )

    @post(
        "/{upload_id:uuid}/complete",
        status_code=201,
        operation_id="complete_upload",
        summary="Say that the bytes are there",
        responses=problem_responses(
            NotFound,
            NotUploaded,
            UploadBusy,
            UploadClosed,
            SizeMismatch,
            ContentMismatch,
            ImageTooLarge,
            MediaUnreadable,
        ),
    )
    async def complete(
        self,
        upload_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        uploads: NamedDependency[UploadService],
        library: NamedDependency[LibraryService],
        public_url: NamedDependency[str],
    ) -> File:
        """Check content, size and dimensions and return the file. What is refused is removed."""
        file_id = await uploads.complete(principal, upload_id)
        return file_of(await library.read(principal, file_id), public_url)

    @delete(
        "/{upload_id:uuid}",
        operation_id="abort_upload",
        summary="Give an upload up",
        responses=problem_responses(NotFound, UploadBusy, UploadClosed),
    )
    async def abort(
        self,
        upload_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        uploads: NamedDependency[UploadService],
    ) -> None:
        """Free what the upload reserved."""
        await uploads.abort(principal, upload_id)
