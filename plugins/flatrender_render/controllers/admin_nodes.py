"""Nodes for administrators of the farm: /v1/admin/nodes."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_step_up, runs_the_deployment
from flatrender.security.principal import Principal
from flatrender_render.fleet_schemas import WhyQuery
from flatrender_render.services.nodes import EnrolledNode, NodeNameTaken, NodeRegister


class EnrolBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A machine that joins. Limits: bits per second, bytes."""

    name: Annotated[
        str, Meta(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$(?!\n)")
    ]
    region: Annotated[str, Meta(max_length=60)] = ""
    only_tenant_id: UUID | None = None
    bandwidth_limit_bps: Annotated[int, Meta(ge=64_000)] | None = None
    cache_budget_bytes: Annotated[int, Meta(ge=0)] | None = None


class AdminNodeController(Controller):
    """Enrol machines outside, change their secrets, take them out.

    A node reads what customers uploaded, so making one asks for a fresh second factor.
    """

    path = "/v1/admin/nodes"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @post(
        "/",
        status_code=201,
        operation_id="enrol_node",
        summary="Enrol a machine outside",
        guards=[requires_step_up()],
        opt={"idempotent": True},
        responses=problem_responses(NodeNameTaken, StepUpRequired),
    )
    async def enrol(
        self,
        data: JSONBody[EnrolBody],
        principal: NamedDependency[Principal],
        node_register: NamedDependency[NodeRegister],
    ) -> EnrolledNode:
        """Make a node and its signing secret, which is shown this once."""
        return await node_register.enrol(
            principal,
            name=data.name,
            region=data.region,
            only_tenant_id=data.only_tenant_id,
            bandwidth_limit_bps=data.bandwidth_limit_bps,
            cache_budget_bytes=data.cache_budget_bytes,
        )

    @post(
        "/{node_id:uuid}/secret",
        status_code=201,
        operation_id="rotate_node_secret",
        summary="Change a node's secret",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def rotate(
        self,
        node_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        node_register: NamedDependency[NodeRegister],
        reason: WhyQuery = "",
    ) -> EnrolledNode:
        """Make a new secret; the former one holds for a day more."""
        return await node_register.rotate(node_id, by=principal.user_id, reason=reason)

    @delete(
        "/{node_id:uuid}",
        operation_id="remove_node",
        summary="Take a node out",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def remove(
        self,
        node_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        node_register: NamedDependency[NodeRegister],
        reason: WhyQuery = "",
    ) -> None:
        """Take a node out of the farm; what it holds goes to others when its leases end."""
        await node_register.remove(node_id, by=principal.user_id, reason=reason)
