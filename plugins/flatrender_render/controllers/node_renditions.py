"""What render nodes outside call about further formats: /v1/node/renditions.

See ``farm.rendition_wire``.
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from flatrender.errors import Invalid, NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_node
from flatrender.security.principal import Principal
from flatrender_render.controllers.node_api import NOTHING, SIGNED, caller_watched, node_of
from flatrender_render.errors import ClaimOver, NotProven, NotYourObject, ObjectNotThere
from flatrender_render.farm import wire
from flatrender_render.farm.rendition_wire import (
    RENDITIONS,
    RenditionAsk,
    RenditionBeat,
    RenditionMade,
)
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.services.held_renditions import HeldRendition, RenditionGateway

_FINISH = (ClaimOver, ObjectNotThere, NotProven, *SIGNED)
_UPLOAD = (NotFound, ClaimOver, NotYourObject, *SIGNED)


async def held_rendition(
    rendition_id: FromPath[UUID],
    epoch: FromPath[int],
    principal: NamedDependency[Principal],
    rendition_gateway: NamedDependency[RenditionGateway],
) -> HeldRendition:
    """Return the rendition that the path names, when it is or was the caller's."""
    return await rendition_gateway.held(node_of(principal), rendition_id, epoch)


class NodeRenditionController(Controller):
    """A node asks for finished videos that are wanted in another format."""

    path = RENDITIONS
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute

    @post(
        "/",
        status_code=200,
        operation_id="node_claim_rendition",
        summary="Ask for a format to make",
        responses={**NOTHING, **problem_responses(*SIGNED)},
    )
    async def claim(
        self,
        data: JSONBody[RenditionAsk],
        principal: NamedDependency[Principal],
        rendition_gateway: NamedDependency[RenditionGateway],
        request: Request[Any, Any, Any],
    ) -> Response[RenditionClaim | None]:
        """Return a rendition, waiting up to `wait` seconds for one; 204 when there is none."""
        async with caller_watched(request) as gone:
            found = await rendition_gateway.claim(node_of(principal), data, gone)
        return Response(found, status_code=200 if found else 204)


class NodeHeldRenditionController(Controller):
    """A node reads, writes and reports what belongs to its rendition."""

    path = f"{RENDITIONS}/{{rendition_id:uuid}}/{{epoch:int}}"
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute
    dependencies = {"held": Provide(held_rendition)}  # noqa: RUF012 - as above

    @post(
        "/beat",
        status_code=204,
        operation_id="node_beat_rendition",
        summary="Prolong the lease of a rendition",
        responses=problem_responses(NotFound, ClaimOver, *SIGNED),
    )
    async def beat(
        self, data: JSONBody[RenditionBeat], held: NamedDependency[HeldRendition]
    ) -> None:
        """Prolong the lease and tell the progress; 409 means that the work is not wanted."""
        await held.beat(data)

    @post(
        "/links",
        status_code=200,
        operation_id="node_rendition_links",
        summary="Presigned links of the video and of the result",
        responses=problem_responses(*_UPLOAD),
    )
    async def links(
        self, data: JSONBody[wire.Links], held: NamedDependency[HeldRendition]
    ) -> wire.PresignedLinks:
        """Return links to read the video and to write this attempt's result."""
        return await held.links(data)

    @post(
        "/uploads",
        status_code=200,
        operation_id="node_start_rendition_upload",
        summary="Begin an upload of a rendition in parts",
        responses=problem_responses(*_UPLOAD),
    )
    async def start_upload(
        self, data: JSONBody[wire.UploadStart], held: NamedDependency[HeldRendition]
    ) -> wire.UploadParts:
        """Return a link for each part; a part that was cut off is sent again alone."""
        return await held.start_upload(data)

    @post(
        "/uploads/end",
        status_code=200,
        operation_id="node_end_rendition_upload",
        summary="End an upload of a rendition in parts",
        responses=problem_responses(*_UPLOAD, ObjectNotThere),
    )
    async def end_upload(
        self, data: JSONBody[wire.UploadEnd], held: NamedDependency[HeldRendition]
    ) -> wire.Stored:
        """Put the parts together."""
        return await held.end_upload(data)

    @post(
        "/finish",
        status_code=204,
        operation_id="node_finish_rendition",
        summary="A proven rendition",
        responses=problem_responses(NotFound, Invalid, *_FINISH),
    )
    async def finish(
        self, data: JSONBody[RenditionMade], held: NamedDependency[HeldRendition]
    ) -> None:
        """Report a result that lies in the store; the farm decodes it before it answers. The same
        report again is fine."""
        await held.finish(data)

    @post(
        "/fail",
        status_code=204,
        operation_id="node_fail_rendition",
        summary="A failed attempt at a rendition",
        responses=problem_responses(NotFound, ClaimOver, *SIGNED),
    )
    async def fail(self, data: JSONBody[wire.Failed], held: NamedDependency[HeldRendition]) -> None:
        """Report why an attempt failed; the farm's rules decide what follows."""
        await held.fail(data)

    @post(
        "/release",
        status_code=204,
        operation_id="node_release_rendition",
        summary="Give a rendition back",
        responses=problem_responses(NotFound, *SIGNED),
    )
    async def release(self, held: NamedDependency[HeldRendition]) -> None:
        """Return a rendition unharmed: the node stops."""
        await held.give_back()
