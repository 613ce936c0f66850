"""The fleet for administrators of the farm: /v1/admin/nodes and /v1/admin/crashes."""

from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import runs_the_deployment
from flatrender.security.principal import Principal
from flatrender_render.fleet_schemas import (
    ActBody,
    Crash,
    CrashClass,
    NodeChart,
    NodeDetail,
    NodeKind,
    NodeSort,
    NodeStatus,
    NodeView,
    QuarantineBody,
)
from flatrender_render.services.fleet import ActNotForNode, FleetService

_Text = Annotated[str | None, QueryParameter(max_length=80)]


class AdminFleetController(Controller):
    """See machines and act on them."""

    path = "/v1/admin/nodes"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @get("/", operation_id="list_nodes", summary="List nodes", responses=problem_responses())
    async def nodes(
        self,
        fleet: NamedDependency[FleetService],
        page_params: NamedDependency[PageParams],
        status: FromQuery[NodeStatus | None] = None,
        kind: FromQuery[NodeKind | None] = None,
        engine: _Text = None,
        q: _Text = None,
        sort: FromQuery[NodeSort] = "name",
    ) -> Page[NodeView]:
        """Return the machines of the farm; ``q`` looks into name, host and region."""
        return await fleet.nodes(
            page_params, status=status, kind=kind, engine=engine, q=q, sort=sort
        )

    @get(
        "/{node_id:uuid}",
        operation_id="get_node",
        summary="Get a node",
        responses=problem_responses(NotFound),
    )
    async def node(
        self, node_id: FromPath[UUID], fleet: NamedDependency[FleetService]
    ) -> NodeDetail:
        """Return a machine with what it does now, its cache, fonts, crashes and acts."""
        return await fleet.node(node_id)

    @get(
        "/{node_id:uuid}/health",
        operation_id="get_node_health",
        summary="Chart a node's health",
        responses=problem_responses(NotFound),
    )
    async def health(
        self,
        node_id: FromPath[UUID],
        fleet: NamedDependency[FleetService],
        bucket: FromQuery[Literal["minute", "hour"]] = "minute",
        hours: Annotated[int, QueryParameter(ge=1, le=24 * 31)] = 3,
    ) -> NodeChart:
        """Return load, memory, disk, busy slots and frames by minute (at most a day) or hour."""
        return await fleet.chart(
            node_id, bucket=bucket, hours=min(hours, 24) if bucket == "minute" else hours
        )

    @post(
        "/{node_id:uuid}/drain",
        status_code=200,
        operation_id="drain_node",
        summary="Give a node no more work",
        responses=problem_responses(NotFound),
    )
    async def drain(
        self,
        node_id: FromPath[UUID],
        data: JSONBody[ActBody],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> NodeDetail:
        """Let a node finish what it does and give it nothing more, until it is released."""
        return await fleet.act(node_id, "drain", by=principal.user_id, reason=data.reason)

    @post(
        "/{node_id:uuid}/release",
        status_code=200,
        operation_id="release_node",
        summary="Give a node work again",
        responses=problem_responses(NotFound),
    )
    async def release(
        self,
        node_id: FromPath[UUID],
        data: JSONBody[ActBody],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> NodeDetail:
        """End a drain, a rest or a quarantine."""
        return await fleet.act(node_id, "release", by=principal.user_id, reason=data.reason)

    @post(
        "/{node_id:uuid}/restart",
        status_code=200,
        operation_id="restart_node",
        summary="Start a node outside anew",
        responses=problem_responses(NotFound, ActNotForNode),
    )
    async def restart(
        self,
        node_id: FromPath[UUID],
        data: JSONBody[ActBody],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> NodeDetail:
        """Tell a node to give its work back and start anew."""
        return await fleet.act(node_id, "restart", by=principal.user_id, reason=data.reason)

    @post(
        "/{node_id:uuid}/close-ae",
        status_code=200,
        operation_id="close_ae_on_node",
        summary="Close After Effects on a node",
        responses=problem_responses(NotFound, ActNotForNode),
    )
    async def close_ae(
        self,
        node_id: FromPath[UUID],
        data: JSONBody[ActBody],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> NodeDetail:
        """Tell a node to end After Effects with all its processes."""
        return await fleet.act(node_id, "close_ae", by=principal.user_id, reason=data.reason)

    @post(
        "/{node_id:uuid}/quarantine",
        status_code=200,
        operation_id="quarantine_node",
        summary="Set a node aside",
        responses=problem_responses(NotFound),
    )
    async def quarantine(
        self,
        node_id: FromPath[UUID],
        data: JSONBody[QuarantineBody],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> NodeDetail:
        """Give a node no work until an administrator releases it."""
        return await fleet.act(node_id, "quarantine", by=principal.user_id, reason=data.reason)

    @post(
        "/{node_id:uuid}/test-render",
        status_code=200,
        operation_id="test_render_on_node",
        summary="Let a node prove itself",
        responses=problem_responses(NotFound),
    )
    async def test_render(
        self,
        node_id: FromPath[UUID],
        data: JSONBody[ActBody],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> NodeDetail:
        """Let a node draw a small built-in composition and prove it; a pass lifts a quarantine
        that the farm itself laid on it."""
        return await fleet.act(node_id, "test_render", by=principal.user_id, reason=data.reason)


class AdminCrashController(Controller):
    """Crash reports of nodes."""

    path = "/v1/admin/crashes"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @get("/", operation_id="list_crashes", summary="List crashes", responses=problem_responses())
    async def crashes(
        self,
        fleet: NamedDependency[FleetService],
        page_params: NamedDependency[PageParams],
        node_id: FromQuery[UUID | None] = None,
        classification: FromQuery[CrashClass | None] = None,
        acknowledged: FromQuery[bool | None] = None,
    ) -> Page[Crash]:
        """Return crash reports, newest first."""
        return await fleet.crashes(
            page_params, node_id=node_id, classification=classification, acknowledged=acknowledged
        )

    @post(
        "/{crash_id:uuid}/acknowledge",
        status_code=200,
        operation_id="acknowledge_crash",
        summary="Acknowledge a crash",
        responses=problem_responses(NotFound),
    )
    async def acknowledge(
        self,
        crash_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        fleet: NamedDependency[FleetService],
    ) -> Crash:
        """Note that somebody has seen it; the first one stays."""
        return await fleet.acknowledge(principal, crash_id)
