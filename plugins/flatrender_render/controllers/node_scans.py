"""What render nodes outside call about full scans: /v1/node/scans. See ``farm.scan_wire``."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.contracts.render import ScanClaim
from flatrender.errors import Invalid, NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_node
from flatrender.security.principal import Principal
from flatrender_render.controllers.node_api import SIGNED, caller_watched, node_of
from flatrender_render.errors import ClaimOver, NotYourObject
from flatrender_render.farm import wire
from flatrender_render.farm.scan_wire import (
    RESULT_BYTES,
    SCANS,
    ScanFailed,
    ScanFound,
    ScanRefused,
)
from flatrender_render.services.scan_gateway import ScanGateway

_CLAIM = "/{scan_id:uuid}/{epoch:int}"
_REPORT = (NotFound, ClaimOver, Invalid, *SIGNED)


class NodeScanController(Controller):
    """A node with After Effects reads designers' projects."""

    path = SCANS
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute

    @post(
        "/",
        status_code=200,
        operation_id="node_claim_scan",
        summary="Ask for a project to read",
        responses=problem_responses(*SIGNED),
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

    @post(
        f"{_CLAIM}/beat",
        status_code=204,
        operation_id="node_beat_scan",
        summary="Prolong the lease of a scan",
        responses=problem_responses(NotFound, ClaimOver, *SIGNED),
    )
    async def beat(
        self,
        scan_id: FromPath[UUID],
        epoch: FromPath[int],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
    ) -> None:
        """Prolong the lease; 409 means that the result is not wanted."""
        await scan_gateway.beat(node_of(principal), scan_id, epoch)

    @post(
        f"{_CLAIM}/links",
        status_code=200,
        operation_id="node_scan_links",
        summary="A presigned link to the project",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, *SIGNED),
    )
    async def links(
        self,
        scan_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Links],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
    ) -> wire.PresignedLinks:
        """Return a link to read the project; nothing can be written."""
        return await scan_gateway.links(node_of(principal), scan_id, epoch, data)

    @post(
        f"{_CLAIM}/finish",
        status_code=204,
        operation_id="node_finish_scan",
        summary="What a project holds",
        request_max_body_size=RESULT_BYTES,
        responses=problem_responses(*_REPORT),
    )
    async def finish(
        self,
        scan_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[ScanFound],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
    ) -> None:
        """Report what was found. The same report again is fine."""
        await scan_gateway.finish(node_of(principal), scan_id, epoch, data)

    @post(
        f"{_CLAIM}/refuse",
        status_code=204,
        operation_id="node_refuse_scan",
        summary="A file that is no project",
        responses=problem_responses(*_REPORT),
    )
    async def refuse(
        self,
        scan_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[ScanRefused],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
    ) -> None:
        """Report every reason why the file is no project; the scan fails with them."""
        await scan_gateway.refuse(node_of(principal), scan_id, epoch, data)

    @post(
        f"{_CLAIM}/fail",
        status_code=204,
        operation_id="node_fail_scan",
        summary="A failed attempt at a scan",
        responses=problem_responses(*_REPORT),
    )
    async def fail(
        self,
        scan_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[ScanFailed],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
    ) -> None:
        """Report why an attempt failed; the farm's rules decide what follows."""
        await scan_gateway.fail(node_of(principal), scan_id, epoch, data)

    @post(
        f"{_CLAIM}/release",
        status_code=204,
        operation_id="node_release_scan",
        summary="Give a scan back",
        responses=problem_responses(NotFound, *SIGNED),
    )
    async def release(
        self,
        scan_id: FromPath[UUID],
        epoch: FromPath[int],
        principal: NamedDependency[Principal],
        scan_gateway: NamedDependency[ScanGateway],
    ) -> None:
        """Return a scan unharmed: the node stops."""
        await scan_gateway.give_back(node_of(principal), scan_id, epoch)
