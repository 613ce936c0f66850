"""The pictures of a template: a poster per aspect and a snapshot per scene.

Drawn by the engine through render's port, stored under names that hold the package's hash, so
that drawing twice is harmless. Owns no picture of a customer's project.
"""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec

from flatrender.contracts.render import TemplateInspector
from flatrender.plugin import PluginContext
from flatrender.template.package import TemplatePackage
from flatrender_content.services.unused import keep

POSTER_WIDTH = 1280
SNAPSHOT_WIDTH = 640

_WANTED = """
SELECT v.package_object_key, v.package_sha256,
       coalesce((SELECT json_agg(json_build_object(
                   'project', p.id, 'aspect', p.aspect,
                   'scenes', (SELECT coalesce(json_agg(json_build_object('id', s.id, 'key', s.key)
                                     ORDER BY s.position), '[]')
                              FROM content.scenes s
                              WHERE s.tenant_id = :tenant AND s.project_id = p.id
                                AND s.deleted_at IS NULL)) ORDER BY p.position)
                 FROM content.projects p
                 WHERE p.tenant_id = :tenant AND p.container_id = c.id
                   AND p.deleted_at IS NULL), '[]')
FROM content.project_containers c
JOIN content.container_versions v ON v.id = c.current_version_id
WHERE c.tenant_id = :tenant AND c.id = :container AND c.current_version_id = :version
  AND c.deleted_at IS NULL
"""
# Saved only while the version is still the current one: a newer import draws its own.
_SAVE_CONTAINER = """
UPDATE content.project_containers
SET poster_object_key = :poster, poster_object_keys = CAST(:posters AS jsonb)
WHERE tenant_id = :tenant AND id = :container AND current_version_id = :version
  AND deleted_at IS NULL
RETURNING id
"""
_SAVE_PROJECTS = """
UPDATE content.projects p SET poster_object_key = r.key
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, key text)
WHERE p.tenant_id = :tenant AND p.id = r.id
"""
_SAVE_SCENES = """
UPDATE content.scenes s
SET snapshot_object_key = r.key, snapshot_url = '/v1/scenes/' || s.id || '/snapshot'
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(id uuid, key text)
WHERE s.tenant_id = :tenant AND s.id = r.id
"""


@dataclass(slots=True)
class _Drawn:
    """Object keys of what was drawn: by aspect, and rows ``{id, key}``."""

    posters: dict[str, str] = field(default_factory=dict)
    projects: list[dict[str, str]] = field(default_factory=list)
    scenes: list[dict[str, str]] = field(default_factory=list)


class PreviewService:
    """Draws previews in the background."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._storage = context.infra.storage
        self._inspector = context.port(TemplateInspector)

    async def draw(self, tenant_id: UUID, container_id: UUID, version_id: UUID) -> None:
        """Draw every picture of the current version; an outdated version draws nothing."""
        # Not the read pool: a replica may not have heard of this version yet.
        async with self._db.unit_of_work(tenant_id) as work:
            wanted = await work.execute(
                _WANTED, tenant=tenant_id, container=container_id, version=version_id
            )
            found = wanted.first()
        if found is None:
            return
        package_key, digest, projects = found
        folder = f"previews/{container_id}/{digest[:16]}"
        async with self._db.unit_of_work(tenant_id) as work:
            await keep(work, f"{folder}/")
        with tempfile.TemporaryDirectory(prefix="flatrender-previews-") as place:
            package = Path(place, "package.lottie")
            await self._storage.download(package_key, package)
            drawn = _Drawn()
            for project in projects:
                aspect = project["aspect"]
                base = f"{folder}/{aspect.replace(':', 'x')}"
                poster = await self._poster(package, aspect, base, first=not drawn.posters)
                drawn.posters[aspect] = poster
                drawn.projects.append({"id": project["project"], "key": poster})
                for scene in project["scenes"]:
                    key = f"{base}/{scene['key']}.jpg"
                    await self._still(package, aspect, scene["key"], SNAPSHOT_WIDTH, key)
                    drawn.scenes.append({"id": scene["id"], "key": key})
        await self._save(tenant_id, container_id, version_id, drawn)

    async def _poster(self, package: Path, aspect: str, base: str, *, first: bool) -> str:
        """Return the key of an aspect's poster: the designer's own for the first, else drawn."""
        own = await asyncio.to_thread(_own_poster, package) if first else None
        if own is None:
            return await self._still(package, aspect, None, POSTER_WIDTH, f"{base}/poster.jpg")
        key = f"{base}/poster.png"
        await self._storage.put(key, own, content_type="image/png")
        return key

    async def _still(
        self, package: Path, aspect: str, scene: str | None, width: int, key: str
    ) -> str:
        data = await self._inspector.still(package, aspect=aspect, scene_key=scene, width=width)
        await self._storage.put(key, data, content_type="image/jpeg")
        return key

    async def _save(
        self, tenant_id: UUID, container_id: UUID, version_id: UUID, drawn: _Drawn
    ) -> None:
        async with self._db.unit_of_work(tenant_id) as work:
            saved = await work.execute(
                _SAVE_CONTAINER,
                tenant=tenant_id,
                container=container_id,
                version=version_id,
                poster=next(iter(drawn.posters.values()), None),
                posters=msgspec.json.encode(drawn.posters).decode(),
            )
            if saved.first() is None:
                return
            for statement, rows in ((_SAVE_PROJECTS, drawn.projects), (_SAVE_SCENES, drawn.scenes)):
                await work.execute(
                    statement, tenant=tenant_id, rows=msgspec.json.encode(rows).decode()
                )


def _own_poster(package: Path) -> bytes | None:
    with TemplatePackage.open(package) as opened:
        return opened.poster()
