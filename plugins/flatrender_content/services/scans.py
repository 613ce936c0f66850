"""Scans of After Effects projects: from an upload to a template that can be rendered.

Owns the use cases: bring a file, have it read (on the server here, or by a node), look at what it
would change, apply it. Who reads when, and that a scan ends once, is the ``ScanJobs`` port's.
"""

import asyncio
import contextlib
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.files import FileStore
from flatrender.contracts.render import ScanClaim, ScanJobs, ScanOrder, ScanState
from flatrender.errors import FieldError, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender.storage import ObjectMissing
from flatrender.template.after_effects import is_project, write_bundle
from flatrender.template.manifest import Mode
from flatrender.template.project_scan import ProjectScan, ScanKind, ScanNote
from flatrender_content.aep.diff import Choice, DiffEntry
from flatrender_content.aep.naming import propose
from flatrender_content.aep.proposal import manifest_of
from flatrender_content.aep.worker import Answer
from flatrender_content.errors import (
    ScanOver,
    ScanUnfinished,
    TemplateRejected,
)
from flatrender_content.services import scan_sql
from flatrender_content.services.reading import sha256_of
from flatrender_content.services.scan_apply import (
    Bundle,
    apply,
    preview,
    require_after_effects,
    require_sound,
)
from flatrender_content.services.unused import keep

#: The process ends itself after 60 s of work; this is for one that waits instead.
READ_SECONDS = 90.0
LEASE_SECONDS = 300.0
_ZIP = b"PK\3\4"


class ScanView(Struct, frozen=True, kw_only=True):
    """A scan as administrators see it. ``waits_for`` says why a queued one is not running."""

    id: UUID
    template_id: UUID
    kind: ScanKind
    state: str
    source_name: str
    source_sha256: str
    source_size: int | None
    errors: list[FieldError]
    waits_for: FieldError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    applied_at: datetime | None


class ScanPreview(Struct, frozen=True, kw_only=True):
    """What applying a scan would do. With ``problems`` it cannot be applied."""

    scan: ScanView
    comp: str
    aspect: str | None
    width: int
    height: int
    fps: int
    duration: float
    added: list[DiffEntry]
    changed: list[DiffEntry]
    revived: list[DiffEntry]
    kept: list[DiffEntry]
    orphans: list[DiffEntry]
    problems: list[ScanNote]
    notes: list[ScanNote]
    missing_footage: list[str]
    fonts: list[str]


class ScanApplied(Struct, frozen=True, kw_only=True):
    """What was written. ``package_sha256`` names the bundle that renders use from now on."""

    scan: ScanView
    written: list[str]
    removed: list[str]
    package_sha256: str


class TemplateScanService:
    """Use cases of administrators, and the server's own reading."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._storage = context.infra.storage
        self._files = context.port(FileStore)
        self._jobs = context.port(ScanJobs)

    # Bringing

    async def start(
        self, principal: Principal, template_id: UUID, path: Path, *, kind: ScanKind, name: str
    ) -> ScanView:
        """Store a .aep or .zip and queue its scan.

        Raises ``NotFound``, :class:`EngineMismatch`, :class:`TemplateRejected` for what is neither.
        """
        tenant = principal.tenant_id
        await self._require_template(tenant, template_id)
        suffix = await asyncio.to_thread(_suffix, path)
        digest, size = await asyncio.to_thread(_facts, path)
        key = f"templates/sources/{digest}{suffix}"
        await self._storage.put(key, path, content_type="application/octet-stream")
        scan_id = await self._jobs.queue(
            tenant,
            ScanOrder(
                container_id=template_id,
                kind=kind,
                source_object_key=key,
                source_sha256=digest,
                source_name=name,
                source_size=size,
                requested_by=principal.user_id,
            ),
        )
        return await self.scan(tenant, template_id, scan_id)

    async def start_upload(
        self, principal: Principal, template_id: UUID, file_id: UUID, *, kind: ScanKind
    ) -> ScanView:
        """Scan a file among the caller's own; see :meth:`start`."""
        if principal.user_id is None:
            raise NotFound()
        found = await self._files.resolve(principal.tenant_id, principal.user_id, [file_id])
        file = found.get(file_id)
        if file is None:
            raise NotFound()
        with tempfile.TemporaryDirectory(prefix="flatrender-scan-") as folder:
            path = Path(folder, "source")
            await self._storage.download(file.object_key, path)
            return await self.start(principal, template_id, path, kind=kind, name=file.name[:255])

    # Looking

    async def scans(self, tenant_id: UUID, template_id: UUID, page: PageParams) -> Page[ScanView]:
        """Return a template's scans, newest first. Raises ``NotFound``, :class:`EngineMismatch`."""
        await self._require_template(tenant_id, template_id)
        found, total = await self._jobs.of_container(
            tenant_id, template_id, limit=page.limit, offset=page.offset
        )
        return page.of([_view(scan) for scan in found], total)

    async def scan(self, tenant_id: UUID, template_id: UUID, scan_id: UUID) -> ScanView:
        """Return one scan of a template. Raises ``NotFound``."""
        return _view(await self._state(tenant_id, template_id, scan_id))

    async def cancel(self, tenant_id: UUID, template_id: UUID, scan_id: UUID) -> ScanView:
        """Cancel a scan for good. Raises ``NotFound``, :class:`ScanOver`."""
        await self._state(tenant_id, template_id, scan_id)
        if not await self._jobs.cancel(tenant_id, scan_id):
            raise ScanOver()
        return await self.scan(tenant_id, template_id, scan_id)

    async def preview(
        self, tenant_id: UUID, template_id: UUID, scan_id: UUID
    ) -> tuple[ScanPreview, str]:
        """Return what applying a scan would do, and the entity tag of the template's graph.

        Raises ``NotFound``, :class:`ScanUnfinished`, :class:`EngineMismatch`.
        """
        state, scan = await self._result(tenant_id, template_id, scan_id)
        async with self._db.unit_of_work(tenant_id) as work:
            seen = await preview(work, template_id, scan)
        proposal = seen.proposal

        def of(change: str) -> list[DiffEntry]:
            return [entry for entry in seen.entries if entry.change == change]

        return (
            ScanPreview(
                scan=_view(state),
                comp=proposal.comp,
                aspect=proposal.aspect,
                width=proposal.width,
                height=proposal.height,
                fps=proposal.fps,
                duration=proposal.duration,
                added=of("added"),
                changed=of("changed"),
                revived=of("revived"),
                kept=of("kept"),
                orphans=of("orphan"),
                problems=proposal.problems,
                notes=proposal.notes,
                missing_footage=[item.path for item in scan.footage if item.missing],
                fonts=scan.fonts,
            ),
            seen.tag,
        )

    # Applying

    async def apply(
        self,
        principal: Principal,
        template_id: UUID,
        scan_id: UUID,
        *,
        choice: Choice,
        if_match: str,
    ) -> tuple[ScanApplied, str]:
        """Apply a scan in one transaction; return what was written and the graph's new tag.

        Raises as :func:`scan_apply.apply` does, and :class:`ScanUnfinished`.
        """
        tenant = principal.tenant_id
        state, scan = await self._result(tenant, template_id, scan_id)
        bundle = await self._bundle(tenant, template_id, state, scan)
        async with self._db.unit_of_work(tenant) as work:
            done = await apply(
                work,
                template_id,
                scan,
                bundle,
                choice=choice,
                if_match=if_match,
                by=principal.user_id,
            )
        await self._jobs.applied(
            tenant, scan_id, by=principal.user_id, diff={"entries": msgspec.to_builtins(done)}
        )
        async with self._db.unit_of_work(tenant) as work:
            seen = await preview(work, template_id, scan)
        return (
            ScanApplied(
                scan=await self.scan(tenant, template_id, scan_id),
                written=[entry.path for entry in done if entry.change != "orphan"],
                removed=[entry.path for entry in done if entry.change == "orphan"],
                package_sha256=bundle.sha256,
            ),
            seen.tag,
        )

    async def _bundle(
        self, tenant_id: UUID, template_id: UUID, state: ScanState, scan: ProjectScan
    ) -> Bundle:
        """Make and store the package that engines get: the source with its manifest in it."""
        mode = await self._require_template(tenant_id, template_id)
        proposal = await asyncio.to_thread(propose, scan, mode)
        require_sound(proposal)
        manifest = await asyncio.to_thread(manifest_of, proposal, scan)
        with tempfile.TemporaryDirectory(prefix="flatrender-bundle-") as folder:
            source, made = Path(folder, "source"), Path(folder, "bundle.zip")
            await self._storage.download(state.source_object_key, source)
            await asyncio.to_thread(write_bundle, source, made, manifest)
            digest, size = await asyncio.to_thread(_facts, made)
            key = f"packages/{digest}.zip"
            async with self._db.unit_of_work(tenant_id) as work:
                await keep(work, key)
            await self._storage.put(key, made, content_type="application/zip")
            return Bundle(object_key=key, sha256=digest, size=size, manifest=manifest)

    # Reading on the server

    async def read(self, tenant_id: UUID, scan_id: UUID) -> bool:
        """Read one quick scan; False when it is not to be had now (another reads it, or ended)."""
        claim = await self._jobs.claim(tenant_id, scan_id, lease=LEASE_SECONDS)
        if claim is None:
            return False
        answer = await self._answer(claim)
        if answer.scan is not None:
            await self._jobs.finish(claim, answer.scan)
        else:
            await self._jobs.fail(claim, answer.errors or [_crashed("no answer")])
        return True

    async def _answer(self, claim: ScanClaim) -> Answer:
        with tempfile.TemporaryDirectory(prefix="flatrender-scan-") as folder:
            path = Path(folder, "source")
            try:
                await self._storage.download(claim.source_object_key, path)
            except ObjectMissing:
                return Answer(errors=[_crashed("the file is gone")])
            if await asyncio.to_thread(sha256_of, path) != claim.source_sha256:
                return Answer(errors=[_crashed("the file is not the one that was brought")])
            return await read_apart(path, claim.source_name)

    async def _require_template(self, tenant_id: UUID, template_id: UUID) -> Mode:
        async with self._db.unit_of_work(tenant_id) as work:
            found = await work.execute(scan_sql.CONTAINER, tenant=tenant_id, container=template_id)
            row = found.first()
        if row is None:
            raise NotFound()
        require_after_effects(row[0], row[2])
        mode: Mode = msgspec.convert(row[1], Mode)
        return mode

    async def _state(self, tenant_id: UUID, template_id: UUID, scan_id: UUID) -> ScanState:
        state = await self._jobs.get(tenant_id, scan_id)
        if state is None or state.container_id != template_id:
            raise NotFound()
        return state

    async def _result(
        self, tenant_id: UUID, template_id: UUID, scan_id: UUID
    ) -> tuple[ScanState, ProjectScan]:
        state = await self._state(tenant_id, template_id, scan_id)
        scan = await self._jobs.result(tenant_id, scan_id)
        if scan is None:
            raise ScanUnfinished(state=state.state)
        return state, scan


async def read_apart(path: Path, name: str, *, seconds: float = READ_SECONDS) -> Answer:
    """Read a project or bundle in a process of its own, for at most ``seconds``."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "flatrender_content.aep.worker",
        str(path),
        name,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(seconds):
            data, _ = await process.communicate()
        if process.returncode == 0:
            return msgspec.json.decode(data, type=Answer)
        return Answer(errors=[_crashed(f"exit status {process.returncode}")])
    except TimeoutError:
        return Answer(errors=[_crashed(f"no answer after {seconds:g} s")])
    except msgspec.MsgspecError as error:
        return Answer(errors=[_crashed(str(error))])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _crashed(reason: str) -> FieldError:
    return FieldError(
        pointer="/",
        code="scan_crashed",
        message_fa=f"خواندن پروژه نیمه‌کاره ماند ({reason})",
        message_en=f"Reading the project came to no end: {reason}",
    )


def _facts(path: Path) -> tuple[str, int]:
    return sha256_of(path), path.stat().st_size


def _suffix(path: Path) -> str:
    """Return what kind of source a file is. Raises :class:`TemplateRejected` for neither kind."""
    if is_project(path):
        return ".aep"
    with path.open("rb") as stream:
        if stream.read(4) == _ZIP:
            return ".zip"
    raise TemplateRejected(
        [
            FieldError(
                pointer="/",
                code="not_a_project",
                message_fa="فایل نه پروژه‌ی افترافکت است و نه بسته‌ی zip",
                message_en="The file is neither an After Effects project nor a zip bundle",
            )
        ]
    )


def _view(state: ScanState) -> ScanView:
    return ScanView(
        template_id=state.container_id,
        **{
            name: getattr(state, name)
            for name in ScanView.__struct_fields__
            if name != "template_id"
        },
    )
