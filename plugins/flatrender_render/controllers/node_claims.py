"""What a render node outside does with a claim: /v1/node/claims/{frame_job_id}/{epoch}."""

from uuid import UUID

from litestar import Controller, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.guards import requires_node
from flatrender.security.principal import Principal
from flatrender_render.controllers.node_api import SIGNED, node_of
from flatrender_render.errors import (
    ActNotOfClaim,
    ClaimOver,
    NotProven,
    NotYourObject,
    ObjectNotThere,
)
from flatrender_render.farm import wire
from flatrender_render.services.held_claims import HeldClaim
from flatrender_render.services.node_gateway import NodeGateway


async def held_claim(
    frame_job_id: FromPath[UUID],
    epoch: FromPath[int],
    principal: NamedDependency[Principal],
    gateway: NamedDependency[NodeGateway],
) -> HeldClaim:
    """Return the claim that the path names, when it is or was the caller's."""
    return await gateway.held(node_of(principal), frame_job_id, epoch)


class NodeClaimController(Controller):
    """A node reads, writes and reports what belongs to its claim."""

    path = f"{wire.API}/claims/{{frame_job_id:uuid}}/{{epoch:int}}"
    tags = ("render",)
    guards = (requires_node,)
    opt = {"auth": "node", "query": ("n",)}  # noqa: RUF012 - Litestar reads the class attribute
    dependencies = {"held": Provide(held_claim)}  # noqa: RUF012 - as above

    @post(
        "/begin",
        status_code=204,
        operation_id="node_begin",
        summary="Work on a claim begins",
        responses=problem_responses(NotFound, *SIGNED),
    )
    async def begin(
        self,
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Say that work begins."""
        await held.begin()

    @post(
        "/beat",
        status_code=204,
        operation_id="node_beat",
        summary="Prolong a lease",
        responses=problem_responses(NotFound, ClaimOver, *SIGNED),
    )
    async def beat(
        self,
        data: JSONBody[wire.Beat],
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Prolong the lease and tell the progress; 409 means that the work is not wanted."""
        await held.beat(data)

    @post(
        "/enter",
        status_code=204,
        operation_id="node_enter_step",
        summary="The assembly enters a step",
        responses=problem_responses(NotFound, ClaimOver, ActNotOfClaim, *SIGNED),
    )
    async def enter(
        self,
        data: JSONBody[wire.Enter],
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Tell that the job entered a step."""
        await held.enter(data)

    @post(
        "/parts",
        status_code=200,
        operation_id="node_parts",
        summary="The pieces that an assembly joins",
        responses=problem_responses(NotFound, ClaimOver, ActNotOfClaim, *SIGNED),
    )
    async def parts(
        self,
        held: NamedDependency[HeldClaim],
    ) -> wire.Parts:
        """Return the proven pieces in order."""
        return await held.parts()

    @post(
        "/complete",
        status_code=204,
        operation_id="node_complete",
        request_max_body_size=wire.REPORT_BYTES,
        summary="A proven piece",
        responses=problem_responses(
            NotFound, ClaimOver, ActNotOfClaim, NotYourObject, ObjectNotThere, *SIGNED
        ),
    )
    async def complete(
        self,
        data: JSONBody[wire.Completed],
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Report a piece that lies in the store. The same report again is fine."""
        await held.complete(data)

    @post(
        "/finish",
        status_code=204,
        operation_id="node_finish",
        request_max_body_size=wire.REPORT_BYTES,
        summary="The proven video",
        responses=problem_responses(
            NotFound, ClaimOver, ActNotOfClaim, NotYourObject, ObjectNotThere, NotProven, *SIGNED
        ),
    )
    async def finish(
        self,
        data: JSONBody[wire.Finished],
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Report the finished video and its pictures; the farm decodes them before it answers.
        The same report again is fine."""
        await held.finish(data)

    @post(
        "/fail",
        status_code=204,
        operation_id="node_fail",
        summary="A failed attempt",
        responses=problem_responses(NotFound, ClaimOver, *SIGNED),
    )
    async def fail(
        self,
        data: JSONBody[wire.Failed],
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Report why an attempt failed; the farm's rules decide what follows."""
        await held.fail(data)

    @post(
        "/damaged",
        status_code=204,
        operation_id="node_damaged",
        summary="Pieces that are not whole any more",
        responses=problem_responses(NotFound, ClaimOver, ActNotOfClaim, *SIGNED),
    )
    async def damaged(
        self,
        data: JSONBody[wire.DamageFound],
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Report damaged pieces: they are made again, the assembly waits."""
        await held.damaged(data)

    @post(
        "/release",
        status_code=204,
        operation_id="node_release",
        summary="Give a claim back",
        responses=problem_responses(NotFound, *SIGNED),
    )
    async def release(
        self,
        held: NamedDependency[HeldClaim],
    ) -> None:
        """Return a claim unharmed: the node stops."""
        await held.give_back()

    @post(
        "/links",
        status_code=200,
        operation_id="node_links",
        summary="Presigned links of a claim's objects",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, *SIGNED),
    )
    async def links(
        self,
        data: JSONBody[wire.Links],
        held: NamedDependency[HeldClaim],
    ) -> wire.PresignedLinks:
        """Return links to read what the claim uses and to write what the attempt makes."""
        return await held.links(data)

    @post(
        "/uploads",
        status_code=200,
        operation_id="node_start_upload",
        summary="Begin an upload in parts",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, *SIGNED),
    )
    async def start_upload(
        self,
        data: JSONBody[wire.UploadStart],
        held: NamedDependency[HeldClaim],
    ) -> wire.UploadParts:
        """Return a link for each part; a part that was cut off is sent again alone."""
        return await held.start_upload(data)

    @post(
        "/uploads/end",
        status_code=200,
        operation_id="node_end_upload",
        summary="End an upload in parts",
        responses=problem_responses(NotFound, ClaimOver, NotYourObject, ObjectNotThere, *SIGNED),
    )
    async def end_upload(
        self,
        data: JSONBody[wire.UploadEnd],
        held: NamedDependency[HeldClaim],
    ) -> wire.Stored:
        """Put the parts together."""
        return await held.end_upload(data)
