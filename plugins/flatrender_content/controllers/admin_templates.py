"""Templates for administrators: /v1/admin/templates."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.principal import Principal
from flatrender_content.errors import TemplateRejected
from flatrender_content.guards import curates
from flatrender_content.services.importer import Imported, ImportService
from flatrender_content.services.publishing import PublishingService

PACKAGE_BYTES = 200 * 1024 * 1024


class AdminTemplateController(Controller):
    """Bring templates in, offer and withdraw them."""

    path = "/v1/admin/templates"
    tags = ("content",)
    guards = (curates,)

    @post(
        "/import",
        status_code=201,
        operation_id="import_template",
        summary="Import a template package",
        request_max_body_size=PACKAGE_BYTES,
        responses=problem_responses(TemplateRejected),
    )
    async def import_template(
        self,
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        imports: NamedDependency[ImportService],
        publish: Annotated[bool, QueryParameter(description="Offer it at once.")] = False,
    ) -> Imported:
        """Import a dotLottie package (the body is the zip itself). The same package again
        changes nothing; a refusal names every reason and its place in the package."""
        with tempfile.TemporaryDirectory(prefix="flatrender-upload-") as folder:
            path = Path(folder, "package.lottie")
            await _receive(request, path)
            return await imports.import_file(
                principal.tenant_id, path, by=principal.user_id, publish=publish
            )

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


async def _receive(request: Request[Any, Any, Any], path: Path) -> None:
    """Write the body to a file as it comes; Litestar counts it against the route's limit."""
    stream = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in request.stream():
            await asyncio.to_thread(stream.write, chunk)
    finally:
        await asyncio.to_thread(stream.close)
