"""The music library as an administrator keeps it.

Owns the rules: a track's sound is copied under its hash, so the file it came from may go; the
same sound is in a library once; a removed track keeps playing in saved projects. Only a tenant's
own tracks.
"""

import tempfile
from pathlib import Path
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from flatrender.clock import uuid7
from flatrender.contracts.files import FileRef, FileStore
from flatrender.contracts.render import TemplateInspector
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_content.errors import TrackExists
from flatrender_content.models import MusicTrack
from flatrender_content.queries import admin
from flatrender_content.schemas import AdminTrack, TrackBody, TrackChange, columns_of


class TrackService:
    """Use cases of administrators."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._storage = context.infra.storage
        self._inspector = context.port(TemplateInspector)
        self._files = context.port(FileStore)

    async def tracks(self, tenant_id: UUID, page: PageParams, *, q: str | None) -> Page[AdminTrack]:
        """Return one page of a tenant's own tracks, inactive ones too."""
        return await admin.tracks(self._db.reads, tenant_id, page, q=q)

    async def add(self, principal: Principal, body: TrackBody) -> AdminTrack:
        """Add a track from the caller's own file.

        Raises ``NotFound`` for a file that is not theirs, ``Invalid`` for one that is no sound
        and :class:`TrackExists`.
        """
        if principal.user_id is None:
            raise NotFound()
        found = await self._files.resolve(principal.tenant_id, principal.user_id, [body.file_id])
        file = found.get(body.file_id)
        if file is None:
            raise NotFound()
        object_key, seconds = await self._keep(file)
        columns = columns_of(body)
        del columns["file_id"]
        track = MusicTrack(
            id=uuid7(),
            tenant_id=principal.tenant_id,
            object_key=object_key,
            sha256=file.sha256,
            content_type=file.content_type,
            size_bytes=file.size_bytes,
            duration=seconds,
            source="Upload",
            created_by=principal.user_id,
            **columns,
        )
        try:
            async with self._db.unit_of_work(principal.tenant_id) as work:
                work.session.add(track)
                await work.session.flush()
        except IntegrityError as error:
            if "music_tracks_sha" in str(error):
                raise TrackExists() from error
            raise
        return await self._track(principal.tenant_id, track.id)

    async def change(self, tenant_id: UUID, track_id: UUID, body: TrackChange) -> AdminTrack:
        """Change what the library says of a track. Raises ``NotFound``."""
        async with self._db.unit_of_work(tenant_id) as work:
            track = await self._own(work, track_id)
            for name, value in columns_of(body).items():
                setattr(track, name, value)
        return await self._track(tenant_id, track_id)

    async def remove(self, tenant_id: UUID, track_id: UUID) -> None:
        """Take a track out of the library. Raises ``NotFound``."""
        async with self._db.unit_of_work(tenant_id) as work:
            (await self._own(work, track_id)).deleted_at = func.now()

    async def _keep(self, file: FileRef) -> tuple[str, float]:
        """Copy the sound under its hash; return the key and its length in seconds."""
        extension = file.object_key.rpartition(".")[2]
        key = f"music/{file.sha256}.{extension}"
        with tempfile.TemporaryDirectory(prefix="flatrender-track-") as folder:
            path = Path(folder, f"track.{extension}")
            await self._storage.download(file.object_key, path)
            seconds = await self._inspector.sound_seconds(path)
            if seconds <= 0:
                raise Invalid(
                    errors=[
                        FieldError(
                            pointer="/file_id",
                            code="sound_unreadable",
                            message_fa="این فایل صدا خوانده نشد",
                            message_en="The sound cannot be read",
                        )
                    ]
                )
            await self._storage.put(key, path, content_type=file.content_type)
        return key, seconds

    async def _own(self, work: UnitOfWork, track_id: UUID) -> MusicTrack:
        found = await work.session.scalar(
            select(MusicTrack)
            .where(
                MusicTrack.tenant_id == work.tenant,
                MusicTrack.id == track_id,
                MusicTrack.deleted_at.is_(None),
            )
            .with_for_update()
        )
        if found is None:
            raise NotFound()
        return found

    async def _track(self, tenant_id: UUID, track_id: UUID) -> AdminTrack:
        page = await admin.tracks(self._db.reads, tenant_id, PageParams(), track_id=track_id)
        if not page.data:
            raise NotFound()
        return page.data[0]
