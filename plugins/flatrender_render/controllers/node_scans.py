"""What render nodes outside call about full scans: /v1/node/scans. See ``farm.scan_wire``."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from flatrender.contracts.render import ScanClaim
from flatrender.errors import Invalid, NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_node
from flatrender.security.principal import Principal
from flatrender_render.controllers.node_api import NOTHING, SIGNED, caller_watched, node_of
from flatrender_render.errors import ClaimOver, NotYourObject
from flatrender_render.farm import wire
from flatrender_render.farm.scan_wire import (
    RESULT_BYTES,
    SCANS,
    ScanFound,
    ScanRefused,
)
from flatrender_render.services.held_scans import HeldScan
from flatrender_render.services.scan_gateway import ScanGateway

_REPORT = (NotFound, ClaimOver, Invalid, *SIGNED)


async def held_scan(
    scan_id: FromPath[UUID],
    epoch: FromPath[int],
    principal: NamedDependency[Principal],
    scan_gateway: NamedDependency[ScanGateway],
) -> HeldScan:
    """Return the scan that the path names, when it is or was the caller's."""
    return await scan_gateway.held(node_of(principal), scan_id, epoch)


class NodeScanController(Controller):
    """A node with After Effects asks for designers' projects."""

    path = SCANS
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute

    @post(
        "/",
        status_code=200,
        operation_id="node_claim_scan",
        summary="Ask for a project to read",
        responses={**NOTHING, **problem_responses(*SIGNED)},
    )
    async def claim(
        self,
        data: JSONBody[wire.Ask],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
        request: Request[Any, Any, Any],
    ) -> Response[ScanClaim | None]:
        """Return a scan, waiting up to `wait` seconds for one; 204 when there is none."""
        async with caller_watched(request) as gone:
            found = await scan_gateway.claim(node_of(principal), data, gone)
        return Response(found, status_code=200 if found else 204)


class NodeHeldScanController(Controller):
    """A node reads and reports what belongs to its scan."""

    path = f"{SCANS}/{{scan_id:uuid}}/{{epoch:int}}"
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute
    dependencies = {"held": Provide(held_scan)}  # noqa: RUF012 - as above

    @post(
        "/beat",
        status_code=204,
        operation_id="node_beat_scan",
        summary="Prolong the lease of a scan",
        responses=problem_responses(NotFound, ClaimOver, *SIGNED),
    )
    async def beat(
        self,
        held: NamedDependency[HeldScan],
    ) -> None:
        """Prolong the lease; 409 means that the result is not wanted."""
        await held.beat()

    @post(
        "/links",
        status_code=200,
        operation_id="node_scan_links",
        summary="A presigned link to the project",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, *SIGNED),
    )
    async def links(
        self,
        data: JSONBody[wire.Links],
        held: NamedDependency[HeldScan],
    ) -> wire.PresignedLinks:
        """Return a link to read the project; nothing can be written."""
        return await held.links(data)

    @post(
        "/finish",
        status_code=204,
        operation_id="node_finish_scan",
        summary="What a project holds",
        request_max_body_size=RESULT_BYTES,
        responses=problem_responses(*_REPORT),
    )
    async def finish(
        self,
        data: JSONBody[ScanFound],
        held: NamedDependency[HeldScan],
    ) -> None:
        """Report what was found. The same report again is fine."""
        await held.finish(data)

    @post(
        "/refuse",
        status_code=204,
        operation_id="node_refuse_scan",
        summary="A file that is no project",
        responses=problem_responses(*_REPORT),
    )
    async def refuse(
        self,
        data: JSONBody[ScanRefused],
        held: NamedDependency[HeldScan],
    ) -> None:
        """Report every reason why the file is no project; the scan fails with them."""
        await held.refuse(data)

    @post(
        "/fail",
        status_code=204,
        operation_id="node_fail_scan",
        summary="A failed attempt at a scan",
        responses=problem_responses(*_REPORT),
    )
    async def fail(
        self,
        data: JSONBody[wire.Failed],
        held: NamedDependency[HeldScan],
    ) -> None:
        """Report why an attempt failed; the farm's rules decide what follows."""
        await held.fail(data)

    @post(
        "/release",
        status_code=204,
        operation_id="node_release_scan",
        summary="Give a scan back",
        responses=problem_responses(NotFound, *SIGNED),
    )
    async def release(
        self,
        held: NamedDependency[HeldScan],
    ) -> None:
        """Return a scan unharmed: the node stops."""
        await held.give_back()
