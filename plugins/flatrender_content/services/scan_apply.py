"""Applying a scan: the chosen rows of a proposal become a template, in one transaction.

Owns no scan and no file: it is given what was found, the bundle that engines will get, and the tag
of the graph that was looked at.
"""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.contracts.content import TemplatePublished
from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, NotFound, PreconditionFailed
from flatrender.http.etag import parse_tags
from flatrender.template.after_effects import AepManifest
from flatrender.template.manifest import Mode
from flatrender.template.project_scan import ProjectScan
from flatrender_content.aep.diff import (
    Choice,
    DiffEntry,
    Graph,
    PresentRow,
    chosen,
    compare,
    graph_tag,
    proposed_rows,
    sources,
)
from flatrender_content.aep.naming import propose
from flatrender_content.aep.proposal import Proposal
from flatrender_content.errors import ChoiceUnknown, EngineMismatch, TemplateRejected
from flatrender_content.services import import_sql, scan_sql

_ASPECTS = ("16:9", "1:1", "9:16")
_ASSETS = {"image": "Image", "video": "Video", "audio": "Audio"}
_ROWS = msgspec.json.Decoder(dict[str, PresentRow])


class Bundle(Struct, frozen=True, kw_only=True):
    """The package that engines get."""

    object_key: str
    sha256: str
    size: int
    manifest: AepManifest


class Preview(Struct, frozen=True, kw_only=True):
    """A proposal beside a template's present graph; ``tag`` is the graph's entity tag."""

    proposal: Proposal
    entries: list[DiffEntry]
    present: Graph
    tag: str
    published: bool
    slug: str


async def preview(
    work: UnitOfWork, container_id: UUID, scan: ProjectScan, *, lock: bool = False
) -> Preview:
    """Hold a scan against the template. Raises ``NotFound``, :class:`EngineMismatch`."""
    statement = scan_sql.CONTAINER_LOCKED if lock else scan_sql.CONTAINER
    keys = {"tenant": work.tenant, "container": container_id}
    row = (await work.execute(statement, **keys)).first()
    if row is None:
        raise NotFound()
    engine, mode, sha256, slug, published = row
    require_after_effects(engine, sha256)
    # A large project takes seconds, in which the server must answer others.
    proposal = await asyncio.to_thread(propose, scan, msgspec.convert(mode, Mode))
    text = (await work.execute(scan_sql.GRAPH, aspect=proposal.aspect, **keys)).scalar_one()
    present = _ROWS.decode(text)
    facts = {"engine": engine, "mode": mode, "package": sha256, "aspect": proposal.aspect}
    return Preview(
        proposal=proposal,
        entries=compare(proposal, present),
        present=present,
        tag=graph_tag(facts, present),
        published=published,
        slug=slug,
    )


def require_after_effects(engine: str, package_sha256: str | None) -> None:
    """Raise :class:`EngineMismatch` for a template that another engine already draws."""
    if engine != "aerender" and package_sha256 is not None:
        raise EngineMismatch(engine=engine)


async def apply(
    work: UnitOfWork,
    container_id: UUID,
    scan: ProjectScan,
    bundle: Bundle,
    *,
    choice: Choice,
    if_match: str,
    by: UUID | None,
) -> list[DiffEntry]:
    """Write what was chosen and return it.

    Raises ``NotFound``, ``PreconditionFailed`` when the graph is not the one that was looked at,
    :class:`TemplateRejected` for a proposal with problems, :class:`ChoiceUnknown`.
    """
    await work.execute(scan_sql.LOCK, tenant=work.tenant)
    seen = await preview(work, container_id, scan, lock=True)
    tags = parse_tags(if_match)
    if not tags.any and (seen.tag.strip('"'), False) not in tags.tags:
        raise PreconditionFailed(headers={"ETag": seen.tag})
    require_sound(seen.proposal)
    by_path = {entry.path: entry for entry in seen.entries}
    _check_choice(by_path, choice)
    paths = list(chosen(seen.entries, seen.present, choice))
    writer = _Writer(work, container_id, seen.proposal)
    await writer.rows(paths)
    await writer.colors()
    await writer.assets(scan)
    await writer.remove(choice.remove)
    version = await writer.package(bundle, by)
    if seen.published:
        work.emit(TemplatePublished(container_id=container_id, slug=seen.slug, version=version))
    removed = [DiffEntry(path=path, change="orphan") for path in sorted(choice.remove)]
    return [by_path[path] for path in paths] + removed


def require_sound(proposal: Proposal) -> None:
    """Raise :class:`TemplateRejected` with every problem of a proposal."""
    if proposal.problems:
        raise TemplateRejected(
            [
                FieldError(
                    pointer=p.place, code=p.code, message_fa=p.message_fa, message_en=p.message_en
                )
                for p in proposal.problems
            ]
        )


def _check_choice(entries: dict[str, DiffEntry], choice: Choice) -> None:
    orphans = {path for path, entry in entries.items() if entry.change == "orphan"}
    for name, wanted, known in (
        ("skip", choice.skip, entries.keys()),
        ("remove", choice.remove, orphans),
    ):
        if unknown := sorted(wanted - known):
            raise ChoiceUnknown(name, unknown)


class _Writer:
    """Writes one aspect of one template."""

    def __init__(self, work: UnitOfWork, container_id: UUID, proposal: Proposal) -> None:
        self._work = work
        self._proposal = proposal
        self._keys = {"tenant": work.tenant, "container": container_id}
        self._aspect = str(proposal.aspect)

    async def rows(self, paths: Sequence[str]) -> None:
        """Write the rows at ``paths``, parents first."""
        wanted, found = proposed_rows(self._proposal), sources(self._proposal)
        tables: dict[str, list[dict[str, Any]]] = {
            scan_sql.PROJECTS: [],
            scan_sql.COLORS: [],
            scan_sql.SCENES: [],
            scan_sql.CONTENTS: [],
        }
        for path in paths:
            row = wanted[path] | {"id": uuid7(), "aspect": self._aspect}
            parts = path.split("/")
            if path == "project":
                row["position"] = _ASPECTS.index(self._aspect)
                tables[scan_sql.PROJECTS].append(row)
            elif parts[0] == "colors":
                tables[scan_sql.COLORS].append(row | {"element_key": parts[1]})
            elif len(parts) == 2:
                tables[scan_sql.SCENES].append(row | {"key": parts[1], "source": found[path]})
            else:
                own = {"key": parts[3], "scene": parts[1], "source": found[path]}
                tables[scan_sql.CONTENTS].append(row | own)
        for statement, values in tables.items():  # one statement a table
            if values:
                await self._work.execute(statement, rows=_json(values), **self._keys)

    async def colors(self) -> None:
        """Write which colours the scenes use."""
        rows = [
            {
                "aspect": self._aspect,
                "scene": scene.key,
                "element_key": key,
                "layers": [f"{layer.comp}/{layer.layer}" for layer in layers],
                "position": at,
            }
            for scene in self._proposal.scenes
            for at, (key, layers) in enumerate(scene.colors.items())
        ]
        await self._work.execute(
            scan_sql.COLOR_ELEMENTS,
            rows=_json(rows),
            scenes=[scene.key for scene in self._proposal.scenes],
            aspect=self._aspect,
            **self._keys,
        )

    async def assets(self, scan: ProjectScan) -> None:
        """Write the files that the project refers to, and which of them are missing."""
        rows = [
            {
                "kind": _ASSETS.get(item.kind, "Footage"),
                "path": item.bundled or item.path,
                "name": item.name,
                "width": item.width or None,
                "height": item.height or None,
                "duration": item.duration or None,
                "missing": item.missing,
            }
            for item in scan.footage
            if item.path
        ]
        await self._work.execute(
            scan_sql.ASSETS, rows=_json(rows), aspect=self._aspect, **self._keys
        )

    async def remove(self, paths: frozenset[str]) -> None:
        """Delete, softly, the orphans that were named."""
        parts = [path.split("/") for path in paths]
        steps = (
            (scan_sql.REMOVE_SCENES, [p[1] for p in parts if p[0] == "scenes" and len(p) == 2]),
            (scan_sql.REMOVE_CONTENTS, [f"{p[1]}/{p[3]}" for p in parts if len(p) == 4]),
            (scan_sql.REMOVE_COLORS, [p[1] for p in parts if p[0] == "colors"]),
        )
        for statement, keys in steps:
            if keys:
                await self._work.execute(statement, keys=keys, aspect=self._aspect, **self._keys)

    async def package(self, bundle: Bundle, by: UUID | None) -> str:
        """Make the bundle the one that renders of this aspect use; return the version it is."""
        facts = {"key": bundle.object_key, "sha256": bundle.sha256}
        await self._work.execute(scan_sql.PACKAGE, aspect=self._aspect, **facts, **self._keys)
        found = await self._work.execute(scan_sql.VERSION_NAME, sha256=bundle.sha256, **self._keys)
        name = str(found.scalar_one())
        manifest = _json(bundle.manifest)
        await self._work.execute(
            import_sql.VERSION,
            id=uuid7(),
            version=name,
            engine="aerender",
            object_key=bundle.object_key,
            sha256=bundle.sha256,
            size=bundle.size,
            manifest=manifest,
            report=_json({"warnings": self._proposal.notes}),
            by=by,
            **self._keys,
        )
        await self._work.execute(
            scan_sql.FINISH,
            version=name,
            size=bundle.size,
            manifest=manifest,
            **facts,
            **self._keys,
        )
        return name


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
