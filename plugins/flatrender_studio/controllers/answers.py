"""The answer every edit gives: the whole project and its new ETag."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Response
from litestar.params import HeaderParameter

from flatrender.http.etag import etag
from flatrender.security.principal import Principal
from flatrender_studio.schemas import SavedProject, project_view
from flatrender_studio.services.projects import ProjectService

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description="The ETag you have seen; required for changes."),
]


async def answer(
    projects: ProjectService, principal: Principal, project_id: UUID, *, status: int = 200
) -> Response[SavedProject]:
    """Return the project as it is now."""
    project = await projects.read(principal, project_id)
    headers: dict[str, Any] = {"ETag": etag(project.version)}
    return Response(project_view(project), status_code=status, headers=headers)
