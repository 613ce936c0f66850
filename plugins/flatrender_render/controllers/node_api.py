"""What render nodes outside call: /v1/node. Signed requests only; see ``farm.wire``."""

import asyncio
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import InvalidSignature, SignatureExpired, SignatureReplayed
from flatrender.security.guards import requires_node
from flatrender.security.principal import Principal
from flatrender_render.errors import ClaimOver, NotYourObject, ObjectNotThere
from flatrender_render.farm import wire
from flatrender_render.farm.claims import Claim
from flatrender_render.services.node_gateway import NodeGateway

_SIGNED = (InvalidSignature, SignatureExpired, SignatureReplayed)
_CLAIM = "/claims/{frame_job_id:uuid}/{epoch:int}"


def _node(principal: Principal) -> UUID:
    """Return the caller's node id; the guard has let only nodes pass."""
    assert principal.key_id is not None  # noqa: S101 - narrows the type; requires_node guards
    return principal.key_id


async def _hung_up(request: Request[Any, Any, Any], gone: asyncio.Event) -> None:
    """Set ``gone`` when the caller of a request that was read has closed its connection."""
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
        responses=problem_responses(*_SIGNED),
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
        return await gateway.hello(_node(principal), data, address)

    @post(
        "/pulse",
        status_code=200,
        operation_id="node_pulse",
        summary="A node lives",
        responses=problem_responses(*_SIGNED),
    )
    async def pulse(
        self,
        data: JSONBody[wire.Pulse],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> wire.PulseAnswer:
        """Tell how the node is; the answer names what it should do."""
        return await gateway.pulse(_node(principal), data)

    @post(
        "/bye",
        status_code=204,
        operation_id="node_bye",
        summary="A node stops",
        responses=problem_responses(*_SIGNED),
    )
    async def bye(
        self, principal: NamedDependency[Principal], gateway: NamedDependency[NodeGateway]
    ) -> None:
        """Tell that the node stops; what it still holds is given to others at once."""
        await gateway.bye(_node(principal))

    @post(
        "/commands/{command_id:uuid}",
        status_code=204,
        operation_id="node_command_done",
        summary="How an act went",
        responses=problem_responses(NotFound, *_SIGNED),
    )
    async def command_done(
        self,
        command_id: FromPath[UUID],
        data: JSONBody[wire.CommandResult],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Report the result of an act."""
        await gateway.command_done(_node(principal), command_id, data)

    @post(
        "/claims",
        status_code=200,
        operation_id="node_claim",
        summary="Ask for work",
        responses=problem_responses(*_SIGNED),
    )
    async def claim(
        self,
        data: JSONBody[wire.Ask],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
        request: Request[Any, Any, Any],
    ) -> Response[Claim | None]:
        """Return a frame job, waiting up to `wait` seconds for one; 204 when there is none."""
        gone = asyncio.Event()
        watch = asyncio.create_task(_hung_up(request, gone))
        try:
            found = await gateway.claim(_node(principal), data, gone)
        finally:
            watch.cancel()
        return Response(found, status_code=200 if found else 204)

    @post(
        f"{_CLAIM}/begin",
        status_code=204,
        operation_id="node_begin",
        summary="Work on a claim begins",
        responses=problem_responses(NotFound, *_SIGNED),
    )
    async def begin(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Say that work begins."""
        await gateway.begin(_node(principal), frame_job_id, epoch)

    @post(
        f"{_CLAIM}/beat",
        status_code=204,
        operation_id="node_beat",
        summary="Prolong a lease",
        responses=problem_responses(NotFound, ClaimOver, *_SIGNED),
    )
    async def beat(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Beat],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Prolong the lease and tell the progress; 409 means that the work is not wanted."""
        await gateway.beat(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/enter",
        status_code=204,
        operation_id="node_enter_step",
        summary="The assembly enters a step",
        responses=problem_responses(NotFound, ClaimOver, *_SIGNED),
    )
    async def enter(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Enter],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Tell that the job entered a step."""
        await gateway.enter(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/parts",
        status_code=200,
        operation_id="node_parts",
        summary="The pieces that an assembly joins",
        responses=problem_responses(NotFound, ClaimOver, *_SIGNED),
    )
    async def parts(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> wire.Parts:
        """Return the proven pieces in order."""
        return await gateway.parts(_node(principal), frame_job_id, epoch)

    @post(
        f"{_CLAIM}/complete",
        status_code=204,
        operation_id="node_complete",
        summary="A proven piece",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, ObjectNotThere, *_SIGNED),
    )
    async def complete(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Completed],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Report a piece that lies in the store. The same report again is fine."""
        await gateway.complete(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/finish",
        status_code=204,
        operation_id="node_finish",
        summary="The proven video",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, ObjectNotThere, *_SIGNED),
    )
    async def finish(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Finished],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Report the finished video and its pictures. The same report again is fine."""
        await gateway.finish(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/fail",
        status_code=204,
        operation_id="node_fail",
        summary="A failed attempt",
        responses=problem_responses(NotFound, ClaimOver, *_SIGNED),
    )
    async def fail(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Failed],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Report why an attempt failed; the farm's rules decide what follows."""
        await gateway.fail(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/damaged",
        status_code=204,
        operation_id="node_damaged",
        summary="Pieces that are not whole any more",
        responses=problem_responses(NotFound, ClaimOver, *_SIGNED),
    )
    async def damaged(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.DamageFound],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Report damaged pieces: they are made again, the assembly waits."""
        await gateway.damaged(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/release",
        status_code=204,
        operation_id="node_release",
        summary="Give a claim back",
        responses=problem_responses(NotFound, *_SIGNED),
    )
    async def release(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> None:
        """Return a claim unharmed: the node stops."""
        await gateway.give_back(_node(principal), frame_job_id, epoch)

    @post(
        f"{_CLAIM}/links",
        status_code=200,
        operation_id="node_links",
        summary="Presigned links of a claim's objects",
        responses=problem_responses(NotFound, NotYourObject, *_SIGNED),
    )
    async def links(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.Links],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> wire.PresignedLinks:
        """Return links to read what the claim uses and to write what the attempt makes."""
        return await gateway.links(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/uploads",
        status_code=200,
        operation_id="node_start_upload",
        summary="Begin an upload in parts",
        responses=problem_responses(NotFound, NotYourObject, *_SIGNED),
    )
    async def start_upload(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.UploadStart],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> wire.UploadParts:
        """Return a link for each part; a part that was cut off is sent again alone."""
        return await gateway.start_upload(_node(principal), frame_job_id, epoch, data)

    @post(
        f"{_CLAIM}/uploads/end",
        status_code=200,
        operation_id="node_end_upload",
        summary="End an upload in parts",
        responses=problem_responses(NotFound, NotYourObject, *_SIGNED),
    )
    async def end_upload(
        self,
        frame_job_id: FromPath[UUID],
        epoch: FromPath[int],
        data: JSONBody[wire.UploadEnd],
        principal: NamedDependency[Principal],
        gateway: NamedDependency[NodeGateway],
    ) -> wire.Stored:
        """Put the parts together."""
        return await gateway.end_upload(_node(principal), frame_job_id, epoch, data)
