"""The render context's manifest: what it owns, offers and needs."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from litestar.di import Provide

from flatrender.contracts import render as contract
from flatrender.contracts.identity import RenderEntitlements, TenantDirectory, TokenIssuer
from flatrender.contracts.studio import SavedProjects
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender.security.ports import NodeAuthenticator, SessionLedger
from flatrender.security.tokens import KeySource
from flatrender_render.controllers.admin_acts import AdminActController
from flatrender_render.controllers.admin_fleet import AdminCrashController, AdminFleetController
from flatrender_render.controllers.admin_fonts import AdminFarmFontController
from flatrender_render.controllers.admin_nodes import AdminNodeController
from flatrender_render.controllers.admin_rules import AdminRuleController
from flatrender_render.controllers.admin_tenant_shares import AdminTenantShareController
from flatrender_render.controllers.batch_streams import BatchStreamController, watch_batch
from flatrender_render.controllers.batches import BatchController, BatchTemplateController
from flatrender_render.controllers.exports import ExportController
from flatrender_render.controllers.job_acts import AdminJobController, JobActController
from flatrender_render.controllers.jobs import JobController
from flatrender_render.controllers.node_api import NodeController
from flatrender_render.controllers.node_claims import NodeClaimController
from flatrender_render.controllers.node_renditions import (
    NodeHeldRenditionController,
    NodeRenditionController,
)
from flatrender_render.controllers.node_scans import NodeHeldScanController, NodeScanController
from flatrender_render.controllers.scene_snapshots import (
    SceneSnapshotController,
    follow_public_snapshot,
)
from flatrender_render.controllers.schemas import SchemaController
from flatrender_render.controllers.shares import PublicShareController, ShareController
from flatrender_render.controllers.snapshots import SnapshotController
from flatrender_render.controllers.streams import StreamController, watch_render
from flatrender_render.farm import expiry, fonts, leftovers, renditions, scan_wake
from flatrender_render.farm.gauges import METRICS
from flatrender_render.farm.node import Node
from flatrender_render.farm.runner import Runner
from flatrender_render.farm.wake import SCHEDULES, TASKS, WORK
from flatrender_render.services import batches, erasure
from flatrender_render.services.acts import ActService
from flatrender_render.services.batch_streams import BatchStreamService
from flatrender_render.services.batch_views import BatchViews
from flatrender_render.services.farm_acts import FarmActService
from flatrender_render.services.farm_fonts import FarmFontService
from flatrender_render.services.figures import FigureService
from flatrender_render.services.fleet import FleetService
from flatrender_render.services.held_renditions import RenditionGateway
from flatrender_render.services.history import HistoryService
from flatrender_render.services.inspector import InspectorService
from flatrender_render.services.jobs import JobService
from flatrender_render.services.node_gateway import NodeGateway
from flatrender_render.services.node_signatures import NodeSignatures
from flatrender_render.services.nodes import NodeRegister
from flatrender_render.services.outputs import OutputService
from flatrender_render.services.packages import PackageUses
from flatrender_render.services.rules import RuleService
from flatrender_render.services.scan_gateway import ScanGateway
from flatrender_render.services.scans import ScanService
from flatrender_render.services.scene_snapshots import SceneSnapshotService
from flatrender_render.services.second_look import SecondLook
from flatrender_render.services.shares import ShareService
from flatrender_render.services.snapshots import SnapshotService
from flatrender_render.services.streams import StreamService
from flatrender_render.services.tenant_shares import TenantShareService
from flatrender_render.services.views import ViewService


class RenderPlugin(FlatRenderPlugin):
    """Render jobs, live progress, snapshots and exports."""

    manifest: ClassVar[Manifest] = Manifest(
        name="render",
        schema="render",
        summary="Render jobs, live progress, snapshots and exports.",
        controllers=(
            JobController,
            JobActController,
            AdminJobController,
            AdminRuleController,
            StreamController,
            watch_render,
            SnapshotController,
            ExportController,
            ShareController,
            PublicShareController,
            SchemaController,
            SceneSnapshotController,
            follow_public_snapshot,
            BatchController,
            BatchTemplateController,
            BatchStreamController,
            watch_batch,
            NodeController,
            NodeScanController,
            NodeHeldScanController,
            NodeRenditionController,
            NodeHeldRenditionController,
            NodeClaimController,
            AdminNodeController,
            AdminFleetController,
            AdminCrashController,
            AdminFarmFontController,
            AdminTenantShareController,
            AdminActController,
        ),
        tasks=(
            *TASKS,
            *scan_wake.TASKS,
            *renditions.TASKS,
            *expiry.TASKS,
            *leftovers.TASKS,
            *batches.TASKS,
        ),
        schedules=(
            *SCHEDULES,
            *scan_wake.SCHEDULES,
            *renditions.SCHEDULES,
            *expiry.SCHEDULES,
            *leftovers.SCHEDULES,
            *batches.SCHEDULES,
        ),
        subscriptions=(
            *fonts.SUBSCRIPTIONS,
            *renditions.SUBSCRIPTIONS,
            *batches.SUBSCRIPTIONS,
            *erasure.SUBSCRIPTIONS,
        ),
        offers=(
            contract.TemplateInspector,
            contract.ScanJobs,
            contract.RenderPackages,
            contract.PersonJobs,
            NodeAuthenticator,
        ),
        needs=(
            SavedProjects,
            RenderEntitlements,
            TenantDirectory,
            TokenIssuer,
            KeySource,
            SessionLedger,
        ),
        emits=(
            contract.JobQueued,
            contract.JobStarted,
            contract.JobProgress,
            contract.JobCompleted,
            contract.JobFailed,
            contract.JobCancelled,
            contract.ExportExpiring,
            contract.ExportDeleted,
            contract.RenditionCompleted,
            contract.NodeOnline,
            contract.NodeCrashed,
            contract.ScanQueued,
        ),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return the render context's services by the names handlers use."""
        return self.provide(
            {
                "jobs": JobService,
                "acts": ActService,
                "history": HistoryService,
                "rules": RuleService,
                "views": ViewService,
                "streams": StreamService,
                "snapshots": SnapshotService,
                "outputs": OutputService,
                "scene_snapshots": SceneSnapshotService,
                "shares": ShareService,
                "batches": batches.BatchService,
                "batch_views": BatchViews,
                "batch_streams": BatchStreamService,
                "gateway": NodeGateway,
                "scan_gateway": ScanGateway,
                "rendition_gateway": RenditionGateway,
                "node_register": NodeRegister,
                "fleet": FleetService,
                "farm_fonts": FarmFontService,
                "farm_acts": FarmActService,
                "tenant_shares": TenantShareService,
                "drain": lambda context: context.infra.drain,
            }
        )

    def ports(self) -> Mapping[type[Any], Any]:
        """Return the implementations of what render offers."""
        return {
            contract.TemplateInspector: self.context.get(InspectorService),
            contract.ScanJobs: self.context.get(ScanService),
            contract.RenderPackages: self.context.get(PackageUses),
            contract.PersonJobs: self.context.get(FigureService),
            NodeAuthenticator: self.context.get(NodeSignatures),
        }

    async def start(self) -> None:
        """Let scrapes of the metrics read the farm."""
        METRICS.attach(self.context.db)

    async def take_up(self, queues: Collection[str]) -> None:
        """Join the farm: an idle machine is seen, counted on and can be acted on before it has
        had a piece."""
        if WORK.queue in queues:
            self.context.get(Runner)  # carries out what the farm asks of the node
            await self.context.get(Node).identity()

    def wind_down(self) -> None:
        """Claim no more frame jobs: this process is about to stop."""
        if runner := self.context.made(Runner):
            runner.wind_down()

    async def stop(self) -> None:
        """Leave the farm and end the render processes."""
        METRICS.detach(self.context.db)
        if node := self.context.made(Node):
            await node.leave()
        if runner := self.context.made(Runner):
            await runner.close()
        if look := self.context.made(SecondLook):
            await look.close()
        if inspector := self.context.made(InspectorService):
            await inspector.close()
