"""Scans of After Effects projects for administrators: /v1/admin/templates/{id}/scans."""

import tempfile
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from flatrender.errors import NotFound, PreconditionFailed
from flatrender.http.errors import PreconditionRequired
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.principal import Principal
from flatrender.template.project_scan import ScanKind
from flatrender_content.aep.diff import Choice
from flatrender_content.controllers.package_body import PackageOperation, receive
from flatrender_content.errors import (
    EngineMismatch,
    ScanOver,
    ScanUnfinished,
    SlugTaken,
    TemplateRejected,
)
from flatrender_content.guards import curates_templates
from flatrender_content.scan_schemas import ApplyBody, DraftBody, ScanFileBody
from flatrender_content.schemas import AdminTemplate
from flatrender_content.services.curation import CurationService
from flatrender_content.services.scans import (
    ScanApplied,
    ScanPreview,
    ScanView,
    TemplateScanService,
)

BUNDLE_BYTES = 2 * 2**30


class AdminScanController(Controller):
    """Bring After Effects projects in: upload, look at the difference, apply."""

    path = "/v1/admin/templates"
    tags = ("content",)
    guards = (curates_templates,)

    @post(
        "/",
        status_code=201,
        operation_id="admin_create_template",
        summary="Make a draft",
        opt={"idempotent": True},
        responses=problem_responses(SlugTaken),
    )
    async def create(
        self,
        data: JSONBody[DraftBody],
        principal: NamedDependency[Principal],
        curation: NamedDependency[CurationService],
    ) -> AdminTemplate:
        """Make an empty template that a scan of an After Effects project fills."""
        made = await curation.create(principal.tenant_id, data, by=principal.user_id)
        return await curation.template(principal.tenant_id, made)

    @post(
        "/{template_id:uuid}/scans",
        status_code=202,
        operation_id="scan_template",
        summary="Scan an After Effects project",
        request_max_body_size=BUNDLE_BYTES,
        operation_class=PackageOperation,
        responses=problem_responses(NotFound, EngineMismatch, TemplateRejected),
    )
    async def start(
        self,
        template_id: FromPath[UUID],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        scans: NamedDependency[TemplateScanService],
        kind: Annotated[
            ScanKind, QueryParameter(description="`quick` on the server, `full` on a node.")
        ] = "quick",
        name: Annotated[
            str, QueryParameter(max_length=255, description="What the file is called.")
        ] = "project.aep",
    ) -> ScanView:
        """Upload a project (.aep) or a bundle with its footage (.zip), itself or as the `file` of a
        form, and queue its scan. A full scan waits for a node that drives After Effects and says
        so."""
        with tempfile.TemporaryDirectory(prefix="flatrender-upload-") as folder:
            path = Path(folder, "source")
            await receive(request, path)
            return await scans.start(principal, template_id, path, kind=kind, name=name)

    @post(
        "/{template_id:uuid}/scans/from-file",
        status_code=202,
        operation_id="scan_template_file",
        summary="Scan an uploaded After Effects project",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, EngineMismatch, TemplateRejected),
    )
    async def start_file(
        self,
        template_id: FromPath[UUID],
        data: JSONBody[ScanFileBody],
        principal: NamedDependency[Principal],
        scans: NamedDependency[TemplateScanService],
    ) -> ScanView:
        """Scan a project or bundle that the caller uploaded before (`/v1/uploads`, purpose
        `template`)."""
        return await scans.start_upload(principal, template_id, data.file_id, kind=data.kind)

    @get(
        "/{template_id:uuid}/scans",
        operation_id="list_template_scans",
        summary="Scans of a template",
        responses=problem_responses(NotFound, EngineMismatch),
    )
    async def scans(
        self,
        template_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        scans: NamedDependency[TemplateScanService],
    ) -> Page[ScanView]:
        """Return a template's scans, newest first."""
        return await scans.scans(principal.tenant_id, template_id, page_params)

    @get(
        "/{template_id:uuid}/scans/{scan_id:uuid}",
        operation_id="get_template_scan",
        summary="One scan",
        responses=problem_responses(NotFound),
    )
    async def scan(
        self,
        template_id: FromPath[UUID],
        scan_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        scans: NamedDependency[TemplateScanService],
    ) -> ScanView:
        """Return how a scan stands; of a failed one every reason and its place."""
        return await scans.scan(principal.tenant_id, template_id, scan_id)

    @post(
        "/{template_id:uuid}/scans/{scan_id:uuid}/cancel",
        status_code=200,
        operation_id="cancel_template_scan",
        summary="Cancel a scan",
        responses=problem_responses(NotFound, ScanOver),
    )
    async def cancel(
        self,
        template_id: FromPath[UUID],
        scan_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        scans: NamedDependency[TemplateScanService],
    ) -> ScanView:
        """Cancel a scan for good: a result that comes later changes nothing."""
        return await scans.cancel(principal.tenant_id, template_id, scan_id)

    @get(
        "/{template_id:uuid}/scans/{scan_id:uuid}/preview",
        operation_id="preview_template_scan",
        summary="What applying a scan would do",
        responses=problem_responses(NotFound, ScanUnfinished, EngineMismatch),
    )
    async def preview(
        self,
        template_id: FromPath[UUID],
        scan_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        scans: NamedDependency[TemplateScanService],
    ) -> Response[ScanPreview]:
        """Return the difference to the template as it is: added, changed, deleted rows that come
        back, fields edited by hand that stay, and orphans. The ETag names the template's graph:
        applying wants it as If-Match."""
        seen, tag = await scans.preview(principal.tenant_id, template_id, scan_id)
        return Response(content=seen, headers={"ETag": tag})

    @post(
        "/{template_id:uuid}/scans/{scan_id:uuid}/apply",
        status_code=200,
        operation_id="apply_template_scan",
        summary="Apply a scan",
        responses=problem_responses(
            NotFound,
            ScanUnfinished,
            EngineMismatch,
            TemplateRejected,
            PreconditionFailed,
            PreconditionRequired,
        ),
    )
    async def apply(
        self,
        template_id: FromPath[UUID],
        scan_id: FromPath[UUID],
        data: JSONBody[ApplyBody],
        principal: NamedDependency[Principal],
        scans: NamedDependency[TemplateScanService],
        if_match: Annotated[
            str | None, HeaderParameter(name="If-Match", description="The preview's ETag.")
        ] = None,
    ) -> Response[ScanApplied]:
        """Apply a scan, or the part of it that was chosen, in one step. Fields edited by hand stay,
        orphans too unless they are named in `remove`."""
        if if_match is None:
            raise PreconditionRequired
        choice = Choice(
            add=data.add,
            change=data.change,
            revive=data.revive,
            skip=frozenset(data.skip),
            remove=frozenset(data.remove),
        )
        done, tag = await scans.apply(
            principal, template_id, scan_id, choice=choice, if_match=if_match
        )
        return Response(content=done, headers={"ETag": tag})
