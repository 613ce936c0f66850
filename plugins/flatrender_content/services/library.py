"""What everybody may read: templates, taxonomy, fonts, music, and their pictures and sounds.

Owns no writing. Also the implementation of :class:`flatrender.contracts.content.TemplateCatalogue`.
"""

from datetime import timedelta
from uuid import UUID

from flatrender.contracts.content import MusicRef, TemplateGraph, TemplateNeeds
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender_content.queries import library, templates
from flatrender_content.queries.templates import TemplateFilter, template_key
from flatrender_content.schemas import Category, FontFace, MusicTrack, Tag, Template, TemplateItem

LINK_LIFE = timedelta(minutes=15)


class LibraryService:
    """Reads of a tenant."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._reads = context.db.reads
        self._storage = context.infra.storage
        self._base = context.infra.settings.http.public_url.rstrip("/")

    async def graph(self, tenant_id: UUID, project_id: UUID) -> TemplateGraph | None:
        """Return the whole graph of one aspect, or None when the tenant cannot see it."""
        return await templates.graph(self._reads, tenant_id, project_id)

    async def needs(
        self, tenant_id: UUID, container_id: UUID, package_sha256: str
    ) -> TemplateNeeds:
        """Return what drawing a package takes, as its scan found."""
        return await templates.needs(self._db, tenant_id, container_id, package_sha256)

    async def music(self, tenant_id: UUID, music_id: UUID) -> MusicRef | None:
        """Return a music track, or None."""
        return await library.music_ref(self._reads, tenant_id, music_id)

    async def templates(
        self, tenant_id: UUID, wanted: TemplateFilter, page: PageParams
    ) -> Page[TemplateItem]:
        """Return one page of the templates a tenant may pick."""
        return await templates.templates(self._reads, tenant_id, self._base, wanted, page)

    async def template(self, tenant_id: UUID, key: str) -> Template:
        """Return one template by id or slug. Raises :class:`NotFound`."""
        found = await templates.template(self._reads, tenant_id, self._base, template_key(key))
        if found is None:
            raise NotFound()
        return found

    async def categories(self, tenant_id: UUID, page: PageParams) -> Page[Category]:
        """Return one page of the categories."""
        return await library.categories(self._reads, tenant_id, page)

    async def tags(self, tenant_id: UUID, page: PageParams) -> Page[Tag]:
        """Return one page of the tags."""
        return await library.tags(self._reads, tenant_id, page)

    async def fonts(self, tenant_id: UUID, page: PageParams, script: str | None) -> Page[FontFace]:
        """Return one page of the fonts."""
        return await library.fonts(self._reads, tenant_id, page, script=script)

    async def tracks(
        self, tenant_id: UUID, page: PageParams, *, mood: str | None, q: str | None
    ) -> Page[MusicTrack]:
        """Return one page of the music library."""
        return await library.music(self._reads, tenant_id, self._base, page, mood=mood, q=q)

    async def poster_link(self, tenant_id: UUID, key: str, aspect: str | None) -> str:
        """Return a presigned link to a poster. Raises :class:`NotFound`."""
        return self._link(
            await templates.poster_key(self._reads, tenant_id, template_key(key), aspect)
        )

    async def snapshot_link(self, tenant_id: UUID, scene_id: UUID) -> str:
        """Return a presigned link to a scene's still. Raises :class:`NotFound`."""
        return self._link(await templates.snapshot_key(self._reads, tenant_id, scene_id))

    async def audio_link(self, tenant_id: UUID, music_id: UUID) -> str:
        """Return a presigned link to a track. Raises :class:`NotFound`."""
        found = await library.music_ref(self._reads, tenant_id, music_id)
        return self._link(found.object_key if found else None)

    def _link(self, object_key: str | None) -> str:
        if object_key is None:
            raise NotFound()
        return self._storage.link(object_key, expires=LINK_LIFE)
