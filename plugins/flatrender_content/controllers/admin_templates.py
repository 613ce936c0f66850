"""Templates for administrators: /v1/admin/templates."""

import tempfile
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_step_up
from flatrender.security.principal import Principal
from flatrender_content.controllers.package_body import PackageOperation, receive
from flatrender_content.errors import SlugTaken, TemplateRejected
from flatrender_content.guards import curates_templates
from flatrender_content.schemas import (
    AdminTemplate,
    ImportFileBody,
    SceneChange,
    SharingBody,
    TemplateChange,
)
from flatrender_content.services.curation import CurationService
from flatrender_content.services.importer import Imported, ImportService
from flatrender_content.services.publishing import PublishingService

PACKAGE_BYTES = 200 * 1024 * 1024


class AdminTemplateController(Controller):
    """Bring templates in, offer and withdraw them."""

    path = "/v1/admin/templates"
    tags = ("content",)
    guards = (curates_templates,)

    @post(
        "/import",
        status_code=201,
        operation_id="import_template",
        summary="Import a template package",
        request_max_body_size=PACKAGE_BYTES,
        operation_class=PackageOperation,
        responses=problem_responses(TemplateRejected),
    )
    async def import_template(
        self,
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        imports: NamedDependency[ImportService],
        publish: Annotated[bool, QueryParameter(description="Offer it at once.")] = False,
    ) -> Imported:
        """Import a dotLottie package: the zip itself, or a form with it as `file`. The same
        package again changes nothing; a refusal names every reason and its place in the
        package."""
        with tempfile.TemporaryDirectory(prefix="flatrender-upload-") as folder:
            path = Path(folder, "package.lottie")
            await receive(request, path)
            return await imports.import_file(
                principal.tenant_id, path, by=principal.user_id, publish=publish
            )

    @post(
        "/import-file",
        status_code=201,
        operation_id="import_template_file",
        summary="Import an uploaded template package",
        opt={"idempotent": True},
        responses=problem_responses(NotFound, TemplateRejected),
    )
    async def import_template_file(
        self,
        data: JSONBody[ImportFileBody],
        principal: NamedDependency[Principal],
        imports: NamedDependency[ImportService],
    ) -> Imported:
        """Import a package that the caller uploaded before (`/v1/uploads`, purpose `template`):
        for large ones, whose upload should not have to begin again."""
        return await imports.import_upload(principal, data.file_id, publish=data.publish)

    @get("/", operation_id="admin_list_templates", summary="Own templates")
    async def templates(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        curation: NamedDependency[CurationService],
        published: Annotated[
            bool | None, QueryParameter(description="Only published ones, or only drafts.")
        ] = None,
        q: Annotated[str | None, QueryParameter(max_length=200, description="Words.")] = None,
    ) -> Page[AdminTemplate]:
        """Return the tenant's own templates, drafts included, newest first."""
        return await curation.templates(principal.tenant_id, page_params, published=published, q=q)

    @get(
        "/{template_id:uuid}",
        operation_id="admin_get_template",
        summary="One of the own templates",
        responses=problem_responses(NotFound),
    )
    async def template(
        self,
        template_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        curation: NamedDependency[CurationService],
    ) -> AdminTemplate:
        """Return one of the tenant's own templates, a draft too."""
        return await curation.template(principal.tenant_id, template_id)

    @patch(
        "/{template_id:uuid}",
        operation_id="admin_change_template",
        summary="Change a template by hand",
        responses=problem_responses(NotFound, SlugTaken),
    )
    async def change(
        self,
        template_id: FromPath[UUID],
        data: JSONBody[TemplateChange],
        principal: NamedDependency[Principal],
        curation: NamedDependency[CurationService],
    ) -> AdminTemplate:
        """Change words and taxonomy; later imports leave alone what was changed here."""
        await curation.change(principal.tenant_id, template_id, data)
        return await curation.template(principal.tenant_id, template_id)

    @patch(
        "/{template_id:uuid}/scenes/{scene_id:uuid}",
        status_code=204,
        operation_id="admin_change_scene",
        summary="Change a scene by hand",
        responses=problem_responses(NotFound),
    )
    async def change_scene(
        self,
        template_id: FromPath[UUID],
        scene_id: FromPath[UUID],
        data: JSONBody[SceneChange],
        principal: NamedDependency[Principal],
        curation: NamedDependency[CurationService],
    ) -> None:
        """Change a scene; later imports leave alone what was changed here."""
        await curation.change_scene(principal.tenant_id, template_id, scene_id, data)

    @put(
        "/{template_id:uuid}/sharing",
        operation_id="admin_share_template",
        summary="Choose who else sees a template",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def share(
        self,
        template_id: FromPath[UUID],
        data: JSONBody[SharingBody],
        principal: NamedDependency[Principal],
        curation: NamedDependency[CurationService],
    ) -> AdminTemplate:
        """Share a template of the platform's own tenant with all tenants, with some or none."""
        await curation.share(principal.tenant_id, template_id, data, by=principal.user_id)
        return await curation.template(principal.tenant_id, template_id)

    @delete(
        "/{template_id:uuid}",
        operation_id="admin_remove_template",
        summary="Remove a template",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def remove(
        self,
        template_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        curation: NamedDependency[CurationService],
    ) -> None:
        """Remove a template; its slug is free again and saved projects keep working."""
        await curation.remove(principal.tenant_id, template_id)

    @post(
        "/{template_id:uuid}/publish",
        status_code=204,
        operation_id="publish_template",
        summary="Offer a template",
        responses=problem_responses(NotFound),
    )
    async def publish(
        self,
        template_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        publishing: NamedDependency[PublishingService],
    ) -> None:
        """Let customers pick a template; again is fine."""
        await publishing.publish(principal.tenant_id, template_id)

    @post(
        "/{template_id:uuid}/unpublish",
        status_code=204,
        operation_id="unpublish_template",
        summary="Withdraw a template",
        responses=problem_responses(NotFound),
    )
    async def unpublish(
        self,
        template_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        publishing: NamedDependency[PublishingService],
    ) -> None:
        """Stop offering a template; saved projects keep working."""
        await publishing.unpublish(principal.tenant_id, template_id)
