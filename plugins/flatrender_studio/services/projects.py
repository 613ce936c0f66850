"""Saved projects: make one from a template, read, rename, trash, restore."""

from typing import Any
from uuid import UUID

import msgspec

from flatrender.clock import uuid7
from flatrender.contracts.content import MusicRef, TemplateCatalogue, TemplateGraph
from flatrender.contracts.studio import ProjectDeleted
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.sorting import keyset
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_studio import queries
from flatrender_studio.domain import Project
from flatrender_studio.queries import ProjectLine
from flatrender_studio.services.copying import add_graph_scenes
from flatrender_studio.services.editing import editing, finish, own_id

_INSERT = """
INSERT INTO studio.saved_projects (id, tenant_id, user_id, name, container_id,
    container_version_id, project_id, template_slug, template_name_fa, template_name_en, mode,
    engine, direction, aspect, width, height, fps, package_object_key, package_sha256, scene_data,
    presets, preset_key, music_source, music_id, music_title, music_object_key, music_sha256,
    music_duration, music_volume, music_fade_in, music_fade_out, sfx_volume, version)
VALUES (:id, :tenant, :user, :name, :container, :version_id, :project, :slug, :name_fa, :name_en,
    :mode, :engine, :direction, :aspect, :width, :height, :fps, :package_key, :package_sha,
    CAST(:scene_data AS jsonb), CAST(:presets AS jsonb), :preset, :music_source, :music_id,
    :music_title, :music_key, :music_sha, :music_duration, :music_volume, :fade_in, :fade_out,
    :sfx_volume, 1)
"""
_COLORS = """
INSERT INTO studio.saved_shared_colors (id, tenant_id, saved_project_id, element_key, name_fa,
    name_en, value, default_value, position)
SELECT r.id, :tenant, :project, r.key, r.name_fa, r.name_en, r.value, r.default_value, r.position
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, key text, name_fa text, name_en text,
    value text, default_value text, position int)
"""


class ProjectService:
    """Use cases of whole projects."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def create(
        self,
        principal: Principal,
        template_project_id: UUID,
        *,
        name: str | None,
        preset: str | None,
    ) -> UUID:
        """Copy a template's graph into a project of the caller; returns its id.

        Raises ``NotFound`` when the tenant cannot see the template, ``Invalid`` for an unknown
        preset.
        """
        user_id = own_id(principal)
        catalogue = self._context.port(TemplateCatalogue)
        graph = await catalogue.graph(principal.tenant_id, template_project_id)
        if graph is None:
            raise NotFound()
        palette = _palette(graph, preset)
        music = None
        if graph.default_music_id is not None:
            music = await catalogue.music(principal.tenant_id, graph.default_music_id)
        project_id = uuid7()
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._insert(work, project_id, user_id, graph, music, name=name, preset=preset)
            await work.execute(
                _COLORS,
                tenant=principal.tenant_id,
                project=project_id,
                rows=msgspec.json.encode(
                    [
                        {
                            "id": uuid7(),
                            "key": color.key,
                            "name_fa": color.name_fa,
                            "name_en": color.name_en,
                            "value": palette.get(color.key, color.default),
                            "default_value": color.default,
                            "position": number,
                        }
                        for number, color in enumerate(graph.colors)
                    ]
                ).decode(),
            )
            ordered = sorted(graph.scenes, key=lambda s: s.position)
            chosen = [s for s in ordered if s.in_default or graph.mode != "Flexible"] or ordered[:1]
            await add_graph_scenes(work, project_id, list(enumerate(chosen)))
            made = await queries.project_in(work, user_id, project_id)
            if made is None:
                raise NotFound()
            await finish(work, made, created=True)
        return project_id

    async def read(self, principal: Principal, project_id: UUID) -> Project:
        """Return a project of the caller. Raises ``NotFound``."""
        found = await queries.project_of(
            self._db.reads, principal.tenant_id, own_id(principal), project_id
        )
        if found is None:
            raise NotFound()
        return found

    async def projects(
        self, principal: Principal, params: CursorParams, *, trashed: bool
    ) -> CursorPage[ProjectLine]:
        """Return a page of the caller's projects."""
        signer = self._context.infra.cursors
        if signer is None:
            raise RuntimeError("lists are served by the API process")
        keys = keyset(
            params,
            queries.ORDER,
            signer,
            route="list_saved_projects",
            filters={"user": str(principal.user_id), "trashed": trashed},
            first=5,
        )
        rows = await queries.projects_of(
            self._db.reads, principal.tenant_id, principal.user_id, trashed=trashed, keys=keys
        )
        names = [term.column.sql.removeprefix("p.") for term in keys.order.terms]
        return keys.page(rows, lambda row: [getattr(row, name) for name in names])

    async def change(
        self,
        principal: Principal,
        project_id: UUID,
        if_match: str | None,
        *,
        name: str | None,
        direction: str | None,
    ) -> None:
        """Change a project's name or reading direction."""
        async with editing(self._context, principal, project_id, if_match) as (work, _project):
            await work.execute(
                "UPDATE studio.saved_projects SET name = coalesce(:name, name), "
                "direction = coalesce(:direction, direction) "
                "WHERE tenant_id = :tenant AND id = :id",
                name=name,
                direction=direction,
                tenant=principal.tenant_id,
                id=project_id,
            )

    async def trash(self, principal: Principal, project_id: UUID) -> None:
        """Put a project into the trash. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._mark(work, principal, project_id, "deleted_at = now()", deleted=False)
            work.emit(ProjectDeleted(saved_project_id=project_id, user_id=own_id(principal)))

    async def restore(self, principal: Principal, project_id: UUID) -> None:
        """Take a project out of the trash. Raises ``NotFound``."""
        async with self._db.unit_of_work(principal.tenant_id) as work:
            await self._mark(work, principal, project_id, "deleted_at = NULL", deleted=True)

    async def _mark(
        self,
        work: UnitOfWork,
        principal: Principal,
        project_id: UUID,
        assignment: str,
        *,
        deleted: bool,
    ) -> None:
        marked = await work.execute(
            f"UPDATE studio.saved_projects SET {assignment} WHERE tenant_id = :tenant "  # noqa: S608 - one of two own assignments
            "AND user_id = :user AND id = :id AND (deleted_at IS NOT NULL) = :deleted RETURNING id",
            tenant=principal.tenant_id,
            user=own_id(principal),
            id=project_id,
            deleted=deleted,
        )
        if marked.first() is None:
            raise NotFound()

    async def _insert(
        self,
        work: UnitOfWork,
        project_id: UUID,
        user_id: UUID,
        graph: TemplateGraph,
        music: MusicRef | None,
        *,
        name: str | None,
        preset: str | None,
    ) -> None:
        values: dict[str, Any] = {
            "id": project_id,
            "tenant": work.tenant,
            "user": user_id,
            "name": name or graph.name_fa,
            "container": graph.container_id,
            "version_id": graph.container_version_id,
            "project": graph.project_id,
            "slug": graph.slug,
            "name_fa": graph.name_fa,
            "name_en": graph.name_en,
            "mode": graph.mode,
            "engine": graph.engine,
            "direction": graph.direction,
            "aspect": graph.aspect,
            "width": graph.width,
            "height": graph.height,
            "fps": graph.fps,
            "package_key": graph.package_object_key,
            "package_sha": graph.package_sha256,
            # The scenes one may add later, as they are now: later edits of the template change
            # nothing here.
            "scene_data": msgspec.json.encode({"scenes": graph.scenes}).decode(),
            "presets": msgspec.json.encode(graph.presets).decode(),
            "preset": preset,
            "music_source": "library" if music else "none",
            "music_id": music.id if music else None,
            "music_title": music.title_fa if music else None,
            "music_key": music.object_key if music else None,
            "music_sha": music.sha256 if music else None,
            "music_duration": music.duration if music else None,
            "music_volume": graph.audio.music_volume,
            "fade_in": graph.audio.fade_in,
            "fade_out": graph.audio.fade_out,
            "sfx_volume": graph.audio.sfx_volume,
        }
        await work.execute(_INSERT, **values)


def _palette(graph: TemplateGraph, preset: str | None) -> dict[str, str]:
    if preset is None:
        return {}
    for known in graph.presets:
        if known.key == preset:
            return dict(known.colors)
    raise Invalid(
        errors=[
            FieldError(
                pointer="/preset",
                code="unknown_preset",
                message_fa="این قالب چنین پالتی ندارد",
                message_en="The template has no such palette",
            )
        ]
    )
