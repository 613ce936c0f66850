"""Importing a template package: checked wholly, stored first, then written in one transaction.

Owns the use case. The same package again changes nothing; a new version of a template keeps the
ids of everything that stays and whatever an admin edited by hand. Never half an import: bytes are
stored under their hash before, rows are written together.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.content import FontInstalled, TemplatePublished
from flatrender.contracts.files import FileStore
from flatrender.contracts.render import InspectionNote, TemplateInspector
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.template.package import PackageProblem, PackageRefused
from flatrender_content.domain import ImportRows, rows_of, taxonomy_row
from flatrender_content.errors import TemplateRejected
from flatrender_content.services import import_sql as sql
from flatrender_content.services.import_rows import container_row, package_key
from flatrender_content.services.publishing import publish
from flatrender_content.services.reading import ReadPackage, Stored, read_package, sha256_of
from flatrender_content.services.unused import keep
from flatrender_content.tasks import DRAW_PREVIEWS, DrawPreviews

_PACKAGE_TYPE = "application/zip"
_MANIFEST = "flatrender.json"


class ImportWarning(Struct, frozen=True, kw_only=True):
    """Something that does not hinder the import; ``pointer`` is the place in the package."""

    pointer: str
    code: str
    message_fa: str
    message_en: str


class Imported(Struct, frozen=True, kw_only=True):
    """What an import did. ``version`` is the package's own."""

    container_id: UUID
    slug: str
    version: str
    outcome: Literal["created", "updated", "unchanged"]
    published: bool
    warnings: list[ImportWarning]


class _Target(Struct, frozen=True, kw_only=True):
    """Whose import it is."""

    tenant_id: UUID
    by: UUID | None
    publish: bool


class ImportService:
    """Imports packages."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._storage = context.infra.storage
        self._inspector = context.port(TemplateInspector)
        self._files = context.port(FileStore)

    async def import_bytes(
        self, tenant_id: UUID, data: bytes, *, by: UUID | None = None, publish: bool = False
    ) -> Imported:
        """Import a package held in memory; see :meth:`import_file`."""
        with tempfile.TemporaryDirectory(prefix="flatrender-import-") as folder:
            path = Path(folder, "package.lottie")
            await asyncio.to_thread(path.write_bytes, data)
            return await self.import_file(tenant_id, path, by=by, publish=publish)

    async def import_upload(
        self, principal: Principal, file_id: UUID, *, publish: bool = False
    ) -> Imported:
        """Import a package among the caller's own files; see :meth:`import_file`.

        Raises ``NotFound`` besides, for a file that is not there, not theirs or not whole.
        """
        if principal.user_id is None:
            raise NotFound()
        found = await self._files.resolve(principal.tenant_id, principal.user_id, [file_id])
        file = found.get(file_id)
        if file is None:
            raise NotFound()
        if file.content_type != _PACKAGE_TYPE:
            raise TemplateRejected(
                [
                    FieldError(
                        pointer="/file_id",
                        code="not_a_package",
                        message_fa="این فایل بسته‌ی قالب نیست",
                        message_en="The file is no template package",
                    )
                ]
            )
        with tempfile.TemporaryDirectory(prefix="flatrender-import-") as folder:
            path = Path(folder, "package.lottie")
            await self._storage.download(file.object_key, path)
            return await self.import_file(
                principal.tenant_id, path, by=principal.user_id, publish=publish
            )

    async def import_file(
        self, tenant_id: UUID, path: Path, *, by: UUID | None = None, publish: bool = False
    ) -> Imported:
        """Import a package into a tenant's catalogue.

        Raises :class:`TemplateRejected` with every reason, ``StoreError`` when the object store
        does not take the bytes; nothing has changed then.
        """
        target = _Target(tenant_id=tenant_id, by=by, publish=publish)
        digest = await asyncio.to_thread(sha256_of, path)
        if same := await self._same(target, digest):
            return same
        try:
            package = await asyncio.to_thread(read_package, path)
        except PackageRefused as refused:
            raise TemplateRejected(refused.errors) from refused
        warnings = await self._judge(package, path)
        seconds = await self._music_seconds(package)
        async with self._db.unit_of_work(tenant_id) as work:
            await keep(work, package_key(package))
        await self._store(package, path)
        return await self._write(target, package, seconds, warnings)

    async def _same(self, target: _Target, digest: str) -> Imported | None:
        rows = await self._db.reads.records(
            target.tenant_id, sql.SAME_PACKAGE, target.tenant_id, digest
        )
        if not rows:
            return None
        async with self._db.unit_of_work(target.tenant_id) as work:
            return await _unchanged(work, target, tuple(rows[0]))

    async def _judge(self, package: ReadPackage, path: Path) -> list[ImportWarning]:
        """Ask the engine. Raises :class:`TemplateRejected`; returns all that is only a warning."""
        notes = await self._inspector.inspect(path)
        errors = [
            FieldError(
                pointer=n.place, code=n.code, message_fa=n.message_fa, message_en=n.message_en
            )
            for n in notes
            if n.level == "error"
        ]
        if errors:
            raise TemplateRejected(errors)
        return [_warning(found) for found in package.warnings] + [_warning(note) for note in notes]

    async def _music_seconds(self, package: ReadPackage) -> dict[str, float]:
        """Return the length of every track by key. Raises :class:`TemplateRejected`."""
        seconds: dict[str, float] = {}
        errors = []
        with tempfile.TemporaryDirectory(prefix="flatrender-music-") as folder:
            for index, music in enumerate(package.music):
                path = Path(folder, Path(music.track.path).name)
                await asyncio.to_thread(path.write_bytes, music.file.data)
                seconds[music.track.key] = await self._inspector.sound_seconds(path)
                if seconds[music.track.key] <= 0:
                    errors.append(
                        FieldError(
                            pointer=f"{_MANIFEST}#/music/{index}/path",
                            code="sound_unreadable",
                            message_fa="این فایل صدا خوانده نشد",
                            message_en="The sound cannot be read",
                        )
                    )
        if errors:
            raise TemplateRejected(errors)
        return seconds

    async def _store(self, package: ReadPackage, path: Path) -> None:
        """Store the package and its parts under their hashes; storing twice is harmless."""
        files: list[Stored] = [m.file for m in package.music] + [f.file for f in package.fonts]
        await asyncio.gather(
            self._storage.put(package_key(package), path, content_type=_PACKAGE_TYPE),
            *(self._storage.put(f.object_key, f.data, content_type=f.content_type) for f in files),
        )

    async def _write(
        self,
        target: _Target,
        package: ReadPackage,
        seconds: dict[str, float],
        warnings: list[ImportWarning],
    ) -> Imported:
        tenant = target.tenant_id
        manifest = package.manifest
        rows = rows_of(manifest, package.used_colors)
        async with self._db.unit_of_work(tenant) as work:
            # One import of a tenant at a time: they share categories, tags, fonts and music.
            await work.execute(sql.LOCK, tenant=tenant)
            if same := (
                await work.execute(sql.SAME_AGAIN, tenant=tenant, sha256=package.sha256)
            ).first():
                # Somebody brought the same package while this one was being read.
                return await _unchanged(work, target, tuple(same))
            category = (await _taxonomy(work, sql.CATEGORIES, [manifest.category]))[0]
            tags = await _taxonomy(work, sql.TAGS, manifest.tags)
            music = await _music(work, target, package, seconds)
            await _fonts(work, target, package)
            row = container_row(package, {"warnings": warnings}) | {
                "category_id": category,
                "tag_ids": tags,
                "default_music_id": music.get(manifest.audio.music or ""),
            }
            found = await work.execute(sql.CONTAINER, tenant=tenant, by=target.by, row=_json(row))
            container_id, created = found.one()
            await _version(work, target, package, container_id, warnings)
            await _children(work, container_id, rows)
            if target.publish:
                await publish(work, container_id)
            state = await work.execute(
                "SELECT slug, published_at IS NOT NULL, current_version_id "
                "FROM content.project_containers WHERE tenant_id = :tenant AND id = :id",
                tenant=tenant,
                id=container_id,
            )
            slug, published, version_id = state.one()
            if published and not (created or target.publish):
                work.emit(
                    TemplatePublished(
                        container_id=container_id, slug=slug, version=manifest.version
                    )
                )
            work.enqueue(
                DRAW_PREVIEWS,
                DrawPreviews(tenant_id=tenant, container_id=container_id, version_id=version_id),
            )
        return Imported(
            container_id=container_id,
            slug=slug,
            version=manifest.version,
            outcome="created" if created else "updated",
            published=published,
            warnings=warnings,
        )


def _warning(found: InspectionNote | PackageProblem) -> ImportWarning:
    return ImportWarning(
        pointer=found.place,
        code=found.code,
        message_fa=found.message_fa,
        message_en=found.message_en,
    )


async def _unchanged(
    work: UnitOfWork, target: _Target, current: tuple[UUID, str, str, bool]
) -> Imported:
    """Answer for a package that is the current one already; at most publishes it."""
    container_id, slug, version, published = current
    if target.publish and not published:
        await publish(work, container_id)
    return Imported(
        container_id=container_id,
        slug=slug,
        version=version,
        outcome="unchanged",
        published=published or target.publish,
        warnings=[],
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


async def _taxonomy(work: UnitOfWork, statement: str, slugs: Sequence[str]) -> list[UUID]:
    """Return the ids of categories or tags in the order of ``slugs``, made where missing."""
    unique = list(dict.fromkeys(slugs))
    if not unique:
        return []
    rows = [taxonomy_row(slug) for slug in unique]
    found = await work.execute(statement, tenant=work.tenant, rows=_json(rows))
    ids: dict[str, UUID] = dict(found.all())
    return [ids[slug] for slug in unique]


async def _music(
    work: UnitOfWork, target: _Target, package: ReadPackage, seconds: dict[str, float]
) -> dict[str, UUID]:
    """Add the package's tracks to the library; return the ids by key."""
    rows = [
        {
            "id": uuid7(),
            "key": m.track.key,
            "title_fa": m.track.title.fa,
            "title_en": m.track.title.en,
            "artist": m.track.artist,
            "object_key": m.file.object_key,
            "sha256": m.file.sha256,
            "content_type": m.file.content_type,
            "size_bytes": m.file.size,
            "duration": seconds[m.track.key],
            "bpm": m.track.bpm,
        }
        for m in package.music
    ]
    if not rows:
        return {}
    found = await work.execute(sql.MUSIC, tenant=work.tenant, by=target.by, rows=_json(rows))
    return dict(found.all())


async def _fonts(work: UnitOfWork, target: _Target, package: ReadPackage) -> None:
    """Add the package's faces to the library and tell of the new ones."""
    # A face that a package lists twice would touch one row twice, which an upsert refuses.
    faces = {(f.font.family.lower(), f.font.style.lower()): f for f in package.fonts}
    rows = [
        {
            "id": uuid7(),
            "family": f.font.family,
            "style": f.font.style,
            "weight": f.font.weight,
            "format": f.font.path.rpartition(".")[2].lower(),
            "scripts": f.scripts,
            "object_key": f.file.object_key,
            "sha256": f.file.sha256,
            "size_bytes": f.file.size,
        }
        for f in faces.values()
    ]
    if not rows:
        return
    found = await work.execute(sql.FONTS, tenant=work.tenant, by=target.by, rows=_json(rows))
    for font_id, family, style, object_key, digest in found:
        work.emit(
            FontInstalled(
                font_id=font_id, family=family, style=style, object_key=object_key, sha256=digest
            )
        )


async def _version(
    work: UnitOfWork,
    target: _Target,
    package: ReadPackage,
    container_id: UUID,
    warnings: list[ImportWarning],
) -> None:
    await work.execute(
        sql.VERSION,
        id=uuid7(),
        tenant=work.tenant,
        container=container_id,
        version=package.manifest.version,
        engine=package.manifest.engine,
        object_key=package_key(package),
        sha256=package.sha256,
        size=package.size,
        manifest=_json(package.manifest),
        report=_json({"warnings": warnings}),
        by=target.by,
    )
    await work.execute(
        sql.CURRENT, tenant=work.tenant, container=container_id, sha256=package.sha256
    )


async def _children(work: UnitOfWork, container_id: UUID, rows: ImportRows) -> None:
    """Write what lies below the container, parents first."""
    steps: tuple[tuple[str, list[dict[str, Any]]], ...] = (
        (sql.PROJECTS, rows.projects),
        (sql.SCENES, rows.scenes),
        (sql.CONTENTS, rows.contents),
        (sql.COLORS, rows.colors),
        (sql.COLOR_ELEMENTS, rows.color_elements),
        (sql.PRESETS, rows.presets),
    )
    for statement, values in steps:  # one statement a table
        await work.execute(
            statement, tenant=work.tenant, container=container_id, rows=_json(values)
        )
