"""What render nodes outside call: /v1/node. Signed requests only; see ``farm.wire``.

The acts on a claim are in ``node_claims``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import InvalidSignature, SignatureExpired, SignatureReplayed
from flatrender.security.guards import requires_node
from flatrender.security.principal import Principal
from flatrender_render.errors import NotYourObject
from flatrender_render.farm import wire
from flatrender_render.farm.claims import Claim
from flatrender_render.services.node_gateway import NodeGateway

SIGNED = (InvalidSignature, SignatureExpired, SignatureReplayed)
#: What asking for work may come to as well.
NOTHING = {204: ResponseSpec(None, generate_examples=False, description="There is nothing to do")}


def node_of(principal: Principal) -> UUID:
    """Return the caller's node id; the guard has let only nodes pass."""
    assert principal.key_id is not None  # noqa: S101 - narrows the type; requires_node guards
    return principal.key_id


@contextlib.asynccontextmanager
async def caller_watched(request: Request[Any, Any, Any]) -> AsyncIterator[asyncio.Event]:
    """Set the event when the caller of a request that was read has closed its connection."""
    gone = asyncio.Event()
    watch = asyncio.create_task(_hung_up(request, gone))
    try:
        yield gone
    finally:
        watch.cancel()


async def _hung_up(request: Request[Any, Any, Any], gone: asyncio.Event) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


class NodeController(Controller):
    """A node joins, tells how it is, and takes work."""

    path = wire.API
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute

    @post(
        "/hello",
        status_code=200,
        operation_id="node_hello",
        summary="A node starts",
        responses=problem_responses(*SIGNED),
    )
    async def hello(
        self,
        data: JSONBody[wire.Hello],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
        request: Request[Any, Any, Any],
    ) -> wire.Welcome:
        """Tell what the node is and can do. What an earlier run of it held is given to others."""
        address = request.client.host if request.client else None
        return await gateway.hello(node_of(principal), data, address)

    @post(
        "/pulse",
        status_code=200,
        operation_id="node_pulse",
        summary="A node lives",
        responses=problem_responses(*SIGNED),
    )
    async def pulse(
        self,
        data: JSONBody[wire.Pulse],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> wire.PulseAnswer:
        """Tell how the node is; the answer names what it should do."""
        return await gateway.pulse(node_of(principal), data)

    @post(
        "/bye",
        status_code=204,
        operation_id="node_bye",
        summary="A node stops",
        responses=problem_responses(*SIGNED),
    )
    async def bye(
        self, principal: NamedDependency[Principal], gateway: NamedDependency[NodeGateway]
    ) -> None:
        """Tell that the node stops; what it still holds is given to others at once."""
        await gateway.bye(node_of(principal))

    @post(
        "/commands/{command_id:uuid}",
        status_code=204,
        operation_id="node_command_done",
        summary="How an act went",
        responses=problem_responses(NotFound, *SIGNED),
    )
    async def command_done(
        self,
        command_id: FromPath[UUID],
        data: JSONBody[wire.CommandResult],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Report the result of an act."""
        await gateway.command_done(node_of(principal), command_id, data)

    @post(
        "/claims",
        status_code=200,
        operation_id="node_claim",
        summary="Ask for work",
        responses={**NOTHING, **problem_responses(*SIGNED)},
    )
    async def claim(
        self,
        data: JSONBody[wire.Ask],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
        request: Request[Any, Any, Any],
    ) -> Response[Claim | None]:
        """Return a frame job, waiting up to `wait` seconds for one; 204 when there is none."""
        async with caller_watched(request) as gone:
            found = await gateway.claim(node_of(principal), data, gone)
        return Response(found, status_code=200 if found else 204)

    @post(
        "/claims/batch",
        status_code=200,
        operation_id="node_claim_many",
        summary="Ask for work for several slots",
        responses={**NOTHING, **problem_responses(*SIGNED)},
    )
    async def claim_many(
        self,
        data: JSONBody[wire.AskMany],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
        request: Request[Any, Any, Any],
    ) -> Response[wire.Claims | None]:
        """Return up to `most` frame jobs, waiting up to `wait` seconds for the first; 204 when
        there is none. No node gets more at once than its slots."""
        async with caller_watched(request) as gone:
            found = await gateway.claim_many(node_of(principal), data, gone)
        answer = wire.Claims(claims=found) if found else None
        return Response(answer, status_code=200 if found else 204)

    @post(
        "/fonts/links",
        status_code=200,
        operation_id="node_font_links",
        summary="Presigned links of fonts to install",
        responses=problem_responses(NotYourObject, *SIGNED),
    )
    async def font_links(
        self, data: JSONBody[wire.Links], gateway: NamedDependency[NodeGateway]
    ) -> wire.PresignedLinks:
        """Return links to the files of the farm's fonts."""
        return await gateway.font_links(data)
