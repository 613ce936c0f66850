"""A project as it stands, for a render: the one place where a ``RenderSource`` is made."""

from uuid import UUID

from flatrender.contracts.content import SELF_CONTAINED_ENGINES, TemplateCatalogue, TemplateNeeds
from flatrender.contracts.studio import RenderSource
from flatrender.plugin import PluginContext
from flatrender.template.composition import Composition
from flatrender_studio.domain import Project


async def freeze(
    context: PluginContext, tenant_id: UUID, project: Project, composition: Composition
) -> RenderSource:
    """Return a project with what its template needs of a machine."""
    needs = TemplateNeeds()
    if project.engine not in SELF_CONTAINED_ENGINES:
        needs = await context.port(TemplateCatalogue).needs(
            tenant_id, project.container_id, project.package_sha256
        )
    return RenderSource(
        saved_project_id=project.id,
        version=project.version,
        name=project.name,
        container_id=project.container_id,
        mode=project.mode,
        engine=project.engine,
        package_object_key=project.package_object_key,
        package_sha256=project.package_sha256,
        composition=composition,
        has_voiceover=project.voiceover_object_key is not None,
        needs=needs,
    )
